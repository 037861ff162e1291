package main

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// run puts a number of conversations on the server once. One goroutine calls execute.
type run struct {
	// Static after newRun.
	o        *options
	number   uint16
	sessions int
	echo     bool // the model's end echoes
	epoch    time.Time
	api      *api
	dialer   *dialer
	script   *script
	interval time.Duration
	figures  *figures
	server   *meter // nil where its processes cannot be seen
	show     *progress

	// What is due between from and to is measured; nothing is sent that is due after to.
	from, to atomic.Int64

	speaking atomic.Int64 // conversations that may send frames yet

	// conversations by their number; nil until they are open. The model's end looks here, too.
	conversations []atomic.Pointer[conversation]
}

// newRun prepares a run; x is what it shares with the runs before and after it.
func newRun(x *experiment, sessions int, echo bool) *run {
	x.runs++
	r := &run{
		o: x.o, number: x.runs, sessions: sessions, echo: echo, epoch: x.epoch, api: x.api, dialer: x.dialer,
		interval: time.Duration(float64(time.Second) / x.o.rate), figures: newFigures(), server: x.server, show: x.show,
		conversations: make([]atomic.Pointer[conversation], sessions),
	}
	r.script = &script{voice: x.o.voice, frame: x.o.frame, interval: r.interval, talk: x.o.talk, silence: x.o.silence}
	r.from.Store(math.MaxInt64)
	r.to.Store(math.MaxInt64)
	return r
}

// clock is the time since the generator's start, on which everything is measured.
func (r *run) clock() time.Duration { return time.Since(r.epoch) }

// phase spreads the sessions over the interval: people do not speak in step.
func (r *run) phase(n uint32) time.Duration {
	return r.interval * time.Duration(n) / time.Duration(r.sessions)
}

func (r *run) goesOn(due time.Duration) bool { return int64(due) < r.to.Load() }

func (r *run) measures(at time.Duration) bool {
	return int64(at) >= r.from.Load() && int64(at) < r.to.Load()
}

// errNothing means that no session became ready; the result says why.
var errNothing = errors.New("no session became ready")

// drainWait is how long frames under way at the end have to come back before they count as lost.
const drainWait = 2 * time.Second

// execute runs all of it. When ctx ends, it ends early and says so in the result. The error is errNothing or nil.
func (r *run) execute(ctx context.Context) (*result.Run, error) {
	res := &result.Run{
		Kind: result.Kind, Version: result.Version, Began: time.Now().UTC(), Machine: result.ThisMachine(), Load: r.o.described(r.sessions),
	}
	res.Sessions.Asked = r.sessions
	watch := newWatch(r)
	var all sync.WaitGroup
	r.ramp(ctx, &all)
	ready, _ := r.figures.counts()
	if ready > 0 {
		res.MeasuredMs = r.measure(ctx, watch).Milliseconds()
		r.drain()
	}
	for i := range r.conversations {
		if c := r.conversations[i].Load(); c != nil {
			all.Go(c.hangUp) // a connection that takes nothing any more delays only its own goodbye
		}
	}
	all.Wait()
	watch.stop()

	res.Interrupted = ctx.Err() != nil
	r.figures.fillIn(res)
	watch.fillIn(res)
	for i := range r.conversations {
		if c := r.conversations[i].Load(); c != nil && r.echo {
			res.Frames.Lost += c.missing()
		}
	}
	res.Notes = append(res.Notes, remarks(r, res)...)
	if ready == 0 {
		return res, errNothing
	}
	return res, nil
}

// ramp begins the conversations one after the other and returns when it is known of each whether it became ready. all
// counts them until they are over.
func (r *run) ramp(ctx context.Context, all *sync.WaitGroup) {
	var opening sync.WaitGroup
	begin := r.clock()
	for n := range r.sessions {
		at := begin + r.o.rampOf(r.sessions)*time.Duration(n)/time.Duration(r.sessions)
		if !wait(ctx, at-r.clock()) {
			break
		}
		opening.Add(1)
		all.Go(func() { r.converse(ctx, uint32(n), &opening) })
	}
	opening.Wait()
}

// converse is one session from its beginning to its end.
func (r *run) converse(ctx context.Context, n uint32, opening *sync.WaitGroup) {
	c := newConversation(r, n)
	err := c.open(ctx)
	if err == nil {
		r.speaking.Add(1)
		r.conversations[n].Store(c)
	}
	opening.Done()
	if err != nil {
		r.figures.fail(failed("start", err))
		return
	}
	speaking, stop := context.WithCancel(context.Background())
	var speaker sync.WaitGroup
	speaker.Go(func() {
		defer r.speaking.Add(-1)
		c.speak(speaking)
	})
	err = c.listen()
	stop()
	c.sock.Close()
	speaker.Wait()
	if err != nil {
		r.figures.fail(failed("end", err))
		return
	}
	r.figures.end()
}

// measure waits for the time that is measured to begin and to end, and returns how long that was.
func (r *run) measure(ctx context.Context, w *watch) time.Duration {
	wait(ctx, r.o.warmUp)
	from := r.clock()
	w.begin(from)
	r.to.Store(int64(from + r.o.duration))
	r.from.Store(int64(from))
	wait(ctx, r.o.duration)
	took := r.clock() - from
	if took < r.o.duration {
		r.to.Store(int64(r.clock())) // what is due later is not sent any more
	}
	w.end()
	return took
}

// drain waits until all that is due has been sent, and for frames that are under way.
func (r *run) drain() {
	for until := r.clock() + drainWait; r.clock() < until; time.Sleep(10 * time.Millisecond) {
		missing := int64(0)
		for i := range r.conversations {
			if c := r.conversations[i].Load(); c != nil && r.echo {
				missing += c.missing()
			}
		}
		if r.speaking.Load() == 0 && missing == 0 {
			return
		}
	}
}

// arrived takes audio at the model's end, which stands in this process. Frames that the server joined are told apart by
// their length.
func (r *run) arrived(pcm []byte, at time.Time) {
	for ; len(pcm) >= r.o.frame; pcm = pcm[r.o.frame:] {
		m, ok := readMark(pcm)
		if !ok || m.run != r.number || m.session >= uint32(len(r.conversations)) {
			continue
		}
		if c := r.conversations[m.session].Load(); c != nil {
			c.reached(m.seq, at.Sub(r.epoch))
		}
	}
}

// wait reports whether d has passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
