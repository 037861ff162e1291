package main

import (
	"fmt"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

func fitLinear(v []float64) scale  { return newLinear(v) }
func fitDecades(v []float64) scale { return newDecades(v) }
func fitNines(v []float64) scale   { return newNines(v) }
func fitRatios(v []float64) scale  { return newRatios(v) }

// charts are all that can be drawn of the runs.
func charts(runs []*result.Run) []chart {
	return []chart{
		curves(runs), readiness(runs), oneWay(runs),
		timeline("Latency over time", "ms", runs, fitDecades,
			second{"p99", false, func(m result.Moment) float64 { return m.P99Micros / 1e3 }},
			second{"p50", true, func(m result.Moment) float64 { return m.P50Micros / 1e3 }}),
		timeline("The generator's own lag over time (p99)", "ms", runs, fitLinear,
			second{"lag", false, func(m result.Moment) float64 { return m.LagMicros / 1e3 }}),
		timeline("Frames over time", "frames a second", runs, fitLinear,
			second{"received", false, func(m result.Moment) float64 { return float64(m.Received) }},
			second{"sent", true, func(m result.Moment) float64 { return float64(m.Sent) }}),
		timeline("Sessions over time", "", runs, fitLinear,
			second{"ready", false, func(m result.Moment) float64 { return float64(m.Ready) }}),
		timeline("The server's CPU over time", "cores", seen(runs), fitLinear,
			second{"cores", false, func(m result.Moment) float64 { return m.Cores }}),
		timeline("The server's memory over time", "MB", seen(runs), fitLinear,
			second{"resident", false, func(m result.Moment) float64 { return float64(m.ResidentKB) / 1024 }}),
		trials(runs),
	}
}

// seen are the runs, without the moments in which nobody saw the server's processes.
func seen(runs []*result.Run) []*result.Run {
	some := make([]*result.Run, len(runs))
	for i, r := range runs {
		c := *r
		c.Timeline = nil
		for _, m := range r.Timeline {
			if m.ResidentKB > 0 {
				c.Timeline = append(c.Timeline, m)
			}
		}
		some[i] = &c
	}
	return some
}

// percentiles draws a distribution as a line.
func percentiles(name string, run int, dashed bool, l result.Latency) series {
	s := series{name: name, run: run, dashed: dashed}
	for _, p := range l.Curve {
		s.points = append(s.points, point{x: p.Percent, y: p.Micros / 1e3})
	}
	return s
}

// curves are the latencies of frames, or of answers, by percentile.
func curves(runs []*result.Run) chart {
	c := chart{title: "Round trip by percentile", xLabel: "percentile", yLabel: "ms", x: fitNines, y: fitDecades}
	for i, r := range runs {
		if r.RoundTripMicros.Count == 0 {
			c.title = "Delay of answers by percentile"
			c.series = append(c.series, percentiles(named(runs, i, "answer"), i, false, r.AnswerMicros))
			continue
		}
		c.series = append(c.series,
			percentiles(named(runs, i, "round trip"), i, false, r.RoundTripMicros),
			percentiles(named(runs, i, "uncorrected"), i, true, r.UncorrectedMicros))
	}
	return c
}

func readiness(runs []*result.Run) chart {
	c := chart{title: "Time to ready by percentile", xLabel: "percentile", yLabel: "ms", x: fitNines, y: fitDecades}
	for i, r := range runs {
		c.series = append(c.series, percentiles(named(runs, i, "ready"), i, false, r.ReadyMicros))
	}
	return c
}

func oneWay(runs []*result.Run) chart {
	c := chart{title: "One way by percentile", xLabel: "percentile", yLabel: "ms", x: fitNines, y: fitDecades}
	for i, r := range runs {
		c.series = append(c.series,
			percentiles(named(runs, i, "up"), i, false, r.UpMicros), percentiles(named(runs, i, "down"), i, true, r.DownMicros))
	}
	return c
}

// second is a figure of each second.
type second struct {
	name   string
	dashed bool
	get    func(m result.Moment) float64
}

func timeline(title, yLabel string, runs []*result.Run, y func([]float64) scale, figures ...second) chart {
	c := chart{title: title, xLabel: "seconds since the first session", yLabel: yLabel, x: fitLinear, y: y}
	for i, r := range runs {
		for _, f := range figures {
			s := series{name: named(runs, i, f.name), run: i, dashed: f.dashed}
			for _, m := range r.Timeline {
				s.points = append(s.points, point{x: float64(m.AtMs) / 1e3, y: f.get(m)})
			}
			c.series = append(c.series, s)
		}
	}
	return c
}

// trials are what a search has tried.
func trials(runs []*result.Run) chart {
	c := chart{title: "What the search tried: p99", xLabel: "sessions", yLabel: "ms", x: fitLinear, y: fitDecades}
	for i, r := range runs {
		if r.Search == nil {
			continue
		}
		s := series{name: named(runs, i, "p99 (✕: a limit was not kept)"), run: i, dots: true}
		for _, t := range r.Search.Trials {
			note := fmt.Sprintf("%d sessions: p99 %.2f ms", t.Sessions, t.P99Micros/1e3)
			if !t.Holds {
				note += "; " + t.Why
			}
			s.points = append(s.points, point{x: float64(t.Sessions), y: t.P99Micros / 1e3, bad: !t.Holds, note: note})
		}
		c.series = append(c.series, s)
	}
	return c
}
