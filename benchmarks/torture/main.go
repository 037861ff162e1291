package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"time"

	"github.com/stonepot/stonepot/live/simulator"
)

// options are what a run is asked for.
type options struct {
	Conversations int
	Duration      time.Duration // of the conversations
	Arrival       time.Duration // over which they begin
	Every         time.Duration // the mean time between two faults of one conversation's browser or network
	Least         int           // faults that must strike
	Seed          uint64
	Lag           time.Duration // how late the model tells of its handles, at most
	Overlap       time.Duration
	Faults        bool
	Handover      bool           // nothing but goAways with time to spare: what does a hand-over cost?
	Only          *regexp.Regexp // kinds of faults, as the report names them
	Elsewhere     bool           // clients are sent to the other instance while the first lives
	Out           string
	Binary        string
	Race          bool // build the server with the race detector
	Logs          int  // conversations whose log is written
}

// The bounds keep a run from taking a machine down by a typing error.
const (
	maxConversations = 2000
	maxDuration      = 30 * time.Minute
)

func defaults() options {
	return options{
		Conversations: 200, Duration: 3 * time.Minute, Arrival: 10 * time.Second, Every: 12 * time.Second, Least: 1000, Seed: 1,
		Lag: 350 * time.Millisecond, Overlap: 500 * time.Millisecond, Faults: true, Only: regexp.MustCompile(""), Out: "bin/torture", Logs: 50,
	}
}

func parse(args []string) (o options, err error) {
	o = defaults()
	f := flag.NewFlagSet("torture", flag.ContinueOnError)
	f.IntVar(&o.Conversations, "conversations", o.Conversations, "conversations side by side, half of them on each backend")
	f.DurationVar(&o.Duration, "duration", o.Duration, "of the conversations")
	f.DurationVar(&o.Arrival, "arrival", o.Arrival, "over which they begin")
	f.DurationVar(&o.Every, "every", o.Every, "the mean time between two faults of one conversation's browser or network")
	f.IntVar(&o.Least, "least", o.Least, "faults that must strike for the run to count")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "of everything that is left to chance")
	f.DurationVar(&o.Lag, "lag", o.Lag, "how late the model tells of its handles, at most; beyond -overlap losses on Gemini are reported only")
	f.DurationVar(&o.Overlap, "overlap", o.Overlap, "resume.overlap of the instances")
	f.BoolVar(&o.Faults, "faults", o.Faults, "false: nothing breaks")
	only := f.String("only", "", "only faults whose name in the report matches this regular expression")
	f.BoolVar(&o.Handover, "handover", o.Handover, "nothing breaks, but connections to the model say goAway again and again: measures what a hand-over costs")
	f.BoolVar(&o.Elsewhere, "elsewhere", o.Elsewhere, "also send clients to the other instance while the first one lives")
	f.StringVar(&o.Out, "out", o.Out, "directory for the server, its logs, and the logs of conversations that went wrong")
	f.StringVar(&o.Binary, "binary", o.Binary, "the server to torture; empty: it is built")
	f.BoolVar(&o.Race, "race", o.Race, "build the server with the race detector")
	f.IntVar(&o.Logs, "logs", o.Logs, "how many logs of conversations are written at most")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.Only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	if o.Handover {
		o.Faults, o.Least = false, 0
	}
	switch {
	case o.Conversations < 1 || o.Conversations > maxConversations:
		return o, fmt.Errorf("-conversations must be between 1 and %d, got %d", maxConversations, o.Conversations)
	case o.Duration < 5*time.Second || o.Duration > maxDuration:
		return o, fmt.Errorf("-duration must be between 5s and %v, got %v", maxDuration, o.Duration)
	case o.Arrival < 0 || o.Arrival > o.Duration/2:
		return o, fmt.Errorf("-arrival must be between 0s and half of -duration, got %v", o.Arrival)
	case o.Every < time.Second:
		return o, fmt.Errorf("-every must be at least 1s, got %v", o.Every)
	case o.Lag < 0 || o.Lag > time.Minute:
		return o, fmt.Errorf("-lag must be between 0s and 1m, got %v", o.Lag)
	case o.Overlap < 0 || o.Overlap > 5*time.Second:
		return o, fmt.Errorf("-overlap must be between 0s and 5s, got %v", o.Overlap)
	}
	return o, nil
}

// file is a path in the run's directory.
func (o options) file(name string) string { return filepath.Join(o.Out, name) }

// simulator is the model's configuration: quick answers, so that many conversations fit into little time.
func (o options) simulator() simulator.Config {
	cfg := simulator.DefaultConfig()
	cfg.Seed = o.Seed
	cfg.ThinkingDelay, cfg.ThinkingExtra = 350*time.Millisecond, 0
	if o.Handover {
		cfg.SetupDelay, cfg.SetupJitter = 130*time.Millisecond, 0
	}
	cfg.SilenceDuration = 600 * time.Millisecond
	cfg.PieceMax = 400 * time.Millisecond
	cfg.HandleLag = o.Lag
	return cfg
}

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = torture(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

// errFailed says that the report has the reasons.
var errFailed = errors.New("not everything that must be 0 is 0")

// torture is one run.
func torture(ctx context.Context, o options) error {
	out, err := filepath.Abs(o.Out)
	if err != nil {
		return err
	}
	o.Out = out
	if o.Binary != "" { // it runs in the directory of its configuration
		if o.Binary, err = filepath.Abs(o.Binary); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(o.Out, 0o750); err != nil {
		return err
	}
	old, _ := filepath.Glob(o.file("conversation-*.log")) // the pattern is good
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	w, err := newWorld(ctx, o)
	if err != nil {
		return err
	}
	fmt.Printf("%s/%s, %d CPUs, %s; %d conversations for %v, seed %d, logs in %s\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), o.Conversations, o.Duration, o.Seed, o.Out)
	w.run(ctx)
	w.close()
	w.judge()
	w.report.print(os.Stdout)
	if len(w.report.failed()) > 0 {
		return errFailed
	}
	return nil
}

// judge comes to a verdict about every conversation, and writes the logs of those that went wrong.
func (w *world) judge() {
	w.ledger.mu.Lock()
	for kind, n := range w.ledger.faults {
		w.report.faults["model: "+kind] += n
	}
	w.ledger.mu.Unlock()
	written := 0
	for id := 1; id <= w.o.Conversations; id++ {
		c := w.conversation(uint16(id))
		c.judge()
		if c.failed.Load() > 0 && written < w.o.Logs {
			written++
			if err := c.log.write(w.o.file(fmt.Sprintf("conversation-%d.log", id))); err != nil {
				w.report.broken(err)
			}
		}
	}
}
