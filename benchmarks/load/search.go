package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// search finds the largest number from 1 to most for which holds says true, to within precision (a share of it), and at
// least to 1. It takes for granted that what holds for a number holds for all below it. From start it doubles until
// something does not hold, or halves until something does, and then halves what lies between. It returns 0 when nothing
// holds. An error of holds ends it.
func search(start, most int, precision float64, holds func(n int) (bool, error)) (best int, err error) {
	low, high := 0, most+1 // low holds, high does not, or is too much
	for n := start; low+1 < high && (low == 0 || high == most+1); n = next(low, high, most) {
		ok, err := holds(n)
		if err != nil {
			return low, err
		}
		if ok {
			low = n
		} else {
			high = n
		}
	}
	for float64(high-low) > max(1, precision*float64(low)) {
		n := (low + high) / 2
		ok, err := holds(n)
		if err != nil {
			return low, err
		}
		if ok {
			low = n
		} else {
			high = n
		}
	}
	return low, nil
}

// next is the number to try after low, which holds, or after high, which does not, while only one of them is known.
func next(low, high, most int) int {
	if low > 0 {
		return min(2*low, most)
	}
	return max(high/2, 1)
}

// verdict is what a run means for the search.
type verdict struct {
	holds bool
	why   string // it does not
	own   bool   // because the generator itself was too late, or the machine too busy with it
}

// judge compares a run with the limits.
func (o *options) judge(r *result.Run) verdict {
	limit := o.limit(r.Target.Upstream)
	lag := time.Duration(r.LagMicros.P99 * 1e3)
	interval := time.Duration(float64(time.Second) / o.rate)
	switch p99 := added(r); {
	case r.Sessions.Failed > 0:
		return verdict{why: fmt.Sprintf("%d of %d sessions failed (%s)", r.Sessions.Failed, r.Sessions.Asked, commonest(r.Sessions.Reasons))}
	case r.Frames.Lost > o.limitLost:
		return verdict{why: fmt.Sprintf("%d frames were lost, %d may be", r.Frames.Lost, o.limitLost)}
	case p99.Count == 0:
		return verdict{why: "nothing came back that could be measured"}
	case lag > max(limit, 2*interval):
		return verdict{own: true, why: fmt.Sprintf("the generator was late itself, by %.1f ms at the 99th percentile", millis(lag))}
	case time.Duration(p99.P99*1e3) > limit:
		return verdict{
			why: fmt.Sprintf("p99 is %s, %v is the limit", shortMillis(p99.P99), limit),
			own: lag > limit/2,
		}
	}
	return verdict{holds: true}
}

// added is the latency that the limit is about.
func added(r *result.Run) result.Latency {
	if r.Target.Upstream == expectEcho {
		return r.RoundTripMicros
	}
	return r.AnswerMicros
}

// limit is --limit-p99, or what is usual.
func (o *options) limit(upstream string) time.Duration {
	switch {
	case o.limitP99 > 0:
		return o.limitP99
	case upstream == expectEcho:
		return 20 * time.Millisecond
	default:
		return 2500 * time.Millisecond
	}
}

func commonest(reasons map[string]int) string {
	names := slices.Sorted(maps.Keys(reasons))
	if len(names) == 0 {
		return "no reason is known"
	}
	return slices.MaxFunc(names, func(a, b string) int { return reasons[a] - reasons[b] })
}

// findMax searches with runs of their own, and returns the one that carried the most, with the search in it. What does not
// hold is tried a second time: a busy machine has bad moments. A run in which nothing holds is returned as it is.
func (x *experiment) findMax(ctx context.Context) (*result.Run, error) {
	s := &result.Search{LimitP99Ms: millis(x.o.limit(x.upstream())), LimitLost: x.o.limitLost}
	var best, last *result.Run
	n, err := search(x.o.sessions, x.o.maxSessions, x.o.precision/100, func(n int) (bool, error) {
		for attempt := 1; ; attempt++ {
			r, err := x.once(ctx, n)
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			last = r
			v := x.o.judge(r)
			if err != nil {
				v.holds, v.why = false, err.Error()+": "+commonest(r.Sessions.Reasons)
			}
			s.Trials = append(s.Trials, trialOf(r, v))
			if v.holds {
				x.show.say("%d sessions hold: p99 %s", n, shortMillis(added(r).P99))
				best = r
				s.GeneratorLimited = false
				return true, nil
			}
			x.show.say("%d sessions do not hold: %s", n, v.why)
			if attempt == 2 {
				s.GeneratorLimited = v.own
				return false, nil
			}
		}
	})
	if best == nil {
		best = last
	}
	if best == nil {
		return nil, err
	}
	s.Best, s.Bounded = n, n == x.o.maxSessions
	s.PerCoreOfMachine = float64(n) / float64(best.Machine.CPUs)
	if n > 0 && best.Server != nil && best.Server.Cores > 0 {
		s.PerCoreUsed = float64(n) / best.Server.Cores
	}
	best.Search = s
	best.Interrupted = err != nil
	return best, nil
}

func trialOf(r *result.Run, v verdict) result.Trial {
	t := result.Trial{
		Sessions: r.Sessions.Asked, Holds: v.holds, Why: v.why, P99Micros: added(r).P99, Lost: r.Frames.Lost, LagMicros: r.LagMicros.P99,
	}
	if r.Server != nil {
		t.Cores = r.Server.Cores
	}
	return t
}
