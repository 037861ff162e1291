package main

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// shards is over how many figures the sessions are spread, so that they do not wait for each other to record.
const shards = 8

// figures is what the sessions of a run count together. Every method is safe for concurrent use.
type figures struct {
	shards [shards]shard

	up, down side
	sent     atomic.Int64 // frames due while it is measured
	received atomic.Int64 // of them, each once
	late     atomic.Int64
	doubled  atomic.Int64
	strange  atomic.Int64

	everSent, everReceived atomic.Int64 // frames at any time, for the progress

	mu        sync.Mutex // guards what follows
	begin     map[string]*result.Histogram
	ready     int
	ended     int // in an orderly way
	failures  int
	reasons   map[string]int
	model     string
	simulated bool
	notes     map[string]int64 // warnings by code
}

// The parts of a beginning, for began.
const (
	partAsk     = "ask"
	partConnect = "connect"
	partStart   = "start"
	partReady   = "ready"
)

// side counts one direction.
type side struct{ audioMessages, audioBytes, textMessages, textBytes atomic.Int64 }

func (s *side) audio(n int) { s.audioMessages.Add(1); s.audioBytes.Add(int64(n)) }
func (s *side) text(n int)  { s.textMessages.Add(1); s.textBytes.Add(int64(n)) }

func (s *side) result() result.Side {
	return result.Side{
		AudioMessages: s.audioMessages.Load(), AudioBytes: s.audioBytes.Load(),
		TextMessages: s.textMessages.Load(), TextBytes: s.textBytes.Load(),
	}
}

// distributions are the histograms of frames and answers.
type distributions struct {
	trip, uncorrected, up, down, lag, answer, serverAnswer *result.Histogram
	recentTrip, recentLag                                  *result.Histogram // since the progress was last shown
}

func newDistributions() *distributions {
	d := &distributions{}
	for _, h := range d.all() {
		*h = result.NewHistogram()
	}
	return d
}

func (d *distributions) all() []**result.Histogram {
	return []**result.Histogram{&d.trip, &d.uncorrected, &d.up, &d.down, &d.lag, &d.answer, &d.serverAnswer, &d.recentTrip, &d.recentLag}
}

func (d *distributions) merge(from *distributions) {
	mine, theirs := d.all(), from.all()
	for i := range mine {
		(*mine[i]).Merge(*theirs[i])
	}
}

type shard struct {
	mu sync.Mutex
	d  *distributions
}

func newFigures() *figures {
	f := &figures{begin: map[string]*result.Histogram{}, reasons: map[string]int{}, notes: map[string]int64{}}
	for i := range f.shards {
		f.shards[i].d = newDistributions()
	}
	for _, part := range []string{partAsk, partConnect, partStart, partReady} {
		f.begin[part] = result.NewHistogram()
	}
	return f
}

// record lets do change the distributions that session n shares with some others.
func (f *figures) record(n uint32, do func(d *distributions)) {
	s := &f.shards[n%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s.d)
}

// merged are the distributions of all sessions.
func (f *figures) merged() *distributions {
	all := newDistributions()
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		all.merge(s.d)
		s.mu.Unlock()
	}
	return all
}

// recent are the round trips and the lag since the last call.
func (f *figures) recent() (trip, lag *result.Histogram) {
	trip, lag = result.NewHistogram(), result.NewHistogram()
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		trip.Merge(s.d.recentTrip)
		lag.Merge(s.d.recentLag)
		s.d.recentTrip.Reset()
		s.d.recentLag.Reset()
		s.mu.Unlock()
	}
	return trip, lag
}

// began records how long a part of a session's beginning took.
func (f *figures) began(part string, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begin[part].Record(took)
}

// isReady counts a session that may speak now.
func (f *figures) isReady(m message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready++
	f.model, f.simulated = m.Model, m.Simulated
}

// maxReasons bounds the table of reasons.
const maxReasons = 50

// fail counts a session that failed.
func (f *figures) fail(err *failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures++
	reason := err.reason
	if _, known := f.reasons[reason]; !known && len(f.reasons) >= maxReasons {
		reason = "other reasons"
	}
	f.reasons[reason]++
}

// end counts a session that was ended in an orderly way.
func (f *figures) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended++
}

// note counts something that a server warned of.
func (f *figures) note(what string, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.notes[what]; known || len(f.notes) < maxReasons {
		f.notes[what] += n
	}
}

// counts are how many sessions are ready and how many failed.
func (f *figures) counts() (ready, failures int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ready, f.failures
}

// fillIn writes all of it into r.
func (f *figures) fillIn(r *result.Run) {
	d := f.merged()
	r.RoundTripMicros, r.UncorrectedMicros = d.trip.Summary(), d.uncorrected.Summary()
	r.UpMicros, r.DownMicros = d.up.Summary(), d.down.Summary()
	r.AnswerMicros, r.ServerAnswerMicros = d.answer.Summary(), d.serverAnswer.Summary()
	r.LagMicros = d.lag.Summary()
	r.Traffic = result.Traffic{Up: f.up.result(), Down: f.down.result()}
	r.Frames = result.Frames{
		Sent: f.sent.Load(), Received: f.received.Load(), Late: f.late.Load(),
		Doubled: f.doubled.Load(), Strange: f.strange.Load(),
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	r.AskMicros, r.ConnectMicros = f.begin[partAsk].Summary(), f.begin[partConnect].Summary()
	r.StartMicros, r.ReadyMicros = f.begin[partStart].Summary(), f.begin[partReady].Summary()
	r.Sessions.Ready, r.Sessions.Failed, r.Sessions.Completed = f.ready, f.failures, f.ended
	r.Sessions.Reasons = f.reasons
	r.Target.Model, r.Target.Simulated = f.model, f.simulated
	r.Notes = append(r.Notes, f.warnings()...)
}

// warnings says what servers warned of. Called with mu held.
func (f *figures) warnings() (lines []string) {
	for _, what := range slices.Sorted(maps.Keys(f.notes)) {
		lines = append(lines, fmt.Sprintf("The server said %q %d times.", what, f.notes[what]))
	}
	return lines
}
