package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// options are what a run is asked for.
type options struct {
	rounds    int
	duration  time.Duration
	warmUp    time.Duration
	scenarios []scenario
	relays    []relay
	stonepot  string
	pin       bool
	out       string
}

const help = `Measures Stonepot beside other relays, in turn, on this machine. See benchmarks/README.md.

  go run ./benchmarks/peers [flags]
`

// parse reads the command line. The error is a sentence, or flag.ErrHelp after the help was written to out.
func parse(args []string, out io.Writer) (o options, err error) {
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	f.SetOutput(io.Discard) // what is wrong is said once, by the caller
	f.IntVar(&o.rounds, "rounds", 6, "how often each relay is measured in each scenario; six are the fewest that give 95 % of confidence")
	f.DurationVar(&o.duration, "duration", 4*time.Second, "how long a measurement takes")
	f.DurationVar(&o.warmUp, "warm-up", time.Second, "how long a relay works before it is measured")
	only := f.String("scenarios", "", "a list of those to run: "+strings.Join(names(scenarios(), func(s scenario) string { return s.name }), ", "))
	with := f.String("relays", "", "a list of those to measure: "+strings.Join(names(relays(), func(r relay) string { return r.name }), ", "))
	f.StringVar(&o.stonepot, "stonepot", "bin/stonepot", "our binary")
	f.BoolVar(&o.pin, "pin", true, "give the relay a processor of its own, where there are two and taskset")
	f.StringVar(&o.out, "out", "benchmarks/results", "directory for the JSON file; empty: none")
	err = f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(out, strings.TrimSpace(help))
		f.SetOutput(out)
		f.PrintDefaults()
		return o, err
	case err != nil:
		return o, err
	case f.NArg() > 0:
		return o, fmt.Errorf("%q is no flag: scenarios and relays are named with --scenarios and --relays", f.Arg(0))
	case o.rounds < 1 || o.rounds > 100:
		return o, fmt.Errorf("--rounds must be between 1 and 100, got %d", o.rounds)
	case o.duration < 100*time.Millisecond || o.duration > 10*time.Minute:
		return o, fmt.Errorf("--duration must be between 100ms and 10m, got %v", o.duration)
	case o.warmUp < 0 || o.warmUp > time.Minute:
		return o, fmt.Errorf("--warm-up must be between 0s and 1m, got %v", o.warmUp)
	}
	if o.scenarios, err = choose("--scenarios", *only, scenarios(), func(s scenario) string { return s.name }); err != nil {
		return o, err
	}
	o.relays, err = choose("--relays", *with, relays(), func(r relay) string { return r.name })
	return o, err
}

func names[T any](all []T, name func(T) string) (list []string) {
	for _, x := range all {
		list = append(list, name(x))
	}
	return list
}

// choose takes those out of all that list names; all, if it names none.
func choose[T any](what, list string, all []T, name func(T) string) (some []T, err error) {
	if list == "" {
		return all, nil
	}
	wanted := strings.Split(strings.ReplaceAll(list, " ", ""), ",")
	for _, w := range wanted {
		if known := names(all, name); !slices.Contains(known, w) {
			return nil, fmt.Errorf("%s names %q, which is none of %s", what, w, strings.Join(known, ", "))
		}
	}
	for _, x := range all {
		if slices.Contains(wanted, name(x)) {
			some = append(some, x)
		}
	}
	return some, nil
}
