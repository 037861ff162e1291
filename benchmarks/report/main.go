// Command report draws what benchmarks/load has measured: one HTML page that needs nothing else, with a plot for each
// figure, of one run or of two that are compared.
//
//	go run ./benchmarks/report                                   # the newest run
//	go run ./benchmarks/report before.json after.json
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

func main() {
	os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
}

// command is main with its surroundings as arguments; it returns the exit code.
func command(args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("report", flag.ContinueOnError)
	f.SetOutput(stderr)
	dir := f.String("results", "benchmarks/results", "where load runs are, of which the newest is taken if none is named")
	out := f.String("o", "", "the page; empty: report.html among the results")
	f.Usage = func() {
		fmt.Fprint(stderr, "Draws a run of benchmarks/load, or compares two.\n\n  go run ./benchmarks/report [flags] [run.json | before.json after.json]\n\n")
		f.PrintDefaults()
	}
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if f.NArg() > 2 {
		fmt.Fprintf(stderr, "report: one run can be drawn, or two compared; %d were named\n", f.NArg())
		return 2
	}
	if *out == "" {
		*out = filepath.Join(*dir, "report.html")
	}
	if err := report(f.Args(), *dir, *out); err != nil {
		fmt.Fprintln(stderr, "report:", err)
		return 1
	}
	fmt.Fprintln(stdout, "written to", *out)
	return 0
}

// report reads the named files, or the newest one in dir, and writes the page.
func report(names []string, dir, out string) error {
	if len(names) == 0 {
		// Their names are times.
		found, err := filepath.Glob(filepath.Join(dir, "load-*.json"))
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("there is no load-*.json in %s: make one with go run ./benchmarks/load, or name one", dir)
		}
		names = []string{slices.Max(found)}
	}
	var runs []*result.Run
	for _, name := range names {
		r, err := result.Read(name)
		if err != nil {
			return err
		}
		runs = append(runs, r)
	}
	var page bytes.Buffer
	if err := render(&page, runs); err != nil {
		return err
	}
	return os.WriteFile(out, page.Bytes(), 0o600)
}
