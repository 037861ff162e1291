package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// kind is what a scenario does.
type kind string

const (
	saturated kind = "saturated" // each session sends its next frame when the one before has come back
	paced     kind = "paced"     // each sends at an even rate; frames come back
	duplex    kind = "duplex"    // each sends at an even rate, and the model speaks at its own
	idle      kind = "idle"      // sessions that began and do nothing
	starting  kind = "start"     // from exec to the first 200
	files     kind = "static"    // GET of one file, over and over
)

// scenario is one thing that every relay is measured in.
type scenario struct {
	name     string
	kind     kind
	sessions int
	frame    int     // bytes of PCM in a browser's message; of static: of the file
	rate     float64 // frames a second and session
	tls      bool    // to the upstream
	hop      bool    // of interest is the latency, not the CPU
	relays   []string
}

// Speech that the model sends in duplex: real time at 24 kHz.
const (
	talkBytes = 1920
	talkEvery = 40 * time.Millisecond
)

// scenarios are all of them.
func scenarios() []scenario {
	return []scenario{
		{name: "saturated-640", kind: saturated, sessions: 50, frame: 640},
		{name: "saturated-1280", kind: saturated, sessions: 50, frame: 1280},
		{name: "saturated-3200", kind: saturated, sessions: 50, frame: 3200},
		{name: "saturated-30000", kind: saturated, sessions: 50, frame: 30000},
		{name: "saturated-640-tls", kind: saturated, sessions: 50, frame: 640, tls: true},
		{name: "saturated-3200-tls", kind: saturated, sessions: 50, frame: 3200, tls: true},
		{name: "paced", kind: paced, sessions: 1000, frame: 1280, rate: 25},
		{name: "hop", kind: paced, sessions: 100, frame: 640, rate: 50, hop: true},
		{name: "duplex", kind: duplex, sessions: 200, frame: 640, rate: 50},
		{name: "duplex-tls", kind: duplex, sessions: 200, frame: 640, rate: 50, tls: true},
		{name: "idle-1000", kind: idle, sessions: 1000},
		{name: "idle-5000", kind: idle, sessions: 5000},
		{name: "idle-1000-tls", kind: idle, sessions: 1000, tls: true},
		{name: "start", kind: starting},
		{name: "static-5k", kind: files, frame: 5 << 10, relays: []string{ours, nginxName, bunFiles}},
		{name: "static-50k", kind: files, frame: 50 << 10, relays: []string{ours, nginxName, bunFiles}},
	}
}

// metric is the figure that is compared.
type metric struct {
	name string
	unit string
	of   func(figures) float64
}

// metrics are what is compared; the first one is what the scenario is for.
func (s scenario) metrics() []metric {
	cpu := func(name string) metric { return metric{name, "µs", func(f figures) float64 { return f.CPUMicros }} }
	memory := func(name string) metric { return metric{name, "KB", func(f figures) float64 { return f.SessionKB }} }
	unkept := metric{"the same without the speech that is kept", "KB", func(f figures) float64 { return f.SessionKB - f.KeptKB }}
	switch {
	case s.hop:
		return []metric{{"round trip, median", "µs", func(f figures) float64 { return f.P50Micros }}}
	case s.kind == paced:
		return []metric{cpu("CPU for a round trip"), memory("resident memory of an active session"), unkept}
	case s.kind == duplex:
		return []metric{cpu("CPU for a second of conversation"), memory("resident memory of an active session"), unkept}
	case s.kind == idle:
		return []metric{memory("resident memory of an idle session")}
	case s.kind == starting:
		return []metric{{"exec to the first 200", "ms", func(f figures) float64 { return f.StartMs }}}
	case s.kind == files:
		return []metric{cpu("CPU for a request")}
	default:
		return []metric{cpu("CPU for a round trip")}
	}
}

// takes reports whether r is measured in s. Sessions that can be resumed matter where the shipped defaults are measured.
func (s scenario) takes(r relay) bool {
	if len(s.relays) > 0 {
		for _, name := range s.relays {
			if name == r.name {
				return true
			}
		}
		return false
	}
	switch r.name {
	case bunFiles:
		return false
	case oursResumable:
		return s.kind == paced || s.kind == duplex || s.kind == idle
	default:
		return true
	}
}

// fast reports whether s goes faster than real time, for which our limits must be lifted.
func (s scenario) fast() bool { return s.kind == saturated }

// figures are what one measurement of one relay gave.
type figures = result.Measurement

// crossed is the audio that crossed one side of a relay.
type crossed = result.Crossed

// converses reports whether s has sessions that speak.
func (s scenario) converses() bool { return s.kind == saturated || s.kind == paced || s.kind == duplex }

// String says what is done.
func (s scenario) String() string {
	text := s.name
	switch s.kind {
	case saturated:
		text = fmt.Sprintf("%s, %d sessions, each with one frame of %d B under way", s.name, s.sessions, s.frame)
	case paced, duplex:
		text = fmt.Sprintf("%s, %d sessions, each with %v frames of %d B a second", s.name, s.sessions, s.rate, s.frame)
	case idle:
		text = fmt.Sprintf("%s, %d sessions", s.name, s.sessions)
	case files:
		text = fmt.Sprintf("%s, a file of %d B", s.name, s.frame)
	}
	if s.kind == duplex {
		text += fmt.Sprintf(", and %d of %d B from the model", time.Second/talkEvery, talkBytes)
	}
	if s.tls {
		text += ", TLS to the model"
	}
	return text
}

// asked is how many units of work a second a scenario wants done; 0: as many as can be.
func (s scenario) asked() float64 {
	switch s.kind {
	case paced:
		return float64(s.sessions) * s.rate
	case duplex:
		return float64(s.sessions)
	default:
		return 0
	}
}

// units is the work that a relay has done: by the PCM that it has handed on, both ways, in whatever messages. They are
// round trips, or seconds of conversation.
func (s scenario) units(f *figures) float64 {
	done := float64(f.Upstream.BytesUp + f.Browser.BytesDown)
	if s.kind == duplex {
		return done / (float64(s.frame)*s.rate + talkBytes/talkEvery.Seconds())
	}
	return done / float64(2*s.frame)
}

// remark is what whoever reads a row must know; often nothing.
func (s scenario) remark(f figures) string {
	var all []string
	switch {
	case s.kind == saturated && f.Cores < 0.8:
		all = append(all, "not busy all the time")
	case f.PerSecond < 0.95*s.asked():
		all = append(all, fmt.Sprintf("did %.0f %% of what was asked", 100*f.PerSecond/s.asked()))
	}
	if f.Others > 0.1 {
		all = append(all, fmt.Sprintf("others used %.0f %% of its processor", 100*f.Others))
	}
	return strings.Join(all, "; ")
}

// middle is the one of all whose figure is the median; of an even number the lower one.
func middle(all []figures, of func(figures) float64) figures {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b figures) int { return cmp.Compare(of(a), of(b)) })
	return sorted[(len(sorted)-1)/2]
}
