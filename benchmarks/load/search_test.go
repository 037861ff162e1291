package main

import (
	"errors"
	"testing"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

func TestSearch_findsTheLargestThatHolds(t *testing.T) {
	for _, c := range []struct {
		start, most, limit, want int
	}{
		{10, 2000, 777, 777}, {10, 2000, 10, 10}, {10, 2000, 9, 9}, {10, 2000, 1, 1}, {10, 2000, 0, 0},
		{10, 2000, 2000, 2000}, {10, 2000, 5000, 2000}, {1, 1, 1, 1}, {1, 1, 0, 0}, {2000, 2000, 1999, 1999}, {1, 3, 2, 2},
	} {
		tried := map[int]bool{}
		got, err := search(c.start, c.most, 0, func(n int) (bool, error) {
			if n < 1 || n > c.most || tried[n] {
				t.Fatalf("%+v: %d is tried (again)", c, n)
			}
			tried[n] = true
			return n <= c.limit, nil
		})
		if err != nil || got != c.want {
			t.Errorf("%+v: found %d, %v", c, got, err)
		}
	}
}

func TestSearch_isAsExactAsItWasAskedTo(t *testing.T) {
	tries := 0
	got, err := search(10, 100_000, 0.05, func(n int) (bool, error) { tries++; return n <= 7000, nil })
	if err != nil || got > 7000 || float64(got) < 7000/1.06 || tries > 16 {
		t.Errorf("found %d in %d tries, %v", got, tries, err)
	}
}

func TestSearch_endsWithWhatItKnowsWhenATrialCannotBeMade(t *testing.T) {
	broken := errors.New("broken")
	got, err := search(10, 1000, 0, func(n int) (bool, error) {
		if n > 40 {
			return false, broken
		}
		return true, nil
	})
	if got != 40 || !errors.Is(err, broken) {
		t.Errorf("found %d, %v", got, err)
	}
}

func TestJudge_saysWhichLimitWasNotKept(t *testing.T) {
	good := func() *result.Run {
		return &result.Run{
			Target:          result.Target{Upstream: expectEcho},
			Sessions:        result.Sessions{Asked: 10, Ready: 10},
			RoundTripMicros: result.Latency{Count: 100, P99: 9_000},
			AnswerMicros:    result.Latency{Count: 10, P99: 1_400_000},
			LagMicros:       result.Latency{Count: 100, P99: 500},
		}
	}
	o := &options{rate: 50, limitP99: 10 * time.Millisecond}
	for name, c := range map[string]struct {
		change func(r *result.Run)
		want   verdict
	}{
		"all is well": {func(*result.Run) {}, verdict{holds: true}},
		"a session failed": {
			func(r *result.Run) { r.Sessions.Failed, r.Sessions.Reasons = 3, map[string]int{"a": 1, "b": 2} },
			verdict{why: "3 of 10 sessions failed (b)"},
		},
		"frames were lost": {func(r *result.Run) { r.Frames.Lost = 1 }, verdict{why: "1 frames were lost, 0 may be"}},
		"nothing came back": {
			func(r *result.Run) { r.RoundTripMicros = result.Latency{} },
			verdict{why: "nothing came back that could be measured"},
		},
		"it is slow":                          {func(r *result.Run) { r.RoundTripMicros.P99 = 11_000 }, verdict{why: "p99 is 11.0ms, 10ms is the limit"}},
		"it is slow, and so is the generator": {func(r *result.Run) { r.RoundTripMicros.P99, r.LagMicros.P99 = 11_000, 6_000 }, verdict{why: "p99 is 11.0ms, 10ms is the limit", own: true}},
		"the generator is late": {
			func(r *result.Run) { r.LagMicros.P99 = 41_000 },
			verdict{why: "the generator was late itself, by 41.0 ms at the 99th percentile", own: true},
		},
		"answers are slower than echoes": {func(r *result.Run) { r.Target.Upstream = expectAnswers }, verdict{why: "p99 is 1400ms, 10ms is the limit"}},
	} {
		r := good()
		c.change(r)
		if got := o.judge(r); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	usual := &options{rate: 50}
	r := good()
	if r.Target.Upstream = expectAnswers; !usual.judge(r).holds {
		t.Error("an answer may take 2.5 s where nobody says otherwise")
	}
	if r = good(); usual.limit(r.Target.Upstream) != 20*time.Millisecond {
		t.Error("an echo may take 20 ms where nobody says otherwise")
	}
}
