package live

import "time"

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
