package main

import (
	"strings"
	"time"

	"github.com/stonepot/stonepot/benchmarks/torture/pcm"
	"github.com/stonepot/stonepot/live/simulator"
)

// uplinkVerdict is what became of what a person said: core.md's U1 to U3, in samples.
type uplinkVerdict struct {
	lost       int64 // absent, and neither given up by the client nor told
	lostLoud   int64 // of them, speech
	forgotten  int64 // absent, of questions that were answered to their end: the person has what they asked for
	excused    int64 // absent, as the client knows
	doubled    int64 // at renewals
	doubledMax int64 // at the worst renewal
	beyond     int64 // of doubled, what no renewal may
	reordered  int64 // out of order, or doubled without a renewal
	asLength   int64 // silence that came as digital silence of the same length
	renewals   int   // in the lineage that survived
	seeded     int   // of them, with the transcript
}

// span is a range of samples.
type span struct {
	from, to int64
	why      string
}

// piece is a stretch of the surviving lineage that one connection took in.
type piece struct {
	conn    uint64
	entries []entry
	seeded  bool  // the connection knows what was before from the transcript only
	exact   bool  // it was told by index what the handle covers
	speech  bool  // its handle fell into speech
	given   int64 // samples that the connection before it was given in the overlap's time, before the handle was told
}

// history is the lineage that survived, connection by connection, from the first word on. Called with mu held.
func (a *account) history(overlap time.Duration) []piece {
	if len(a.conns) == 0 {
		return nil
	}
	return a.historyOf(len(a.conns)-1, overlap)
}

func (a *account) historyOf(i int, overlap time.Duration) []piece {
	var chain []*connection
	for c := a.conns[i]; c != nil; c = c.parent {
		chain = append([]*connection{c}, chain...)
	}
	var all []piece
	for k, c := range chain {
		p := piece{conn: c.id, entries: c.entries, exact: c.opening.Transparent}
		if k+1 < len(chain) {
			p.entries = upTo(c.entries, chain[k+1].handle)
		}
		if k > 0 {
			before := all[len(all)-1].entries
			if n := len(before); n > 0 {
				p.speech = before[n-1].inSpeech
				p.given = chain[k-1].within(overlap+hiccup, before[n-1].told)
			}
		}
		all = append(all, p)
	}
	first := a.indexOf(chain[0])
	if first <= 0 {
		return all
	}
	// The chain begins anew: what was before is known by its transcript, up to where the person's words are given again.
	all[0].seeded = true
	past := a.historyOf(first-1, overlap)
	from := firstPosition(all)
	for k := range past {
		past[k].entries = before(past[k].entries, from)
	}
	return append(past, all...)
}

func (a *account) indexOf(c *connection) int {
	for i, other := range a.conns {
		if other == c {
			return i
		}
	}
	return -1
}

// upTo is what lies before the snapshot of a handle.
func upTo(entries []entry, handle string) []entry {
	for i, e := range entries {
		if e.kind == simulator.EventHandle && e.text == handle {
			return entries[:i+1]
		}
	}
	return entries
}

func firstPosition(pieces []piece) int64 {
	for _, p := range pieces {
		for _, e := range p.entries {
			if e.kind == simulator.EventAudio && e.run.Kind != pcm.Zero {
				return e.run.Pos
			}
		}
	}
	return 1 << 62
}

// before leaves out what was said from a sample on.
func before(entries []entry, pos int64) (kept []entry) {
	for _, e := range entries {
		if e.kind == simulator.EventAudio && e.run.Kind != pcm.Zero {
			if e.run.Pos >= pos {
				continue
			}
			e.run.N = min(e.run.N, pos-e.run.Pos)
		}
		kept = append(kept, e)
	}
	return kept
}

// hiccup is how much earlier audio may arrive here than its sender notes that it was sent.
const hiccup = 20 * time.Millisecond

// uplink judges the lineage against what the person said: everything up to end. overlap is what one renewal may double. What
// is absent and not given up by excuses counts as lost, unless the model was asked it, answered it to the end, and forgot.
func (a *account) uplink(end, overlap int64, excuses, answered []span, silent func(from, to int64) bool, forgetful bool) (v uplinkVerdict) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := walk{v: &v, excuses: excuses, answered: answered, silent: silent, forgetful: forgetful, log: a.c.log}
	for i, p := range a.history(lasting(overlap)) {
		w.begin(p, i > 0)
		for _, e := range p.entries {
			if e.kind == simulator.EventAudio {
				w.run(e.run, overlap)
			}
		}
	}
	w.gap(end)
	return v
}

// walk goes through a lineage. cursor is the sample that should come next.
type walk struct {
	v        *uplinkVerdict
	excuses  []span
	answered []span // questions whose answers were heard to their end
	silent   func(from, to int64) bool
	log      *eventLog

	// forgetful: where the newest handle does not know a turn that was heard to its end, there is no transcript that does.
	forgetful bool

	conn     uint64
	cursor   int64
	zeros    int64 // digital silence since the last word
	given    int64 // what the last renewal may double beyond the overlap
	boundary bool  // nothing of the person has come since the last renewal
	seeded   bool
	exact    bool
	speech   bool
	again    int64 // doubled at this renewal so far
}

func (w *walk) begin(p piece, renewal bool) {
	w.zeros, w.conn = 0, p.conn
	if renewal {
		w.v.renewals++
		w.boundary, w.seeded, w.exact, w.speech, w.given, w.again = true, p.seeded, p.exact, p.speech, p.given, 0
		if p.seeded {
			w.v.seeded++
		}
	}
}

func (w *walk) run(r pcm.Run, overlap int64) {
	if r.Kind == pcm.Zero {
		w.zeros += r.N
		return
	}
	switch {
	case r.Pos > w.cursor:
		w.gap(r.Pos)
	case r.Pos < w.cursor:
		w.double(r, min(w.cursor, r.End())-r.Pos, overlap)
	}
	w.zeros = 0
	w.cursor = max(w.cursor, r.End())
	if r.End() >= w.cursor {
		w.boundary = false
	}
}

// double counts n samples at the beginning of a run that came before.
func (w *walk) double(r pcm.Run, n, overlap int64) {
	// The overlap is a time (resume.overlap). What was sent within it may be more audio, behind a replay or a stall, and which of it the
	// handle holds nobody can tell the server: it gives all of that again, because losing some would be worse.
	overlap = max(overlap, w.given)
	if !w.boundary {
		w.v.reordered += n
		return
	}
	w.v.doubled += n
	w.again += n
	w.log.say("judged: upstream %d was given %d samples from %d on twice (%d at this renewal)", w.conn, n, r.Pos, w.again)
	w.v.doubledMax = max(w.v.doubledMax, w.again)
	switch {
	case w.exact && !w.seeded:
		w.v.beyond += n
	case w.again > overlap:
		w.v.beyond += min(n, w.again-overlap)
	case r.Kind == pcm.Speech && !w.speech && !w.seeded:
		w.v.beyond += n // the handle fell into silence
	}
}

// gap judges the samples from the cursor to the next that came.
func (w *walk) gap(to int64) {
	if to <= w.cursor {
		return
	}
	from, n := w.cursor, to-w.cursor
	w.cursor = to
	if w.zeros >= n && w.silent(from, to) {
		w.v.asLength += n
		return
	}
	excused := covered(from, to, w.excuses)
	w.log.say("judged: upstream %d lacks the samples %d to %d (%d excused)", w.conn, from, to, excused)
	w.v.excused += excused
	if n -= excused; n <= 0 {
		return
	}
	if (w.forgetful || covered(from, to, w.answered) > 0) && w.silentBeside(from, to, w.answered) {
		w.v.forgotten += n // and the silence around it
		return
	}
	w.v.lost += n
	if !w.silent(from, to) {
		w.v.lostLoud += n
	}
}

// silentBeside says whether nothing is said between two samples but for what lies in spans, which are in order.
func (w *walk) silentBeside(from, to int64, spans []span) bool {
	for _, x := range spans {
		if x.to <= from || x.from >= to {
			continue
		}
		if x.from > from && !w.silent(from, x.from) {
			return false
		}
		from = max(from, x.to)
	}
	return from >= to || w.silent(from, to)
}

// covered is how many of some samples lie in spans.
func covered(from, to int64, spans []span) (n int64) {
	for _, x := range spans {
		n += max(0, min(to, x.to)-max(from, x.from))
	}
	return n
}

// texts counts how often the model that survived knows a text, and the answer to a tool call.
func (a *account) texts(text string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.surviving() {
		if (e.kind == simulator.EventText || e.kind == simulator.EventSeed && e.id == "user") && hasWord(e.text, text) {
			n++
		}
	}
	return n
}

func (a *account) toolAnswers(id string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.surviving() {
		if e.kind == simulator.EventToolAnswer && e.id == id && e.known {
			n++
		}
	}
	return n
}

// surviving is what the newest connection knows without its transcript's past. Called with mu held.
func (a *account) surviving() []entry {
	if len(a.conns) == 0 {
		return nil
	}
	all, _ := a.conns[len(a.conns)-1].lineage()
	return all
}

// isSeeded says whether the newest connection's lineage began with a transcript.
func (a *account) isSeeded() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.conns[len(a.conns)-1]
	for c.parent != nil {
		c = c.parent
	}
	return a.indexOf(c) > 0
}

// hasWord says whether a key stands in a text and not at the beginning of a longer one.
func hasWord(text, key string) bool {
	for {
		i := strings.Index(text, key)
		if i < 0 {
			return false
		}
		text = text[i+len(key):]
		if text == "" || text[0] < '0' || text[0] > '9' {
			return true
		}
	}
}
