package gemini

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stonepot/stonepot/live"
)

// pool keeps a few connections warm for each endpoint that is in use. A goroutine of its own, the keeper, replaces
// what was taken, has died or has grown old; nobody who takes one waits for it. A nil pool is empty and takes no
// notes. It is safe for concurrent use.
type pool struct {
	// Static after newPool.
	d      *Dialer
	cfg    PoolConfig
	ctx    context.Context // ends with close
	cancel context.CancelFunc
	wake   chan struct{} // holds one: the keeper should look again

	wg sync.WaitGroup // the keeper, dials under way, watchers

	hits, misses, dead atomic.Int64

	mu      sync.Mutex // taken before Dialer.mu
	closed  bool       // guarded by mu
	shelves []*shelf   // one for each endpoint; what they hold is guarded by mu
}

// shelf is what the pool has for one endpoint.
type shelf struct {
	at       *endpoint
	idle     []*warm // the oldest first
	dialling int
	wanted   time.Time // when a conversation last asked; zero: nobody needs this endpoint

	// A row of failures ends when a connection has been of use, or has lived as long as it should: one that was
	// dialled and died is a failure too.
	failures  int
	notBefore time.Time // no dial until then
	told      bool      // that it does not work
}

// The pause after a failure doubles from firstPause to longestPause, up to half of it by chance taken off.
const (
	firstPause   = time.Second
	longestPause = time.Minute
)

// newPool starts a keeper, unless there is nothing to keep.
func newPool(d *Dialer, cfg PoolConfig) *pool {
	if cfg.Size == 0 {
		return nil
	}
	p := &pool{d: d, cfg: cfg, wake: make(chan struct{}, 1)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for _, e := range d.endpoints {
		p.shelves = append(p.shelves, &shelf{at: e})
	}
	if cfg.IdleAfter == 0 {
		now := time.Now()
		// Instances that a deployment starts together do not dial together.
		p.shelves[0].wanted, p.shelves[0].notBefore = now, now.Add(rand.N(firstPause))
	}
	p.wg.Go(p.keep)
	return p
}

// close ends every connection and every dial, and waits for all goroutines.
func (p *pool) close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.closed = true
	var all []*warm
	for _, s := range p.shelves {
		all, s.idle = append(all, s.idle...), nil
	}
	p.mu.Unlock()
	p.cancel()
	p.retire(all)
	p.wg.Wait()
}

// keep is the keeper.
func (p *pool) keep() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var due <-chan time.Time
		if next := p.tend(time.Now()); !next.IsZero() {
			timer.Reset(time.Until(next))
			due = timer.C
		}
		select {
		case <-p.wake:
		case <-due:
		case <-p.ctx.Done():
			return
		}
	}
}

func (p *pool) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// tend does what is to be done now and returns when to look again; zero: when nudged.
func (p *pool) tend(now time.Time) (next time.Time) {
	var old []*warm
	p.mu.Lock()
	for _, s := range p.shelves {
		aged, again := s.sort(now, p.cfg)
		old = append(old, aged...)
		missing, hold := s.missing(now, p.cfg.Size, p.d.cooling(s.at))
		if p.closed {
			missing = 0
		}
		s.dialling += missing
		for range missing {
			p.wg.Go(func() { p.fill(s) })
		}
		next = earlier(next, earlier(again, hold))
	}
	p.mu.Unlock()
	p.retire(old)
	return next
}

func (p *pool) retire(old []*warm) {
	for _, w := range old {
		w.retire(p.d.cfg.CloseWait)
	}
}

// sort takes off the shelf what is too old, or everything when the endpoint is not in use any more. next is when it
// should be called again.
func (s *shelf) sort(now time.Time, cfg PoolConfig) (old []*warm, next time.Time) {
	if s.wanted.IsZero() || cfg.IdleAfter > 0 && passed(now, s.wanted.Add(cfg.IdleAfter)) {
		s.wanted = time.Time{}
		old, s.idle = s.idle, nil
		return old, time.Time{}
	}
	if cfg.IdleAfter > 0 {
		next = s.wanted.Add(cfg.IdleAfter)
	}
	s.idle = slices.DeleteFunc(s.idle, func(w *warm) bool {
		if !passed(now, w.due) {
			next = earlier(next, w.due)
			return false
		}
		if !w.due.IsZero() {
			s.failures = 0
		}
		old = append(old, w)
		return true
	})
	return old, next
}

// missing is how many connections are to be dialled now, or when that may be asked again: not before hold.
func (s *shelf) missing(now time.Time, size int, cooling time.Time) (n int, hold time.Time) {
	if n = size - len(s.idle) - s.dialling; n <= 0 || s.wanted.IsZero() {
		return 0, time.Time{}
	}
	for _, t := range []time.Time{s.notBefore, cooling} {
		if t.After(now) && t.After(hold) {
			hold = t
		}
	}
	if !hold.IsZero() {
		return 0, hold
	}
	return n, time.Time{}
}

// fill dials one connection for a shelf.
func (p *pool) fill(s *shelf) {
	defer p.nudge()
	sock, expires, err := p.d.prepare(p.ctx, s.at)
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	s.dialling--
	switch {
	case p.closed && err == nil:
		_ = sock.Close()
	case p.closed:
	case err != nil:
		s.fail(now)
		if !s.told {
			s.told = true
			p.d.log.Warn("connections to the model cannot be kept ready, conversations dial their own",
				"at", s.at.name, "host", s.at.host, "error", dialTrouble(err, s.at.host))
		}
	default:
		// Those that were dialled together do not grow old together.
		due := now.Add(p.cfg.MaxAge - rand.N(p.cfg.MaxAge/8))
		if !expires.IsZero() {
			due = earlier(due, expires.Add(-tooOld))
		}
		if passed(now.Add(firstPause), due) { // a token that could not be renewed
			_ = sock.Close()
			s.fail(now)
			return
		}
		w := newWarm(sock, due)
		s.idle = append(s.idle, w)
		p.wg.Go(func() { p.watch(s, w) })
	}
}

// watch is the watcher of one connection.
func (p *pool) watch(s *shelf, w *warm) {
	w.err = w.watch(p.d.cfg.WriteTimeout)
	close(w.done)
	if errors.Is(w.err, os.ErrDeadlineExceeded) {
		return // taken or retired
	}
	p.mu.Lock()
	s.idle = slices.DeleteFunc(s.idle, func(x *warm) bool { return x == w })
	s.fail(time.Now())
	p.mu.Unlock()
	p.dead.Add(1)
	p.nudge()
}

// fail notes a failure. Those that come while nothing is dialled anyway are the same one.
func (s *shelf) fail(now time.Time) {
	if now.Before(s.notBefore) {
		return
	}
	pause := min(firstPause<<min(s.failures, 16), longestPause)
	s.failures++
	s.notBefore = now.Add(pause - rand.N(pause/2))
}

// take gives the newest connection to e that stands; nil: there is none. It is the caller's.
func (p *pool) take(e *endpoint) *socket {
	if p == nil {
		return nil
	}
	defer p.nudge()
	for {
		w := p.pop(e)
		if w == nil {
			return nil
		}
		if w.stop() {
			return w.sock
		}
	}
}

// pop takes a connection off its shelf. What is too old is left to the keeper.
func (p *pool) pop(e *endpoint) *warm {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.shelf(e)
	s.wanted = now
	for i := len(s.idle) - 1; i >= 0; i-- {
		if w := s.idle[i]; !passed(now, w.due) {
			s.idle = slices.Delete(s.idle, i, i+1)
			return w
		}
	}
	return nil
}

// shelf is called with mu held.
func (p *pool) shelf(e *endpoint) *shelf {
	return p.shelves[slices.IndexFunc(p.shelves, func(s *shelf) bool { return s.at == e })]
}

// spoiled notes that a connection was taken and turned out to be dead. Whatever ended it has probably ended the
// others: they are not used any more.
func (p *pool) spoiled(e *endpoint) {
	p.dead.Add(1)
	p.mu.Lock()
	s := p.shelf(e)
	s.fail(time.Now())
	for _, w := range s.idle {
		w.due = time.Time{}
	}
	p.mu.Unlock()
	p.nudge()
}

// missed notes that a conversation dials for itself.
func (p *pool) missed() {
	if p != nil {
		p.misses.Add(1)
	}
}

// answered notes that e has answered a setup; warm: on a connection of the pool.
func (p *pool) answered(e *endpoint, warm bool) {
	if p == nil {
		return
	}
	defer p.nudge() // e may not be cooling any more
	if !warm {
		return
	}
	p.hits.Add(1)
	p.mu.Lock()
	s := p.shelf(e)
	s.failures = 0
	told := s.told
	s.told = false
	p.mu.Unlock()
	if told {
		p.d.log.Info("connections to the model are kept ready again", "at", e.name, "host", e.host)
	}
}

// PoolStats implements live.Pool.
func (d *Dialer) PoolStats() live.PoolStats {
	p := d.pool
	if p == nil {
		return live.PoolStats{}
	}
	now := time.Now()
	st := live.PoolStats{Hits: p.hits.Load(), Misses: p.misses.Load(), Dead: p.dead.Load()}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.shelves {
		for _, w := range s.idle {
			if !passed(now, w.due) {
				st.Idle++
			}
		}
	}
	return st
}

// passed reports whether t is over by either clock: the one that cannot be set back may stand still while a machine
// sleeps, and no connection outlives that.
func passed(now, t time.Time) bool {
	return !now.Before(t) || !now.Round(0).Before(t.Round(0))
}

// earlier is the earlier of two times; zero stands for never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
