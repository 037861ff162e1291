package main

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stonepot/stonepot/live/simulator"
)

func TestLine_isAsSlowAndAsFarAsItSays(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the test ends
	cfg := lineConfig{Rate: 100_000, Delay: 30 * time.Millisecond, Opening: 20 * time.Millisecond, Buffer: smallBuffer}
	n, err := openLine(cfg, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	began := time.Now()
	near, err := net.Dial("tcp", n.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close() //nolint:errcheck // the test ends
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close() //nolint:errcheck // the test ends
	const size = 20_000
	go far.Write(make([]byte, size)) //nolint:errcheck // the reader sees
	if _, err := io.ReadFull(near, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	// Only the lower bound is promised: a busy machine takes longer.
	if took, least := time.Since(began), 250*time.Millisecond; took < least {
		t.Errorf("%d bytes came after %v, want %v at least", size, took, least)
	}
	_ = far.Close()
	if _, err := near.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the end of the stream: %v", err)
	}
}

// One interruption on a slow line through a real gateway, with everything that the measurement itself needs.
func TestInterrupter_measures(t *testing.T) {
	t.Parallel()
	got, err := interruptOn(common{Samples: 1}, badLink{Name: "test", Line: lineConfig{Rate: 96_000, Buffer: smallBuffer}, MicRate: 16000, Acks: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range got {
		if len(r.Delays) != 1 || r.Delays[0] <= 0 || r.Late != 0 || r.Bound <= 0 {
			t.Errorf("%+v", r)
		}
	}
}

func TestHandOvers_measure(t *testing.T) {
	t.Parallel()
	places := handOverPlaces()
	s, err := handOvers(common{Samples: 1}, places[len(places)-1], lineConfig{}, true)
	if err != nil {
		t.Fatal(err)
	}
	if s.Renewed != 1 || s.Restarted != 1 || len(s.WaitMs) != 1 || len(s.GapMs) != 1 {
		t.Errorf("%+v", s)
	}
}

func TestSpeaker_playsInRealTime(t *testing.T) {
	const second = outputRate
	start := time.Unix(100, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	var s speaker
	s.audio(at(0), second/2)    // played from 200 to 700
	s.audio(at(600), second/2)  // to 1200
	s.audio(at(1500), second/2) // 300 ms late: to 2000
	if s.underruns != 1 || s.silent != 300*time.Millisecond || s.lead != 500*time.Millisecond || s.early != 3*second/2 {
		t.Errorf("%+v", s)
	}
	s.drop(at(1600))
	s.audio(at(1900), second/2) // 300 ms after the answer that it heard was dropped
	if s.underruns != 2 || s.silent != 600*time.Millisecond {
		t.Errorf("%+v", s)
	}
}

func TestParseCommon_refusesInWords(t *testing.T) {
	for _, args := range []string{"-rounds 0", "-samples 1000", "-sessions 0", "-window -1", "-memory 99999"} {
		name, _, _ := strings.Cut(args, " ")
		if _, err := parseCommon(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", args, err)
		}
	}
	if o, err := parseCommon(nil); err != nil || o.window() < 1024 {
		t.Errorf("%+v %v", o, err)
	}
}

func TestHandOverPlaces_areFaultsThatTheSimulatorKnows(t *testing.T) {
	for _, p := range handOverPlaces() {
		cfg := simulator.DefaultConfig()
		cfg.Faults = p.faults
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

func TestQuantile(t *testing.T) {
	all := []int{5, 1, 3, 2, 4}
	for share, want := range map[float64]int{0: 1, 0.5: 3, 0.9: 5, 1: 5} {
		if got := quantile(all, share); got != want {
			t.Errorf("%v: %d, want %d", share, got, want)
		}
	}
}
