package main

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test's own binary be the gateway's process, as main does for the program's.
func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == roleGateway {
		exitOn(gateway(os.Stdin, os.Stdout))
		return
	}
	os.Exit(m.Run())
}

func TestBench_measuresBothWaysAndLosesNothing(t *testing.T) {
	b, err := newBench(options{Frame: 640, Rate: 50, Duration: time.Second, WarmUp: time.Second}, settings{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	f, err := b.measure(load{sessions: 2, resumable: true})
	if err != nil {
		t.Fatal(err)
	}
	if f.RoundTrips == 0 || f.Lost != 0 || f.CPUMicros <= 0 {
		t.Errorf("%+v", f)
	}
	for name, l := range map[string]latency{"up": f.Uplink, "down": f.Downlink, "round trip": f.RoundTrip} {
		if l.P50 <= 0 || l.Max < l.P50 {
			t.Errorf("%s: %+v", name, l)
		}
	}
	if f.RoundTrip.P50 < f.Uplink.P50 || f.RoundTrip.P50 < f.Downlink.P50 {
		t.Errorf("a round trip of %v µs is shorter than one of its ways (%v, %v)", f.RoundTrip.P50, f.Uplink.P50, f.Downlink.P50)
	}
}

// TestPath_allocatesNothingPerFrame is about the whole server: Fiber, the browser's socket, the session, the model's socket. It is built without the race
// detector, whose pools lose on purpose what they are given. What is kept for a renewal has stopped growing before it is measured.
func TestPath_allocatesNothingPerFrame(t *testing.T) {
	program := filepath.Join(t.TempDir(), "benchmarks")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil { //nolint:gosec // as it stands
		t.Fatalf("%v: %s", err, out)
	}
	for frame, warmUp := range map[int]time.Duration{640: 1500 * time.Millisecond, 3200: 4 * time.Second} { // 40 frames: their places have filled a segment
		o := options{Frame: frame, Rate: 32000 / float64(frame), Duration: 2 * time.Second, WarmUp: warmUp}
		b, err := newBench(o, settings{ReplayAudio: 500 * time.Millisecond, program: program}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		for _, resumable := range []bool{false, true} {
			f, err := b.measure(load{sessions: 16, resumable: resumable})
			if err != nil {
				t.Fatal(err)
			}
			// The runtime's own, a timer's or a collection's, are a handful in a second, whatever is carried.
			if n := f.Allocations * float64(f.RoundTrips); f.RoundTrips < 100 || n > 40 || f.Lost != 0 {
				t.Errorf("%d bytes, resumable %v: %v allocations in %d round trips, %d lost", frame, resumable, n, f.RoundTrips, f.Lost)
			}
		}
		b.close()
	}
}

func TestStart_aWarmConversationFindsAConnectionReadyAndAColdOneWaitsForThreeSteps(t *testing.T) {
	o := startOptions{Delay: 10 * time.Millisecond, Setup: time.Millisecond, Conversations: 2, Pool: 1}
	s, err := newStarter(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if _, err := s.round(); err != nil { // the first warm one finds nothing yet
		t.Fatal(err)
	}
	f, err := s.round()
	if err != nil {
		t.Fatal(err)
	}
	if least := float64((3*o.Delay + o.Setup).Milliseconds()); f.Cold.P50 < least {
		t.Errorf("cold: ready after %v ms, before the delays are over (%v ms)", f.Cold.P50, least)
	}
	used, err := s.warm.spent()
	if err != nil {
		t.Fatal(err)
	}
	if used.Pool.Hits != 3 || used.Pool.Misses != 1 || used.Pool.Dead != 0 || f.Warm.P50 <= 0 || f.Warm.Max < f.Warm.P50 {
		t.Errorf("%+v %+v", used.Pool, f)
	}
	if used, err := s.cold.spent(); err != nil || used.Pool.Hits != 0 {
		t.Errorf("%+v %v", used.Pool, err)
	}
}

func TestParseStart_refusesInWords(t *testing.T) {
	for _, args := range []string{"-delay 2s", "-setup -1s", "-conversations 0", "-rounds 1000", "-pool 0"} {
		if _, err := parseStart(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), strings.Fields(args)[0]) {
			t.Errorf("%s: %v", args, err)
		}
	}
	if o, err := parseStart(nil); err != nil || o.Delay != 50*time.Millisecond || o.Pool != 2 {
		t.Errorf("%+v %v", o, err)
	}
}

func TestParse_refusesInWords(t *testing.T) {
	for args, word := range map[string]string{
		"-sessions 0":         "-sessions",
		"-sessions 1,x":       "-sessions",
		"-frame 641":          "-frame",
		"-rate 0":             "-rate",
		"-rate 400":           "real time",
		"-duration 1ms":       "-duration",
		"-duration 1000h":     "-duration",
		"-rounds 0":           "-rounds",
		"-sessions 100000000": "-sessions",
		"-resumable perhaps":  "-resumable",
	} {
		if _, err := parsePath(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", args, err)
		}
	}
	o, err := parsePath(strings.Fields("-sessions 3,5 -rounds 1"))
	if err != nil || len(o.Sessions) != 2 || o.Sessions[1] != 5 || o.Rounds != 1 {
		t.Errorf("%+v %v", o, err)
	}
}

func TestMedianFigures_takesEachByItself(t *testing.T) {
	m := medianFigures([]figures{
		{Sessions: 1, CPUMicros: 3, Uplink: latency{P50: 10}, Lost: 1},
		{Sessions: 1, CPUMicros: 1, Uplink: latency{P50: 30}},
		{Sessions: 1, CPUMicros: 2, Uplink: latency{P50: 20}},
	})
	if m.CPUMicros != 2 || m.Uplink.P50 != 20 || m.Lost != 1 || m.Sessions != 1 {
		t.Errorf("%+v", m)
	}
}
