package main

import (
	"math"
	"strings"
	"testing"
)

func labels(s scale) string {
	var all []string
	for _, t := range s.ticks() {
		all = append(all, t.Label)
	}
	return strings.Join(all, " ")
}

func TestScales_haveRoundTicks(t *testing.T) {
	for want, s := range map[string]scale{
		"0 0.2 0.4 0.6 0.8 1":       newLinear(nil),
		"0 2 4 6 8 10":              newLinear([]float64{9.3, 1}),
		"0 10 20 30 40":             newLinear([]float64{37}),
		"0.1 1 10 100":              newDecades([]float64{0.31, 0, 77, -1}),
		"0.5 1 2 5":                 newRatios([]float64{0.8, 6}),
		"0.01 0.1 1":                newRatios([]float64{0.01}),
		"bun forwarder":             rows{"bun", "forwarder"},
		"1 10":                      newDecades([]float64{1, 1}),
		"0 50 90 99 max":            newNines([]float64{0, 50, 99, 100}),
		"0 50 90 99 99.9 99.99 max": newNines([]float64{0, 99.99, 100}),
	} {
		if got := labels(s); got != want {
			t.Errorf("%+v: %s, want %s", s, got, want)
		}
	}
	if got := labels(newLinear([]float64{25_000})); got != "0 5000 10 k 15 k 20 k 25 k" {
		t.Error(got)
	}
}

func TestScales_keepTheOrderAndTheField(t *testing.T) {
	for _, c := range []struct {
		s      scale
		values []float64
	}{
		{newLinear([]float64{3, 50}), []float64{0, 3, 7, 50}},
		{newLinear([]float64{-3, 5}), []float64{-3, 0, 5}},
		{newDecades([]float64{0.02, 800}), []float64{0, 0.02, 1, 800}},
		{newRatios([]float64{0.03, 3}), []float64{0.03, 1, 3}},
		{rows{"a", "b", "c"}, []float64{2, 1, 0}},
		{newNines([]float64{0, 99.9, 100}), []float64{0, 50, 90, 99, 99.9, 100}},
	} {
		last := math.Inf(-1)
		for _, v := range c.values {
			at := c.s.at(v)
			if at < 0 || at > 1 || at <= last {
				t.Errorf("%+v: %v is at %v, behind %v", c.s, v, at, last)
			}
			last = at
		}
	}
}

func TestDraw_staysInsideItsAxes(t *testing.T) {
	p := draw(chart{x: fitLinear, y: fitDecades, series: []series{
		{name: "a", points: []point{{x: 0, y: 0}, {x: 7, y: 1234}, {x: 9, y: 0.01}}},
		{name: "b", run: 1, dots: true, points: []point{{x: 3, y: 3, bad: true, note: "n"}}},
		{name: "nothing"},
	}})
	if len(p.Lines) != 2 || p.Lines[1].Class != "run1" || len(p.Lines[1].Dots) != 1 || !p.Lines[1].Dots[0].Bad {
		t.Fatalf("%+v", p.Lines)
	}
	if want := "M62.0 274.0L"; !strings.HasPrefix(p.Lines[0].Path, want) {
		t.Errorf("%s does not begin with %s", p.Lines[0].Path, want)
	}
	for _, ticks := range [][]plotTick{p.XTicks, p.YTicks} {
		if len(ticks) < 2 {
			t.Errorf("%+v", ticks)
		}
	}
	for _, x := range p.XTicks {
		if x.Pos < p.Left || x.Pos > p.Right {
			t.Errorf("%+v lies outside", x)
		}
	}
	if draw(chart{x: fitLinear, y: fitLinear, series: []series{{}}}) != nil {
		t.Error("nothing was drawn as something")
	}
}
