package main

import (
	"slices"

	"github.com/stonepot/stonepot/live/simulator"
)

// about are the answers to a spoken question, in order.
func (h *hearing) about(a *ask) (found []*answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, x := range h.answers {
		for _, q := range x.about {
			if q.text == "" && q.from < a.to && a.from < q.to {
				found = append(found, x)
				break
			}
		}
	}
	return found
}

// began says whether something of an answer to a spoken question was heard.
func (h *hearing) began(a *ask) bool {
	found := h.about(a)
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(found, func(x *answer) bool {
		return x.heard > 0 || h.seg != nil && slices.ContainsFunc(h.seg.matches, func(m match) bool { return m.a == x && m.at > 0 })
	})
}

// answered says whether an answer to a spoken question was heard to its end.
func (h *hearing) answered(a *ask) bool {
	return slices.ContainsFunc(h.about(a), (*answer).whole)
}

// over ends what is being heard, which the goodbye has interrupted.
func (h *hearing) over() { h.end(endInterrupted) }

// judge looks for answers that were spoken to their end and not heard to their end, without a word.
func (h *hearing) judge(n *counts) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.answers {
		switch {
		case a.how == endReloaded || a.from > 0:
			n.reloaded++
		case a.whole():
			n.answered++
		case a.how == endInterrupted || a.how == endTurnInterrupted || a.how == endRestarted:
			n.interrupted++
		}
		if a.outcome == simulator.Complete && a.generated && a.how == unheard && a.size > 0 {
			h.c.log.say("nothing was heard of %v", a)
		}
	}
}
