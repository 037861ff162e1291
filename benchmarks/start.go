package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live/simulator"
)

// `start` measures how long a person waits between start_session and session_ready, where the way to the model is
// long: without connections that are kept warm, and with them.

// startOptions are what such a run is asked for.
type startOptions struct {
	Delay         time.Duration // added to each of TCP, TLS and upgrade
	Setup         time.Duration // from the setup to its acceptance: one round trip to the upstream
	Conversations int           // in each round, cold and warm each
	Rounds        int
	Pool          int // live.warm_pool.size of the warm one
	Out           string
}

// startFigures are one round.
type startFigures struct {
	Cold wait `json:"coldMillis"`
	Warm wait `json:"warmMillis"`
}

// wait is a distribution in milliseconds.
type wait struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	Max float64 `json:"max"`
}

type startReport struct {
	Machine string         `json:"machine"`
	Time    time.Time      `json:"time"`
	Options startOptions   `json:"options"`
	Median  startFigures   `json:"median"`
	Rounds  []startFigures `json:"rounds"`
}

func parseStart(args []string) (o startOptions, err error) {
	f := flag.NewFlagSet("benchmarks start", flag.ExitOnError)
	f.DurationVar(&o.Delay, "delay", 50*time.Millisecond, "added to each of TCP connect, TLS handshake and upgrade")
	f.DurationVar(&o.Setup, "setup", 130*time.Millisecond, "what the upstream takes to accept a setup")
	f.IntVar(&o.Conversations, "conversations", 20, "in each round, cold and warm each, one after the other")
	f.IntVar(&o.Rounds, "rounds", 5, "how often everything is measured; medians are reported")
	f.IntVar(&o.Pool, "pool", 2, "live.warm_pool.size of the warm gateway")
	f.StringVar(&o.Out, "out", "benchmarks/results", "directory for the JSON report; empty: none")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case o.Delay < 0 || o.Delay > time.Second:
		return o, fmt.Errorf("-delay must be between 0s and 1s, got %v", o.Delay)
	case o.Setup < 0 || o.Setup > time.Second:
		return o, fmt.Errorf("-setup must be between 0s and 1s, got %v", o.Setup)
	case o.Conversations < 1 || o.Conversations > 1000:
		return o, fmt.Errorf("-conversations must be between 1 and 1000, got %d", o.Conversations)
	case o.Rounds < 1 || o.Rounds > 100:
		return o, fmt.Errorf("-rounds must be between 1 and 100, got %d", o.Rounds)
	case o.Pool < 1 || o.Pool > 64:
		return o, fmt.Errorf("-pool must be between 1 and 64, got %d", o.Pool)
	}
	return o, nil
}

// starter is both ends and the line between: a simulator, a slow line in front of it, and two gateways.
type starter struct {
	startOptions
	simulator  *simulator.Server
	line       *slowLine
	cold, warm *child
}

func newStarter(o startOptions) (_ *starter, err error) {
	s := &starter{startOptions: o}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	cfg := simulator.DefaultConfig()
	cfg.Echo = true
	cfg.SetupDelay, cfg.SetupJitter = o.Setup, 0
	if s.simulator, err = simulator.New(cfg, slog.New(slog.DiscardHandler)); err != nil {
		return nil, err
	}
	if err = s.simulator.Listen("127.0.0.1:0"); err != nil {
		return nil, err
	}
	if s.line, err = newSlowLine(s.simulator.URL(), o.Delay); err != nil {
		return nil, err
	}
	trusted := "SSL_CERT_FILE=" + s.line.roots
	if s.cold, err = startChild(settings{Upstream: s.line.url}, trusted); err != nil {
		return nil, err
	}
	s.warm, err = startChild(settings{Upstream: s.line.url, WarmPool: o.Pool}, trusted)
	return s, err
}

func (s *starter) close() {
	for _, c := range []*child{s.cold, s.warm} {
		if c != nil {
			_ = c.stop()
		}
	}
	if s.line != nil {
		s.line.close()
	}
	if s.simulator != nil {
		_ = s.simulator.Close()
	}
}

// round holds the conversations of one round, cold and warm in turn.
func (s *starter) round() (f startFigures, err error) {
	var cold, warm []time.Duration
	for range s.Conversations {
		for _, c := range []struct {
			gateway *child
			waits   *[]time.Duration
		}{{s.cold, &cold}, {s.warm, &warm}} {
			took, err := converse(c.gateway)
			if err != nil {
				return f, err
			}
			*c.waits = append(*c.waits, took)
		}
		if err := s.refilled(); err != nil {
			return f, err
		}
	}
	return startFigures{summarise(cold), summarise(warm)}, nil
}

// refilled waits until the pool is full again.
func (s *starter) refilled() error {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		used, err := s.warm.spent()
		if err != nil {
			return err
		}
		if used.Pool.Idle == int64(s.Pool) {
			return nil
		}
	}
	return errors.New("the pool did not fill up")
}

// converse begins a conversation, ends it, and tells how long it took to be ready.
func converse(c *child) (time.Duration, error) {
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+c.addr+handlers.PathGemini, nil)
	if err != nil {
		return 0, err
	}
	defer ws.Close() //nolint:errcheck // it is over
	began := time.Now()
	if err := ready(ws, false); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"end_session"}`)); err != nil {
		return 0, err
	}
	_ = ws.SetReadDeadline(time.Now().Add(5 * time.Second))
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			return took, nil // its end
		}
	}
}

func summarise(waits []time.Duration) wait {
	slices.Sort(waits)
	at := func(q float64) float64 { return float64(waits[int(q*float64(len(waits)-1))].Microseconds()) / 1e3 }
	return wait{at(0.5), at(0.9), at(1)}
}

func runStart(args []string) error {
	o, err := parseStart(args)
	if err != nil {
		return err
	}

	s, err := newStarter(o)
	if err != nil {
		return err
	}
	defer s.close()
	r := startReport{Machine: machine(), Time: time.Now().UTC(), Options: o}
	fmt.Printf("%s; %v added to each of TCP, TLS and upgrade, %v from the setup to its acceptance, %d conversations, %d rounds\n",
		r.Machine, o.Delay, o.Setup, o.Conversations, o.Rounds)
	if _, err := converse(s.warm); err != nil { // the first one finds nothing ready
		return err
	}
	if err := s.refilled(); err != nil {
		return err
	}
	for n := range o.Rounds {
		f, err := s.round()
		if err != nil {
			return err
		}
		fmt.Printf("  round %d: cold p50 %.1f ms, warm p50 %.1f ms\n", n+1, f.Cold.P50, f.Warm.P50)
		r.Rounds = append(r.Rounds, f)
	}
	r.Median = medianStart(r.Rounds)
	used, err := s.warm.spent()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nstart_session to session_ready\tp50\tp90\tmax\tp50 above the upstream's round trip\t")
	for _, row := range []struct {
		name string
		wait
	}{{"cold", r.Median.Cold}, {"warm", r.Median.Warm}} {
		fmt.Fprintf(w, "%s\t%.1f ms\t%.1f ms\t%.1f ms\t%.1f ms\t\n", row.name, row.P50, row.P90, row.Max, row.P50-float64(o.Setup.Microseconds())/1e3)
	}
	_ = w.Flush() // standard output
	fmt.Printf("\nof the warm ones %d found a connection ready, %d did not, %d connections were dead\n", used.Pool.Hits, used.Pool.Misses-1, used.Pool.Dead)
	return save(o.Out, "start", r.Time, r)
}

func medianStart(rounds []startFigures) (m startFigures) {
	for _, get := range []func(*startFigures) *float64{
		func(f *startFigures) *float64 { return &f.Cold.P50 },
		func(f *startFigures) *float64 { return &f.Cold.P90 },
		func(f *startFigures) *float64 { return &f.Cold.Max },
		func(f *startFigures) *float64 { return &f.Warm.P50 },
		func(f *startFigures) *float64 { return &f.Warm.P90 },
		func(f *startFigures) *float64 { return &f.Warm.Max },
	} {
		v := make([]float64, len(rounds))
		for i := range rounds {
			v[i] = *get(&rounds[i])
		}
		slices.Sort(v)
		*get(&m) = v[len(v)/2]
	}
	return m
}
