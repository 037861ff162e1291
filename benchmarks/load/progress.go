package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// progress tells a person how a run is going: one line that is drawn again on a terminal, a line now and then elsewhere.
// A nil progress is silent. It is used by one goroutine at a time.
type progress struct {
	to       io.Writer
	terminal bool
	drawn    bool // there is a line on the terminal
	lines    int
}

// newProgress draws on f.
func newProgress(f *os.File) *progress {
	info, err := f.Stat()
	return &progress{to: f, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// What terminals do when they read it (ECMA-48, DEC private modes): a line that is too long is cut rather than wrapped,
// so that the next one takes its place.
const (
	noWrap    = "\x1b[?7l"
	wrap      = "\x1b[?7h"
	eraseRest = "\x1b[K"
)

// elsewhere is how many moments pass between two lines that stay.
const elsewhere = 5

// line shows a moment.
func (p *progress) line(r *run, m result.Moment) {
	if p == nil {
		return
	}
	text := describe(r, m)
	if p.terminal {
		fmt.Fprint(p.to, "\r", noWrap, text, eraseRest, wrap)
		p.drawn = true
		return
	}
	if p.lines++; p.lines%elsewhere == 1 {
		fmt.Fprintln(p.to, text)
	}
}

// say shows a sentence that stays.
func (p *progress) say(format string, args ...any) {
	if p == nil {
		return
	}
	p.clear()
	fmt.Fprintf(p.to, format+"\n", args...)
}

// clear takes the line away.
func (p *progress) clear() {
	if p == nil || !p.drawn {
		return
	}
	fmt.Fprint(p.to, "\r", eraseRest)
	p.drawn = false
}

// describe is a moment in one line of ASCII.
func describe(r *run, m result.Moment) string {
	ready, failures := r.figures.counts()
	share, stage := r.stage()
	var b strings.Builder
	fmt.Fprintf(&b, "[%s] %s  %d/%d sessions", bar(share, 20), stage, ready, r.sessions)
	if failures > 0 {
		fmt.Fprintf(&b, " (%d failed)", failures)
	}
	what := "answer"
	if r.echo {
		what = "round trip"
	}
	fmt.Fprintf(&b, "  %s p50 %s p99 %s", what, shortMillis(m.P50Micros), shortMillis(m.P99Micros))
	fmt.Fprintf(&b, "  lag p99 %s  up %d/s down %d/s", shortMillis(m.LagMicros), m.Sent, m.Received)
	if late := r.figures.late.Load(); late > 0 {
		fmt.Fprintf(&b, "  late %d", late)
	}
	if m.ResidentKB > 0 {
		fmt.Fprintf(&b, "  server %.2f cores %d MB", m.Cores, m.ResidentKB>>10)
	}
	return b.String()
}

// stage is how much of the run has passed, and what it is doing.
func (r *run) stage() (share float64, name string) {
	now, from, to := r.clock(), time.Duration(r.from.Load()), time.Duration(r.to.Load())
	switch {
	case now < from: // which is not known yet
		ready, failures := r.figures.counts()
		if ready+failures >= r.sessions {
			return 1, "warming up"
		}
		return float64(ready+failures) / float64(r.sessions), "starting"
	case now < to:
		done, all := (now - from).Round(time.Second), (to - from).Round(time.Second)
		return float64(now-from) / float64(to-from), fmt.Sprintf("%v/%v", done, all)
	default:
		return 1, "ending"
	}
}

// bar draws a share of a whole.
func bar(share float64, width int) string {
	full := int(min(max(share, 0), 1)*float64(width) + 0.5)
	return strings.Repeat("#", full) + strings.Repeat("-", width-full)
}

// shortMillis is a latency in as few characters as say enough.
func shortMillis(us float64) string {
	switch v := us / 1e3; {
	case us == 0:
		return "-"
	case v < 10:
		return fmt.Sprintf("%.2fms", v)
	case v < 100:
		return fmt.Sprintf("%.1fms", v)
	default:
		return fmt.Sprintf("%.0fms", v)
	}
}
