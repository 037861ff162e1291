package live

import (
	"time"
)

// renewal is what the owner of the upstream knows about the next connection. Nobody else touches it.
type renewal struct {
	handle string // the newest that can be resumed; empty: none
	covers span   // what the handle knows
	exact  bool   // the upstream told what that is
	knows  int64  // the last finished turn that the handle knows, whatever of the audio it covers

	answer     span      // what the answer in progress, or the last one, can be an answer to
	transcript span      // what the transcript of finished turns covers
	seed       span      // what of it the lineage began with that the handle is of
	began      time.Time // the newest answer of the connection in use; zero: it has given none
	cut        bool      // the person did not want the answer of the last of them
	filed      bool      // the turn in progress is one of them

	rotate   bool        // the upstream said that it will close
	deadline *time.Timer // wakes the connection when no turn's end came in time

	since    time.Time     // the connection in use became ready
	useful   bool          // it has answered a turn
	spent    time.Duration // on the search for connections in an unbroken row of failures
	attempts int           // in that row
	resumed  bool          // the connection in use was opened with the handle
	sour     int           // how often in that row a connection with the handle ended before it had lived
	spared   bool          // and one without has been tried

	heardAgain bool // what is given again had been transcribed

	patience time.Duration // more than live.connect_timeout: the conversation's old holder may have the upstream still

	again, lost int // bytes of audio that the next connection is given once more, and that were not kept
}

// behind reports whether a turn has ended that the newest handle does not know.
func (n *renewal) behind() bool { return n.transcript.beyond(n.covers) && n.transcript.beyond(n.seed) }

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

// note takes from an event what the next connection will need. It is called before the event goes to the browser: what
// the browser answers to it must not count as known to the upstream.
//
// Where the upstream does not tell what a handle holds, two things are known. It was made when no answer was going on,
// so a text that has had no answer is not in it. And of the audio it misses no more than was under way.
func (s *Session) note(e *Event, now time.Time) {
	n := &s.next
	s.updates.note(e)
	switch e.Kind {
	case EventAudio, EventText:
		begins, anew := s.turns.begins(now)
		if anew { // and the one before it has had no turn_complete
			s.fileTurn()
		}
		if begins {
			n.answer, n.began, n.filed = s.answerable(now), now, false
		}
	case EventGenerationComplete: // turn_complete may be left out
		n.useful = true
		if n.answer.beyond(n.covers) {
			s.behind()
		}
	case EventTurnComplete:
		n.useful = true
		s.fileTurn()
		n.filed = false
	case EventResumption:
		if !e.Resumable || e.Handle == "" {
			return
		}
		s.watch.resumable.Store(true)
		if s.turns.over() { // turn_complete was left out, or comes late
			s.fileTurn()
		}
		if !s.takeHandle(e) {
			return
		}
		if e.Consumed < 0 || !n.behind() { // an index tells what a handle knows, whenever it came
			n.knows = s.turns.finished()
			s.history.mark()
		}
		s.in.cover(n.covers.earlier(n.transcript), s.margin()) // the handle may turn out to be worth nothing
		s.setPoint(n.handle, n.covers, s.overlap(), n.behind())
	case EventGoAway:
		n.rotate = true
		left := max(0, e.TimeLeft-min(rotateMargin, e.TimeLeft/2))
		if up := s.up.owned.Load(); up != nil && n.deadline == nil {
			n.deadline = time.AfterFunc(left, (*up).Wake)
		}
	case EventInterrupted:
		s.history.interrupted()
	case EventInputTranscript:
		s.history.heard(e.Text)
	case EventOutputTranscript:
		s.history.said(e.Text)
	}
	if e.Kind == EventText {
		s.history.said(e.Text)
	}
}

// answerable is what an answer that begins now can be an answer to. Nobody tells whether it and what was given last have crossed; but a
// text is what it is to if nothing else was asked since the answer before: no other text, and no voice.
func (s *Session) answerable(now time.Time) span {
	n := &s.next
	known := s.in.settled(now, s.margin())
	heard := s.loudUntil()
	switch {
	case heard.IsZero():
	case n.began.IsZero() || heard.After(n.began.Add(-inFlight)):
		return known
	}
	var before cursor // the connection was opened with what lies before it
	if !n.began.IsZero() {
		before = n.answer.commands
	}
	known.commands = s.in.soleText(before, known.commands)
	return known
}

// fileTurn ends the turn in progress for the transcript, once, and notes what can be told of it.
func (s *Session) fileTurn() {
	n := &s.next
	if n.filed {
		return
	}
	if n.handle == "" { // the last turn's texts stay until the next one's end: a handle may come that is older than the transcript
		s.in.answered(n.transcript)
	}
	n.transcript, n.cut, n.filed = n.answer, s.turns.cutShort(), true
	s.history.turn(s.in.unanswered(n.answer))
	s.pointBehind()
}

// takeHandle makes a new handle the one to go on with, and says what it covers. It reports false when the handle before it
// is worth more.
//
// Where the upstream does not tell, a handle may lag behind what was given by resume.overlap. That is a time: after a burst (a
// replay, a browser whose line was stalled) it is more audio than the overlap, and nobody knows how much of it the handle
// holds. Until another one comes, the handle before it says all that is needed to lose and to double nothing.
func (s *Session) takeHandle(e *Event) bool {
	n := &s.next
	if e.Consumed >= 0 {
		n.handle, n.exact, n.covers = e.Handle, true, s.in.consumed(e.Consumed)
		return true
	}
	here, sure := s.in.place(), s.in.givenBy(time.Now().Add(-s.config.Resume.Overlap))
	covers, exact := span{audio: here, commands: n.transcript.commands}, false
	if burst := int(here.pos-sure.pos) * 2; burst > s.audioBytes(s.config.Resume.Overlap)*9/8 {
		if n.handle != "" && !n.behind() {
			return false
		}
		// A finished turn is not to be answered again, whatever it costs; and any handle is better than none, or than the one that tickets
		// still have from before the connection was seeded with the transcript.
		covers.audio, exact = sure, true
	}
	n.handle, n.covers, n.exact = e.Handle, covers, exact
	return true
}

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
