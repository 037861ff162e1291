package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// ran is a run in which everything was measured; each latency is about slow times a millisecond.
func ran(began time.Time, slow float64) *result.Run {
	h := result.NewHistogram()
	for i := range 10_000 {
		h.Record(time.Duration(slow * float64(time.Millisecond) * (1 + math.Pow(float64(i)/10_000, 20))))
	}
	l := h.Summary()
	r := &result.Run{
		Kind: result.Kind, Version: result.Version, Began: began, Machine: result.ThisMachine(), MeasuredMs: 10_000,
		Target:   result.Target{URL: "ws://127.0.0.1:8080", Version: "v1", Model: "m", Simulated: true, Upstream: "echo", OneWay: true},
		Load:     result.Load{Sessions: 3, FrameBytes: 640, Rate: 50, InputHz: 16000, TalkMs: 3000, SilenceMs: 5000},
		Sessions: result.Sessions{Asked: 3, Ready: 2, Failed: 1, Completed: 2, Reasons: map[string]int{"create: <script>alert(1)</script>": 1}},
		Frames:   result.Frames{Sent: 1000, Received: 999, Lost: 1},
		Server:   &result.Process{Cores: 0.5, CPUSeconds: 5, ResidentKB: 64 << 10},
		Search: &result.Search{Best: 3, LimitP99Ms: 20, PerCoreUsed: 6, Trials: []result.Trial{
			{Sessions: 3, Holds: true, P99Micros: 2000}, {Sessions: 6, Why: "it is slow", P99Micros: 40_000},
		}},
		Notes:       []string{"a & b"},
		ReadyMicros: l, RoundTripMicros: l, UncorrectedMicros: l, UpMicros: l, DownMicros: l, LagMicros: l,
	}
	for i := range 12 {
		r.Timeline = append(r.Timeline, result.Moment{
			AtMs: int64(1000 * (i + 1)), Ready: min(i, 3), Sent: 150, Received: 149, P50Micros: 1000 * slow, P99Micros: 2000 * slow, Cores: 0.5, ResidentKB: 64 << 10,
		})
	}
	return r
}

// document is a page that was read as a browser reads it.
type document struct {
	text  string // of all elements
	count map[string]int
	attrs []html.Attribute
}

func read(t *testing.T, page string) document {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	d := document{count: map[string]int{}}
	var text strings.Builder
	for n := range root.Descendants() {
		switch n.Type {
		case html.ElementNode:
			d.count[n.Data]++
			d.attrs = append(d.attrs, n.Attr...)
		case html.TextNode:
			text.WriteString(n.Data + "\n")
		default:
		}
	}
	d.text = text.String()
	return d
}

func pageOf(t *testing.T, runs ...*result.Run) (string, document) {
	t.Helper()
	var b bytes.Buffer
	if err := render(&b, runs); err != nil {
		t.Fatal(err)
	}
	return b.String(), read(t, b.String())
}

// selfContained fails the test if a page loads something, or shows what is no value.
func selfContained(t *testing.T, source string, d document) {
	t.Helper()
	for _, a := range d.attrs {
		switch strings.ToLower(a.Key) {
		case "src", "href", "xlink:href", "srcset", "action", "data", "style", "onload", "onclick":
			t.Errorf("the attribute %s=%q", a.Key, a.Val)
		}
		if strings.Contains(a.Val, "//") {
			t.Errorf("an address in %s=%q", a.Key, a.Val)
		}
	}
	if d.count["script"]+d.count["link"]+d.count["img"]+d.count["iframe"] != 0 || strings.Contains(source, "url(") || strings.Contains(source, "@import") {
		t.Errorf("%v", d.count)
	}
	if strings.Contains(source, "ZgotmplZ") || strings.Contains(source, "NaN") || strings.Contains(source, "Inf") {
		t.Error("the template refused a value, or a value is none")
	}
}

func TestRender_needsNothingElse(t *testing.T) {
	source, d := pageOf(t, ran(time.Unix(0, 0), 1), ran(time.Unix(1, 0), 2))
	selfContained(t, source, d)
	if !strings.Contains(d.text, "create: <script>alert(1)</script>") || !strings.Contains(d.text, "a & b") {
		t.Error("texts are not shown as they are")
	}
	if !strings.Contains(d.text, "\n1\u202f000\n") {
		t.Error("thousands are not told apart")
	}
}

func TestRender_drawsOneRun(t *testing.T) {
	_, d := pageOf(t, ran(time.Unix(0, 0), 1))
	if d.count["figure"] != 10 {
		t.Errorf("%d plots, want 10", d.count["figure"])
	}
	for _, want := range []string{"Load on ws://127.0.0.1:8080", "round trip p99", "1.000", "server, cores", "0.50", "p99 ≤ 20 ms, lost ≤ 0", "6 sessions: p99 40.00 ms; it is slow"} {
		if !strings.Contains(d.text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, no := range []string{"before", "ratio", "do not compare", "answer"} {
		if strings.Contains(d.text, "\n"+no+"\n") {
			t.Errorf("%q is there", no)
		}
	}
}

func TestRender_comparesTwo(t *testing.T) {
	_, d := pageOf(t, ran(time.Unix(0, 0), 1), ran(time.Unix(1, 0), 2))
	for _, want := range []string{"Two loads compared", "before", "after", "× 2.00", "before: round trip", "after: round trip", "This is one run each."} {
		if !strings.Contains(d.text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(d.text, "differ in what was asked") {
		t.Error("the same was asked of both")
	}
}

func TestRender_warnsOfUnequalRuns(t *testing.T) {
	other := ran(time.Unix(1, 0), 1)
	other.Load.Sessions, other.Load.Resumable = 30, true
	_, d := pageOf(t, ran(time.Unix(0, 0), 1), other)
	if !strings.Contains(d.text, "differ in what was asked of them (sessions, resumable)") {
		t.Error("nobody is warned")
	}
}

func TestRender_leavesOutWhatWasNotMeasured(t *testing.T) {
	bare := &result.Run{Kind: result.Kind, Version: result.Version, Target: result.Target{URL: "ws://x", Upstream: "answers"}}
	_, d := pageOf(t, bare)
	if d.count["figure"] != 0 || strings.Contains(d.text, "p99") || strings.Contains(d.text, "The most sessions") || strings.Contains(d.text, "server, cores") {
		t.Errorf("%d plots\n%s", d.count["figure"], d.text)
	}
	answers := ran(time.Unix(0, 0), 1)
	answers.AnswerMicros, answers.RoundTripMicros = answers.RoundTripMicros, result.Latency{}
	if _, d := pageOf(t, answers); !strings.Contains(d.text, "Delay of answers by percentile") {
		t.Error("the delay of answers is not drawn")
	}
	if _, d := pageOf(t, bare, ran(time.Unix(0, 0), 1)); strings.Contains(d.text, "+Inf") || strings.Contains(d.text, "NaN") {
		t.Error("a ratio to nothing")
	}
}

func TestCommand_takesTheNewestRun(t *testing.T) {
	dir := t.TempDir()
	for i, version := range []string{"v1", "v2", "v3"} {
		r := ran(time.Date(2026, 11, 26, 18, i, 0, 0, time.UTC), 1)
		r.Target.Version = version
		if _, err := result.Save(dir, r); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	if code := command([]string{"-results", dir}, &out, &errs); code != 0 {
		t.Fatalf("%d %s", code, &errs)
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil || !strings.Contains(string(page), "v3") || strings.Contains(string(page), "v2") {
		t.Errorf("not the newest one, %v", err)
	}
	if _, err := result.SavePeers(dir, compared(time.Date(2026, 11, 26, 19, 0, 0, 0, time.UTC), 1)); err != nil {
		t.Fatal(err)
	}
	if code := command([]string{"-results", dir}, &out, &errs); code != 0 {
		t.Fatalf("%d %s", code, &errs)
	}
	if page, err := os.ReadFile(filepath.Join(dir, "report.html")); err != nil || !strings.Contains(string(page), "beside other relays") {
		t.Errorf("a newer run beside peers was not drawn, %v", err)
	}
}

func TestCommand_refusesInWords(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other.json")
	if err := os.WriteFile(other, []byte(`{"kind":"other"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	run, err := result.Save(t.TempDir(), ran(time.Unix(0, 0), 1))
	if err != nil {
		t.Fatal(err)
	}
	beside, err := result.SavePeers(t.TempDir(), compared(time.Unix(0, 0), 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		word string
	}{
		{[]string{"-results", dir}, 1, "there is no load-*.json"},
		{[]string{other}, 1, "no result of benchmarks/load"},
		{[]string{beside, run}, 1, "holds a stonepot-load, not a stonepot-peers"},
		{[]string{run, beside}, 1, "holds a stonepot-peers, not a stonepot-load"},
		{[]string{"a", "b", "c"}, 2, "3 were named"},
		{[]string{"-wrong"}, 2, "-wrong"},
		{[]string{"-h"}, 0, "compares two"},
	} {
		var out, errs bytes.Buffer
		if code := command(c.args, &out, &errs); code != c.code || !strings.Contains(errs.String(), c.word) {
			t.Errorf("%v: %d %s", c.args, code, &errs)
		}
	}
}
