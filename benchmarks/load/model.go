package main

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/stonepot/stonepot/live/simulator"
)

// model is the model's end in this process: the simulator of the Live API in its echo mode, which tells the run when
// a frame has come. One clock at both ends makes latencies one-way without guessing.
type model struct {
	*simulator.Server
	run atomic.Pointer[run]
}

func startModel(addr string) (*model, error) {
	cfg := simulator.DefaultConfig()
	cfg.Echo = true
	cfg.SetupDelay, cfg.SetupJitter = time.Millisecond, 0 // the server's own time to ready is of interest
	s, err := simulator.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	m := &model{Server: s}
	s.OnAudio(func(pcm []byte, at time.Time) {
		if r := m.run.Load(); r != nil {
			r.arrived(pcm, at)
		}
	})
	if err := s.Listen(addr); err != nil {
		return nil, fmt.Errorf("--simulator: %w", err)
	}
	return m, nil
}
