package live

import (
	"encoding/binary"
	"fmt"
	"time"
)

// event passes one event of the upstream on, which has just come. It is called by the owner of the upstream only.
func (s *Session) event(e *Event, now time.Time) {
	s.watch.saw(e, s.at(now))
	switch e.Kind {
	case EventAudio:
		rate := s.outputRate
		s.answer(e, time.Duration(len(e.PCM)/2)*time.Second/time.Duration(rate), now)
	case EventText, EventOutputTranscript:
		s.answer(e, 0, now)
	case EventInputTranscript:
		s.touch(now)
		s.askSoftly(now)
		s.out.controlEvent(e)
	case EventInterrupted:
		s.turns.mu.Lock()
		if !s.turns.discarding { // else the browser has been told
			s.out.interrupt()
		}
		s.turns.discarding, s.turns.interrupted, s.turns.cut = false, true, now
		s.turns.mu.Unlock()
	case EventGenerationComplete:
		s.turns.mu.Lock()
		s.turns.generated = s.turns.open // without content there is nothing to end
		if !s.turns.discarding {
			s.out.voiceEvent(e)
		}
		s.turns.mu.Unlock()
	case EventTurnComplete:
		s.turnComplete(e)
	case EventToolCall:
		s.touch(now)
		s.tools.open(e.Calls, now)
		s.out.controlEvent(e)
		s.tickSoon(s.config.Tools.Timeout)
	case EventToolCallCancelled:
		s.tools.close(e.IDs...)
		s.out.controlEvent(e)
		s.sendUp(false) // audio that was held back
	case EventUsage:
		s.countUsage(e.Usage)
	case EventVoiceActivity:
		s.touch(now)
		if !e.Started {
			s.turns.heard(now)
		}
		s.out.controlEvent(e)
	case EventNone, EventReady, EventGoAway, EventResumption, EventWaiting:
		// Nothing that a browser is told; follow looks at some of them.
	}
}

// answer passes a piece of the model's answer on, unless the person has asked it to stop.
func (s *Session) answer(e *Event, d time.Duration, now time.Time) {
	s.touch(now)
	t := &s.turns
	t.mu.Lock()
	defer t.mu.Unlock()
	var drop bool
	if e.Kind == EventOutputTranscript {
		drop = t.discarding || t.cutNow(now) // captions may come before and after what they belong to: they open no turn
	} else {
		var took time.Duration
		if drop, took = t.content(now, d, s.loudUntil()); took > 0 {
			s.gateway.statics.tookToRespond(took)
		}
	}
	switch {
	case drop:
		s.discarded += d
	case e.Kind == EventAudio:
		s.out.speechTo(e, s.outputRate, now)
	default:
		s.out.voiceEvent(e)
	}
}

func (s *Session) turnComplete(e *Event) {
	t := &s.turns
	t.mu.Lock()
	s.out.voiceNotice(TurnNotice{t.figures()})
	t.mu.Unlock()
	if e.Cause != "" {
		s.out.notice(WarningNotice{Code: "turn_cut", Message: fmt.Sprintf("The model ended its turn early: %.80s.", e.Cause)})
	}
	s.tellUsage()
}

// countUsage adds tokens up. Some models count each message, others tell totals of the connection.
func (s *Session) countUsage(u Usage) {
	s.life.mu.Lock()
	if s.life.plan.setup.Model.Usage == "cumulative" {
		s.life.spend().now = u
	} else {
		s.life.spend().now.Add(u)
	}
	s.life.usageUntold = true
	s.life.mu.Unlock()
	s.turns.mu.Lock()
	open := s.turns.open
	s.turns.mu.Unlock()
	if !open { // within a turn it is told at the end: some models count each piece of audio
		s.tellUsage()
	}
}

func (s *Session) tellUsage() {
	s.life.mu.Lock()
	news, u := s.life.usageUntold, s.life.usage()
	s.life.usageUntold = false
	s.life.mu.Unlock()
	if news {
		s.out.notice(UsageNotice{totals(u)})
	}
}

// interrupt stops the answer that is being spoken because the person asked for it.
func (s *Session) interrupt() {
	t := &s.turns
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open {
		t.discarding, t.interrupted, t.stopped = true, true, true
	}
	s.out.interrupt()
}

// touch notes that something happened which keeps the session from being idle.
func (s *Session) touch(now time.Time) { s.lastActive.Store(now.UnixNano()) }

// loud is the peak, of 32767, from which a frame counts as speech for the measured answer delay: about -30 dBFS,
// above a quiet room and below a soft voice.
const loud = 1000

// loudUntil is when the person was last loud; zero: never.
func (s *Session) loudUntil() time.Time {
	if at := s.lastLoud.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// isLoud looks at every fourth sample: speech is not that short.
func isLoud(pcm []byte) bool {
	for i := 0; i+1 < len(pcm); i += 8 {
		if v := int16(binary.LittleEndian.Uint16(pcm[i:])); v > loud || v < -loud {
			return true
		}
	}
	return false
}
