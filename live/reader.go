package live

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// reader carries the messages of one connection into its session.
type reader struct {
	*Session
	link    *link
	frame   Frame
	command Command
	fresh   lent // the frame of speech that was just kept
	late    bool // more speech waits than may
}

// mic is what the browser's readers know of the person's input. One of them holds mu while it carries out a message, so
// that another connection takes over between two messages and never inside one.
type mic struct {
	mu            sync.Mutex
	activity      bool   // push-to-talk: an activity is open
	activityAudio bool   // and has been given audio
	frames        uint32 // of speech
	met           bool   // a connection was attached

	untold atomic.Int64 // bytes of speech that were dropped, and not yet told
	told   atomic.Int64 // when some were told last, Unix nanoseconds

	manual    bool // push-to-talk
	releasing bool // an activity was open when push-to-talk ended; its end has yet to come
	unechoed  bool // typed texts do not come back as transcripts; static
}

// minFrameCost is what the smallest frame of audio counts for, in seconds: an empty one costs work too.
const minFrameCost = 0.0005

// maxBadMessages in a row end the connection: whoever speaks has lost the thread.
const maxBadMessages = 10

// carry reads a connection to its end, and leaves it; or until the reader is relieved: then it is to be called again.
func (s *Session) carry(l *link) (relieved bool) {
	defer func() {
		if !relieved {
			s.leave(l)
		}
	}()
	return s.read(l)
}

// read carries the messages of a connection into the session until the connection is over, or the reader is relieved.
// Messages that come after the session has its reason to end are read, so that the closing handshake can end, and thrown
// away.
func (s *Session) read(l *link) (relieved bool) {
	s.tickSoon(relieveAfter)
	r := s.newReader(l)
	for {
		if err := l.browser.Read(&r.frame); err != nil {
			if relieved = err == ErrRelieved; !relieved { //nolint:errorlint // as it is
				s.readFailed(l, err)
			}
			return relieved
		}
		r.message()
	}
}

// message carries out the message that was read, if that is still wanted. What it leaves holds nothing of the browser's
// memory.
//
//go:noinline
func (r *reader) message() {
	if r.ctx.Err() == nil {
		size := len(r.frame.Data)
		if err := r.out.dialect.Decode(r.frame, &r.command); err == nil {
			r.take(&r.command, size)
		} else if _, on := r.throttle(&Command{}, time.Now()); on {
			r.refuse(err, size)
		}
	}
	r.frame, r.command, r.fresh = Frame{}, Command{}, lent{}
}

//go:noinline
func (s *Session) newReader(l *link) *reader {
	return &reader{Session: s, link: l}
}

// take carries out one message of size bytes, and sends up what there is to send.
func (r *reader) take(c *Command, size int) {
	r.link.bad = 0
	r.fresh, r.late = lent{}, c.Kind != CommandAudio // of others nobody has looked
	now, on := r.throttle(c, time.Now())
	if !on || !r.carryOut(c, size, now) {
		return
	}
	r.sendFresh(r.fresh, false, now)
	if r.late || r.mic.untold.Load() != 0 {
		r.dropLate()
	}
}

// refuse answers a message that cannot be carried out.
func (r *reader) refuse(err error, size int) {
	r.mic.mu.Lock()
	defer r.mic.mu.Unlock()
	m := asMessageError(err)
	if m.Uncounted && !r.in.isCurrent(r.link.generation) || !m.Uncounted && !r.count(size) {
		return
	}
	if m.Code != ReasonBadMessage.Code {
		r.link.bad = 0
	} else if r.link.bad++; r.link.bad >= maxBadMessages {
		r.end(ReasonBadMessage, tooManyBad(m))
		return
	}
	if m.Ends != nil {
		r.endWith(*m.Ends, m.Message, m.Field, nil)
		return
	}
	r.warn(WarningNotice{Code: m.Code, Message: m.Message, Field: m.Field})
}

// throttle makes the reader wait when the browser sends faster than it may, and reports whether the session goes
// on, and the time. What waits meanwhile fills the socket's buffers, and holds the browser back.
func (r *reader) throttle(c *Command, now time.Time) (later time.Time, on bool) {
	audio, n := c.Kind == CommandAudio, 1.0
	if audio {
		n = max(float64(len(c.PCM))/float64(2*r.inputRate), minFrameCost)
	}
	wait, paused := r.allowed.take(audio, n, now)
	if wait == 0 {
		return now, true
	}
	if paused+wait > r.config.Limits.WriteTimeout {
		what := fmt.Sprintf("messages: more than %v a second (limits.message_rate)", r.config.Limits.MessageRate)
		if c.Kind == CommandAudio {
			what = fmt.Sprintf("audio: more than %v times real time (limits.audio_rate)", r.config.Limits.AudioRate)
		}
		r.end(ReasonRateLimited, "Too much was sent too fast for too long, of "+what+".")
		return now, false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return time.Now(), true
	case <-r.ctx.Done():
		return now, false
	}
}

// carryOut carries out one message of size bytes, and reports whether something may have to go up for it. A message of a
// connection that has been replaced is thrown away.
func (r *reader) carryOut(c *Command, size int, now time.Time) (send bool) {
	r.mic.mu.Lock()
	defer r.mic.mu.Unlock()
	if c.Kind == CommandAudio {
		return r.speech(c, size, now)
	}
	if !r.counts(c, size) {
		return false
	}
	switch c.Kind {
	case CommandText:
		r.touch(now)
		r.turns.heard(now)
		if r.mic.unechoed {
			r.history.typed(c.Text, r.turns.answering())
		}
		return r.forward(c)
	case CommandVideo:
		return r.forward(c)
	case CommandActivityStart, CommandActivityEnd, CommandAudioStreamEnd:
		return r.activity(c, now)
	case CommandToolResponse:
		r.touch(now)
		return r.toolResponse(c)
	case CommandInterrupt:
		r.interrupt()
	case CommandUpdate:
		return r.update(c.Update)
	case CommandStart:
		r.warn(WarningNotice{Code: "already_started", Message: "The session has started already; this start_session was ignored."})
	case CommandAck:
		r.out.acknowledge(c.Count)
	case CommandSkipped:
		r.in.skipped(c.Count)
	case CommandPing:
		r.out.linkNotice(PongNotice{T: append([]byte(nil), c.Time...), Time: now.UnixMilli()})
	case CommandEnd:
		r.end(ReasonEnded, "")
	case CommandAudio, CommandNone:
	}
	return false
}

// counts reports whether the connection is the session's, and counts the message unless it is about the connection
// itself.
func (r *reader) counts(c *Command, size int) bool {
	switch c.Kind {
	case CommandStart, CommandAck, CommandSkipped, CommandPing:
		return r.in.isCurrent(r.link.generation)
	}
	return r.count(size)
}

// count counts a message of size bytes, unless the connection is not the session's any more.
func (r *reader) count(size int) bool {
	if !r.in.count(r.link.generation) {
		return false
	}
	r.acknowledge(size)
	return true
}

// speech is the hot path up: one frame of the microphone, in a message of size bytes.
func (r *reader) speech(c *Command, size int, now time.Time) (send bool) {
	if r.mic.manual && !r.mic.activity {
		if r.count(size) {
			r.in.unheard(c.PCM, r.bytesPerMs)
		}
		return false
	}
	r.mic.frames++
	sampled := r.mic.frames%sampleEvery == 0 && r.live.Load()
	pos, late, ok := r.in.addSpeech(r.link.generation, c.PCM, sampled, now)
	if !ok {
		return false
	}
	r.fresh, r.late = lent{c.PCM, pos}, late
	r.acknowledge(size)
	r.mic.activityAudio = r.mic.activityAudio || r.mic.manual
	voice := isLoud(c.PCM)
	if voice {
		r.lastLoud.Store(now.UnixNano())
	}
	r.watchVoice(voice, len(c.PCM), now)
	return true
}

// dropLate drops the oldest of what the model did not take in time. The client is told how much, once a second at most, and
// the rest when nothing is dropped any more.
func (r *reader) dropLate() {
	dropped := r.in.drop(r.bytesPerMs)
	if dropped == 0 && r.mic.untold.Load() == 0 {
		return
	}
	untold := r.mic.untold.Add(int64(dropped))
	now := time.Now().UnixNano()
	told := r.mic.told.Load()
	if dropped > 0 && now-told < int64(time.Second) || !r.mic.told.CompareAndSwap(told, now) {
		return
	}
	r.mic.untold.Add(-untold)
	r.warn(WarningNotice{
		Code: "audio_dropped", Message: "The model does not keep up: the oldest speech that waited was dropped.", AudioMs: untold / int64(r.bytesPerMs),
	})
}

// forward hands a command to the upstream, in its place among the audio.
func (r *reader) forward(c *Command) (send bool) {
	if !r.in.addCommand(c) {
		r.end(ReasonRateLimited, "More messages are waiting for the model than are kept.")
		return false
	}
	r.watchCommand(c, time.Now())
	return true
}

// activity handles push-to-talk and the end of the microphone's stream. Upstreams close the connection on marks
// that do not fit the mode, so those never get there.
func (r *reader) activity(c *Command, now time.Time) (send bool) {
	m := &r.mic
	switch {
	case m.releasing && c.Kind == CommandActivityEnd:
		m.releasing, c.Kind = false, CommandAudioStreamEnd
		r.turns.heard(now)
	case !m.manual && c.Kind != CommandAudioStreamEnd:
		r.warn(WarningNotice{Code: ReasonNotAllowed.Code, Field: "vad.mode", Message: "activity_start and activity_end need config.vad.mode \"manual\"; this one was ignored."})
		return false
	case m.manual && (c.Kind == CommandActivityStart) == m.activity, m.manual && c.Kind == CommandAudioStreamEnd && !m.activity:
		return false // begun or ended already
	case m.manual && c.Kind == CommandActivityStart:
		m.activity, m.activityAudio = true, false
		r.touch(now)
	case m.manual:
		return r.endActivity(now) // turn_complete ends an activity too
	default:
		r.turns.heard(now)
	}
	return r.forward(c)
}

// endActivity ends the push-to-talk activity that is open. Called with mic.mu held.
func (s *Session) endActivity(now time.Time) (send bool) {
	if !s.mic.activityAudio {
		s.in.addAudio(make([]byte, s.bytesPerMs*int(silenceLength/time.Millisecond)), now) // an empty activity closes the upstream
	}
	s.mic.activity = false
	s.turns.heard(now)
	s.endUtterance(true, now)
	if !s.in.addCommand(&Command{Kind: CommandActivityEnd}) {
		s.end(ReasonRateLimited, "More messages are waiting for the model than are kept.")
		return false
	}
	return true
}

// toolResponse passes on the answers to calls that are open.
func (r *reader) toolResponse(c *Command) (send bool) {
	known, unknown := r.tools.answer(c.Responses)
	if len(unknown) > 0 {
		r.warn(WarningNotice{Code: "unknown_tool_call", Message: fmt.Sprintf("No tool call %.100s is open; its answer was ignored.", strings.Join(unknown, ", "))})
	}
	if len(known) == 0 {
		return false
	}
	c.Responses = known
	return r.forward(c)
}
