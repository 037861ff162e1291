package result

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestHistogram_givesPercentilesToThreeDigits(t *testing.T) {
	h := NewHistogram()
	for i := 1; i <= 10_000; i++ {
		h.Record(time.Duration(i) * time.Microsecond)
	}
	l := h.Summary()
	for name, c := range map[string]struct{ got, want float64 }{
		"p50": {l.P50, 5000}, "p90": {l.P90, 9000}, "p99": {l.P99, 9900}, "p99.9": {l.P999, 9990}, "max": {l.Max, 10_000}, "mean": {l.Mean, 5000.5},
	} {
		if math.Abs(c.got-c.want)/c.want > 0.002 {
			t.Errorf("%s is %v, want %v", name, c.got, c.want)
		}
	}
	if l.Count != 10_000 {
		t.Errorf("%d values", l.Count)
	}
}

func TestHistogram_takesWhatIsOutOfRangeAsTheNearest(t *testing.T) {
	h := NewHistogram()
	h.Record(-time.Second)
	h.Record(time.Hour)
	if h.Count() != 2 || h.At(0) > time.Microsecond || h.At(100) < 59*time.Second {
		t.Errorf("%d values from %v to %v", h.Count(), h.At(0), h.At(100))
	}
}

func TestSummary_drawsNoCurveFinerThanItsValues(t *testing.T) {
	h := NewHistogram()
	if l := h.Summary(); !reflect.DeepEqual(l, Latency{}) {
		t.Errorf("nothing was measured: %+v", l)
	}
	for i := range 100 {
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	l := h.Summary()
	for _, p := range l.Curve {
		if p.Percent > 99 && p.Percent < 100 {
			t.Errorf("a hundred values have no %v %%", p.Percent)
		}
	}
	if last := l.Curve[len(l.Curve)-1]; last.Percent != 100 || last.Micros < 99_000 {
		t.Errorf("the curve ends with %+v", last)
	}
}

func TestHistogram_mergesAndForgets(t *testing.T) {
	a, b := NewHistogram(), NewHistogram()
	a.Record(time.Millisecond)
	b.Record(3 * time.Millisecond)
	a.Merge(b)
	if a.Count() != 2 || a.At(100) < 2990*time.Microsecond {
		t.Errorf("%d values up to %v", a.Count(), a.At(100))
	}
	a.Reset()
	if a.Count() != 0 || a.At(50) != 0 {
		t.Errorf("%d values are left", a.Count())
	}
}

func TestRead_getsBackWhatWasSaved(t *testing.T) {
	r := &Run{
		Kind: Kind, Version: Version, Began: time.Date(2026, 11, 26, 18, 0, 0, 0, time.UTC), Machine: ThisMachine(),
		Sessions: Sessions{Asked: 3, Ready: 2, Failed: 1, Reasons: map[string]int{"503 at_capacity": 1}},
		Server:   &Process{PIDs: []int{7}, Cores: 0.5}, Search: &Search{Best: 2, Trials: []Trial{{Sessions: 2, Holds: true}}},
		Timeline: []Moment{{AtMs: 1000, Ready: 2}}, Notes: []string{"a note"},
		RoundTripMicros: Latency{Count: 1, P50: 2, Curve: []Point{{50, 2}}},
	}
	name, err := Save(filepath.Join(t.TempDir(), "deep"), r)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(name, "load-20261126-180000.000.json") {
		t.Errorf("named %s", name)
	}
	got, err := Read(name)
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestRead_refusesOtherFilesInWords(t *testing.T) {
	dir := t.TempDir()
	for text, word := range map[string]string{
		`{`:                                     "JSON",
		`{"kind":"other"}`:                      "no result",
		`{"kind":"stonepot-peers","version":1}`: "holds a stonepot-peers, not a stonepot-load",
		`{"kind":"stonepot-load","version":1,"notes":7}`: "JSON",
		`{"kind":"stonepot-load","version":9}`:           "another version",
	} {
		name := filepath.Join(dir, "x.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(name); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := Read(filepath.Join(dir, "absent.json")); err == nil {
		t.Error("a file that is not there was read")
	}
}
