package result

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency is a distribution in microseconds. Where Count is 0 nothing was measured.
type Latency struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
	Curve []Point `json:"curve,omitempty"`
}

// Point says that Percent of all took at most Micros.
type Point struct {
	Percent float64 `json:"percent"`
	Micros  float64 `json:"micros"`
}

// longest is the largest value that a histogram takes; what is longer counts as that long.
const longest = int64(time.Minute)

// Histogram holds nanoseconds from 100 ns to a minute with three digits. It is used by one goroutine at a time.
type Histogram struct{ h *hdrhistogram.Histogram }

// NewHistogram returns an empty one; it takes about 200 kB.
func NewHistogram() *Histogram { return &Histogram{hdrhistogram.New(100, longest, 3)} }

// Record counts one value. What is out of range counts as the nearest that is not.
func (h *Histogram) Record(d time.Duration) {
	_ = h.h.RecordValue(min(max(int64(d), 0), longest)) // cannot fail within the range
}

// Count is how many values there are.
func (h *Histogram) Count() int64 { return h.h.TotalCount() }

// Merge adds what from holds.
func (h *Histogram) Merge(from *Histogram) { h.h.Merge(from.h) }

// Reset forgets everything.
func (h *Histogram) Reset() { h.h.Reset() }

// At is the value that percent of all do not exceed; 0 where there is none.
func (h *Histogram) At(percent float64) time.Duration {
	if h.h.TotalCount() == 0 {
		return 0
	}
	return time.Duration(h.h.ValueAtPercentile(percent))
}

// percents are the points of a curve: even on a scale of nines, on which a tail can be read.
var percents = []float64{
	0, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 96, 97, 98, 98.5, 99, 99.25, 99.5, 99.7, 99.8, 99.9, 99.95, 99.99, 99.999, 100,
}

// Summary is what is written down of a histogram.
func (h *Histogram) Summary() Latency {
	n := h.Count()
	if n == 0 {
		return Latency{}
	}
	l := Latency{
		Count: n, Mean: h.h.Mean() / 1e3,
		P50: Micros(h.At(50)), P90: Micros(h.At(90)), P99: Micros(h.At(99)), P999: Micros(h.At(99.9)),
		Max: Micros(time.Duration(h.h.Max())),
	}
	for _, p := range percents {
		// Beyond one in n there is nothing but the maximum.
		if p == 100 || (100-p)*float64(n) >= 100 {
			l.Curve = append(l.Curve, Point{p, Micros(h.At(p))})
		}
	}
	return l
}

// Micros is d in microseconds.
func Micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
