package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stonepot/stonepot/live/simulator"
)

// This measurement is of what a person hears when the model's connection is replaced in mid-conversation.

// modelLines are the paths to the model: beside it, and 50 ms away: for each of the handshakes of TCP and TLS, which the line
// adds, and for every round trip after them (the upgrade is one, the old connection's goodbye, the setup). On both the
// simulator takes 130 ms to answer a setup.
var modelLines = []lineConfig{{}, {Delay: 25 * time.Millisecond, Opening: 100 * time.Millisecond}}

// thinking is what the simulator needs to begin an answer.
const thinking = 300 * time.Millisecond

// handOver is a place in a conversation in which goAway, or its deadline, falls.
type handOver struct {
	Name string
	// faults are the simulator's; none is the same conversation without a hand-over.
	faults []simulator.Fault
	// wait is from session_ready until the person begins to speak.
	wait time.Duration
}

// The person speaks for handOverSpeech. goAway comes after a second, but for the answer's, which are their first answer's.
func handOverPlaces() []handOver {
	goAway := func(f simulator.Fault) []simulator.Fault {
		f.Kind, f.Connection = simulator.FaultGoAway, 1
		return []simulator.Fault{f, {Kind: simulator.FaultLongAnswer, Length: 8 * time.Second}}
	}
	const second = time.Second
	return []handOver{
		{noHandOver, goAway(simulator.Fault{After: time.Hour, Length: second}), 0},
		{"turn boundary", goAway(simulator.Fault{After: second, Length: 10 * second}), 1500 * time.Millisecond},
		{"in the person's speech", goAway(simulator.Fault{After: second, Length: 10 * second}), 0},
		{"at the end of the person's speech", goAway(simulator.Fault{After: handOverSpeech + 50*time.Millisecond, Length: 10 * second}), 0},
		{"in the answer, all of which was sent", goAway(simulator.Fault{Turn: 1, Length: 6 * second}), 0},
		{"in the answer, cut", goAway(simulator.Fault{Turn: 1, Length: second}), 0},
	}
}

// noHandOver is the same conversation without one.
const noHandOver = "none"

// handOverSpeech is how long the person speaks, and handOverPause the silence that the model takes for its end.
const (
	handOverSpeech = 2 * time.Second
	handOverPause  = 500 * time.Millisecond
)

// silences is what was heard around hand-overs in one place.
type silences struct {
	Place string  `json:"place"`
	Warm  bool    `json:"warmPool"`
	Away  float64 `json:"roundTripMs"` // to the model
	// WaitMs is from the end of the person's speech to the first of the answer. What it is more than without a hand-over is
	// silence that the hand-over added before an answer.
	WaitMs []float64 `json:"waitMs"`
	// GapMs is how long a client that plays from a jitter buffer of 200 ms had nothing to play within an answer, from its
	// first audio to its end: also after turn_restarted, which empties the buffer. GapMs less what the model thought about its
	// second answer is silence that the hand-over added within one.
	GapMs     []float64 `json:"gapMs"`
	Renewed   int       `json:"renewed"`   // conversations in which the connection was replaced
	Restarted int       `json:"restarted"` // and in which the answer was spoken anew

}

// handovers measures every place, with a cold and with a warm pool, near to the model and away from it.
func handovers(o common) ([]silences, error) {
	places := handOverPlaces()
	all := make([]silences, 4*len(places))
	for range o.Rounds {
		for i, place := range places {
			found, errs := make([]silences, 4), make([]error, 4)
			var wg sync.WaitGroup
			for k := range found { // side by side: they share nothing but the machine, and are idle most of the time
				wg.Go(func() { found[k], errs[k] = handOvers(o, place, modelLines[k/2], k%2 == 1) })
			}
			wg.Wait()
			if err := errors.Join(errs...); err != nil {
				return nil, fmt.Errorf("%s: %w", place.Name, err)
			}
			for k, s := range found {
				all[4*i+k].add(s)
			}
		}
	}
	return all, nil
}

// add counts another round in.
func (s *silences) add(o silences) {
	o.WaitMs, o.GapMs = append(s.WaitMs, o.WaitMs...), append(s.GapMs, o.GapMs...)
	o.Renewed, o.Restarted = o.Renewed+s.Renewed, o.Restarted+s.Restarted
	*s = o
}

// handOvers holds conversations side by side, each with one hand-over.
func handOvers(o common, place handOver, line lineConfig, warm bool) (silences, error) {
	s := silences{Place: place.Name, Warm: warm, Away: milliseconds(line.roundTrip())}
	cfg := simulator.DefaultConfig()
	cfg.SetupDelay, cfg.SetupJitter, cfg.ThinkingDelay, cfg.ThinkingExtra = 130*time.Millisecond, 0, thinking, 0
	cfg.SilenceDuration, cfg.Pace, cfg.PieceMax = handOverPause, 4, 200*time.Millisecond
	cfg.Faults = place.faults
	settings := settings{}
	if warm {
		settings.WarmPool = warmConnections
	}
	w, err := newWorld(cfg, line, settings)
	if err != nil {
		return s, err
	}
	defer w.close()
	if warm { // the pool fills when somebody has asked
		if _, err := converse(w.child); err != nil {
			return s, err
		}
		time.Sleep(time.Second)
	}
	heard := make([]heardSilence, o.Samples)
	errs := make([]error, o.Samples)
	var wg sync.WaitGroup
	for i := range heard {
		time.Sleep(137 * time.Millisecond) // apart, so that the warm pool keeps up and nothing falls together
		wg.Go(func() { heard[i], errs[i] = talk(w.child.addr, place.wait) })
	}
	wg.Wait()
	for i, h := range heard {
		if errs[i] != nil {
			return s, errs[i]
		}
		s.WaitMs = append(s.WaitMs, milliseconds(h.wait))
		s.GapMs = append(s.GapMs, milliseconds(h.gap))
		if h.restarted {
			s.Restarted++
		}
	}
	now, err := w.child.spent()
	s.Renewed = int(now.Stats.Counters.Renewals)
	return s, err
}

// warmConnections is enough for conversations that begin 137 ms after each other.
const warmConnections = 8

// heardSilence is what one person heard.
type heardSilence struct {
	wait      time.Duration
	gap       time.Duration
	restarted bool
}

// talk asks one question and listens to its answer.
func talk(addr string, wait time.Duration) (h heardSilence, err error) {
	heard := make(chan message, 1<<14)
	t, err := newTalker(talkerConfig{addr: addr, resumable: true, hear: func(m message) { heard <- m }})
	if err != nil {
		return h, err
	}
	defer t.close()
	time.Sleep(wait)
	said := time.Now().Add(handOverSpeech)
	t.speak(handOverSpeech)
	var s speaker
	for {
		select {
		case m := <-heard:
			switch m.kind {
			case "":
				if s.began.IsZero() {
					h.wait = m.at.Sub(said)
				}
				s.audio(m.at, m.audio)
			case "turn_restarted":
				h.restarted = h.restarted || !s.began.IsZero()
				s.drop(m.at)
			case "turn_complete":
				h.gap = s.silent
				return h, nil
			}
		case <-t.ended:
			return h, t.reason()
		case <-time.After(patience):
			return h, fmt.Errorf("nothing came for %v", patience)
		}
	}
}
