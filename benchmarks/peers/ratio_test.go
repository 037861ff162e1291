package main

import (
	"math"
	"testing"
	"time"
)

func TestCoverage_isThatOfTheBinomialDistribution(t *testing.T) {
	for _, c := range []struct {
		n, k int
		want float64
	}{{1, 0, 0}, {5, 0, 0.9375}, {6, 0, 0.96875}, {8, 0, 0.9921875}, {9, 1, 0.9609375}, {20, 5, 0.958610}} {
		if got := coverage(c.n, c.k); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("n = %d, k = %d: %v, want %v", c.n, c.k, got, c.want)
		}
	}
}

func TestInterval_isTheNarrowestThatHolds(t *testing.T) {
	for _, c := range []struct {
		n         int
		low, high float64
	}{{1, 1, 1}, {5, 1, 5}, {6, 1, 6}, {8, 1, 8}, {9, 2, 8}, {20, 6, 15}} {
		var values []float64
		for i := range c.n {
			values = append(values, float64(c.n-i)) // not sorted
		}
		low, high, holds := interval(values)
		if low != c.low || high != c.high || c.n >= 6 && holds < confidence {
			t.Errorf("%d values: %v to %v with %v", c.n, low, high, holds)
		}
	}
}

func TestCompare_pairsTheRounds(t *testing.T) {
	sc := scenario{name: "s", kind: saturated}
	var measured []figures
	// The machine is twice as slow in the second round: ratios do not see it. In the third one the peer failed.
	for round, us := range []float64{10, 20, 90} {
		measured = append(measured, figures{Scenario: "s", Relay: ours, Round: round + 1, CPUMicros: us})
		if round < 2 {
			measured = append(measured, figures{Scenario: "s", Relay: bunName, Round: round + 1, CPUMicros: 2 * us})
		}
	}
	measured = append(measured, figures{Scenario: "other", Relay: floor, Round: 1, CPUMicros: 1})
	all := compare(sc, measured)
	if len(all) != 1 {
		t.Fatalf("%+v", all)
	}
	if r := all[0]; r.Ours != ours || r.Peer != bunName || r.Ratio != 0.5 || r.Low != 0.5 || r.High != 0.5 || r.Rounds != 2 || r.OurMedian != 15 || r.PeerMedian != 30 {
		t.Errorf("%+v", r)
	}
}

func TestMiddle_takesTheMeasurementOfTheMedian(t *testing.T) {
	all := []figures{{Round: 1, CPUMicros: 9}, {Round: 2, CPUMicros: 1}, {Round: 3, CPUMicros: 5}}
	if f := middle(all, scenario{}.metrics()[0].of); f.Round != 3 {
		t.Errorf("%+v", f)
	}
}

func TestClock_pairsFramesWithBytesHoweverTheyAreCut(t *testing.T) {
	k := &clock{frame: 10}
	at := time.Now()
	for i := range 4 {
		k.wrote(at.Add(time.Duration(i) * time.Second))
	}
	now := at.Add(10 * time.Second)
	var trips []time.Duration
	trips = k.came(4, now, true, trips)  // a part
	trips = k.came(17, now, true, trips) // the first two, and a byte of the third
	if len(trips) != 2 || trips[0] != 10*time.Second || trips[1] != 9*time.Second {
		t.Fatalf("%v", trips)
	}
	if trips = k.came(9, now, false, trips); len(trips) != 2 {
		t.Fatalf("one was written down that was not to be: %v", trips)
	}
	if trips = k.came(10, now, true, trips); len(trips) != 3 || trips[2] != 7*time.Second {
		t.Fatalf("%v", trips)
	}
}
