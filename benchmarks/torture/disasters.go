package main

import (
	"context"
	"syscall"
	"time"

	"github.com/stonepot/stonepot/benchmarks/torture/proxy"
)

// disaster is what happens to a whole instance.
type disaster struct {
	kind   string
	signal syscall.Signal
	away   bool // a part of the clients is detached when it strikes
	holds  bool // the model does not notice at once that the instance is gone
}

var catastrophes = []disaster{
	{"instance: SIGTERM, a second one is there", syscall.SIGTERM, false, false},
	{"instance: SIGKILL", syscall.SIGKILL, false, false},
	{"instance: SIGTERM while clients are detached", syscall.SIGTERM, true, false},
	{"instance: SIGKILL, and the model holds its connections", syscall.SIGKILL, false, true},
}

// disasters takes one instance after the other down until stop is over, and lets each come back.
func (w *world) disasters(stop, ctx context.Context) {
	pause := w.o.Duration * 3 / 4 / time.Duration(len(catastrophes)+1)
	for _, d := range catastrophes {
		if !wait(stop, pause) {
			return
		}
		if !w.o.Only.MatchString(d.kind) {
			continue
		}
		if err := w.strike(ctx, d); err != nil {
			w.report.broken(err)
			return
		}
	}
}

// holding is how long the model goes on with the connections of an instance that was killed.
const holding = 3 * time.Second

func (w *world) strike(ctx context.Context, d disaster) error {
	w.report.fault(d.kind)
	w.mu.Lock()
	all := make([]*conversation, 0, len(w.conversations))
	for _, c := range w.conversations {
		all = append(all, c)
	}
	w.mu.Unlock()
	for _, c := range all {
		c.fault(d.kind, false)
		if d.away && c.id%4 == 0 {
			c.line.stayAway(4 * time.Second)
			w.report.fault("instance: drained while this client is detached")
		}
		if l := w.upstreamOf(c.id); l != nil && d.holds {
			l.Linger(holding)
		}
	}
	was := w.pair.swap() // a load balancer sends nobody there any more
	if err := was.signal(d.signal, 15*time.Second); err != nil {
		w.report.broken(err)
	}
	w.report.affected(len(all))
	return was.start(ctx)
}

const idleFault = "pool: idle connection killed"

// killIdle breaks the connections to the model that wait in the instances' pools, without a word to the instance.
func (w *world) killIdle(ctx context.Context) {
	for wait(ctx, w.o.Duration/8) {
		for _, l := range w.idle() {
			if !w.o.Only.MatchString(idleFault) {
				continue
			}
			l.Cut(proxy.RST)
			w.report.fault(idleFault)
		}
	}
}
