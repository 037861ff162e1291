package main

import (
	"sync"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// watch looks at a run once a second: for the timeline, the progress, and what processes use. begin, end, stop and
// fillIn are called by the run's goroutine.
type watch struct {
	r      *run
	idle   reading // before the first session
	done   chan struct{}
	ticker sync.WaitGroup

	// Of the time that is measured.
	from, to             time.Duration
	serverFrom, serverTo reading
	ownFrom, ownTo       time.Duration

	moments []result.Moment // owned by the ticker until stop has returned
}

func newWatch(r *run) *watch {
	w := &watch{r: r, idle: r.server.read(), done: make(chan struct{})}
	w.ticker.Go(w.tick)
	return w
}

// maxMoments bounds the timeline: beyond it, seconds are seen but not kept.
const maxMoments = 4000

// tick makes a moment of each second.
func (w *watch) tick() {
	began, last := w.r.clock(), w.idle
	lastAt := began
	var sent, received int64
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	defer w.r.show.clear()
	for {
		select {
		case <-w.done:
			return
		case <-ticks.C:
		}
		now, seen := w.r.clock(), w.r.server.read()
		m := w.moment(now - began)
		m.Sent, m.Received = w.r.figures.everSent.Load()-sent, w.r.figures.everReceived.Load()-received
		sent, received = sent+m.Sent, received+m.Received
		if seen.ok && last.ok {
			m.Cores = (seen.cpu - last.cpu).Seconds() / (now - lastAt).Seconds()
			m.ResidentKB = seen.residentKB
		}
		last, lastAt = seen, now
		if len(w.moments) < maxMoments {
			w.moments = append(w.moments, m)
		}
		w.r.show.line(w.r, m)
	}
}

func (w *watch) moment(at time.Duration) result.Moment {
	trip, lag := w.r.figures.recent()
	ready, _ := w.r.figures.counts()
	return result.Moment{
		AtMs: at.Milliseconds(), Ready: ready,
		P50Micros: result.Micros(trip.At(50)), P99Micros: result.Micros(trip.At(99)), LagMicros: result.Micros(lag.At(99)),
	}
}

// begin and end mark the time that is measured.
func (w *watch) begin(at time.Duration) {
	w.from, w.serverFrom, w.ownFrom = at, w.r.server.read(), ownCPU()
}

func (w *watch) end() {
	w.to, w.serverTo, w.ownTo = w.r.clock(), w.r.server.read(), ownCPU()
}

// stop ends looking, and waits for it.
func (w *watch) stop() {
	close(w.done)
	w.ticker.Wait()
}

// fillIn writes down what was seen. It is called after stop.
func (w *watch) fillIn(r *result.Run) {
	r.Timeline = w.moments
	took := (w.to - w.from).Seconds()
	if took <= 0 {
		return
	}
	own := (w.ownTo - w.ownFrom).Seconds()
	r.Generator = result.Process{CPUSeconds: own, Cores: own / took}
	if w.serverFrom.ok && w.serverTo.ok {
		used := (w.serverTo.cpu - w.serverFrom.cpu).Seconds()
		r.Server = &result.Process{
			PIDs: w.r.server.pids, CPUSeconds: used, Cores: used / took,
			ResidentKB: w.serverTo.residentKB, IdleResidentKB: w.idle.residentKB, PeakResidentKB: w.serverTo.peakKB,
		}
	}
}
