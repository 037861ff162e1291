package live

import (
	"sync/atomic"
	"time"
)

// point is where another instance can go on with the conversation.
type point struct {
	handle   string
	covered  int64   // client messages that the handle includes
	ahead    []int64 // of those behind, the commands that it includes as well
	heard    int64   // and the last whose audio it includes; 0: none
	activity bool    // a push-to-talk activity is open there
	behind   bool    // a turn has ended that the handle does not know
}

// setPoint notes a new handle; behind says that a turn has ended which it does not know. It is called by the owner of the
// upstream. A handle that knows less than the client was told to forget is passed over while there is an older one: its
// connection was seeded with the transcript, and has yet to take what it is given again.
func (s *Session) setPoint(handle string, known span, overlap int, behind bool) {
	if !s.resumable {
		return
	}
	s.mic.mu.Lock() // a message that is being carried out has been counted, and may have yet to come to the inbox
	defer s.mic.mu.Unlock()
	s.life.mu.Lock()
	before := s.life.point.covered
	if s.in.resumeAt(known, overlap, 0).covered >= before || s.life.point.handle == "" {
		p := s.in.resumeAt(known, overlap, before)
		p.handle, p.behind = handle, behind
		s.life.point, s.life.stale = p, true
	}
	s.life.mu.Unlock()
	s.tickSoon(s.freshTicket(time.Now()))
}

// dropPoint notes that the handle is dead. What the client was told to be covered stays so, because it has forgotten that.
func (s *Session) dropPoint() {
	s.life.mu.Lock()
	s.life.point.handle, s.life.point.ahead, s.life.point.heard, s.life.stale = "", nil, 0, true
	s.life.mu.Unlock()
}

// pointBehind looks whether a turn has ended that the newest handle does not know: then so it is for tickets until a handle
// comes that does. It is called by the owner of the upstream.
func (s *Session) pointBehind() {
	if s.next.behind() {
		s.behind()
	}
}

func (s *Session) behind() {
	s.life.mu.Lock()
	s.life.point.behind = true
	s.life.mu.Unlock()
}

// forgetCounts makes counting start at 0: the client has no history. What it had sent nobody can repeat.
func (s *Session) forgetCounts() {
	s.life.mu.Lock()
	s.in.restart()
	s.life.recounts++
	s.life.point.covered, s.life.point.ahead, s.life.point.heard = 0, nil, 0
	s.life.mu.Unlock()
}

// countsWith reports whether a client that has a history counts as the session does now. One whose ticket is from before
// a page without history came does not: that page has the conversation.
func (s *Session) countsWith(r *Resume) bool {
	if r.Received == nil {
		return true
	}
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	return r.recounts == s.life.recounts
}

// portable reports whether another instance could go on now without anything being said twice.
func (s *Session) portable() bool {
	answering := s.turns.answering()
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	return !answering && s.tools.none() && s.life.point.handle != "" && !s.life.point.behind
}

// pointNow is where another instance can go on that has everything which waits for the browser.
func (s *Session) pointNow() point {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	return s.life.point
}

// ticket makes a ticket of the connection with a generation, to go on at a point: empty if the session cannot be resumed.
// released says that this instance has let go of the conversation. It is called with mic.mu held until the ticket is on its
// way: no older one may follow it, nor one about counts that have begun anew.
func (s *Session) ticket(generation uint64, at point, released bool) (text string) {
	if !s.resumable {
		return ""
	}
	answering, turns := s.turns.answering(), s.turns.count()
	now := time.Now()
	l := &s.life
	l.mu.Lock()
	t := ticket{
		SessionID: s.id, Backend: s.backend.Name, UserID: l.plan.userID, Instance: s.gateway.instance, Generation: int64(generation), Recounts: l.recounts,
		Handle: at.handle, Covered: at.covered, Ahead: at.ahead, Heard: at.heard, Activity: at.activity,
		Released: released, Answering: answering || l.point.behind, Config: l.plan.asked,
		Started: l.begun, Turns: turns, Usage: l.usage(), Expires: now.Add(s.config.Resume.TicketLife),
	}
	l.ticketAt, l.stale = now, false
	l.mu.Unlock()
	text, err := s.gateway.sealer.seal(t)
	if err != nil { // begin has made one already
		s.log().Error("no ticket could be made", "error", err)
	}
	return text
}

// ticketPause is the shortest time between two tickets: an upstream may give handles faster than they are of use.
const ticketPause = time.Second

// renewTicket gives the client a new ticket when there is a new handle, or the ticket has lived half of its life. It
// returns when to look again.
func (s *Session) renewTicket(now time.Time) time.Duration {
	s.mic.mu.Lock()
	defer s.mic.mu.Unlock()
	return s.freshTicket(now)
}

// freshTicket is renewTicket, called with mic.mu held.
func (s *Session) freshTicket(now time.Time) time.Duration {
	s.life.mu.Lock()
	age := now.Sub(s.life.ticketAt)
	due := s.config.Resume.TicketLife / 2
	if s.life.stale {
		due = ticketPause
	}
	attached := s.life.browser == browserAttached
	s.life.mu.Unlock()
	switch {
	case !s.resumable || !attached:
		return time.Hour // attaching makes one
	case age < due:
		return due - age
	}
	at := s.pointNow()
	s.out.ticket(s.ticket(s.in.newest(), at, false), at)
	s.acknowledgeNow()
	return ticketPause
}

// adopt makes a session that has not begun go on with the conversation of a ticket.
func (s *Session) adopt(t *ticket, r *Resume) {
	s.name(t.SessionID)
	s.adopted = true
	s.in.generation = uint64(t.Generation) + 1 // this session's connections are newer than those that the ticket is of
	s.in.received, s.in.known, s.in.heard, s.in.activity = t.Covered, t.Ahead, t.Heard, t.Activity
	s.mic.activity, s.mic.activityAudio = t.Activity, t.Activity
	if r.Received != nil {
		s.out.numbered = *r.Received
		s.out.kept.first = s.out.numbered + 1
	}
	s.next.handle, s.next.knows = t.Handle, t.Turns
	s.turns.index, s.turns.before = t.Turns, t.Turns
	s.life.begun, s.life.recounts = t.Started, t.Recounts
	s.life.spend().past, s.life.spend().before = t.Usage, t.Usage
	s.life.point = point{handle: t.Handle, covered: t.Covered, ahead: t.Ahead, heard: t.Heard, activity: t.Activity}
	s.out.tickets.push(issued{s.out.numbered, s.life.point})
	if !t.Released { // its holder may have the upstream until it gives the browser up
		s.next.patience = s.config.Resume.Window
	}
	s.cutShort = !t.Released || t.Answering
}

// acks tells the client what has come from it.
type acks struct {
	timer lateTimer
	armed atomic.Bool
	bytes atomic.Int64 // since the last one
}

// An ack goes out after ackBytes, or after ackAfter.
const (
	ackBytes = 8 << 10
	ackAfter = 250 * time.Millisecond
)

// acknowledge notes that a message of size bytes has come.
func (s *Session) acknowledge(size int) {
	switch {
	case !s.resumable:
	case s.acks.bytes.Add(max(1, int64(size))) >= ackBytes:
		s.acknowledgeNow()
	case s.acks.armed.CompareAndSwap(false, true):
		if !s.acks.timer.again(ackAfter) {
			s.acks.timer.first(ackAfter, s.ackLate)
		}
	}
}

// ackLate is the function of the ack's timer.
func (s *Session) ackLate() {
	if !s.life.enter() {
		return
	}
	defer s.life.leave()
	s.acks.armed.Store(false)
	if s.acks.bytes.Load() > 0 {
		s.acknowledgeNow()
	}
}

func (s *Session) acknowledgeNow() {
	s.acks.bytes.Store(0)
	s.in.mu.Lock()
	generation, received := s.in.generation, s.in.received
	s.in.mu.Unlock()
	s.out.ack(generation, received)
}
