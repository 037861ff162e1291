package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

func main() {
	// The first signal ends the run early, with its figures; the second one ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1 // it went wrong, or a limit was not kept
	exitUsage  = 2
)

// command is main with its surroundings as arguments; it returns the exit code.
func command(ctx context.Context, args []string, stdout io.Writer, stderr *os.File) int {
	o, err := parse(args, stdout)
	switch {
	case errors.Is(err, errHelp):
		return exitDone
	case err != nil:
		fmt.Fprintf(stderr, "load: %v\n", err)
		return exitUsage
	}
	var show *progress
	if !o.quiet {
		show = newProgress(stderr)
	}
	x, err := newExperiment(ctx, o, show)
	if err != nil {
		fmt.Fprintf(stderr, "load: %v\n", err)
		return exitFailed
	}
	code := x.report(ctx, stdout, stderr)
	if err := x.close(); err != nil {
		fmt.Fprintf(stderr, "load: %v\n", err)
		return exitFailed
	}
	return code
}

// report runs, and prints and saves what came of it.
func (x *experiment) report(ctx context.Context, stdout, stderr io.Writer) int {
	var (
		r   *result.Run
		err error
	)
	if x.o.findMax {
		r, err = x.findMax(ctx)
	} else {
		r, err = x.once(ctx, x.o.sessions)
	}
	code := exitDone
	if err != nil {
		fmt.Fprintf(stderr, "load: %v\n", err)
		code = exitFailed
	}
	if r == nil {
		return exitFailed
	}
	printResult(stdout, r)
	if !x.kept(r, stdout) {
		code = exitFailed
	}
	if x.o.out == "" {
		return code
	}
	name, err := result.Save(x.o.out, r)
	if err != nil {
		fmt.Fprintf(stderr, "load: the result could not be saved: %v\n", err)
		return exitFailed
	}
	fmt.Fprintf(stdout, "\nwritten to %s\n", name)
	return code
}

// kept says whether the limits were kept, where somebody asked.
func (x *experiment) kept(r *result.Run, stdout io.Writer) bool {
	if x.o.findMax {
		return r.Search.Best > 0
	}
	if !x.o.limited {
		return true
	}
	v := x.o.judge(r)
	if v.holds {
		fmt.Fprintln(stdout, "\nthe limits were kept")
		return true
	}
	fmt.Fprintf(stdout, "\na limit was not kept: %s\n", v.why)
	return false
}
