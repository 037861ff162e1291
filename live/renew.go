package live

import (
	"time"
)

const (
	// rotateMargin is how long before the upstream's deadline its connection is given up at the latest.
	rotateMargin = 5 * time.Second
	// tellAfter is how long a renewal may take before the person is told.
	tellAfter = 500 * time.Millisecond
	// youngAttempts is how many attempts at most are behind a connection that was accepted and broke young: two seconds of back-off.
	youngAttempts = 4
	// The wait between attempts doubles from firstBackoff to maxBackoff, each with up to half of it by chance.
	firstBackoff, maxBackoff = 200 * time.Millisecond, 4 * time.Second
)

// due reports whether the connection is to be renewed now: it will be closed soon, nothing is going on, and there is a
// handle that knows so. Where no handle comes, the deadline decides.
func (s *Session) due(e *Event) bool {
	n := &s.next
	if s.updatesNow(e) {
		return true
	}
	if !n.rotate || n.handle == "" || e.Kind != EventGoAway && e.Kind != EventResumption || e.Kind == EventResumption && !e.Resumable {
		return false
	}
	if e.Kind == EventGoAway && n.behind() {
		return false // the handle that knows the last turn is on its way
	}
	if n.attempts > 0 && !s.lived() {
		return false // it took another's place to answer what that one could not, and the next may say goAway as soon
	}
	s.turns.mu.Lock()
	defer s.turns.mu.Unlock()
	over := !s.turns.open || s.turns.generated && e.Kind == EventResumption // turn_complete may be left out
	return over && s.tools.none()
}

// lived reports whether the connection in use has done its work, or was healthy for a while.
func (s *Session) lived() bool {
	return s.next.useful || time.Since(s.next.since) >= min(s.config.Resume.StableAfter, s.config.Live.ConnectTimeout)
}

// overlap is how many bytes of audio before the handle are given again.
func (s *Session) overlap() int {
	if s.next.exact {
		return 0
	}
	return s.margin()
}

// margin is the overlap where nobody tells what the upstream knows.
func (s *Session) margin() int {
	return s.audioBytes(s.config.Resume.Overlap)
}

// audioBytes is how many bytes of the microphone's audio last a time.
func (s *Session) audioBytes(d time.Duration) int {
	return int(int64(s.setup().InputRate)*int64(d)/int64(time.Second)) * 2
}

// renew replaces an upstream that has ended, for err or because it will be closed, by the next one. nil: the session
// has a reason to end.
func (s *Session) renew(err error) Upstream {
	n := &s.next
	now := time.Now()
	why := "go_away"
	judgement := s.watch.closed()
	switch {
	case judgement != verdictNone && s.heals(err):
		why = "upstream_silent"
	case judgement != verdictNone:
		return nil
	case n.rotate:
	case s.forUpdate(err):
		why, n.attempts = "update", 0
	case s.heals(err):
		why = "upstream_lost"
	default:
		return nil
	}
	if n.attempts == 0 || s.lived() || judgement != verdictNone { // the watchdog's own renewals are few
		n.spent, n.attempts, n.sour, n.spared = 0, 0, 0, false
	} else {
		n.attempts = min(n.attempts, youngAttempts) // the model does answer
		if n.resumed && why == "upstream_lost" {
			n.sour++
		}
	}
	if judgement == verdictPoisoned {
		n.handle = ""
	}
	s.retire(err, why)
	if why == "go_away" && s.detached() { // nobody needs the next connection yet
		s.awaitBrowser()
		now = time.Now()
	}
	s.prepare(why)

	told := make(chan struct{})
	patience := time.AfterFunc(tellAfter, func() {
		defer close(told)
		s.out.notice(ReconnectingNotice{Reason: why, Attempt: 1})
	})
	up := s.reconnect()
	long := !patience.Stop()
	if long {
		<-told
	}
	if up == nil {
		return nil
	}
	again, lost := n.again, n.lost
	s.count(func(c *Counters) {
		c.Renewals++
		if judgement != verdictNone {
			c.WatchdogRenewals++
		}
		if !n.resumed {
			c.FreshConnections++
		}
		c.ReplayedAudioMs += int64(again / s.bytesPerMs)
		c.LostAudioMs += int64(lost / s.bytesPerMs)
	})
	if texts := s.in.forgotten(); texts > 0 {
		s.warn(WarningNotice{Code: "messages_lost", Message: "The model was not given all texts once more: there were more of them than are kept.", Messages: texts})
	}
	if long || n.heardAgain || lost > 0 { // heardAgain: its transcript will come a second time
		s.out.notice(ReconnectedNotice{
			GapMs:           milliseconds(time.Since(now)),
			ReplayedAudioMs: int64(again / s.bytesPerMs),
			LostAudioMs:     int64(lost / s.bytesPerMs),
		})
	}
	s.log().Info("the upstream was renewed", "why", why, "gapMs", milliseconds(time.Since(now)), "replayedMs", again/s.bytesPerMs, "lostMs", lost/s.bytesPerMs)
	s.reopen(up)
	return up
}

// heals reports whether another connection can help; if not, the session ends with what err means.
func (s *Session) heals(err error) bool {
	switch asUpstreamError(err).Fault {
	case FaultBroken, FaultEnded:
		return true
	case FaultDeadHandle:
		s.next.handle = ""
		s.dropPoint()
		return true
	default:
		s.upstreamEnded(err)
		return false
	}
}

// retire closes the old connection: the model refuses a handle whose connection is still open.
func (s *Session) retire(err error, why string) {
	n := &s.next
	n.rotate = false
	if n.deadline != nil {
		n.deadline.Stop()
		n.deadline = nil
	}
	s.live.Store(false)
	s.up.close()
	s.life.mu.Lock()
	s.life.move(eventBroken)
	s.life.cause = nil
	if spent := s.life.spent; spent != nil {
		spent.past.Add(spent.now)
		spent.now = Usage{}
	}
	s.life.mu.Unlock()
	s.log().Info("the upstream's connection ended", "why", why, "error", err)
}

// prepare decides what becomes of a turn that was going on, and sets the sender back to what the next connection does
// not know.
func (s *Session) prepare(why string) {
	n := &s.next
	if ids := s.tools.forget(); len(ids) > 0 {
		s.out.controlEvent(&Event{Kind: EventToolCallCancelled, IDs: ids})
	}
	t := &s.turns
	t.mu.Lock()
	answered, stopped, interrupted := false, t.stopped, t.interrupted
	anew := false // a finished turn is heard again
	switch {
	case !t.open:
	case !t.generated && !t.discarding && !t.interrupted && s.config.Resume.MidTurn == midTurnRestart:
		s.out.restart(why)
		t.index--
		t.close()
		s.watch.askAgain(true, s.at(time.Now()))
		s.history.restart()
		s.count(func(c *Counters) { c.TurnsRestarted++ })
	default: // everything was said, or enough
		t.interrupted = t.interrupted || !t.generated
		s.out.voiceNotice(TurnNotice{t.figures()})
		answered = true
	}
	t.mu.Unlock()
	if answered { // only what came after the answer had begun is given again
		s.fileTurn()
		n.cut, n.filed = stopped, false
	}
	s.pointBehind()
	forgotten := 0
	switch {
	case n.handle == "" || n.behind() && s.remembered():
		// The transcript knows a turn that the handle does not: with the handle it would be answered a second time.
		n.handle, n.covers, n.exact = "", n.transcript, false
	case n.behind() && n.knows < s.turns.finished() && !n.cut && s.config.Resume.MidTurn == midTurnRestart:
		// Nobody knows that turn: it is given again, and answered anew.
		s.out.restart(why)
		s.history.takeBack()
		s.watch.askAgain(!interrupted, s.at(time.Now()))
		s.count(func(c *Counters) { c.TurnsRestarted++ })
		answered, anew = false, s.setup().InputTranscript
	case n.behind():
		// The handle does, or the person did not want its answer, and the model will not remember it.
		if n.cut && n.knows < s.turns.finished() {
			forgotten = max(0, int(n.transcript.audio.pos-n.covers.audio.pos)*2)
		}
		n.covers, n.exact = n.transcript, true
	}
	n.again, n.lost = s.rewind()
	n.lost += forgotten
	n.heardAgain = n.again > 0 && !answered && (s.history.restart() || anew)
}

// rewind sets the sender back to what the next connection does not know. It returns how much audio is given again and how much
// was not kept, in bytes.
func (s *Session) rewind() (again, lost int) {
	n := &s.next
	again, lost = s.in.rewind(n.covers, s.overlap())
	s.history.unhear(s.in.unanswered(n.covers))
	return again, lost
}

// tellForgotten tells the person when a connection was opened that remembers nothing of what was said before: neither a handle nor the
// transcript does.
func (s *Session) tellForgotten() {
	if s.next.resumed || s.remembered() || s.turns.count() == 0 && !s.adopted {
		return
	}
	s.warn(WarningNotice{Code: "memory_lost", Message: "The model has forgotten the conversation so far: its memory could not be resumed."})
}

// remembered reports whether the transcript knows the conversation. Of one that was adopted it knows the end only.
func (s *Session) remembered() bool { return !s.adopted && s.history.told() }

// forgoHandle gives the handle up: what it knew is in the transcript, or goes up once more. Tickets have it until there is
// another one, because another instance has no transcript.
func (s *Session) forgoHandle() {
	n := &s.next
	n.handle, n.covers, n.exact = "", n.transcript, false
	s.in.unlearn()
	s.behind()
	again, lost := s.rewind()
	n.again, n.lost = again, n.lost+lost
}

// reopen lets the sender go on.
func (s *Session) reopen(up Upstream) {
	now := time.Now()
	s.inEffect()
	s.next.since, s.next.useful, s.next.began = now, false, time.Time{}
	s.watchUpstream(up, s.next.resumed, now)
	s.life.mu.Lock()
	s.life.move(eventReady)
	s.life.renewed = "renewed"
	if s.next.handle == "" {
		s.life.renewed = "fresh"
	}
	s.life.mu.Unlock()
	s.up.lastSent.Store(now.UnixNano())
	s.up.open(up)
	s.live.Store(true)
	s.settle()
	s.sendUp(false)
	s.tickSoon(s.config.Live.SilenceInterval)
}
