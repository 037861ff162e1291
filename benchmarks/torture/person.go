package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// askKind is how a person asks.
type askKind int

const (
	askVoice askKind = iota
	askText
	askTool // a text that makes the model call a tool, which the client answers
)

// ask is one thing that a person wants of the model.
type ask struct {
	id       int
	kind     askKind
	from, to int64  // samples of an utterance
	text     string // what was typed, or the key that the tool is asked for
	said     time.Time
	finished time.Time
	barged   bool // the person spoke on before the answer was over
	excused  bool // the page was reloaded meanwhile: what became of it cannot be known

	// What was heard of its answer.
	played  time.Duration
	gaps    time.Duration // silences in it
	playEnd time.Time
	calls   map[string]bool // tool calls that were answered; false: and cancelled
}

// mood is what a person is at.
type mood int

const (
	idle mood = iota
	speaking
	waiting
)

// person speaks into a microphone that never stops, and waits for answers. Guarded by client.mu.
type person struct {
	c   *conversation
	rng *rand.Rand

	begun  bool
	start  time.Time // the moment of sample 0, pauses taken out
	paused time.Time
	pos    int64
	until  int64 // end of the utterance

	stirred time.Time // something came that an answer may follow

	mood    mood
	next    time.Time // to ask again, when idle
	bargeAt time.Time // to speak into the answer
	whole   bool      // nothing more of the answer will come
	hellos  int       // questions in a row that got no answer
	asks    []*ask
	pending []toolAnswer
	quiet   bool // no more questions
	stopped bool // the microphone is off for good
}

// toolAnswer is an answer that a client has yet to give.
type toolAnswer struct {
	at   time.Time
	id   string
	name string
	key  string
}

const (
	frameTime = 40 * time.Millisecond
	// turnPatience is how long a person waits for the end of a turn of which everything was heard.
	turnPatience = 3 * time.Second
	// patienceForAnswer is how long a person waits while the line stands and nothing comes. Then they ask again, a few times: whether
	// a model that has heard them keeps silent on purpose nobody knows, until they do.
	patienceForAnswer = 20 * time.Second
	mostHellos        = 2
)

// begin starts the microphone, or lets it go on after a reload.
func (p *person) begin(now time.Time) {
	p.stirred = now
	switch {
	case !p.begun:
		p.begun, p.start = true, now
		p.next = now.Add(p.between(200*time.Millisecond, 1500*time.Millisecond))
	case !p.paused.IsZero():
		p.start = p.start.Add(now.Sub(p.paused))
		p.paused = time.Time{}
	}
}

// reloaded stops the microphone, and ends what the person was at.
func (p *person) reloaded() {
	if p.paused.IsZero() {
		p.paused = time.Now()
	}
	if len(p.asks) > 0 {
		a := p.asks[len(p.asks)-1]
		if a.finished.IsZero() {
			a.excused = true
			if a.kind == askVoice {
				a.to = min(a.to, p.pos)
			}
		}
	}
	p.until, p.mood, p.pending = p.pos, idle, nil
	p.next = time.Now().Add(2 * time.Second)
}

// forgotten: the model's memory could not be resumed. What it was asked before and has not answered, it may know in part or not at all.
func (p *person) forgotten() {
	for _, a := range p.asks {
		if a.kind != askVoice || !p.c.ears.answered(a) {
			a.excused = true
		}
	}
}

func (p *person) between(low, high time.Duration) time.Duration {
	return low + time.Duration(p.rng.Int64N(int64(high-low)))
}

// tick makes the frames that are due.
func (p *person) tick(now time.Time) {
	if !p.begun || !p.paused.IsZero() || p.stopped {
		return
	}
	for due := p.start.Add(lasting(p.pos) + frameTime); !now.Before(due); due = due.Add(frameTime) {
		p.decide(now)
		p.c.line.up.push(upMessage{pos: p.pos, n: frameSamples, loud: p.pos < p.until})
		p.pos += frameSamples
		if p.mood == speaking && p.pos >= p.until {
			p.last().said = due
			p.mood = waiting
		}
	}
	p.c.line.nudge()
	for len(p.pending) > 0 && !now.Before(p.pending[0].at) {
		p.answerTool(p.pending[0])
		p.pending = p.pending[1:]
	}
}

func (p *person) last() *ask { return p.asks[len(p.asks)-1] }

// decide begins what a person may begin at this moment.
func (p *person) decide(now time.Time) {
	switch p.mood {
	case idle:
		if !p.quiet && !now.Before(p.next) {
			p.ask(now)
		}
	case waiting:
		a := p.last()
		switch {
		case !p.bargeAt.IsZero() && !now.Before(p.bargeAt):
			p.bargeAt = time.Time{}
			if !p.quiet && len(p.pending) == 0 {
				p.c.log.say("the person speaks into answer %d", a.id)
				a.barged, a.finished = true, now
				p.speak(now)
			}
		case p.whole && now.Sub(a.playEnd) > turnPatience:
			p.whole = false
			p.turned(now, false)
		case now.Sub(a.said) > patienceForAnswer && now.Sub(p.stirred) > patienceForAnswer && p.c.line.conn != nil && p.c.line.conn.flowing:
			p.c.log.say("ask %d was not answered within %v", a.id, patienceForAnswer)
			a.finished = now
			if p.hellos++; p.hellos > mostHellos {
				p.rest(now)
			} else {
				p.speak(now)
			}
		}
	}
}

func (p *person) rest(now time.Time) {
	p.mood, p.bargeAt = idle, time.Time{}
	p.next = now.Add(p.between(200*time.Millisecond, 1200*time.Millisecond))
}

func (p *person) ask(now time.Time) {
	switch x := p.rng.IntN(100); {
	case x < 10:
		p.write(askText, now)
	case x < 18 && p.c.w.tools && !p.c.older():
		p.write(askTool, now)
	default:
		p.speak(now)
	}
}

func (p *person) newAsk(kind askKind) *ask {
	a := &ask{id: len(p.asks) + 1, kind: kind}
	p.asks = append(p.asks, a)
	return a
}

func (p *person) speak(now time.Time) {
	a := p.newAsk(askVoice)
	n := int64(p.between(600*time.Millisecond, 2*time.Second)/frameTime) * frameSamples
	a.from, a.to = p.pos, p.pos+n
	a.said = now.Add(lasting(n))
	p.until, p.mood = a.to, speaking
	p.c.log.say("ask %d: speaks %d to %d", a.id, a.from, a.to)
}

// write types a text that occurs nowhere else.
func (p *person) write(kind askKind, now time.Time) {
	a := p.newAsk(kind)
	a.said, a.text = now, fmt.Sprintf("key-%d-%d", p.c.id, a.id)
	text := "hello " + a.text
	if kind == askTool {
		text = fmt.Sprintf(`lookup {"key":"%s"}`, a.text)
	}
	p.c.log.say("ask %d: writes %s", a.id, text)
	p.c.line.say(object{"type": "text", "text": text})
	p.mood = waiting
}

// hears notes audio of an answer, and how it plays: what comes too late is a silence.
func (p *person) hears(now time.Time, bytes int) {
	p.stirred, p.whole = now, false
	if len(p.asks) == 0 {
		return
	}
	a := p.last()
	if p.mood == waiting && a.played == 0 && p.bargeAt.IsZero() && p.rng.IntN(100) < 12 {
		p.bargeAt = now.Add(p.between(300*time.Millisecond, time.Second))
	}
	d := time.Duration(bytes/2) * time.Second / 24000
	if a.playEnd.Before(now) {
		if a.played > 0 {
			a.gaps += now.Sub(a.playEnd)
		}
		a.playEnd = now
	}
	a.played += d
	a.playEnd = a.playEnd.Add(d)
}

// stopPlaying drops what was queued for playback.
func (p *person) stopPlaying(now time.Time) {
	if len(p.asks) == 0 {
		return
	}
	if a := p.last(); a.playEnd.After(now) {
		a.played -= a.playEnd.Sub(now)
		a.playEnd = now
	}
}

func (p *person) interrupted(now time.Time) { p.stopPlaying(now) }

// restarted: the answer will be spoken anew.
func (p *person) restarted(now time.Time) {
	p.stirred = now
	p.stopPlaying(now)
	p.bargeAt = time.Time{}
	if p.mood == idle && len(p.asks) > 0 && !p.quiet {
		p.next = now.Add(3 * time.Second) // it is polite to let it
	}
}

// turned: the model's turn is over.
func (p *person) turned(now time.Time, interrupted bool) {
	if p.mood != waiting || interrupted {
		return
	}
	a := p.last()
	if a.played == 0 || len(p.pending) > 0 || a.kind == askTool && len(a.calls) == 0 {
		return
	}
	if a.kind == askVoice && !a.excused && !p.c.ears.began(a) {
		return // that was about what was asked before
	}
	a.finished, p.hellos = now, 0
	if a.kind == askVoice && !a.excused {
		p.c.silence(a)
	}
	p.rest(now)
}

// called answers a tool call after a while.
func (p *person) called(now time.Time, id, name, args string) {
	p.stirred = now
	if len(p.asks) == 0 {
		return
	}
	p.pending = append(p.pending, toolAnswer{now.Add(p.between(0, 1500*time.Millisecond)), id, name, args})
	p.c.toolOpen(true)
}

func (p *person) answerTool(t toolAnswer) {
	a := p.last()
	if a.calls == nil {
		a.calls = make(map[string]bool)
	}
	a.calls[t.id] = true
	p.c.log.say("answers the tool call %s", t.id)
	p.c.line.say(object{"type": "tool_response", "responses": []object{{
		"id": t.id, "name": t.name, "response": object{"value": "answer-" + t.id},
	}}})
	p.c.toolOpen(false)
}

func (p *person) cancelled(ids []string) {
	for _, id := range ids {
		for _, a := range p.asks {
			if _, ok := a.calls[id]; ok {
				a.calls[id] = false
			}
		}
		kept := p.pending[:0]
		for _, t := range p.pending {
			if t.id != id {
				kept = append(kept, t)
			}
		}
		p.pending = kept
	}
}

// done says whether the person has nothing open.
func (p *person) done(now time.Time) bool {
	if p.mood != idle || len(p.pending) > 0 {
		return false
	}
	for _, a := range p.asks {
		if a.kind == askVoice && !a.barged && !a.excused && now.Sub(a.said) < settleTime && !p.c.ears.answered(a) {
			return false // it is under way, perhaps once more
		}
	}
	return true
}

// silent says whether a sample is not part of an utterance.
func (p *person) silent(from, to int64) bool {
	for _, a := range p.asks {
		if a.kind == askVoice && from < a.to && a.from < to {
			return false
		}
	}
	return true
}
