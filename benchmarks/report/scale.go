package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// scale maps values to a share of an axis, from 0 to 1, and says where its ticks are.
type scale interface {
	at(v float64) float64
	ticks() []tick
}

// tick is a mark on an axis.
type tick struct {
	Value float64
	Label string
}

// linear is an even scale from 0, or from a value below it, to a round value.
type linear struct{ low, high, step float64 }

// newLinear is a scale that holds all values, and 0.
func newLinear(values []float64) linear {
	low, high := 0.0, 0.0
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	if high == low {
		high = low + 1
	}
	step := round((high - low) / 5)
	return linear{math.Floor(low/step) * step, math.Ceil(high/step) * step, step}
}

// round is the next of 1, 2 and 5 times a power of ten that is not below v.
func round(v float64) float64 {
	ten := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*ten >= v*(1-1e-9) {
			return m * ten
		}
	}
	return 10 * ten
}

func (s linear) at(v float64) float64 { return (v - s.low) / (s.high - s.low) }

func (s linear) ticks() (all []tick) {
	for i := 0; ; i++ {
		v := s.low + float64(i)*s.step
		if v > s.high+s.step/2 {
			return all
		}
		all = append(all, tick{v, number(v)})
	}
}

// decades is a logarithmic scale over whole decades, for values above 0.
type decades struct{ low, high float64 } // logarithms to the base of ten

// newDecades is a scale that holds all values above 0.
func newDecades(values []float64) decades {
	above := slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return v <= 0 })
	if len(above) == 0 {
		return decades{0, 1}
	}
	d := decades{math.Floor(math.Log10(slices.Min(above))), math.Ceil(math.Log10(slices.Max(above)))}
	if d.high == d.low {
		d.high++
	}
	return d
}

func (s decades) at(v float64) float64 {
	if v <= 0 {
		return 0
	}
	return min(max((math.Log10(v)-s.low)/(s.high-s.low), 0), 1)
}

func (s decades) ticks() (all []tick) {
	for e := s.low; e <= s.high; e++ {
		v := math.Pow(10, e)
		all = append(all, tick{v, number(v)})
	}
	return all
}

// nines is a scale of percentiles on which 90, 99 and 99.9 % are equally far from each other, and 100 % is a step behind
// the last of them.
type nines struct{ most float64 } // nines of the last percentile below 100

// newNines is a scale for percentiles.
func newNines(percents []float64) nines {
	most := 1.0
	for _, p := range percents {
		if p < 100 {
			most = max(most, ninesOf(p))
		}
	}
	return nines{most}
}

func ninesOf(percent float64) float64 { return -math.Log10(1 - percent/100) }

// behind is how far 100 % lies behind the last percentile.
const behind = 0.6

func (s nines) at(percent float64) float64 {
	if percent >= 100 {
		return 1
	}
	return min(ninesOf(percent)/(s.most+behind), 1)
}

func (s nines) ticks() (all []tick) {
	for _, p := range []float64{0, 50, 90, 99, 99.9, 99.99, 99.999} {
		if p == 0 || ninesOf(p) <= s.most+1e-9 {
			all = append(all, tick{p, number(p)})
		}
	}
	return append(all, tick{100, "max"})
}

// ratios is a logarithmic scale around 1.
type ratios struct{ low, high float64 } // logarithms to the base of ten

// newRatios is a scale that holds all values, which are above 0, and 1.
func newRatios(values []float64) ratios {
	low, high := 1.0, 1.0
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	// A little room, so that nothing lies on the edge, and a tick besides 1.
	return ratios{math.Log10(min(low, 0.5)) - 0.05, math.Log10(max(high, 2)) + 0.05}
}

func (s ratios) at(v float64) float64 { return (math.Log10(v) - s.low) / (s.high - s.low) }

func (s ratios) ticks() (all []tick) {
	steps := []float64{1, 2, 5}
	if s.high-s.low > 2 {
		steps = []float64{1}
	}
	for e := math.Floor(s.low); e <= s.high; e++ {
		for _, m := range steps {
			if v := m * math.Pow(10, e); math.Log10(v) >= s.low && math.Log10(v) <= s.high {
				all = append(all, tick{v, number(v)})
			}
		}
	}
	return all
}

// rows is an axis of names, the first one on top.
type rows []string

func (s rows) at(v float64) float64 { return 1 - (v+0.5)/float64(len(s)) }

func (s rows) ticks() (all []tick) {
	for i, name := range s {
		all = append(all, tick{float64(i), name})
	}
	return all
}

// number is v with as few digits as say enough.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', 4, 64) + " M"
	case a >= 1e4:
		return strconv.FormatFloat(v/1e3, 'g', 4, 64) + " k"
	case a >= 90 && a < 100: // percentiles need their nines
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return fmt.Sprintf("%.4g", v)
	}
}
