package main

import (
	"math"
	"slices"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// ratio compares one of ours with a peer in one scenario.
type ratio = result.Ratio

// confidence is what intervals should have. Fewer than six rounds do not give it.
const confidence = 0.95

// compare makes the ratios of everything of ours to every peer in a scenario.
func compare(sc scenario, measured []figures) (all []ratio) {
	for _, m := range sc.metrics() {
		by := byRelay(sc, m, measured)
		for _, our := range relays() {
			for _, peer := range relays() {
				if !our.ours || peer.ours {
					continue
				}
				if r, ok := pair(by[our.name], by[peer.name]); ok {
					r.Scenario, r.Metric, r.Unit, r.Ours, r.Peer = sc.name, m.name, m.unit, our.name, peer.name
					all = append(all, r)
				}
			}
		}
	}
	return all
}

// byRelay are the values of a metric in a scenario by relay and round.
func byRelay(sc scenario, m metric, measured []figures) map[string]map[int]float64 {
	by := map[string]map[int]float64{}
	for _, f := range measured {
		if f.Scenario != sc.name {
			continue
		}
		if by[f.Relay] == nil {
			by[f.Relay] = map[int]float64{}
		}
		by[f.Relay][f.Round] = m.of(f)
	}
	return by
}

// pair compares two relays in the rounds in which both gave a figure.
func pair(ours, peers map[int]float64) (r ratio, ok bool) {
	var a, b, ratios []float64
	for round, x := range ours {
		if y, both := peers[round]; both && x > 0 && y > 0 {
			a, b, ratios = append(a, x), append(b, y), append(ratios, x/y)
		}
	}
	if len(ratios) == 0 {
		return r, false
	}
	r.OurMedian, r.PeerMedian, r.Ratio, r.Rounds = result.Median(a), result.Median(b), result.Median(ratios), len(ratios)
	r.Low, r.High, r.Confidence = interval(ratios)
	return r, true
}

// interval is the narrowest interval between two order statistics that are equally far from the ends and that holds the
// median with at least confidence; where there are too few values for that, from the smallest to the largest.
func interval(values []float64) (low, high, holds float64) {
	slices.Sort(values)
	n := len(values)
	low, high, holds = values[0], values[n-1], coverage(n, 0)
	for k := 1; 2*k < n && coverage(n, k) >= confidence; k++ {
		low, high, holds = values[k], values[n-1-k], coverage(n, k)
	}
	return low, high, holds
}

// coverage is the probability that the median lies between the values with index k from both ends of n sorted ones:
// that more than k of them are on each side of it.
func coverage(n, k int) float64 {
	outside := 0.0
	for i := range k + 1 {
		outside += binomial(n, i)
	}
	return 1 - 2*outside*math.Pow(0.5, float64(n))
}

func binomial(n, k int) float64 {
	b := 1.0
	for i := range k {
		b *= float64(n-i) / float64(i+1)
	}
	return b
}
