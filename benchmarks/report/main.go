// Command report draws what benchmarks/load or benchmarks/peers has measured: one HTML page that needs nothing else, with a plot for each
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
	"strings"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

func main() {
	os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
}

// command is main with its surroundings as arguments; it returns the exit code.
func command(args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("report", flag.ContinueOnError)
	f.SetOutput(stderr)
	dir := f.String("results", "benchmarks/results", "where runs are, of which the newest is taken if none is named")
	out := f.String("o", "", "the page; empty: report.html among the results")
	f.Usage = func() {
		fmt.Fprint(stderr, "Draws a run of benchmarks/load or benchmarks/peers, or compares two.\n\n  go run ./benchmarks/report [flags] [run.json | before.json after.json]\n\n")
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
		name, err := newest(dir)
		if err != nil {
			return err
		}
		names = []string{name}
	}
	draw, err := drawer(names)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := draw(&page); err != nil {
		return err
	}
	return os.WriteFile(out, page.Bytes(), 0o600)
}

// newest is the newest run in dir, of whatever kind. Their names end with times.
func newest(dir string) (string, error) {
	var found []string
	for _, kind := range []string{"load", "peers"} {
		some, err := filepath.Glob(filepath.Join(dir, kind+"-*.json"))
		if err != nil {
			return "", err
		}
		found = append(found, some...)
	}
	if len(found) == 0 {
		return "", fmt.Errorf("there is no load-*.json or peers-*.json in %s: make one with go run ./benchmarks/load, or name one", dir)
	}
	return slices.MaxFunc(found, func(a, b string) int {
		_, a, _ = strings.Cut(filepath.Base(a), "-")
		_, b, _ = strings.Cut(filepath.Base(b), "-")
		return strings.Compare(a, b)
	}), nil
}

// drawer reads runs, which must be of one kind, and returns what draws them.
func drawer(names []string) (func(w io.Writer) error, error) {
	kind, err := result.KindOf(names[0])
	if err != nil {
		return nil, err
	}
	if kind == result.PeersKind {
		runs, err := all(names, result.ReadPeers)
		return func(w io.Writer) error { return renderPeers(w, runs) }, err
	}
	runs, err := all(names, result.Read)
	return func(w io.Writer) error { return render(w, runs) }, err
}

func all[R any](names []string, read func(name string) (R, error)) (runs []R, err error) {
	for _, name := range names {
		r, err := read(name)
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	return runs, nil
}
