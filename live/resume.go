package live

import (
	"errors"
	"maps"
	"slices"
	"time"
)

// tombstone is what is left of a session that has ended, for clients that come to resume it.
type tombstone struct {
	until  time.Time
	reason Reason
	detail string
	field  string
	last   EndedNotice

	generation uint64 // of its last connection
}

// elsewhere is a session that clients came to resume here although another instance may hold it.
type elsewhere struct {
	until time.Time
	tries int
}

const (
	// maxRemembered bounds tombstones and sessions elsewhere, each; beyond it some are forgotten.
	maxRemembered = 8 << 10
	// elsewhereTries is how often a session that another instance may hold is refused before the ticket is honoured: its
	// holder may be dead.
	elsewhereTries = 3
	elsewhereFor   = time.Minute
)

// turnedAway is why a connection does not get the session it came for.
type turnedAway struct {
	reason Reason
	detail string
	field  string
	last   []Notice
}

func (t *turnedAway) tell(d *door) { d.turnAway(t.reason, t.detail, t.field, t.last...) }

// resume finds or makes the session that a connection comes for. nil: it was turned away.
func (g *Gateway) resume(d *door, slot *Slot, r *Resume) (*Session, *link) {
	t, err := g.sealer.open(r.ResumeTicket, time.Now())
	if err != nil || t.SessionID != r.SessionID || t.Backend != slot.backend.Name {
		g.log.Info("a ticket was refused", "error", err, "address", d.client.Address)
		d.turnAway(ReasonUnauthorized, "", "")
		return nil, nil
	}
	if !r.plausible() {
		tellForeign(d)
		return nil, nil
	}
	d.dialect = newStonepot(t.SessionID, &d.limits) // it speaks of that session from now on
	r.recounts, r.elsewhere = t.Recounts, t.Instance != g.instance
	for {
		s, no := g.holder(&t, slot, d.client, r)
		if no != nil {
			no.tell(d)
			return nil, nil
		}
		l, err := s.attach(d.browser, r)
		if err == nil {
			s.log().Info("session resumed", "address", d.client.Address, "generation", l.generation)
			return s, l
		}
		if errors.Is(err, errForeign) {
			tellForeign(d)
			return nil, nil
		}
		if errors.Is(err, errReplaced) {
			d.turnAway(ReasonReplaced, "", "")
			return nil, nil
		}
		<-s.over // its tombstone answers
	}
}

// maxCount is the largest count that a client can mean: a larger one is no exact number in JavaScript.
const maxCount = 1 << 53

// plausible reports whether a client can have received as many messages as it says.
func (r *Resume) plausible() bool {
	return r.Received == nil || *r.Received >= 0 && *r.Received <= maxCount
}

func tellForeign(d *door) {
	d.turnAway(ReasonSessionNotFound, "The conversation cannot be resumed from here: the client counts messages that this conversation never had.", "")
}

// holder is the session that a ticket is for: the one that lives here, or a new one that goes on with its conversation.
func (g *Gateway) holder(t *ticket, slot *Slot, c Client, r *Resume) (*Session, *turnedAway) {
	s, no := g.known(t)
	if s != nil && g.outlived(t, s.in.newest()) {
		s.end(ReasonSessionElsewhere, "")
		<-s.over
		s, no = g.known(t)
	}
	if s != nil || no != nil {
		return s, no
	}
	p, err := g.plans.plan(slot.config, slot.backend.Name, &t.Config)
	if err != nil {
		m := asMessageError(err)
		return nil, &turnedAway{reason: *m.Ends, detail: m.Message, field: m.Field}
	}
	s = newSession(g, slot.backend, slot.config, c, p)
	s.adopt(t, r)
	if no := g.begin(s, slot); no != nil {
		if other := g.find(t.SessionID); other != nil { // another connection with the same ticket was faster
			return other, nil
		}
		return nil, &turnedAway{reason: no.Reason, detail: no.Message}
	}
	return s, nil
}

// outlived reports whether the conversation of a ticket went on, on another instance, after a connection here with a
// generation: what this instance has of it is an older branch.
func (g *Gateway) outlived(t *ticket, generation uint64) bool {
	return t.Instance != g.instance && uint64(t.Generation) >= generation
}

// known is what this instance knows of the session that a ticket is for: nothing, when the ticket is to be honoured.
func (g *Gateway) known(t *ticket) (*Session, *turnedAway) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.sessions[t.SessionID]; s != nil {
		return s, nil
	}
	if e, ok := g.ended[t.SessionID]; ok && now.Before(e.until) && !g.outlived(t, e.generation) {
		return nil, e.answer()
	}
	if t.Instance == g.instance {
		return nil, &turnedAway{reason: ReasonSessionNotFound}
	}
	if t.Released {
		return nil, nil
	}
	e := g.elsewhere[t.SessionID]
	if now.After(e.until) {
		e.tries = 0
	}
	if e.tries >= elsewhereTries {
		return nil, nil
	}
	forget(g.elsewhere, func(e elsewhere) bool { return now.After(e.until) })
	g.elsewhere[t.SessionID] = elsewhere{now.Add(elsewhereFor), e.tries + 1}
	return nil, &turnedAway{reason: ReasonSessionElsewhere}
}

// answer is what a client is told that comes for a session which has ended. A reason that says "come back" was meant for
// a connection; the session itself cannot be had any more, unless another instance goes on with it.
func (e tombstone) answer() *turnedAway {
	if e.reason == ReasonServerDraining {
		return &turnedAway{reason: e.reason}
	}
	no := &turnedAway{reason: e.reason, detail: e.detail, field: e.field, last: []Notice{e.last}}
	if e.reason.Close == 0 || e.reason.Kept {
		no.reason = ReasonSessionNotFound
	}
	return no
}

// bury remembers how s ended for as long as its client may come back. Called with mu held.
func (g *Gateway) bury(s *Session) {
	if !s.plan().resumable {
		return
	}
	now := time.Now()
	forget(g.ended, func(e tombstone) bool { return now.After(e.until) })
	e := s.tombstone()
	e.generation = s.in.newest()
	e.until = now.Add(s.config.Resume.Window)
	g.ended[s.id] = e
}

// forget drops what is old once there is much, and anything at all when that does not make room.
func forget[V any](all map[string]V, old func(V) bool) {
	if len(all) < maxRemembered {
		return
	}
	maps.DeleteFunc(all, func(_ string, v V) bool { return old(v) })
	for _, id := range slices.Collect(maps.Keys(all)) {
		if len(all) < maxRemembered {
			return
		}
		delete(all, id)
	}
}
