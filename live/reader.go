package live

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// reader is what the browser's reader keeps between messages.
type reader struct {
	begun    bool
	bad      int     // malformed messages in a row
	audio    limiter // seconds of audio
	messages limiter

	activity      bool // push-to-talk: an activity is open
	activityAudio bool // and has been given audio
	manual        bool // push-to-talk; static after the start
	unechoed      bool // typed texts do not come back as transcripts; static after the start
	dropping      bool // speech is being dropped, and the browser was told
}

// minFrameCost is what the smallest frame of audio counts for, in seconds: an empty one costs work too.
const minFrameCost = 0.0005

// maxBadMessages in a row end the connection: whoever speaks has lost the thread.
const maxBadMessages = 10

// read carries the browser's messages into the session until the connection is over. Messages that come after
// the session has its reason to end are read, so that the closing handshake can end, and thrown away.
func (s *Session) read(b Browser, generation uint64) {
	var f Frame
	var c Command
	for {
		if err := b.Read(&f); err != nil {
			s.readFailed(err, generation)
			return
		}
		if s.ctx.Err() != nil {
			continue
		}
		if err := s.dialect.Decode(f, &c); err != nil {
			if s.throttle(&Command{}) {
				s.refuse(err, generation)
			}
			continue
		}
		s.reader.bad = 0
		if !s.reader.begun {
			s.first(&c)
			continue
		}
		if s.throttle(&c) {
			s.command(&c, generation)
		}
	}
}

// refuse answers a message that cannot be carried out.
func (s *Session) refuse(err error, generation uint64) {
	var m *MessageError
	if !errors.As(err, &m) {
		m = fatal(ReasonInternal, "", ReasonInternal.Text)
	}
	if s.reader.begun {
		s.in.count(generation)
	}
	if m.Code != ReasonBadMessage.Code {
		s.reader.bad = 0
	} else if s.reader.bad++; s.reader.bad >= maxBadMessages {
		s.end(ReasonBadMessage, fmt.Sprintf("%d messages in a row could not be read; the last one: %s", maxBadMessages, m.Message))
		return
	}
	if m.Ends != nil {
		s.endWith(*m.Ends, m.Message, m.Field, nil)
		return
	}
	s.warn(WarningNotice{Code: m.Code, Message: m.Message, Field: m.Field})
}

// first handles what comes before the session has begun.
func (s *Session) first(c *Command) {
	switch c.Kind {
	case CommandStart:
		if c.Start.Resume != nil {
			s.end(ReasonSessionNotFound, "")
			return
		}
		p, err := resolve(s.config, s.backend.Name, &c.Start.Config)
		if err != nil {
			s.refuse(err, 0)
			return
		}
		s.reader.begun, s.reader.manual = true, p.setup.VAD.Manual
		s.reader.unechoed = p.setup.Model.TextInput == "content"
		s.begin(p)
	case CommandAudio:
		s.end(ReasonBadAudio, "Audio came before start_session: the first message must be start_session.")
	case CommandPing:
		s.pong(c)
	case CommandEnd:
		s.end(ReasonEnded, "")
	default:
		s.warn(WarningNotice{Code: "not_started", Message: "The first message must be start_session; this one was ignored."})
	}
}

// throttle makes the reader wait when the browser sends faster than it may, and reports whether the session goes
// on. What waits meanwhile fills the socket's buffers, and holds the browser back.
func (s *Session) throttle(c *Command) bool {
	limit, n := &s.reader.messages, 1.0
	if c.Kind == CommandAudio {
		limit, n = &s.reader.audio, max(float64(len(c.PCM))/float64(2*s.inputRate), minFrameCost)
	}
	wait, paused := limit.take(n, time.Now())
	if wait == 0 {
		return true
	}
	if paused+wait > s.config.Limits.WriteTimeout {
		what := fmt.Sprintf("messages: more than %v a second (limits.message_rate)", s.config.Limits.MessageRate)
		if c.Kind == CommandAudio {
			what = fmt.Sprintf("audio: more than %v times real time (limits.audio_rate)", s.config.Limits.AudioRate)
		}
		s.end(ReasonRateLimited, "Too much was sent too fast for too long, of "+what+".")
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// command carries out one message of a session that has begun.
func (s *Session) command(c *Command, generation uint64) {
	now := time.Now()
	switch c.Kind {
	case CommandAudio:
		s.audio(c, generation, now)
	case CommandText, CommandVideo:
		if c.Kind == CommandText {
			s.touch(now)
			s.turns.heard(now)
			if s.reader.unechoed {
				s.history.typed(c.Text)
			}
		}
		s.forward(c, generation, now)
	case CommandActivityStart, CommandActivityEnd, CommandAudioStreamEnd:
		s.activity(c, generation, now)
	case CommandToolResponse:
		s.touch(now)
		s.toolResponse(c, generation, now)
	case CommandInterrupt:
		s.in.count(generation)
		s.interrupt()
	case CommandUpdate:
		s.in.count(generation)
		s.warn(WarningNotice{Code: ReasonNotAllowed.Code, Message: "This server cannot change a conversation that has begun; nothing was changed."})
	case CommandStart:
		s.warn(WarningNotice{Code: "already_started", Message: "The session has started already; this start_session was ignored."})
	case CommandAck:
		s.out.acknowledge(c.Count)
	case CommandSkipped:
		// A client only gives up what it repeats after a resume, and nothing is resumed here.
	case CommandPing:
		s.pong(c)
	case CommandEnd:
		s.in.count(generation)
		s.end(ReasonEnded, "")
	case CommandNone:
	}
}

func (s *Session) pong(c *Command) {
	s.out.notice(PongNotice{T: append([]byte(nil), c.Time...), Time: time.Now().UnixMilli()})
}

// audio is the hot path up: one frame of the microphone.
func (s *Session) audio(c *Command, generation uint64, now time.Time) {
	if s.reader.manual {
		if !s.reader.activity {
			s.in.skip(generation, c.PCM, s.bytesPerMs)
			return
		}
		s.reader.activityAudio = true
	}
	if isLoud(c.PCM) {
		s.lastLoud.Store(now.UnixNano())
	}
	if counted, _ := s.in.accept(generation, c, now); !counted {
		return
	}
	s.sendUp(false)
	if dropped := s.in.drop(s.bytesPerMs); dropped > 0 && !s.reader.dropping {
		s.reader.dropping = true
		s.warn(WarningNotice{Code: "audio_dropped", Message: "The model does not keep up: the oldest speech that waited was dropped."})
	} else if dropped == 0 {
		s.reader.dropping = false
	}
}

// forward hands a command to the upstream, in its place among the audio.
func (s *Session) forward(c *Command, generation uint64, now time.Time) {
	if _, ok := s.in.accept(generation, c, now); !ok {
		s.end(ReasonRateLimited, "More messages are waiting for the model than are kept.")
		return
	}
	s.sendUp(false)
}

// activity handles push-to-talk and the end of the microphone's stream. Upstreams close the connection on marks
// that do not fit the mode, so those never get there.
func (s *Session) activity(c *Command, generation uint64, now time.Time) {
	r := &s.reader
	switch {
	case !r.manual && c.Kind != CommandAudioStreamEnd:
		s.in.count(generation)
		s.warn(WarningNotice{Code: ReasonNotAllowed.Code, Field: "vad.mode", Message: "activity_start and activity_end need config.vad.mode \"manual\"; this one was ignored."})
		return
	case r.manual && (c.Kind == CommandActivityStart) == r.activity, r.manual && c.Kind == CommandAudioStreamEnd && !r.activity:
		s.in.count(generation) // begun or ended already
		return
	case r.manual && c.Kind == CommandActivityStart:
		r.activity, r.activityAudio = true, false
		s.touch(now)
	case r.manual:
		c.Kind = CommandActivityEnd // turn_complete ends an activity too
		if !r.activityAudio {
			s.in.pad(make([]byte, s.bytesPerMs*int(silenceLength/time.Millisecond)), now) // an empty activity closes the upstream
		}
		r.activity = false
		s.turns.heard(now)
	default:
		s.turns.heard(now)
	}
	s.forward(c, generation, now)
}

// toolResponse passes on the answers to calls that are open.
func (s *Session) toolResponse(c *Command, generation uint64, now time.Time) {
	known, unknown := s.tools.answer(c.Responses)
	if len(unknown) > 0 {
		s.warn(WarningNotice{Code: "unknown_tool_call", Message: fmt.Sprintf("No tool call %.100s is open; its answer was ignored.", strings.Join(unknown, ", "))})
	}
	if len(known) == 0 {
		s.in.count(generation)
		return
	}
	c.Responses = known
	s.forward(c, generation, now)
}
