package main

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/stonepot/stonepot/live/simulator"
)

// ending is how the hearing of an answer ended, as the client was told.
type ending int

const (
	unheard            ending = iota
	endComplete               // turn_complete
	endInterrupted            // interrupted
	endTurnInterrupted        // turn_complete that says interrupted
	endRestarted              // turn_restarted
	endReloaded               // the page was loaded anew
	endUntold                 // something else began without a word: a violation where the answer is not whole
)

func (e ending) String() string {
	return [...]string{"unheard", "complete", "interrupted", "turn interrupted", "restarted", "reloaded", "untold"}[e]
}

// answer is what the model said, and what was heard of it.
type answer struct {
	conn      uint64
	number    int64
	about     []question
	pcm       []byte // freed when nobody can hear it any more
	size      int
	over      bool
	generated bool
	outcome   simulator.Outcome

	heard  int  // bytes
	spoken bool // the client was told that this is all of it
	period int  // how many restarts the client had been told of before
	from   int  // where the hearing began: after a reload in the middle
	how    ending
}

func (a *answer) String() string {
	return fmt.Sprintf("answer %d of connection %d (%d bytes, outcome %d, heard %d to %d, %s)", a.number, a.conn, a.size, a.outcome, a.from, a.heard, a.how)
}

// whole says whether everything was heard.
func (a *answer) whole() bool { return a.size > 0 && a.from == 0 && a.heard == a.size }

// hearing compares what a client hears with what the model said: every answer a gapless prefix, each sample once. Its
// methods are safe for concurrent use.
type hearing struct {
	c *conversation

	mu       sync.Mutex
	answers  []*answer // in the order in which they began
	next     int       // the first that can still be heard from its beginning
	seg      *segment  // what is being heard
	anywhere bool      // the next segment may begin in the middle
	told     int64     // milliseconds that were skipped and told
	restarts int       // that the client was told of
}

// segment is audio that was heard without a word in between.
type segment struct {
	matches   []match
	bytes     int
	lost      bool // nothing matches: told once
	tainted   bool // it did not begin at the beginning, or has a gap that was told
	generated bool
}

// match is an answer that a segment may be, and how far.
type match struct {
	a        *answer
	from, at int
}

func (m match) goesOn(pcm []byte) bool {
	return m.at+len(pcm) <= len(m.a.pcm) && bytes.Equal(m.a.pcm[m.at:m.at+len(pcm)], pcm)
}

// audio is what was heard next.
func (h *hearing) audio(pcm []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seg != nil && h.seg.generated {
		h.close(endUntold) // a turn_complete was left out
	}
	if h.seg == nil {
		h.start()
	}
	s := h.seg
	s.bytes += len(pcm)
	if s.lost {
		return
	}
	var still []match
	for _, m := range s.matches {
		if m.goesOn(pcm) {
			m.at += len(pcm)
			still = append(still, m)
		}
	}
	if len(still) == 0 && (h.anywhere || h.told > 0) {
		still = h.seek(pcm)
		s.tainted = true
	}
	if len(still) == 0 {
		h.astray(pcm)
		s.lost = true
		return
	}
	h.anywhere = false
	s.matches = still
}

// open says whether an answer is being heard.
func (h *hearing) open() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seg != nil
}

// start begins a segment: any answer that has not been heard may be it.
func (h *hearing) start() {
	h.seg = &segment{tainted: h.anywhere}
	for _, a := range h.answers[h.next:] {
		h.seg.matches = append(h.seg.matches, match{a: a})
	}
}

// maxPlaces bounds the places at which an answer is thought to go on: tones repeat themselves, and a pause looks like every other.
const maxPlaces = 1 << 16

// seek finds where the audio may go on behind a gap: in the answer that was being heard, or in one after it.
func (h *hearing) seek(pcm []byte) (found []match) {
	at := map[*answer]int{}
	for _, m := range h.seg.matches {
		at[m.a] = max(at[m.a], m.at)
	}
	for _, a := range h.answers[max(0, h.next-1):] {
		for from, places := at[a], 0; from < len(a.pcm) && places < maxPlaces; {
			i := bytes.Index(a.pcm[from:], pcm)
			if i < 0 {
				break
			}
			if from += i; from%2 == 0 {
				found = append(found, match{a: a, from: from, at: from + len(pcm)})
				places++
			}
			from++
		}
	}
	return found
}

// astray says what is wrong with audio that no answer has here.
func (h *hearing) astray(pcm []byte) {
	was := h.seg.matches
	for i := len(h.answers) - 1; i >= 0; i-- {
		a := h.answers[i]
		at := bytes.Index(a.pcm, pcm)
		switch {
		case at < 0:
			continue
		case a.how == endInterrupted && at == a.heard:
			h.c.fail(kindD4, "audio of an answer after its interrupted: %v", a)
			return
		}
		expected := 0
		for _, m := range was {
			if m.a == a {
				expected = m.at
			}
		}
		h.c.fail(kindD1, "%d bytes at %d of %v, expected those at %d", len(pcm), at, a, expected)
		return
	}
	h.c.fail(kindD1, "%d bytes of audio that no answer has; %d answers could have gone on", len(pcm), len(was))
}

// close ends the segment.
func (h *hearing) close(how ending) {
	s := h.seg
	h.seg = nil
	if s == nil || s.lost || len(s.matches) == 0 {
		return
	}
	m := s.matches[0]
	for _, other := range s.matches { // an ambiguous beginning, such as the chime: the one that fits how it ended
		if fits(other, how) {
			m = other
			break
		}
	}
	m.a.heard, m.a.from, m.a.how, m.a.period, m.a.spoken = m.at, m.from, how, h.restarts, s.generated
	for i, a := range h.answers {
		if a == m.a {
			h.free(i)
		}
	}
	if !fits(m, how) {
		h.c.fail(kindD1, "an answer was cut and nobody told: %v", m.a)
	}
}

// fits says whether an answer may end so, heard as far as this.
func fits(m match, how ending) bool {
	return (how != endComplete && how != endUntold) || m.at == len(m.a.pcm)
}

// free lets go of what nobody can hear any more: all before answer i.
func (h *hearing) free(i int) {
	for _, a := range h.answers[max(0, h.next-1):i] {
		a.pcm = nil
	}
	h.next = i + 1
}

// end takes what the client was told about the answer that it hears.
func (h *hearing) end(how ending) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.close(how)
	if how == endRestarted {
		h.restarts++
	}
}

func (h *hearing) generated() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seg != nil {
		h.seg.generated = true
	}
}

// turn takes a turn_complete with the milliseconds of audio that the server says the turn had.
func (h *hearing) turn(how ending, audioMs int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.seg; s != nil && how == endComplete && !s.tainted && !s.lost {
		if ms := int64(s.bytes / 48); audioMs < ms-2 || audioMs > ms+2 {
			h.c.fail(kindD3, "turn_complete tells of %d ms of audio, %d ms were heard", audioMs, ms)
		}
	}
	h.close(how)
}

// skipped: the server gave some milliseconds up.
func (h *hearing) skipped(ms int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told += ms
}

// reloaded: what was being heard is gone, and the next may begin anywhere.
func (h *hearing) reloaded() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.close(endReloaded)
	h.anywhere = true
}

// The observer's side.

// begin notes an answer.
func (h *hearing) begin(conn uint64, number int64, about []question) *answer {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := &answer{conn: conn, number: number, about: about}
	h.answers = append(h.answers, a)
	if h.seg != nil && h.seg.bytes == 0 {
		h.seg.matches = append(h.seg.matches, match{a: a})
	}
	return a
}

// said notes a piece of an answer.
func (h *hearing) said(a *answer, pcm []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a.pcm = append(a.pcm, pcm...)
	a.size = len(a.pcm)
}

// finished notes the end of an answer.
func (h *hearing) finished(a *answer, outcome simulator.Outcome, generated bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a.over, a.outcome, a.generated = true, outcome, generated
}
