package live

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// watchdog finds the upstream that has fallen silent: its connection stands, and nothing comes. Real ones do so after
// their goAway, over a TCP connection that is half open, and after a resumption that went wrong ("poisoned": what the
// person says is heard, and never answered).
//
// Silence alone is no fault: most of the time the model has nothing to say. It is one when the person has ended an
// utterance (an ask), or the model was in the middle of an answer, and then resume.watchdog passes without a word.
//
//   - An ask is sure when it must be answered: a text that ends the turn, the end of a push-to-talk activity with a voice
//     in it, a tool's answer. It is a guess when all that is known is that the microphone was loud and then quiet: that
//     may have been a door. A voice too soft to be measured is a guess when it is transcribed.
//   - Any event pays for an ask of which the model noticed nothing: the upstream lives. Not so a handle, which says that
//     nothing is going on. What the model noticed, or what was asked on a connection that was opened with a handle and has
//     answered nothing so far, only an answer pays for. It may have been meant for somebody else; but a renewal is hardly
//     noticed, and a person who waits for ever is.
//   - A silent connection is replaced once, with the newest handle. Where that one hears and does not answer either, or
//     the ask was sure, it is replaced once more, by a fresh one without the handle. Then, and after a guess of which
//     nothing was heard, the silence is accepted as what the model has to say.
//   - What was accepted is accepted until the model completes an answer, or something is asked that must be answered, or
//     another connection comes for another reason than silence, which has a judgement of its own. Who asks again and again
//     meanwhile is believed: a guess of which nothing was heard replaces the connection too when it is the third.
//   - Nothing is done while something else explains the silence: no browser is attached, a tool call is open, the person
//     is speaking. The last is no excuse for long: a noisy room is loud for ever, and so is who calls out again and again.
//     Nor is anything done on a guess when the next connection would remember nothing of the conversation, unless it was
//     heard a second time. Late pongs count for nothing: 30 s of delay were measured on healthy connections.
//
// Times are durations since the session's creation plus one, so that zero is never.
type watchdog struct {
	after time.Duration // resume.watchdog; 0: off; static after newSession
	voice utterance     // guarded by mic.mu

	heard    atomic.Int64 // the newest event of any kind; written by the owner of the upstream, as the next two
	noticed  atomic.Int64 // the newest one that tells that the person was heard
	answered atomic.Int64 // the newest one of an answer

	unproven  atomic.Bool  // the connection was opened with a handle, and has answered nothing so far
	resumable atomic.Bool  // there is a handle
	rebukes   atomic.Int32 // renewals for silence in a row
	accepted  atomic.Int32 // silences in a row, of this connection

	mu        sync.Mutex
	up        Upstream      // the connection in use, until it is given up; guarded by mu, as all below
	since     time.Duration // when that began
	first     time.Duration // the oldest ask that is not paid for
	began     time.Duration // when the person began to speak it
	last      time.Duration // the newest
	sure      bool          // one of them must be answered
	judgement verdict       // why the connection was given up
}

// verdict is what the watchdog thinks of a connection.
type verdict uint8

const (
	verdictNone     verdict = iota
	verdictSilent           // it is renewed with the newest handle
	verdictPoisoned         // and without one
	verdictAccepted         // nothing is to be said
)

// maxRebukes is how many connections are given up before a silence is accepted.
const maxRebukes = 2

// at is a moment on the watchdog's clock, which no change of the wall clock moves.
func (s *Session) at(now time.Time) time.Duration { return now.Sub(s.created) + 1 }

// utterance follows the person's voice by its loudness.
type utterance struct {
	loud  int // bytes of loud frames
	quiet int // bytes of quiet ones behind them
	from  time.Time
	at    time.Time // the newest loud one
}

const (
	// spoken is how much of an utterance must be loud: a short word is, a click is not.
	spoken = 200 * time.Millisecond
	// pauseAfterSpeech is how much quiet must follow, as audio: models end a turn after 500 to 800 ms of it, and never without.
	pauseAfterSpeech = time.Second
)

// watchVoice takes a frame of the microphone, and asks for an answer when it ends an utterance. Called with mic.mu held, as
// endUtterance and watchCommand are.
func (s *Session) watchVoice(isLoud bool, bytes int, now time.Time) {
	u := &s.watch.voice
	if isLoud {
		if u.loud == 0 {
			u.from = now
		}
		u.loud += bytes
		u.quiet, u.at = 0, now
		return
	}
	if u.loud == 0 || s.mic.manual { // push-to-talk says itself when it ends
		return
	}
	if u.quiet += bytes; u.quiet >= s.bytesPerMs*int(pauseAfterSpeech/time.Millisecond) {
		s.endUtterance(false, u.at)
	}
}

// endUtterance asks for an answer to what was spoken, if anything was.
func (s *Session) endUtterance(sure bool, at time.Time) {
	u := &s.watch.voice
	said, from := u.loud >= s.bytesPerMs*int(spoken/time.Millisecond), u.from
	*u = utterance{}
	if said {
		s.ask(sure, from, at)
	}
}

// watchCommand asks for an answer where a command that goes up wants one.
func (s *Session) watchCommand(c *Command, now time.Time) {
	switch c.Kind {
	case CommandText:
		if c.TurnComplete {
			s.ask(true, now, now)
		}
	case CommandActivityStart:
		s.watch.voice = utterance{}
	case CommandAudioStreamEnd:
		s.endUtterance(false, now)
	case CommandToolResponse:
		for _, r := range c.Responses {
			if r.Scheduling != "SILENT" {
				s.ask(true, now, now)
				break
			}
		}
	}
}

// ask notes that the person waits for an answer to what they said from one moment to another.
func (s *Session) ask(sure bool, from, to time.Time) {
	w := &s.watch
	if w.after == 0 {
		return
	}
	at := s.at(to)
	w.mu.Lock()
	v, soon := w.sight(at), w.after/3
	if !v.owed() {
		w.first, w.began, w.sure, soon = at, s.at(from), false, w.after
	}
	w.last, w.sure = at, w.sure || sure
	if sure && w.accepted.Swap(0) > 0 {
		w.rebukes.Store(0)
	}
	w.mu.Unlock()
	s.tickSoon(soon)
}

// askSoftly takes what the person was heard to say for an ask, if nothing of it was loud enough to be noticed here, or it is given again
// and its silence was accepted before. It is called by the owner of the upstream.
func (s *Session) askSoftly(now time.Time) {
	w := &s.watch
	if now.Sub(s.loudUntil()) < w.after {
		return
	}
	w.mu.Lock()
	v := w.sight(s.at(now))
	w.mu.Unlock()
	if !v.owed() {
		s.ask(false, now, now)
	}
}

// saw notes an event. It is called by the owner of the upstream.
func (w *watchdog) saw(e *Event, at time.Duration) {
	if e.Kind == EventResumption && e.Resumable {
		return
	}
	w.heard.Store(int64(at))
	switch e.Kind {
	case EventInputTranscript, EventVoiceActivity, EventInterrupted:
		w.noticed.Store(int64(at))
		return
	case EventAudio, EventText, EventOutputTranscript:
	case EventGenerationComplete, EventTurnComplete, EventToolCall, EventWaiting:
		w.rebukes.Store(0)
		w.accepted.Store(0)
	default:
		return
	}
	w.answered.Store(int64(at))
	if w.unproven.Load() {
		w.unproven.Store(false)
	}
}

// watchUpstream tells that a connection is in use, and whether a handle opened it. It is called by the owner of the
// upstream, as note and prepare are.
func (s *Session) watchUpstream(up Upstream, resumed bool, now time.Time) {
	w := &s.watch
	w.mu.Lock()
	if w.judgement == verdictNone { // it does not take the place of a silent one
		w.rebukes.Store(0)
	}
	w.up, w.since, w.judgement = up, s.at(now), verdictNone
	w.accepted.Store(0)
	w.unproven.Store(resumed)
	w.resumable.Store(resumed)
	w.mu.Unlock()
	if w.after > 0 {
		s.tickSoon(w.after)
	}
}

// closed tells that the connection is out of use. It returns why, if the watchdog gave it up.
func (w *watchdog) closed() verdict {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.up = nil
	return w.judgement
}

// askAgain tells that an answer was taken back: what it answered is given again. It is sure unless the person had gone on.
func (w *watchdog) askAgain(sure bool, at time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.first, w.began, w.last, w.sure = at, at, at, sure
}

// guard is the watchdog's look, from the session's timer while a browser is attached: it gives up a connection that has
// fallen silent, and returns when to look again.
func (s *Session) guard(now time.Time) time.Duration {
	w := &s.watch
	if w.after == 0 {
		return math.MaxInt64
	}
	s.turns.mu.Lock()
	midAnswer := s.turns.open && !s.turns.generated && !s.turns.discarding && !s.turns.interrupted
	turns := s.turns.index
	s.turns.mu.Unlock()
	told := turns == 0 && !s.adopted || s.remembered()
	speaking := now.Sub(s.loudUntil()) < pauseAfterSpeech

	w.mu.Lock()
	defer w.mu.Unlock()
	if w.up == nil { // it is being renewed
		return w.after
	}
	v := w.sight(s.at(now))
	v.midAnswer = midAnswer
	v.excused, v.speaking = !s.tools.none(), speaking
	v.told = told
	judgement, wait := v.judge(w.after)
	switch judgement {
	case verdictNone:
	case verdictAccepted:
		w.first, w.last = 0, 0
		w.accepted.Add(1)
	default:
		w.judgement = judgement
		w.rebukes.Store(v.rebukes + 1)
		if judgement == verdictPoisoned {
			w.rebukes.Store(maxRebukes) // once
		}
		w.up.Wake()
		w.up = nil
	}
	return wait
}

// sight is what the watchdog sees at one look.
type sight struct {
	now                      time.Duration
	since                    time.Duration
	first, began, last       time.Duration
	heard, noticed, answered time.Duration
	sure                     bool
	unproven                 bool
	rebukes                  int32
	accepted                 int32
	midAnswer                bool // an answer is in progress
	excused                  bool // something else explains the silence, for now
	speaking                 bool // the person does
	resumable                bool // there is a handle
	told                     bool // the transcript knows the conversation, or there was none
}

// sight is called with mu held.
func (w *watchdog) sight(now time.Duration) sight {
	return sight{
		now: now, since: w.since, first: w.first, began: w.began, last: w.last, sure: w.sure,
		heard: time.Duration(w.heard.Load()), noticed: time.Duration(w.noticed.Load()), answered: time.Duration(w.answered.Load()),
		unproven: w.unproven.Load(), resumable: w.resumable.Load(), rebukes: w.rebukes.Load(),
		accepted: w.accepted.Load(),
	}
}

// owed reports whether an ask is not paid for.
func (v *sight) owed() bool {
	paid := v.heard
	if v.unproven || v.rebukes > 0 || v.noticed >= v.began {
		paid = v.answered
	}
	return v.first > 0 && paid < v.first
}

const (
	// lookAgain is the wait while a silence is due and excused.
	lookAgain = time.Second
	// maxExcuse is how many times resume.watchdog a silence is excused by what the person says meanwhile.
	maxExcuse = 2
)

// judge decides, and tells how long to wait for the next look.
func (v *sight) judge(after time.Duration) (verdict, time.Duration) {
	var due time.Duration
	switch {
	case v.midAnswer:
		due = max(v.answered, v.since) + after
		if v.heard > v.noticed { // something that is neither speech nor an answer
			due = max(due, v.heard+after)
		}
	case v.owed():
		due = max(v.first, v.since) + after
	default:
		return verdictNone, math.MaxInt64
	}
	// Whoever asks "Hello?" again does not make the silence young; but the newest ask gets a moment.
	moment := min(max(v.last, v.noticed)+after/3, due+maxExcuse*after)
	switch {
	case v.now < due:
		return verdictNone, due - v.now
	case v.excused, v.speaking && v.now < due+maxExcuse*after:
		return verdictNone, lookAgain
	case v.now < moment:
		return verdictNone, moment - v.now
	default:
		return v.sentence(), after
	}
}

// thirdTime is how many silences after guesses were accepted when one more is not.
const thirdTime = 2

// sentence is the verdict on a silence that is due.
func (v *sight) sentence() verdict {
	sure := v.sure || v.midAnswer
	hears := v.noticed >= max(v.began, v.since)
	again := v.last > v.first || v.accepted > 0
	forgets := !v.told && !sure && !(again && hears) // without the handle, and for what may have been nothing
	switch {
	case v.rebukes >= maxRebukes:
		return verdictAccepted
	case v.rebukes == 0 && v.unproven && hears && forgets:
		return verdictSilent
	case v.unproven && hears, v.rebukes > 0 && v.resumable && (sure || hears), v.rebukes > 0 && v.told && v.accepted >= thirdTime:
		if forgets {
			return verdictAccepted
		}
		return verdictPoisoned // a model that remembers nothing is better than one that never answers
	case v.rebukes > 0, forgets && !v.resumable:
		return verdictAccepted
	default:
		return verdictSilent
	}
}
