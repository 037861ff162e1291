package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// options are what a run is asked for.
type options struct {
	Sessions []int         // one measurement for each, every round
	Frame    int           // bytes of PCM in each of a browser's frames
	Rate     float64       // frames a second and session
	Duration time.Duration // of each measurement
	Rounds   int
	Out      string
}

// The bounds keep a run from taking a machine down by a typing error.
const (
	maxSessions = 2000
	maxDuration = 10 * time.Minute
)

func main() {
	if os.Getenv(roleVariable) == roleGateway {
		exitOn(gateway(os.Stdin, os.Stdout))
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "start" {
		o, err := parseStart(os.Args[2:])
		exitOn(err)
		exitOn(runStart(o))
		return
	}
	o, err := parse(os.Args[1:])
	exitOn(err)
	exitOn(run(o))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("benchmarks", flag.ExitOnError)
	sessions := f.String("sessions", "1,10,100", "conversations at once, a list")
	f.IntVar(&o.Frame, "frame", 640, "bytes of 16 kHz PCM in each frame from a browser (640 is 20 ms)")
	f.Float64Var(&o.Rate, "rate", 50, "frames a second and conversation")
	f.DurationVar(&o.Duration, "duration", 5*time.Second, "of each measurement, after a second to warm up")
	f.IntVar(&o.Rounds, "rounds", 3, "how often everything is measured; medians are reported")
	f.StringVar(&o.Out, "out", "benchmarks/results", "directory for the JSON report; empty: none")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	for s := range strings.SplitSeq(*sessions, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < 1 || n > maxSessions {
			return o, fmt.Errorf("-sessions must be a list of numbers between 1 and %d, got %q", maxSessions, s)
		}
		o.Sessions = append(o.Sessions, n)
	}
	switch {
	case o.Frame < headerBytes || o.Frame > 64<<10 || o.Frame%2 != 0:
		return o, fmt.Errorf("-frame must be an even number between %d and %d, got %d", headerBytes, 64<<10, o.Frame)
	case o.Rate < 1 || o.Rate > 1000:
		return o, fmt.Errorf("-rate must be between 1 and 1000, got %v", o.Rate)
	case o.Rate*float64(o.Frame) > 4*32000:
		return o, fmt.Errorf("-frame and -rate make %.0f bytes a second: more than four times real time, which limits.audio_rate holds back", o.Rate*float64(o.Frame))
	case o.Duration < time.Second || o.Duration > maxDuration:
		return o, fmt.Errorf("-duration must be between 1s and %v, got %v", maxDuration, o.Duration)
	case o.Rounds < 1 || o.Rounds > 100:
		return o, fmt.Errorf("-rounds must be between 1 and 100, got %d", o.Rounds)
	}
	return o, nil
}

// report is what a run writes down.
type report struct {
	Machine  string    `json:"machine"`
	Time     time.Time `json:"time"`
	Options  options   `json:"options"`
	Medians  []figures `json:"medians"`
	Measured []figures `json:"measured"`
}

func run(o options) error {
	b, err := newBench(o, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer b.close()
	r := report{Machine: machine(), Time: time.Now().UTC(), Options: o}
	fmt.Printf("%s; frames of %d B, %v a second and conversation, %v each, %d rounds\n", r.Machine, o.Frame, o.Rate, o.Duration, o.Rounds)
	bySessions := map[int][]figures{}
	for round := range o.Rounds {
		for _, n := range o.Sessions {
			m, err := b.measure(n)
			if err != nil {
				return fmt.Errorf("%d conversations: %w", n, err)
			}
			fmt.Printf("  round %d, %d conversations: round trip p50 %v, CPU %.1f µs, %.2f allocations per round trip\n",
				round+1, n, micros(m.RoundTrip.P50), m.CPUMicros, m.Allocations)
			bySessions[n] = append(bySessions[n], m)
			r.Measured = append(r.Measured, m)
		}
	}
	for _, n := range o.Sessions {
		r.Medians = append(r.Medians, medianFigures(bySessions[n]))
	}
	printTable(r.Medians)
	return save(o.Out, "path", r.Time, r)
}

func machine() string {
	return fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}

func micros(us float64) string { return strconv.FormatFloat(us, 'f', 0, 64) + " µs" }

func printTable(rows []figures) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nconversations\tround trips/s\t\tp50\tp90\tp99\tmax\tCPU/round trip\tallocs/round trip\tRSS/conversation\tlost\t")
	for _, f := range rows {
		for i, l := range []struct {
			name string
			latency
		}{{"up", f.Uplink}, {"down", f.Downlink}, {"round trip", f.RoundTrip}} {
			if i == 0 {
				fmt.Fprintf(w, "%d\t%.0f\t", f.Sessions, f.PerSecond)
			} else {
				fmt.Fprint(w, "\t\t")
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t", l.name, micros(l.P50), micros(l.P90), micros(l.P99), micros(l.Max))
			if i == 0 {
				fmt.Fprintf(w, "%.1f µs\t%.3f\t%.0f KB\t%d\t", f.CPUMicros, f.Allocations, f.ResidentKB, f.Lost)
			} else {
				fmt.Fprint(w, "\t\t\t\t")
			}
			fmt.Fprintln(w)
		}
	}
	_ = w.Flush() // standard output
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
