package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/stonepot/stonepot/benchmarks/peers/upstream"
)

// bench is what measurements share.
type bench struct {
	o       options
	root    string
	dir     string // temporary
	goPeers string
	cpu     string // of the relays; empty: any
	settle  time.Duration
}

// lostWait is how long what is under way may take to arrive when nothing more is sent.
const lostWait = 15 * time.Second

// settle is how long a relay has, after its start and after its last idle session began, until its memory is read.
const settle = 2 * time.Second

// measure runs one relay through one scenario, in a fresh process.
func (b *bench) measure(ctx context.Context, r relay, sc scenario) (f figures, err error) {
	dir, err := os.MkdirTemp(b.dir, r.name+"-")
	if err != nil {
		return f, err
	}
	cfg := upstream.Config{}
	if sc.kind == duplex {
		cfg.TalkBytes, cfg.Every = talkBytes, talkEvery
	}
	model, err := upstream.Start(cfg, b.dir)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, model.Close()) }()
	p := place{
		root: b.root, dir: dir, upstream: model.URL(sc.tls), caFile: model.CAFile(), fast: sc.fast(),
		sessions: sc.sessions, stonepot: b.o.stonepot, goPeers: b.goPeers, files: dir,
	}
	if sc.kind != files {
		p.files = ""
	} else if p.files, err = b.publish(sc.frame); err != nil {
		return f, err
	}
	x, err := launch(ctx, r, p, b.cpu)
	if err != nil {
		return f, err
	}
	defer x.stop()
	f = figures{Scenario: sc.name, Relay: r.name, StartMs: float64(x.startup) / float64(time.Millisecond)}
	switch sc.kind {
	case starting:
	case files:
		err = b.fetch(ctx, x, sc, &f)
	default:
		err = b.converse(ctx, r, x, model, sc, &f)
	}
	if err != nil {
		return f, fmt.Errorf("%s, %s: %w", sc.name, r.name, errors.Join(err, model.Err()))
	}
	return f, nil
}

// converse measures sessions.
func (b *bench) converse(ctx context.Context, r relay, x *process, model *upstream.Server, sc scenario, f *figures) error {
	if err := wait(ctx, b.settle); err != nil {
		return err
	}
	before, err := x.usage()
	if err != nil {
		return err
	}
	c, err := gather(ctx, r, x.host, sc)
	if err != nil {
		return err
	}
	defer c.leave()
	c.work()
	if sc.kind == idle {
		err = wait(ctx, b.settle)
	} else {
		err = b.window(ctx, x, model, c, f)
	}
	if err != nil {
		return errors.Join(err, c.err())
	}
	after, err := x.usage()
	if err != nil {
		return err
	}
	f.ProcessKB = after.residentKB
	f.SessionKB = float64(after.residentKB-before.residentKB) / float64(sc.sessions)
	if r.ours {
		kept, err := x.kept(ctx)
		if err != nil {
			return err
		}
		f.KeptKB = kept / 1024 / float64(sc.sessions)
	}
	c.sending.Store(false)
	if f.Lost = c.lost(ctx, model); f.Lost != 0 {
		return fmt.Errorf("%w: %d bytes", errLost, f.Lost)
	}
	if err := c.err(); err != nil {
		return err
	}
	c.leave()
	f.P50Micros, f.P99Micros = c.roundTrip(0.5), c.roundTrip(0.99)
	return model.Err()
}

// window warms up and measures.
func (b *bench) window(ctx context.Context, x *process, model *upstream.Server, c *crowd, f *figures) error {
	if err := wait(ctx, b.o.warmUp); err != nil {
		return err
	}
	c.latency.Store(true)
	used, err := x.usage()
	if err != nil {
		return err
	}
	browser, up, worked, began := c.crossed(), crossedUpstream(model), busy(b.cpu), time.Now()
	if err := wait(ctx, b.o.duration); err != nil {
		return err
	}
	now, err := x.usage()
	if err != nil {
		return err
	}
	took := time.Since(began)
	f.Browser, f.Upstream = c.crossed().Minus(browser), crossedUpstream(model).Minus(up)
	c.latency.Store(false)
	units := c.sc.units(f)
	spend(f, now.since(used), took, units)
	if b.cpu != "" {
		f.Others = max((busy(b.cpu)-worked).Seconds()/took.Seconds()-f.Cores, 0)
	}
	if units == 0 {
		return errors.New("nothing came through")
	}
	return nil
}

// spend writes down what units of work took of the processor.
func spend(f *figures, cpu, took time.Duration, units float64) {
	f.Cores = cpu.Seconds() / took.Seconds()
	f.PerSecond = units / took.Seconds()
	if units > 0 {
		f.CPUMicros = float64(cpu.Microseconds()) / units
	}
}

func crossedUpstream(model *upstream.Server) crossed {
	n := model.Counts()
	return crossed{MessagesUp: n.MessagesIn, BytesUp: n.BytesIn, MessagesDown: n.MessagesOut, BytesDown: n.BytesOut}
}

// lost waits for what is under way and returns how many bytes never came: back to the browsers, or, where the model
// speaks by itself, to the model.
func (c *crowd) lost(ctx context.Context, model *upstream.Server) int64 {
	if c.sc.kind == idle {
		return 0 // nothing was sent: what comes is the echo of the silence that keeps connections to the model alive
	}
	missing := func() int64 {
		if c.sc.kind == duplex {
			return c.upBytes.Load() - model.Counts().BytesIn
		}
		return c.upBytes.Load() - c.downByte.Load()
	}
	for until := time.Now().Add(lostWait); missing() != 0 && time.Now().Before(until); {
		if wait(ctx, 10*time.Millisecond) != nil {
			break
		}
	}
	return missing()
}

// wait waits, or returns ctx's error.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// fileName is what is fetched.
const fileName = "asset.js"

// publish makes a directory with a file of size bytes, and a page, without which our server does not start.
func (b *bench) publish(size int) (string, error) {
	dir := filepath.Join(b.dir, fmt.Sprintf("files-%d", size))
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", err
	}
	_, pcm := frameBuffer(size)
	return dir, errors.Join(os.WriteFile(filepath.Join(dir, "index.html"), []byte("<!doctype html><title>files</title>"), 0o600),
		os.WriteFile(filepath.Join(dir, fileName), pcm, 0o600))
}
