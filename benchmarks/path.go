package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
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
	WarmUp   time.Duration // before it
	Rounds   int

	Resumable string // off, on or both
	Out       string
}

// The bounds keep a run from taking a machine down by a typing error.
const (
	maxSessions = 2000
	maxDuration = 10 * time.Minute
)

func parsePath(args []string) (o options, err error) {
	f := flag.NewFlagSet("benchmarks", flag.ExitOnError)
	sessions := f.String("sessions", "1,10,100", "conversations at once, a list")
	f.IntVar(&o.Frame, "frame", 640, "bytes of 16 kHz PCM in each frame from a browser (640 is 20 ms)")
	f.Float64Var(&o.Rate, "rate", 50, "frames a second and conversation")
	f.DurationVar(&o.Duration, "duration", 5*time.Second, "of each measurement")
	f.DurationVar(&o.WarmUp, "warm-up", time.Second, "how long conversations speak before they are measured; after resume.replay_audio (30s) nothing grows any more")
	f.IntVar(&o.Rounds, "rounds", 3, "how often everything is measured; medians are reported")
	f.StringVar(&o.Resumable, "resumable", "both", "whether conversations can be resumed: off, on, or both in turn")
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
	case o.WarmUp < 0 || o.WarmUp > maxDuration:
		return o, fmt.Errorf("-warm-up must be between 0s and %v, got %v", maxDuration, o.WarmUp)
	case !slices.Contains([]string{"off", "on", "both"}, o.Resumable):
		return o, fmt.Errorf("-resumable must be off, on or both, got %q", o.Resumable)
	case o.Rounds < 1 || o.Rounds > 100:
		return o, fmt.Errorf("-rounds must be between 1 and 100, got %d", o.Rounds)
	}
	return o, nil
}

// measurePath measures what a frame costs, with conversations that can be resumed and with ones that cannot, in turn.
func measurePath(args []string) error {
	o, err := parsePath(args)
	if err != nil {
		return err
	}
	b, err := newBench(o, settings{}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer b.close()
	began := time.Now().UTC()
	fmt.Printf("%s; frames of %d B, %v a second and conversation, %v each, %d rounds\n", machine(), o.Frame, o.Rate, o.Duration, o.Rounds)
	var all, medians []figures
	byLoad := map[load][]figures{}
	for round := range o.Rounds {
		for _, l := range o.loads() {
			m, err := b.measure(l)
			if err != nil {
				return fmt.Errorf("%v: %w", l, err)
			}
			fmt.Printf("  round %d, %v: round trip p50 %v, CPU %.1f µs, %.2f allocations per round trip\n",
				round+1, l, micros(m.RoundTrip.P50), m.CPUMicros, m.Allocations)
			byLoad[l] = append(byLoad[l], m)
			all = append(all, m)
		}
	}
	for _, l := range o.loads() {
		medians = append(medians, medianFigures(byLoad[l]))
	}
	printTable(medians)
	return save(o.Out, "path", began, report{Machine: machine(), Time: began, Options: o, Medians: medians, Measured: all})
}

// load is what one measurement puts on the gateway.
type load struct {
	sessions  int
	resumable bool // they can be resumed, and their browsers acknowledge
}

func (l load) String() string {
	if l.resumable {
		return fmt.Sprintf("%d conversations, resumable", l.sessions)
	}
	return fmt.Sprintf("%d conversations", l.sessions)
}

// loads are what each round measures, in its order.
func (o options) loads() (all []load) {
	for _, n := range o.Sessions {
		for _, resumable := range []bool{false, true} {
			if o.Resumable == "both" || (o.Resumable == "on") == resumable {
				all = append(all, load{n, resumable})
			}
		}
	}
	return all
}

func micros(us float64) string { return strconv.FormatFloat(us, 'f', 0, 64) + " µs" }

func printTable(rows []figures) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nconversations\tresumable\tround trips/s\t\tp50\tp90\tp99\tmax\tCPU/round trip\tallocs/round trip\tRSS/conversation\tlost\t")
	for _, f := range rows {
		for i, l := range []struct {
			name string
			latency
		}{{"up", f.Uplink}, {"down", f.Downlink}, {"round trip", f.RoundTrip}} {
			if i == 0 {
				fmt.Fprintf(w, "%d\t%v\t%.0f\t", f.Sessions, f.Resumable, f.PerSecond)
			} else {
				fmt.Fprint(w, "\t\t\t")
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
