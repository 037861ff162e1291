package main

import (
	"fmt"
	"time"
)

// resumed takes session_resumed: from here on both sides send what the other lacks.
func (k *client) resumed(s *socket, m *serverMessage) {
	if k.sessionID == "" || s.flowing {
		k.c.fail(kindProtocol, "session_resumed, but nothing was resumed")
		return
	}
	switch m.Upstream {
	case "kept", "renewing", "renewed", "fresh":
	default:
		k.c.fail(kindProtocol, "session_resumed.upstream is %q", m.Upstream)
	}
	if m.Lost != nil {
		k.told.lost = max(k.told.lost, *m.Lost)
	}
	moved := s.instance != k.instance
	if elsewhere := s.ticketOf != s.instance; (m.Lost == nil) != elsewhere {
		k.c.fail(kindProtocol, "session_resumed.lost is known: %v, on another instance than the ticket's: %v", m.Lost != nil, elsewhere)
	}
	if k.reloading {
		if m.Received != 0 {
			k.c.fail(kindProtocol, "after a reload session_resumed.received is %d, want 0", m.Received)
		}
		k.c.ears.reloaded()
	} else {
		k.checkResumed(m, moved)
	}
	if moved {
		k.turnIndex = 0 // the other instance counts from what the ticket knew
		k.instance = s.instance
		k.c.moved()
	}
	k.newTicket(ticket{m.ResumeTicket, s.instance})
	if k.reloading { // those from before are of counts that mean nothing any more
		k.tickets, k.reloading = nil, false
	}
	pos := k.c.person.pos
	had := k.up.place(m.Received, pos)
	if missing := k.up.rewind(m.Received); missing > 0 {
		from := had
		had = k.up.place(k.up.next-1, pos)
		k.told.skippedUp += missing
		k.c.excuse(from, had, "skipped by the client")
		k.control(object{"type": "skipped", "messages": missing, "audioMs": lasting(had - from).Milliseconds(), "reason": "not_kept"})
	}
	s.flowing, s.proved = true, time.Now()
	k.acked, k.ackedAt = k.received, time.Now()
	k.c.person.begin(time.Now())
	s.signal()
}

// checkResumed holds what the server says it has against what it said before.
func (k *client) checkResumed(m *serverMessage, moved bool) {
	least := k.up.received
	if moved {
		least = k.up.covered
	}
	if m.Received < least || m.Received > k.up.count() {
		k.c.fail(kindProtocol, "session_resumed.received is %d (upstream %s), want %d to %d", m.Received, m.Upstream, least, k.up.count())
	}
	if moved { // the other instance's knowledge is the handle's
		k.up.covered = min(k.up.covered, m.Received)
	}
}

// The rest is what a fate does to a client. All of it may be called at any time.

// lose drops the connection, as a browser that is put to sleep.
func (k *client) lose(reset bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conn != nil {
		k.conn.end(reset)
	}
}

// reload is what happens when the page is loaded anew: all that it knew but the ticket is gone. keep leaves the old
// connection open, as a second tab does.
func (k *client) reload(keep bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sessionID == "" || k.closing || k.ended != "" {
		return false
	}
	pos := k.c.person.pos
	received, covered := k.up.restart(pos)
	k.c.excuse(received, pos, "reloaded")
	k.c.excuseMoved(covered, received)
	k.c.person.reloaded()
	k.received, k.acked, k.unacked = 0, 0, 0
	k.reloading = true
	k.leave(keep)
	return true
}

// leave makes run connect anew. Called with mu held.
func (k *client) leave(keep bool) {
	if k.conn == nil {
		return
	}
	old := k.conn
	k.conn = nil // what it still brings is not for this page
	if !keep {
		old.end(true)
		return
	}
	select {
	case k.change <- struct{}{}:
	default:
	}
}

// moveTo makes the client come back by another way: from another address, with another ticket, at another instance.
func (k *client) moveTo(change func(*plan)) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sessionID == "" || k.closing {
		return false
	}
	change(&k.plan)
	return true
}

// oldTicket is a ticket from before the newest; nil when there is none.
func (k *client) oldTicket() *ticket {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.tickets) == 0 {
		return nil
	}
	t := k.tickets[len(k.tickets)-1]
	return &t
}

// goodbye ends the session in an orderly way.
func (k *client) goodbye() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closing {
		k.closing = true
		k.say(object{"type": "end_session"})
	}
}

// hangUp switches the microphone off when the person has nothing open, or anyway.
func (k *client) hangUp(anyway bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.c.person.done(time.Now()) && !k.c.ears.open() || anyway {
		k.c.person.stopped = true
	}
	return k.c.person.stopped
}

// settled says whether everything that was said has arrived, as far as the client can know.
func (k *client) settled() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.conn != nil && k.conn.flowing && k.up.received == k.up.count()
}

// standing is where the client stands, for the log.
func (k *client) standing() string {
	return fmt.Sprintf("sent %d of %d, server has %d, covered %d; received %d", k.up.next-1, k.up.count(), k.up.received, k.up.covered, k.received)
}

// stayAway drops the connection and keeps the client away for a while.
func (k *client) stayAway(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conn != nil {
		k.away = time.Now().Add(d)
		k.conn.end(true)
	}
}
