package live

import (
	"sync"
	"time"
)

// turns follows the model's answers. Its lock is held while an event of an answer goes to the outbox, so that
// nothing of an answer can slip out behind the word that interrupted it. It is taken before the outbox's.
type turns struct {
	mu          sync.Mutex
	index       int64
	before      int64 // of them, those on other instances; static after adopt
	open        bool  // content has come, turn_complete has not
	generated   bool  // generation_complete has come
	discarding  bool  // the browser asked to stop: the rest of this answer is dropped as it comes
	interrupted bool
	stopped     bool      // by the browser: the person does not want it
	cut         time.Time // when the upstream said that it was; zero: it did not
	audio       time.Duration
	response    time.Duration

	speechEnd  time.Time // when the person stopped speaking, as far as anything told
	speechTold bool      // by the upstream or by the client itself, which is surer than loudness
}

// content notes a piece of an answer. It reports whether the piece is to be dropped, and how long the answer took
// when this is its first piece (0: not the first, or not known). Called with mu held.
func (t *turns) content(now time.Time, d time.Duration, lastLoud time.Time) (drop bool, took time.Duration) {
	switch {
	case t.cutNow(now):
		return true, 0
	case t.open && t.generated, !t.cut.IsZero(): // an upstream that left turn_complete out
		t.close()
	}
	if !t.open {
		t.open = true
		t.index++
		end := t.speechEnd
		if !t.speechTold {
			end = lastLoud
		}
		if !end.IsZero() && now.After(end) {
			t.response = now.Sub(end)
			took = t.response
		}
		t.speechEnd, t.speechTold = time.Time{}, false
	}
	if t.discarding {
		return true, took
	}
	t.audio += d
	return false, took
}

// begins reports whether a piece of an answer that comes now is its first, and whether another turn is open, which lacks its
// turn_complete.
func (t *turns) begins(now time.Time) (first, another bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	another = t.open && (t.generated || !t.cut.IsZero() && !t.cutNow(now))
	return another || !t.open, another
}

// over reports whether the turn in progress has no more to come than its turn_complete.
func (t *turns) over() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open && (t.generated || !t.cut.IsZero())
}

// cutNow reports whether a piece that comes now still belongs to the answer that was interrupted: it was under way. One
// that comes later is the beginning of the next answer, though turn_complete was left out, or comes late (50 s were seen).
// Called with mu held.
func (t *turns) cutNow(now time.Time) bool {
	return t.open && !t.generated && !t.cut.IsZero() && now.Sub(t.cut) <= inFlight
}

// finished is the number of the last turn of which everything was generated.
func (t *turns) finished() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open && !t.generated {
		return t.index - 1
	}
	return t.index
}

// cutShort reports whether the person has said that they do not want the answer. One that they spoke into is another matter: it goes on
// being talked about.
func (t *turns) cutShort() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stopped
}

// answering reports whether an answer is being spoken.
func (t *turns) answering() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open && !t.generated
}

// heard notes that the person stopped speaking, as the upstream or the client says.
func (t *turns) heard(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.speechEnd, t.speechTold = now, true
}

// figures closes the turn and measures it. Called with mu held.
func (t *turns) figures() TurnFigures {
	if !t.open {
		t.index++
	}
	f := TurnFigures{t.index, milliseconds(t.response), milliseconds(t.audio), t.interrupted}
	t.close()
	return f
}

func (t *turns) close() {
	t.open, t.generated, t.discarding, t.interrupted, t.stopped = false, false, false, false, false
	t.audio, t.response, t.cut = 0, 0, time.Time{}
}

// count is the number of turns so far.
func (t *turns) count() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.index
}
