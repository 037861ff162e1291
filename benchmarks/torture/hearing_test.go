package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/stonepot/stonepot/live/simulator"
)

// tone is audio that differs from place to place and from answer to answer.
func tone(answer byte, from, to int) (pcm []byte) {
	for i := from; i < to; i++ {
		pcm = append(pcm, byte(i), answer^byte(i>>8))
	}
	return pcm
}

// heard is a hearing with answers of 1000 samples each that were spoken.
func heard(answers int) (*conversation, *hearing) {
	w := testWorld()
	c := newConversation(w, 1)
	w.add(c)
	for i := range answers {
		a := c.ears.begin(1, int64(i+1), nil)
		c.ears.said(a, tone(byte(16*(i+1)), 0, 1000))
		c.ears.finished(a, simulator.Complete, true)
	}
	return c, c.ears
}

func TestHearing_holdsEveryAnswerToBeAPrefix(t *testing.T) {
	one := func(from, to int) []byte { return tone(16, from, to) }
	two := func(from, to int) []byte { return tone(32, from, to) }
	cases := []struct {
		name  string
		story func(h *hearing)
		want  map[string]int
	}{
		{"two answers to their end", func(h *hearing) {
			h.audio(one(0, 400))
			h.audio(one(400, 1000))
			h.end(endComplete)
			h.audio(two(0, 1000))
			h.end(endComplete)
		}, nil},
		{"the second only", func(h *hearing) {
			h.audio(two(0, 1000))
			h.end(endComplete)
		}, nil},
		{"interrupted, and the next", func(h *hearing) {
			h.audio(one(0, 400))
			h.end(endInterrupted)
			h.audio(two(0, 1000))
			h.end(endComplete)
		}, nil},
		{"the pause at its end, after a reload", func(h *hearing) {
			a := h.begin(1, 9, nil)
			begin := tone(144, 0, 100)
			h.said(a, slices.Concat(begin, make([]byte, 6000), tone(144, 100, 200), make([]byte, 1000)))
			h.finished(a, simulator.Complete, true)
			h.audio(begin)
			h.reloaded()
			h.audio(make([]byte, 1000))
			h.end(endComplete)
		}, nil},
		{"restarted", func(h *hearing) {
			h.audio(one(0, 10))
			h.end(endRestarted)
			h.audio(two(0, 1000))
			h.end(endComplete)
		}, nil},
		{"cut, and nobody told", func(h *hearing) {
			h.audio(one(0, 999))
			h.end(endComplete)
		}, map[string]int{kindD1: 1}},
		{"a gap", func(h *hearing) {
			h.audio(one(0, 400))
			h.audio(one(401, 1000))
			h.end(endComplete)
		}, map[string]int{kindD1: 1}},
		{"doubled", func(h *hearing) {
			h.audio(one(0, 400))
			h.audio(one(390, 500))
		}, map[string]int{kindD1: 1}},
		{"out of nowhere", func(h *hearing) { h.audio(tone(99, 0, 10)) }, map[string]int{kindD1: 1}},
		{"one after the other without a word", func(h *hearing) {
			h.audio(one(0, 400))
			h.audio(two(0, 1000))
		}, map[string]int{kindD1: 1}},
		{"the first again", func(h *hearing) {
			h.audio(one(0, 1000))
			h.end(endComplete)
			h.audio(one(0, 1000))
		}, map[string]int{kindD1: 1}},
		{"goes on after its interruption", func(h *hearing) {
			h.audio(one(0, 400))
			h.end(endInterrupted)
			h.audio(one(400, 500))
		}, map[string]int{kindD4: 1}},
		{"in the middle after a reload", func(h *hearing) {
			h.audio(one(0, 400))
			h.reloaded()
			h.audio(one(600, 1000))
			h.end(endComplete)
			h.audio(two(0, 1000))
			h.end(endComplete)
		}, nil},
		{"at a beginning after a reload", func(h *hearing) {
			h.audio(one(0, 400))
			h.reloaded()
			h.audio(two(0, 1000))
			h.end(endComplete)
		}, nil},
		{"a gap after a reload", func(h *hearing) {
			h.reloaded()
			h.audio(one(600, 700))
			h.audio(one(701, 1000))
		}, map[string]int{kindD1: 1}},
		{"a turn_complete is left out", func(h *hearing) {
			h.audio(one(0, 1000))
			h.generated()
			h.audio(two(0, 1000))
			h.end(endComplete)
		}, nil},
		{"the turn's figures are right", func(h *hearing) {
			h.audio(one(0, 1000))
			h.turn(endComplete, 41)
		}, nil},
		{"the turn's figures are wrong", func(h *hearing) {
			h.audio(one(0, 1000))
			h.turn(endComplete, 141)
		}, map[string]int{kindD3: 1}},
		{"a gap that was told", func(h *hearing) {
			h.audio(one(0, 400))
			h.skipped(2)
			h.audio(one(448, 1000))
			h.end(endComplete)
		}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			conv, h := heard(2)
			c.story(h)
			got := conv.w.report.backends[conv.backend].violations
			if !maps.Equal(got, c.want) && len(got)+len(c.want) > 0 {
				t.Errorf("%v, want %v: %q", got, c.want, conv.w.report.samples)
			}
		})
	}
}

func TestHearing_knowsHowFarAnAnswerWasHeard(t *testing.T) {
	_, h := heard(3)
	h.audio(tone(16, 0, 1000))
	h.end(endComplete)
	h.audio(tone(32, 0, 300))
	h.end(endInterrupted)
	var whole []bool
	for _, a := range h.answers {
		whole = append(whole, a.whole())
	}
	if want := []bool{true, false, false}; !slices.Equal(whole, want) {
		t.Errorf("whole: %v, want %v", whole, want)
	}
	if a := h.answers[1]; a.heard != 600 || a.how != endInterrupted {
		t.Errorf("%v", a)
	}
	if h.answers[0].pcm != nil {
		t.Error("an answer that nobody can hear any more is kept")
	}
}
