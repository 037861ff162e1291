package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// conversation is one person, one client, and what the ledger knows of both.
type conversation struct {
	id      uint16
	w       *world
	backend string
	log     *eventLog
	rng     *rand.Rand // of the fate; the person has one of its own

	line     *client
	person   *person
	ears     *hearing
	account  *account
	patience time.Duration
	scripted []string // faults of the model
	ending   string   // the error code that the script leads to; empty: none

	parting parting // owned by run

	failed atomic.Int64
	tool   atomic.Bool // a tool call is open

	mu        sync.Mutex
	excuses   []span
	lenient   []span // excused only where an instance was lost
	faults    []struckFault
	moveCount int // to another instance
	silences  []silence
}

// struckFault is a fault and its time.
type struckFault struct {
	kind string
	at   time.Time
}

// silence is how long a person waited in silence for an answer and in it.
type silence struct {
	took   time.Duration
	gaps   time.Duration // of it, inside the answer
	faults []string
}

var backends = []struct{ name, path string }{
	{"gemini", "/api/gemini-live-stream"}, {"vertex", "/api/vertex-ai-live"},
}

func newConversation(w *world, id uint16) *conversation {
	b := backends[int(id)%len(backends)]
	seed := w.o.Seed
	c := &conversation{
		id: id, w: w, backend: b.name, log: &eventLog{began: w.began},
		rng: chance(seed ^ uint64(id)<<40),
	}
	c.patience = time.Duration(6+c.rng.IntN(9)) * time.Second
	c.account = &account{c: c}
	c.ears = &hearing{c: c}
	c.person = &person{c: c, rng: chance(seed ^ uint64(id)<<40 ^ 1<<32)}
	c.line = newClient(c, b.path)
	if w.o.Faults {
		c.scripted, c.ending = script(c.rng, w.o.Only)
		for _, m := range c.scripted {
			if kind := kindOf(m); slices.Contains(manners, kind) {
				w.report.manner(kind)
			}
		}
	}
	if w.o.Handover {
		c.scripted = handovers(c.rng)
	}
	return c
}

// chance is repeatable, and not secret.
func chance(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)) } //nolint:gosec // see above

// pick is a number below n by the conversation's own chance.
func (c *conversation) pick(n int) int { return c.rng.IntN(n) }

// older says whether the conversation is with Vertex AI's older model, which takes no transcript, and closes the connection on audio
// that comes while a tool is called, even if it was under way: that conversation has no tools.
func (c *conversation) older() bool { return c.backend == "vertex" && c.id%3 == 0 }

// config is start_session.config.
func (c *conversation) config() object {
	config := object{
		"resumable": true,
		"systemInstruction": fmt.Sprintf("You are the simulator; this is torture conversation %d; %s",
			c.id, strings.Join(c.scripted, " ")),
	}
	if c.older() {
		return config
	}
	config["model"] = "gemini-3.8-live"
	if c.w.tools {
		config["tools"] = []object{{
			"name": "lookup", "description": "Looks a key up.",
			"parameters": object{"type": "object", "properties": object{"key": object{"type": "string"}}},
		}}
	}
	return config
}

// The times that the end of a conversation may take.
const (
	settleTime  = 45 * time.Second
	goodbyeTime = 10 * time.Second
)

// run holds the conversation until the world's time is over, or it ends.
func (c *conversation) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	over := make(chan struct{})
	wg.Go(func() {
		defer close(over)
		c.line.run(ctx)
	})
	if c.w.o.Faults {
		wg.Go(func() { c.fate(ctx, over) })
	}
	time.Sleep(time.Duration(c.id%40) * time.Millisecond) // each at its own moment
	tick := time.NewTicker(frameTime)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-ctx.Done():
			return
		case now := <-tick.C:
			c.line.mu.Lock()
			c.person.quiet = now.After(c.w.until)
			c.person.tick(now)
			c.line.beat(now)
			c.line.mu.Unlock()
			if now.After(c.w.until) && !c.part(now) {
				return
			}
		}
	}
}

// parting is how far a conversation has come to its end.
type parting struct {
	quiet   time.Time // nobody asks anything new
	stopped time.Time // the microphone is off
	settled time.Time // the server has everything
	bye     time.Time
}

// calmTime is what is under way is given, after the last word that the client can know of.
const calmTime = time.Second

// part brings the conversation to its end, step by step: the last answer, the last word, the goodbye. It returns false when
// there is no end to wait for. Called with each tick.
func (c *conversation) part(now time.Time) bool {
	p := &c.parting
	if p.quiet.IsZero() {
		p.quiet = now
	}
	late := now.Sub(p.quiet) > settleTime
	switch {
	case p.stopped.IsZero():
		if now.Sub(p.quiet) > 2*calmTime && c.line.hangUp(late) {
			p.stopped = now
		}
	case p.settled.IsZero():
		if c.line.settled() || late {
			p.settled = now
		}
	case p.bye.IsZero():
		if now.Sub(p.settled) > calmTime {
			p.bye = now
			c.line.goodbye()
		}
	case now.Sub(p.bye) > goodbyeTime:
		c.fail(kindProtocol, "end_session was not answered within %v: %s", goodbyeTime, c.standing())
		return false
	}
	return true
}

func (c *conversation) standing() string {
	c.line.mu.Lock()
	defer c.line.mu.Unlock()
	return c.line.standing()
}

// fail notes that a promise was broken.
func (c *conversation) fail(kind, format string, args ...any) {
	c.failed.Add(1)
	text := fmt.Sprintf(format, args...)
	c.log.say("VIOLATION %s: %s", kind, text)
	c.w.report.violation(c, kind, text)
}

// excuse notes samples that the client itself has given up.
func (c *conversation) excuse(from, to int64, why string) {
	if from >= to {
		return
	}
	c.log.say("samples %d to %d are given up: %s", from, to, why)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.excuses = append(c.excuses, span{from, to, why})
}

// excuseMoved notes samples that only an instance has, which is lost with them if it dies soon.
func (c *conversation) excuseMoved(from, to int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if from < to {
		c.lenient = append(c.lenient, span{from, to, "reloaded, and then the instance was lost"})
	}
}

// moved: another instance has taken the conversation over.
func (c *conversation) moved() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.excuses = append(c.excuses, c.lenient...)
	c.lenient = nil
	c.moveCount++
}

// expects says whether an error code is a legitimate end.
func (c *conversation) expects(code string) bool { return code != "" && code == c.ending }

func (c *conversation) toolOpen(open bool) { c.tool.Store(open) }

// fault notes a fault. count says whether the report is to count it: what the simulator carries out it counts itself.
func (c *conversation) fault(kind string, count bool) {
	c.log.say("FAULT %s", kind)
	c.mu.Lock()
	c.faults = append(c.faults, struckFault{kind, time.Now()})
	c.mu.Unlock()
	if count {
		c.w.report.fault(kind)
	}
}

// lead is how long before a question a fault may have struck and still disturb its answer.
const lead = 2 * time.Second

// silence measures how long the person waited in silence, from the end of the question to the end of the answer.
// Called with client.mu held.
func (c *conversation) silence(a *ask) {
	took := a.playEnd.Sub(a.said) - a.played
	c.mu.Lock()
	defer c.mu.Unlock()
	s := silence{took: took, gaps: a.gaps}
	begun := a.said.Add(-lasting(a.to - a.from)).Add(-lead)
	for i := len(c.faults) - 1; i >= 0 && c.faults[i].at.After(begun); i-- {
		s.faults = append(s.faults, c.faults[i].kind)
	}
	c.silences = append(c.silences, s)
}
