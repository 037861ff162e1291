package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/stonepot/stonepot/live/simulator"
)

// This measurement is of barge-in on a bad link: from the model's interrupted to the browser's, while much speech is pending.

// badLink is a browser's way to the gateway.
type badLink struct {
	Name    string
	Line    lineConfig
	MicRate int  // Hz: where the uplink carries no more
	Acks    bool // the client acknowledges; without, the pace alone bounds what is under way
}

// badLinks are what is measured: what it should be, a link slower than speech, and each without acknowledgements.
func badLinks() []badLink {
	slow := func(kbit int) lineConfig {
		return lineConfig{Rate: kbit * 1000 / 8, Delay: 20 * time.Millisecond, Buffer: smallBuffer}
	}
	return []badLink{
		{"768 kbit/s", slow(768), 16000, true},
		{"768 kbit/s, no acks", slow(768), 16000, false},
		{"256 kbit/s", slow(256), 8000, true},
		{"256 kbit/s, no acks", slow(256), 8000, false},
	}
}

// smallBuffer is what the sockets of a line hold; Linux doubles it.
const smallBuffer = 4 << 10

// When the person interrupts: while the lead is being filled and the link is as full as it gets, and when the pace
// has taken over.
var moments = []time.Duration{time.Second, 4 * time.Second}

// interruption is what was measured of one moment on one link, in milliseconds.
type interruption struct {
	Link   string    `json:"link"`
	After  string    `json:"after"`
	Delays []float64 `json:"delaysMs"` // from the model's interrupted to the browser's
	Bound  float64   `json:"boundMs"`  // the window divided by the rate, and a round trip; 0: not bounded

	UnderWay []int `json:"underWay"` // bytes of speech that came between the two
	Late     int   `json:"late"`     // bytes of speech of an answer after its interrupted; must be 0
}

// interruptions measures every link at the same time: they share nothing but the machine, and are idle most of the time.
func interruptions(o common) ([]interruption, error) {
	links := badLinks()
	found := make([][]interruption, len(links))
	errs := make([]error, len(links))
	var wg sync.WaitGroup
	for i, l := range links {
		wg.Go(func() { found[i], errs[i] = interruptOn(o, l) })
	}
	wg.Wait()
	var all []interruption
	for i := range links {
		if errs[i] != nil {
			return nil, fmt.Errorf("%s: %w", links[i].Name, errs[i])
		}
		all = append(all, found[i]...)
	}
	return all, nil
}

// pending is how long the model speaks: 20 s wait in the gateway when it is interrupted.
const pending = 25 * time.Second

func interruptOn(o common, l badLink) ([]interruption, error) {
	cfg := simulator.DefaultConfig()
	cfg.SetupDelay, cfg.SetupJitter, cfg.ThinkingDelay, cfg.ThinkingExtra = time.Millisecond, 0, 100*time.Millisecond, 0
	cfg.SilenceDuration = 300 * time.Millisecond
	cfg.Faults = []simulator.Fault{{Kind: simulator.FaultBurst}, {Kind: simulator.FaultLongAnswer, Length: pending}}
	w, err := newWorld(cfg, lineConfig{}, settings{Window: o.Window})
	if err != nil {
		return nil, err
	}
	defer w.close()
	n, err := openLine(l.Line, w.child.addr)
	if err != nil {
		return nil, err
	}
	defer n.close()
	p := &interrupter{badLink: l, world: w, heard: make(chan message, 1<<16)}
	p.talker, err = newTalker(talkerConfig{
		addr: n.addr(), buffer: smallBuffer, resumable: l.Acks, micRate: l.MicRate, hear: func(m message) { p.heard <- m },
	})
	if err != nil {
		return nil, err
	}
	defer p.talker.close()
	if err := p.ask(); err != nil {
		return nil, err
	}
	var all []interruption
	for _, moment := range moments {
		r := interruption{Link: l.Name, After: moment.String()}
		if l.Acks {
			r.Bound = 1000*float64(o.window())/float64(l.Line.Rate) + milliseconds(l.Line.roundTrip())
		}
		for range o.Samples {
			if err := p.once(moment, &r); err != nil {
				return nil, fmt.Errorf("interrupted after %v: %w", moment, err)
			}
		}
		all = append(all, r)
	}
	return all, nil
}

// interrupter is a person on a bad link who lets nobody finish.
type interrupter struct {
	badLink
	world  *world
	talker *talker
	heard  chan message
}

const (
	utterance = 500 * time.Millisecond
	patience  = 30 * time.Second
)

// ask says something, and waits for the first of the answer.
func (p *interrupter) ask() error {
	p.talker.speak(utterance)
	_, err := p.next(patience, func(m message) bool { return m.kind == "" })
	return err
}

// once interrupts the answer whose first audio has just come, at the moment, and waits for the first of the next one: what the
// person says to interrupt is the next question.
func (p *interrupter) once(moment time.Duration, r *interruption) error {
	p.world.watch.forget()
	_, _ = p.next(moment, func(message) bool { return false })
	p.talker.speak(utterance)
	cut, ok := p.world.watch.until(func(e *simulator.Event) bool {
		return e.Kind == simulator.EventAnswerEnd && e.Outcome == simulator.Interrupted
	}, patience)
	if !ok {
		return fmt.Errorf("the model was not interrupted within %v", patience)
	}
	between := 0
	told, err := p.next(patience, func(m message) bool {
		if m.kind == "" && m.at.After(cut.At) {
			between += m.audio
		}
		return m.kind == "interrupted"
	})
	if err != nil {
		return err
	}
	r.Delays = append(r.Delays, milliseconds(told.at.Sub(cut.At)))
	r.UnderWay = append(r.UnderWay, between)
	answer, ok := p.world.watch.until(func(e *simulator.Event) bool { return e.Kind == simulator.EventAnswer }, patience)
	if !ok {
		return fmt.Errorf("the model did not answer within %v", patience)
	}
	_, err = p.next(patience, func(m message) bool {
		if m.kind == "" && m.at.Before(answer.At) {
			r.Late += m.audio
		}
		return m.kind == "" && m.at.After(answer.At)
	})
	return err
}

// next waits for a message that is wanted.
func (p *interrupter) next(patience time.Duration, wanted func(message) bool) (message, error) {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case m := <-p.heard:
			if wanted(m) {
				return m, nil
			}
		case <-p.talker.ended:
			return message{}, p.talker.reason()
		case <-late.C:
			return message{}, fmt.Errorf("nothing came for %v", patience)
		}
	}
}
