package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/stonepot/stonepot/live/simulator"
)

// This measurement is of what the bound on speech under way costs on links that are good, or far away: a client that
// plays in real time must not run dry.

// playback is what a client heard of answers.
type playback struct {
	Link     string    `json:"link"`
	Answers  int       `json:"answers"`
	Underrun int       `json:"underruns"`       // moments at which there was nothing to play
	SilentMs []float64 `json:"silentMs"`        // of each answer: how long that was, together
	LeadMs   []float64 `json:"leadMs"`          // how far ahead of real time the speech came at most
	Rates    []float64 `json:"bytesPerSecond"`  // of the first two seconds, while the lead is filled
	Window   float64   `json:"roundTripWindow"` // what the window lets through in a second: window divided by round trip
}

// jitterBuffer is what a client waits for before it plays.
const jitterBuffer = 200 * time.Millisecond

func goodLinks() []badLink {
	far := func(roundTrip time.Duration) lineConfig {
		return lineConfig{Rate: 10_000_000 / 8, Delay: roundTrip / 2}
	}
	return []badLink{
		{"10 Mbit/s, 20 ms", far(20 * time.Millisecond), 16000, true},
		{"10 Mbit/s, 100 ms", far(100 * time.Millisecond), 16000, true},
		{"10 Mbit/s, 300 ms", far(300 * time.Millisecond), 16000, true},
		{"10 Mbit/s, 300 ms, no acks", far(300 * time.Millisecond), 16000, false},
		{"768 kbit/s, 40 ms", lineConfig{Rate: 96_000, Delay: 20 * time.Millisecond, Buffer: smallBuffer}, 16000, true},
	}
}

// playbacks listens on every link at the same time.
func playbacks(o common) ([]playback, error) {
	cfg := simulator.DefaultConfig()
	cfg.SetupDelay, cfg.SetupJitter = time.Millisecond, 0
	cfg.SilenceDuration = 300 * time.Millisecond
	cfg.Faults = []simulator.Fault{{Kind: simulator.FaultLongAnswer, Length: listenFor}}
	w, err := newWorld(cfg, lineConfig{}, settings{Window: o.Window})
	if err != nil {
		return nil, err
	}
	defer w.close()
	links := goodLinks()
	found, errs := make([]playback, len(links)), make([]error, len(links))
	var wg sync.WaitGroup
	for i, l := range links {
		wg.Go(func() { found[i], errs[i] = listen(o, w, l) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", links[i].Name, err)
		}
	}
	return found, nil
}

// listenFor is the length of each answer.
const listenFor = 15 * time.Second

func listen(o common, w *world, l badLink) (playback, error) {
	p := playback{Link: l.Name, Window: float64(o.window()) / l.Line.roundTrip().Seconds()}
	n, err := openLine(l.Line, w.child.addr)
	if err != nil {
		return p, err
	}
	defer n.close()
	heard := make(chan message, 1<<16)
	t, err := newTalker(talkerConfig{addr: n.addr(), buffer: l.Line.Buffer, resumable: l.Acks, hear: func(m message) { heard <- m }})
	if err != nil {
		return p, err
	}
	defer t.close()
	for range o.Rounds {
		t.speak(utterance)
		var s speaker
		for over := false; !over; {
			select {
			case m := <-heard:
				if m.kind == "" {
					s.audio(m.at, m.audio)
				}
				over = m.kind == "turn_complete"
			case <-t.ended:
				return p, t.reason()
			case <-time.After(patience):
				return p, fmt.Errorf("nothing came for %v", patience)
			}
		}
		p.Answers++
		p.Underrun += s.underruns
		p.SilentMs = append(p.SilentMs, milliseconds(s.silent))
		p.LeadMs = append(p.LeadMs, milliseconds(s.lead))
		p.Rates = append(p.Rates, float64(s.early)/earlyFor.Seconds())
	}
	return p, nil
}

// speaker plays speech in real time, from a jitter buffer after its first piece on.
type speaker struct {
	began     time.Time // the first piece came
	plays     time.Time // when what has come will have been played
	total     time.Duration
	early     int // bytes that came within earlyFor
	underruns int
	silent    time.Duration
	lead      time.Duration
}

// earlyFor is while the lead is being filled.
const earlyFor = 2 * time.Second

// audio is n bytes of speech that have come.
func (s *speaker) audio(at time.Time, n int) {
	d := time.Duration(n) * time.Second / outputRate
	if s.began.IsZero() {
		s.began = at
		s.plays = at.Add(jitterBuffer)
	}
	if gap := at.Sub(s.plays); gap > 0 {
		s.underruns++
		s.silent += gap
		s.plays = at
	}
	s.plays = s.plays.Add(d)
	s.total += d
	s.lead = max(s.lead, s.total-at.Sub(s.began))
	if at.Sub(s.began) < earlyFor {
		s.early += n
	}
}

// drop empties the buffer: what comes next is played as soon as it comes.
func (s *speaker) drop(at time.Time) {
	if s.began.IsZero() || s.plays.Before(at) {
		return
	}
	s.plays = at
}
