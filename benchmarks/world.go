package main

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/stonepot/stonepot/live/simulator"
)

// world is what a measurement runs in: a simulator of the Live API, and a gateway in a process of its own.
type world struct {
	simulator *simulator.Server
	watch     *watch
	upstream  *line // between the gateway and the simulator; nil: none
	child     *child
}

// newWorld starts both. close must follow.
func newWorld(cfg simulator.Config, upstream lineConfig, s settings) (*world, error) {
	w := &world{watch: &watch{events: make(chan simulator.Event, 4096)}}
	var err error
	if w.simulator, err = simulator.New(cfg, slog.New(slog.DiscardHandler)); err != nil {
		return nil, err
	}
	w.simulator.Observe(w.watch)
	if err = w.simulator.Listen("127.0.0.1:0"); err != nil {
		return nil, err
	}
	s.Upstream = w.simulator.URL()
	if upstream != (lineConfig{}) {
		if w.upstream, err = openLine(upstream, w.simulator.Addr()); err != nil {
			return nil, errors.Join(err, w.simulator.Close())
		}
		s.Upstream = "http://" + w.upstream.addr()
	}
	if w.child, err = startChild(s); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) close() {
	if w.child != nil {
		_ = w.child.stop()
	}
	if w.upstream != nil {
		w.upstream.close()
	}
	_ = w.simulator.Close()
}

// watch sees what the simulator does, but for audio.
type watch struct {
	mu     sync.Mutex
	events chan simulator.Event
	lost   int
}

// Observe implements simulator.Observer.
func (w *watch) Observe(e *simulator.Event) {
	switch e.Kind {
	case simulator.EventAudio, simulator.EventAnswerAudio:
		return
	}
	kept := *e
	kept.PCM = nil
	select {
	case w.events <- kept:
	default: // nobody looks
		w.mu.Lock()
		w.lost++
		w.mu.Unlock()
	}
}

// forget drops what nobody has looked at.
func (w *watch) forget() {
	for {
		select {
		case <-w.events:
		default:
			return
		}
	}
}

// until waits for an event that is wanted; false: it did not come in time.
func (w *watch) until(wanted func(*simulator.Event) bool, patience time.Duration) (simulator.Event, bool) {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case e := <-w.events:
			if wanted(&e) {
				return e, true
			}
		case <-late.C:
			return simulator.Event{}, false
		}
	}
}
