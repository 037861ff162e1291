package main

import "github.com/stonepot/stonepot/live/simulator"

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

// judge looks for answers that were spoken to their end and not heard to their end, without a word.
func (h *hearing) judge(n *counts) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.close(endInterrupted) // by the goodbye
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
