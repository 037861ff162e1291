package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/simulator"
)

// This measurement is of the memory that conversations hold in the gateway's process, by what they are doing.

// held is the gateway's memory in one state of its conversations.
type held struct {
	State      string  `json:"state"`
	Sessions   int     `json:"sessions"`
	Resumable  bool    `json:"resumable"`
	HeapKB     float64 `json:"heapKbPerSession"`     // live objects on the heap
	StacksKB   float64 `json:"stacksKbPerSession"`   // of goroutines
	ResidentKB float64 `json:"residentKbPerSession"` // growth of the process, garbage that is not yet collected included
	ResidentMB float64 `json:"residentMb"`           // of the whole process
	KeptMB     float64 `json:"keptMb"`               // what resume.memory bounds, of all conversations together
	GivenUp    float64 `json:"givenUpSeconds"`       // of speech that had no room in it, for all conversations together
	Broken     int     `json:"broken"`               // conversations that ended before their time; must be 0
}

// memories measures the states one after another, each with a process of its own.
func memories(o common) ([]held, error) {
	var all []held
	for range o.Rounds {
		for _, resumable := range []bool{false, true} {
			found, err := hold(o, resumable)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
	}
	return medianHeld(all), nil
}

// crowd is many conversations in one gateway.
type crowd struct {
	world     *world
	talkers   []*talker
	resumable bool
	idle      spent
}

// hold takes a crowd through its states: muted; in a quiet room; speaking until as much is kept for a renewal as may be;
// listening to an answer; and, where that is possible, without their browsers.
func hold(o common, resumable bool) ([]held, error) {
	cfg := simulator.DefaultConfig()
	cfg.SetupDelay, cfg.SetupJitter = time.Millisecond, 0
	cfg.Faults = []simulator.Fault{{Kind: simulator.FaultBurst}, {Kind: simulator.FaultLongAnswer, Length: listeningFor}}
	w, err := newWorld(cfg, lineConfig{}, settings{Window: o.Window, Memory: int64(o.Memory) << 20, Patient: true})
	if err != nil {
		return nil, err
	}
	defer w.close()
	c := &crowd{world: w, resumable: resumable}
	if c.idle, err = w.child.collected(); err != nil {
		return nil, err
	}
	if err := c.come(o.Sessions); err != nil {
		return nil, err
	}
	defer c.leave()
	var all []held
	look := func(state string) error {
		h, err := c.look(state)
		all = append(all, h)
		return err
	}
	replay := live.DefaultConfig().Resume.ReplayAudio
	steps := []struct {
		state string
		do    func()
	}{
		{"muted", func() { time.Sleep(2 * time.Second) }},
		{"quiet for " + replay.String(), func() {
			for _, t := range c.talkers {
				t.speak(0)
			}
			time.Sleep(replay + 2*time.Second)
		}},
		{"speaking for " + replay.String(), func() {
			for _, t := range c.talkers {
				t.speak(replay + 4*time.Second)
			}
			time.Sleep(replay + 2*time.Second)
		}},
		{"listening", func() { time.Sleep(6 * time.Second) }}, // the end of the speech, the model's thinking, and two seconds of its answer
		{"detached", func() {
			c.vanish()
			time.Sleep(2 * time.Second)
		}},
	}
	if !resumable {
		steps = steps[:len(steps)-1]
	}
	for _, s := range steps {
		s.do()
		if err := look(s.state); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// listeningFor is the answer's length: it waits in the gateway, which paces it.
const listeningFor = 20 * time.Second

// come begins conversations, some at a time. Their microphones send 100 ms a frame, so that the machine has the time for many.
func (c *crowd) come(n int) error {
	const atOnce = 16
	var mu sync.Mutex
	var first error
	for begun := 0; begun < n; begun += atOnce {
		var wg sync.WaitGroup
		for range min(atOnce, n-begun) {
			wg.Go(func() {
				t, err := newTalker(talkerConfig{addr: c.world.child.addr, resumable: c.resumable, muted: true, frame: 100 * time.Millisecond})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					first = err
					return
				}
				c.talkers = append(c.talkers, t)
			})
		}
		wg.Wait()
		if first != nil {
			return fmt.Errorf("conversation %d: %w", len(c.talkers)+1, first)
		}
	}
	return nil
}

// look measures.
func (c *crowd) look(state string) (held, error) {
	before, err := c.world.child.spent()
	if err != nil {
		return held{}, err
	}
	now, err := c.world.child.collected()
	n := float64(len(c.talkers))
	h := held{
		State: state, Sessions: len(c.talkers), Resumable: c.resumable,
		HeapKB:     (now.HeapKB - c.idle.HeapKB) / n,
		StacksKB:   (now.StacksKB - c.idle.StacksKB) / n,
		ResidentKB: (before.ResidentKB - c.idle.ResidentKB) / n,
		ResidentMB: before.ResidentKB / 1024,
		KeptMB:     float64(now.Stats.KeptBytes) / (1 << 20),
		GivenUp:    float64(now.Stats.Counters.GivenUpAudioMs) / 1000,
		Broken:     len(c.talkers) - now.Stats.Active,
	}
	return h, err
}

// vanish loses every browser's connection.
func (c *crowd) vanish() {
	for _, t := range c.talkers {
		t.vanish()
	}
	c.talkers = slices.Clip(c.talkers)
}

// leave ends what is left.
func (c *crowd) leave() {
	var wg sync.WaitGroup
	for _, t := range c.talkers {
		wg.Go(t.close)
	}
	wg.Wait()
}

// medianHeld takes the median of each figure by itself over the rounds.
func medianHeld(all []held) (medians []held) {
	type key struct {
		state     string
		resumable bool
	}
	var order []key
	by := map[key][]held{}
	for _, h := range all {
		k := key{h.State, h.Resumable}
		if by[k] == nil {
			order = append(order, k)
		}
		by[k] = append(by[k], h)
	}
	for _, k := range order {
		m := by[k][0]
		for _, get := range []func(*held) *float64{
			func(h *held) *float64 { return &h.HeapKB },
			func(h *held) *float64 { return &h.StacksKB },
			func(h *held) *float64 { return &h.ResidentKB },
			func(h *held) *float64 { return &h.ResidentMB },
			func(h *held) *float64 { return &h.KeptMB },
			func(h *held) *float64 { return &h.GivenUp },
		} {
			var v []float64
			for i := range by[k] {
				v = append(v, *get(&by[k][i]))
			}
			*get(&m) = quantile(v, 0.5)
		}
		m.Broken = 0
		for _, h := range by[k] {
			m.Broken += h.Broken
		}
		medians = append(medians, m)
	}
	return medians
}
