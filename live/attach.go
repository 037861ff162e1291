package live

import (
	"errors"
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// attach makes b the browser's connection, as one operation: from then on only its messages count and only its socket
// is written; the connection before it is closed as replaced. r is nil for the connection that began the session. The
// caller must read the link, and leave it. errOver: the session has ended; errForeign: the client speaks of another one; errReplaced: another
// client has it, which counts anew.
func (s *Session) attach(b Browser, r *Resume) (*link, error) {
	s.mic.mu.Lock() // waits for the message that is being carried out
	l, send, err := s.takeOver(b, r)
	first := err == nil && !s.mic.met
	s.mic.met = s.mic.met || first
	s.mic.mu.Unlock()
	if err != nil {
		return nil, err
	}
	s.allowed.attached(r != nil, time.Now())
	if r != nil {
		s.count(func(c *Counters) { c.Resumes++ })
	}
	if first {
		s.begun()
	}
	if send {
		s.sendUp(false)
	}
	s.tickSoon(0)
	return l, nil
}

// takeOver is called with mic.mu held.
func (s *Session) takeOver(b Browser, r *Resume) (l *link, send bool, err error) {
	if r != nil && !s.countsWith(r) {
		return nil, false, errReplaced
	}
	now := time.Now()
	var received *int64 // server messages that the client has
	if r != nil {
		received = r.Received
	}
	if s.ctx.Err() != nil {
		return nil, false, errOver
	}
	if err := s.out.admits(received); err != nil {
		return nil, false, err
	}
	s.in.mu.Lock()
	l = newLink(b, s.in.generation+1)
	have, lost := s.in.received, s.in.lost
	s.in.mu.Unlock()

	at := s.out.replace(received)
	var hello Notice
	if r == nil {
		hello = StartedNotice{Workflow: s.backend.Workflow, Protocol: protocolVersion, Time: now.UnixMilli(), Ticket: s.ticket(l.generation, at, false)}
	} else {
		n := ResumedNotice{Received: have, Lost: &lost, Upstream: s.upstreamState()}
		if received == nil {
			s.forgetCounts()
			n.Received, lost = 0, 0
		}
		if r.elsewhere {
			n.Lost = nil
		}
		n.Ticket = s.ticket(l.generation, at, false)
		hello = n
	}
	if err := s.out.attach(l, received, at, hello); err != nil {
		return nil, false, err
	}
	s.in.handOver(l.generation)
	if r != nil { // it may all come at once, before the upstream is there
		s.in.expect(int(repeatedAudio/time.Millisecond) * s.bytesPerMs)
	}
	if received == nil && s.mic.activity { // the page that could have ended it is gone
		send = s.endActivity(now)
	}
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	s.life.link = l
	s.life.stale = s.life.point.handle != at.handle || s.life.point.covered != at.covered
	s.life.renewed = ""
	if s.life.browser == browserDetached && !s.life.detachedAt.IsZero() {
		s.tools.postpone(now.Sub(s.life.detachedAt))
	}
	s.life.move(eventResume)
	if s.life.arrived != nil {
		close(s.life.arrived)
		s.life.arrived = nil
	}
	return l, send, nil
}

// begun is what happens once the first connection is attached. It is called by the goroutine that attached it.
func (s *Session) begun() {
	p := s.plan()
	s.log().Info("session started", "model", p.setup.Model.ID, "assistant", p.assistant, "simulated", s.backend.Simulated,
		"adopted", s.adopted, "address", s.client.Address, "trace", s.client.Trace)
	for _, w := range p.warnings {
		s.warn(w)
	}
	if s.cutShort {
		s.out.notice(RestartedNotice{"instance_lost"})
	}
	close(s.seated)
}

// upstreamState is what a client that resumes is told of the connection to the model.
func (s *Session) upstreamState() string {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	switch {
	case s.life.upstream != upstreamLive:
		return "renewing"
	case s.life.renewed != "":
		return s.life.renewed
	default:
		return "kept"
	}
}

// leave is the last thing that the reader of a connection does: nobody touches it afterwards. When the session has its
// reason to end, leave waits for that end.
func (s *Session) leave(l *link) {
	s.lostLink(l, ReasonInternal, nil) // unless the reader has told why it ended
	if s.ctx.Err() != nil {
		<-s.over
	}
	s.out.detach(l)
}

// readFailed notes what ended a connection.
func (s *Session) readFailed(l *link, err error) {
	var goodbye *frame.CloseError
	var violation *frame.Error
	switch {
	case errors.As(err, &violation):
		if s.in.isCurrent(l.generation) {
			s.endWith(violationReason(violation), "", "", err)
		}
		return // the browser can still be told
	case errors.As(err, &goodbye) && goodbye.Code == ReasonEnded.Close:
		if s.in.isCurrent(l.generation) {
			s.end(ReasonEnded, "")
		}
	default:
		s.lostLink(l, ReasonBrowserGone, err)
	}
	s.out.detach(l)
}

// browserFailed is told by the outbox, once, that a connection takes nothing any more.
func (s *Session) browserFailed(l *link, err error) {
	if slow(err) {
		s.lostLink(l, ReasonSlowClient, err)
		l.browser.Close(ReasonSlowClient)
		return
	}
	s.lostLink(l, ReasonBrowserGone, err)
	l.browser.Abort()
}

// outboxFull is told by the outbox, once, that the browser does not keep up although it takes what it is sent.
func (s *Session) outboxFull() { s.endWith(ReasonSlowClient, "", "", errOutboxFull) }

// lostLink notes that a connection is over, for r if that ends the session: one that can be resumed waits for the next.
func (s *Session) lostLink(l *link, r Reason, err error) {
	s.life.mu.Lock()
	if s.life.link != l {
		s.life.mu.Unlock()
		return
	}
	s.life.link = nil
	if s.life.ending != nil {
		s.life.mu.Unlock()
		return
	}
	s.life.detachedAt = time.Now()
	s.life.move(eventLost)
	if !s.resumable {
		s.life.end(r, "", "", err)
		s.stop()
		s.life.mu.Unlock()
		return
	}
	s.life.arrived = make(chan struct{})
	s.life.mu.Unlock()
	s.log().Info("the browser's connection is lost", "why", r.Code, "error", err)
	if s.draining.Load() {
		s.tickSoon(0)
		return
	}
	s.tickSoon(s.config.Resume.Window)
}

// detached reports whether the session waits for its browser.
func (s *Session) detached() bool {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	return s.life.browser == browserDetached
}

// awaitBrowser waits until somebody is attached, or the session has its reason to end.
func (s *Session) awaitBrowser() {
	s.life.mu.Lock()
	arrived := s.life.arrived
	s.life.mu.Unlock()
	if arrived == nil {
		return
	}
	select {
	case <-arrived:
	case <-s.ctx.Done():
	}
}

// away ends a session that nobody came back to, or whose server ends. It returns how long to wait before the next look,
// 0 when the session has ended, and whether somebody is attached.
func (s *Session) away(now time.Time) (next time.Duration, attached bool) {
	s.mic.mu.Lock() // nobody takes over in between
	defer s.mic.mu.Unlock()
	s.life.mu.Lock()
	attached = s.life.browser == browserAttached
	since, drainBy := s.life.detachedAt, s.life.drainBy
	s.life.mu.Unlock()
	next = s.config.Limits.MaxDuration
	if !drainBy.IsZero() {
		if next = drainBy.Sub(now); next <= 0 || !attached {
			s.end(ReasonServerDraining, "")
			return 0, attached
		}
	}
	if !attached && !since.IsZero() {
		next = min(next, since.Add(s.config.Resume.Window).Sub(now))
		if next <= 0 {
			s.end(ReasonBrowserGone, "")
			return 0, attached
		}
	}
	return next, attached
}

// drain ends the session because the server does: at once, or when another instance can go on with it, but after
// patience at the latest.
func (s *Session) drain(patience time.Duration) {
	if !s.resumable || patience <= 0 || s.detached() || s.portable() {
		s.end(ReasonServerDraining, "")
		return
	}
	s.life.mu.Lock()
	s.life.drainBy = time.Now().Add(patience)
	s.life.mu.Unlock()
	s.draining.Store(true)
	if s.portable() {
		s.end(ReasonServerDraining, "")
		return
	}
	s.tickSoon(patience)
}
