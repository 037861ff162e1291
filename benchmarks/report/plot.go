package main

import (
	"fmt"
	"strings"
)

// chart is what is to be drawn.
type chart struct {
	title          string
	xLabel, yLabel string
	series         []series
	x, y           func(values []float64) scale // fitted to what the series hold
	rows           int                          // where y has names instead of values: how many
}

// series is one line, or dots where dots is set.
type series struct {
	name   string
	run    int  // its colour: 0 or 1
	dashed bool // a second figure of the same run
	dots   bool
	points []point
}

// point is a value; bad dots are drawn as crosses.
type point struct {
	x, y      float64
	low, high float64 // of a dot: the interval around x; none where both are 0
	bad       bool
	note      string // of a dot
}

// The size of a plot, in units of its viewBox.
const (
	plotWidth, plotHeight                    = 640.0, 300.0
	plotLeft, plotRight, plotTop, plotBottom = 62.0, 14.0, 12.0, 26.0
	rowsLeft, rowHeight                      = 150.0, 40.0 // where the axis has names
)

// plot is a chart in coordinates, as the template wants it.
type plot struct {
	Title, XLabel, YLabel    string
	Width, Height            float64
	Left, Right, Top, Bottom float64 // of the field inside the axes
	XTicks, YTicks           []plotTick
	Lines                    []plotLine
	Rows                     bool // the axis has names
}

type plotTick struct {
	Pos   float64
	Label string
}

type plotLine struct {
	Name  string
	Class string
	Path  string // of a line, as of the attribute d
	Dots  []plotDot
}

type plotDot struct {
	X, Y      float64
	Low, High float64 // both 0: no interval
	Bad       bool
	Note      string
}

// draw turns a chart into coordinates. A chart without a point is nil.
func draw(c chart) *plot {
	var xs, ys []float64
	for _, s := range c.series {
		for _, p := range s.points {
			xs, ys = append(xs, p.x), append(ys, p.y)
			if p.low > 0 {
				xs = append(xs, p.low, p.high)
			}
		}
	}
	if len(xs) == 0 {
		return nil
	}
	p := &plot{
		Title: c.title, XLabel: c.xLabel, YLabel: c.yLabel, Width: plotWidth, Height: plotHeight,
		Left: plotLeft, Right: plotWidth - plotRight, Top: plotTop, Bottom: plotHeight - plotBottom,
	}
	if c.rows > 0 {
		p.Rows, p.Left, p.Height = true, rowsLeft, plotTop+plotBottom+rowHeight*float64(c.rows)
		p.Bottom = p.Height - plotBottom
	}
	x, y := c.x(xs), c.y(ys)
	across := func(v float64) float64 { return p.Left + x.at(v)*(p.Right-p.Left) }
	up := func(v float64) float64 { return p.Bottom - y.at(v)*(p.Bottom-p.Top) }
	for _, t := range x.ticks() {
		p.XTicks = append(p.XTicks, plotTick{across(t.Value), t.Label})
	}
	for _, t := range y.ticks() {
		p.YTicks = append(p.YTicks, plotTick{up(t.Value), t.Label})
	}
	for _, s := range c.series {
		if len(s.points) > 0 {
			p.Lines = append(p.Lines, s.line(across, up))
		}
	}
	return p
}

func (s series) line(across, up func(float64) float64) plotLine {
	l := plotLine{Name: s.name, Class: fmt.Sprintf("run%d", s.run)}
	if s.dashed {
		l.Class += " dashed"
	}
	if s.dots {
		for _, p := range s.points {
			d := plotDot{X: across(p.x), Y: up(p.y), Bad: p.bad, Note: p.note}
			if p.low > 0 {
				d.Low, d.High = across(p.low), across(p.high)
			}
			l.Dots = append(l.Dots, d)
		}
		return l
	}
	var path strings.Builder
	for i, p := range s.points {
		fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], across(p.x), up(p.y))
	}
	l.Path = path.String()
	return l
}
