package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/stonepot/stonepot/live"
)

// measurements are what can be asked for by name; without one it is path.
var measurements = map[string]func(args []string) error{
	"path":      measurePath,
	"interrupt": with(interruptions, printInterruptions),
	"playback":  with(playbacks, printPlaybacks),
	"handover":  with(handovers, printHandovers),
	"memory":    with(memories, printMemories),
	"start":     runStart,
}

func main() {
	if os.Getenv(roleVariable) == roleGateway {
		exitOn(gateway(os.Stdin, os.Stdout))
		return
	}
	name, args := "path", os.Args[1:]
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	do, ok := measurements[name]
	if !ok {
		exitOn(fmt.Errorf("there is no measurement %q: it must be one of %s", name, strings.Join(slices.Sorted(maps.Keys(measurements)), ", ")))
	}
	exitOn(do(args))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

// common are the options of everything but path.
type common struct {
	Rounds   int // how often a measurement is repeated
	Samples  int // interruptions of each kind, or hand-overs of each kind, in a round
	Sessions int // of memory
	Window   int // audio.window; 0: what ships
	Memory   int // resume.memory in MiB; 0: what ships
	Out      string
}

// window is audio.window.
func (o common) window() int {
	if o.Window > 0 {
		return o.Window
	}
	return live.DefaultConfig().Audio.Window
}

func parseCommon(args []string) (o common, err error) {
	f := flag.NewFlagSet("benchmarks", flag.ExitOnError)
	f.IntVar(&o.Rounds, "rounds", 3, "how often everything is measured")
	f.IntVar(&o.Samples, "samples", 10, "interruptions or hand-overs of each kind in a round")
	f.IntVar(&o.Sessions, "sessions", 200, "conversations of which the memory is measured")
	f.IntVar(&o.Window, "window", 0, "audio.window in bytes; 0: what ships")
	f.IntVar(&o.Memory, "memory", 0, "resume.memory in MiB; 0: what ships")
	f.StringVar(&o.Out, "out", "benchmarks/results", "directory for the JSON report; empty: none")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	for _, b := range []struct {
		name       string
		v, low, up int
	}{
		{"rounds", o.Rounds, 1, 100},
		{"samples", o.Samples, 1, 200},
		{"sessions", o.Sessions, 1, maxSessions},
		{"window", o.Window, 0, 1 << 20},
		{"memory", o.Memory, 0, 1 << 14},
	} {
		if b.v < b.low || b.v > b.up {
			return o, fmt.Errorf("-%s must be between %d and %d, got %d", b.name, b.low, b.up, b.v)
		}
	}
	return o, nil
}

// with makes a command of a measurement and its table.
func with[T any](measure func(common) ([]T, error), show func([]T)) func([]string) error {
	return func(args []string) error {
		o, err := parseCommon(args)
		if err != nil {
			return err
		}
		fmt.Println(machine())
		began := time.Now().UTC()
		found, err := measure(o)
		if err != nil {
			return err
		}
		show(found)
		return save(o.Out, strings.TrimPrefix(fmt.Sprintf("%T", *new(T)), "main."), began, report{Machine: machine(), Time: began, Options: o, Measured: found})
	}
}

// report is what a run writes down.
type report struct {
	Machine  string    `json:"machine"`
	Time     time.Time `json:"time"`
	Options  any       `json:"options"`
	Medians  any       `json:"medians,omitempty"`
	Measured any       `json:"measured"`
}

func machine() string {
	return fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}

// save writes a report of one kind into dir.
func save(dir, kind string, at time.Time, r any) error {
	if dir == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	name := filepath.Join(dir, kind+"-"+at.Format("20060102-150405")+".json")
	fmt.Println("\nwritten to", name)
	return os.WriteFile(name, append(data, '\n'), 0o600)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile is a value of all, of which there must be one, such that a share of them is no larger.
func quantile[T int | float64](all []T, share float64) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[int(share*float64(len(sorted)-1)+0.5)]
}
