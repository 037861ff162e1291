package main

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

func TestBar_isAsLongAsItShouldBe(t *testing.T) {
	for share, want := range map[float64]string{-1: "----", 0: "----", 0.5: "##--", 1: "####", 7: "####"} {
		if got := bar(share, 4); got != want {
			t.Errorf("%v: %s", share, got)
		}
	}
}

// underway is a run of two sessions in the middle of what is measured.
func underway() *run {
	x := &experiment{o: &options{rate: 50, frame: 640, voice: synthetic()}, epoch: time.Now().Add(-time.Minute)}
	r := newRun(x, 2, true)
	r.from.Store(int64(50 * time.Second))
	r.to.Store(int64(70 * time.Second))
	r.figures.isReady(message{})
	r.figures.fail(&failure{reason: "create: 503 at_capacity"})
	return r
}

func TestProgress_drawsOneLineAgainAndAgain(t *testing.T) {
	var out bytes.Buffer
	p := &progress{to: &out, terminal: true}
	r := underway()
	p.line(r, result.Moment{P50Micros: 310, P99Micros: 1200, LagMicros: 90, Sent: 50, Received: 49, Cores: 0.25, ResidentKB: 64 << 10})
	line := out.String()
	for _, want := range []string{
		"\r" + noWrap + "[##########----------] 10s/20s", "1/2 sessions (1 failed)", "round trip p50 0.31ms p99 1.20ms", "lag p99 0.09ms",
		"up 50/s down 49/s", "server 0.25 cores 64 MB" + eraseRest + wrap,
	} {
		if !strings.Contains(line, want) {
			t.Errorf("%q is not in %q", want, line)
		}
	}
	out.Reset()
	p.say("a sentence")
	if got := out.String(); got != "\r"+eraseRest+"a sentence\n" {
		t.Errorf("%q", got)
	}
}

func TestProgress_saysLessWhereNobodyWatches(t *testing.T) {
	var out bytes.Buffer
	p := &progress{to: &out}
	for range 11 {
		p.line(underway(), result.Moment{})
	}
	if n := strings.Count(out.String(), "\n"); n != 3 || strings.Contains(out.String(), "\r") {
		t.Errorf("%d lines: %q", n, out.String())
	}
	var silent *progress
	silent.line(underway(), result.Moment{})
	silent.say("nothing")
	silent.clear()
}

func TestStage_knowsWhereTheRunIs(t *testing.T) {
	r := underway()
	r.from.Store(math.MaxInt64)
	r.sessions = 4
	if share, name := r.stage(); share != 0.5 || name != "starting" {
		t.Errorf("%v %s", share, name)
	}
	r.sessions = 2
	if share, name := r.stage(); share != 1 || name != "warming up" {
		t.Errorf("%v %s", share, name)
	}
	r.from.Store(0)
	r.to.Store(1)
	if share, name := r.stage(); share != 1 || name != "ending" {
		t.Errorf("%v %s", share, name)
	}
}

func TestPrintResult_showsWhatMatters(t *testing.T) {
	l := result.Latency{Count: 1000, P50: 300, P90: 500, P99: 1234.5, P999: 2000, Max: 3000}
	r := &result.Run{
		Machine: result.Machine{OS: "linux", Arch: "amd64", CPUs: 2, Go: "go1.26"}, Interrupted: true, MeasuredMs: 12_340,
		Target: result.Target{URL: "ws://127.0.0.1:8080", Upstream: expectEcho}, Load: result.Load{Sessions: 3, FrameBytes: 640, Rate: 50, Resumable: true, LateMs: 200},
		Sessions: result.Sessions{Asked: 3, Ready: 2, Failed: 1, Completed: 2, Reasons: map[string]int{"connect: timeout": 1}},
		Frames:   result.Frames{Sent: 1002, Received: 1000, Lost: 2, Late: 4}, RoundTripMicros: l, LagMicros: l,
		Traffic: result.Traffic{Up: result.Side{AudioMessages: 7, AudioBytes: 2_500_000, TextMessages: 3, TextBytes: 400}},
		Server:  &result.Process{PIDs: []int{42}, CPUSeconds: 0.05, Cores: 0.5, ResidentKB: 50 << 10},
		Search:  &result.Search{Best: 3, LimitP99Ms: 20, PerCoreUsed: 6, PerCoreOfMachine: 1.5, GeneratorLimited: true},
		Notes:   []string{"mind the gap"},
	}
	var out bytes.Buffer
	printResult(&out, r)
	for _, want := range []string{
		"linux/amd64, 2 CPUs", "ws://127.0.0.1:8080, resumable; 3 sessions, frames of 640 B, 50 a second each, 12.3 s measured (interrupted)",
		"asked 3, ready 2, ended in order 2, failed 1", "1 × connect: timeout", "round trip", "1.234", "generator's own lag",
		"sent 1002, came back 1000, late 4 (over 200 ms), lost 2", "7 audio messages (2.50 MB), 3 text messages (0.4 kB)",
		"0.50 cores, 50 MB resident", "50.0 µs of CPU for each round trip; process 42", "3 sessions keep p99 ≤ 20 ms", "6 for each core that the server used",
		"the generator was the limit", "note: mind the gap",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	r.Search.Bounded = true
	printSearch(&out, r.Search)
	if !strings.Contains(out.String(), "at least   3 sessions keep") || !strings.Contains(out.String(), "raise --max-sessions") {
		t.Errorf("nobody is told that more may be carried:\n%s", out.String())
	}
	if strings.Contains(out.String(), "answer") {
		t.Errorf("answers were not measured:\n%s", out.String())
	}
}
