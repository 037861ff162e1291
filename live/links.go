package live

import (
	"errors"
	"time"
)

// This half of the outbox attaches and detaches connections, and knows what a client has received.

var (
	errOver    = errors.New("the session is over")
	errForeign = errors.New("the client has received messages that were never sent")
	// errReplaced is for a client that was away while a page without history took its conversation.
	errReplaced = errors.New("the client's history ended when another page went on with the conversation")
)

// admits reports whether a client can be attached that has received so many messages; nil: it has no history. Until then
// the answer stays the same, unless the session ends. The error is errOver or errForeign.
func (o *outbox) admits(received *int64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return errOver
	case received != nil && (*received > o.numbered || *received < 0):
		return errForeign
	default:
		return nil
	}
}

// replace closes the connection in use as replaced, and tells where a client that has received so many messages can go on
// without missing an answer: the newest ticket that was written before those. nil: it has no history, and counts start at 0.
func (o *outbox) replace(received *int64) point {
	o.mu.Lock()
	defer o.mu.Unlock()
	if old := o.link; old != nil {
		o.unlink()
		old.browser.Close(ReasonReplaced)
	}
	at := o.newest()
	if received == nil {
		at.covered, at.ahead, at.heard = 0, nil, 0
		return at
	}
	for i := o.tickets.len() - 1; i > 0 && o.tickets.at(i).number > *received; i-- {
		at = o.tickets.at(i - 1).at
	}
	return at
}

// issue notes that a ticket is being written. Called with mu held.
func (o *outbox) issue(at point) {
	if o.tickets.len() == maxIssued { // of a client that acknowledges nothing
		o.tickets.pop()
	}
	o.tickets.push(issued{o.numbered, at})
}

// maxIssued bounds the tickets between which a client that resumes may stand.
const maxIssued = 64

// attach makes l the connection that is written to; replace has closed the one before. received, which admits has admitted,
// is how many messages the client has; nil: counts start at 0. hello is what it is told first, with a ticket for at; then
// comes what it lacks, then what waits. errOver: the session's last message is in the lane.
func (o *outbox) attach(l *link, received *int64, at point, hello ...Notice) error {
	o.mu.Lock()
	defer o.unlock()
	if o.closed {
		return errOver
	}
	o.dropLinkNotices()
	o.link = l
	for _, n := range hello {
		o.queue(&o.first, nil, n, 0)
	}
	if received == nil {
		o.numbered = 0
		o.kept.clear(1)
	} else {
		o.acknowledged(*received)
		if n, speech := o.kept.missing(*received); n > 0 {
			o.counters.DownlinkSkipped += n
			o.queue(&o.first, nil, SkippedNotice{Messages: n, AudioMs: milliseconds(speech), Reason: "not_kept"}, 0)
			o.acknowledged(*received + n)
		}
	}
	o.tickets = ring[issued]{}
	o.tickets.push(issued{or(received, 0), at})
	o.replay, o.replayTo = o.kept.first, o.numbered
	o.stalled = time.Time{} // the client could acknowledge nothing while it was away
	return nil
}

// dropLinkNotices forgets what was to be told about the connection before: its acks and tickets are older than what the
// next one is told first, and may be about counts that have begun anew. Called with mu held.
func (o *outbox) dropLinkNotices() {
	for o.first.len() > 0 {
		o.first.pop().free()
	}
	for _, lane := range []*ring[*outFrame]{&o.control, &o.voice} {
		for range lane.len() {
			if f := lane.pop(); f.counted {
				lane.push(f)
			} else {
				f.free()
			}
		}
	}
}

// unlink lets go of the connection in use: nothing but its own pump touches it afterwards. Called with mu held.
func (o *outbox) unlink() {
	switch {
	case o.pumping:
		o.buf = nil // the pump may be writing from it, and from writing
		o.link.nudge()
	case o.writing != nil:
		o.writing.free()
	}
	o.rest, o.writing = nil, nil
	o.pumping = false
	o.link = nil
}

// detach stops all writing to a connection that is gone, and returns when nobody touches it any more.
func (o *outbox) detach(l *link) {
	o.mu.Lock()
	if o.link == l {
		o.unlink()
		l.browser.Abort()
	}
	o.mu.Unlock()
	l.writers.Wait()
}

// acknowledge takes a client's count of messages received; counts may come late or be nonsense.
func (o *outbox) acknowledge(count int64) {
	o.mu.Lock()
	if count <= o.numbered {
		if !o.acks { // what was written before was not kept
			o.acks = true
			if !o.resumable {
				o.kept.first = o.numbered + 1
			}
		}
		o.acknowledged(count)
	}
	o.unlock()
}

// acknowledged forgets what the client has. Called with mu held.
func (o *outbox) acknowledged(count int64) {
	if o.kept.first > count {
		return
	}
	o.kept.acknowledged(count)
	for o.tickets.len() > 1 && o.tickets.at(1).number <= count {
		o.tickets.pop()
	}
	o.replay = max(o.replay, o.kept.first)
	o.stalled = time.Time{}
}

// counted reports whether a message counts for resuming: those about the connection itself do not.
func counted(n Notice) bool {
	switch n.(type) {
	case StartedNotice, ResumedNotice, TicketNotice, SkippedNotice, *AckNotice, PongNotice, ErrorNotice, EndedNotice:
		return false
	default:
		return true
	}
}
