package main

import (
	"log/slog"
	"os"
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
	b, err := newBench(options{Frame: 640, Rate: 50, Duration: time.Second}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	f, err := b.measure(2)
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
	} {
		if _, err := parse(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", args, err)
		}
	}
	o, err := parse(strings.Fields("-sessions 3,5 -rounds 1"))
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
