package live

import (
	"math"
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// In most sessions nothing is said most of the time, and the two goroutines that wait for it would be a third of what such a
// session weighs. So connections are parked, where their ends can do that (Relievable, Parker): from the beginning, and
// again when nothing has come for a while. Whatever comes then starts a goroutine that goes on where the last one
// stopped; so does the session's end. Nothing of this happens per message: the session's timer looks after it.

// ErrRelieved is what Read and Receive return after Relieve when nothing has come: the connection may be parked.
var ErrRelieved = frame.ErrRelieved

// Waker is told that a connection is parked no more: it starts the goroutine that goes on.
type Waker interface{ Wake() }

// Relievable is a Browser, or an Upstream, that can be without a goroutine.
type Relievable interface {
	// Relieve makes a Read or Receive that waits, or the next one that would, return ErrRelieved. It may be called from
	// anywhere.
	Relieve()
}

// Parker is an Upstream that can be without a goroutine.
type Parker interface {
	Relievable
	// Park is called in place of Receive. w is woken once: when something has come, and by Wake and Close. False:
	// something is there already, or the connection must be waited for; w is not woken.
	Park(w Waker) bool
}

// relieveAfter is how long nothing must have come from either side.
const relieveAfter = time.Second

// owner is the session as what wakes the owner of its upstream.
type owner Session

// Wake implements Waker.
func (o *owner) Wake() {
	s := (*Session)(o)
	go s.converse(*s.up.owned.Load()) // remove tells of its end
}

// park lets the owner of the upstream go, if it can be parked.
func (s *Session) park(up Upstream) bool {
	p, ok := up.(Parker)
	return ok && p.Park((*owner)(s))
}

// relieve lets the goroutines go of a session in which nothing has come since the last look, and returns when to look again.
func (s *Session) relieve() time.Duration {
	s.in.mu.Lock()
	came := s.in.received
	s.in.mu.Unlock()
	came += s.watch.heard.Load()
	if s.came.Swap(came) != came {
		return relieveAfter
	}
	s.life.mu.Lock()
	l := s.life.link
	s.life.mu.Unlock()
	if l != nil {
		if b, ok := l.browser.(Relievable); ok {
			b.Relieve()
		}
	}
	if up := s.up.owned.Load(); up != nil && s.live.Load() {
		if u, ok := (*up).(Relievable); ok {
			u.Relieve()
		}
	}
	return math.MaxInt64 // whoever comes back sets the timer
}
