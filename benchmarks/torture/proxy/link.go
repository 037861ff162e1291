package proxy

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Direction is a way through a link.
type Direction int

// The directions.
const (
	Up   Direction = iota // from the client to the target
	Down                  // from the target to the client
)

// How is the manner in which a connection is cut.
type How int

// The manners.
const (
	FIN How = iota // an orderly end of the stream
	RST            // a reset: what was under way may be lost
)

// Link is one connection through a proxy. Its methods are safe for concurrent use, and do nothing once it is over.
type Link struct {
	proxy  *Proxy
	client *net.TCPConn
	done   chan struct{} // closed when the link is over
	finish func(How)     // ends it; the first call holds
	passed [2]atomic.Int64

	mu      sync.Mutex
	target  *net.TCPConn  // nil while it is being dialled
	changed chan struct{} // closed and replaced when a fault is set
	ways    [2]way
	linger  time.Duration
}

// way is what is wrong with one direction. Guarded by Link.mu.
type way struct {
	cutting bool
	cutIn   int64 // bytes until the cut
	cutHow  How
	stalled time.Time // nothing passes until then
	slow    time.Time // until then no more than rate passes
	rate    int       // bytes per second
	swallow bool      // everything is read and thrown away
}

func newLink(p *Proxy, client *net.TCPConn) *Link {
	l := &Link{proxy: p, client: client, done: make(chan struct{}), changed: make(chan struct{})}
	var once sync.Once
	l.finish = func(how How) {
		once.Do(func() {
			close(l.done)
			end := (*net.TCPConn).Close
			if how == RST {
				end = reset
			}
			_ = end(l.client)
			l.mu.Lock()
			target := l.target
			l.mu.Unlock()
			if target != nil {
				_ = end(target)
			}
		})
	}
	return l
}

// reset closes a connection without a goodbye.
func reset(c *net.TCPConn) error {
	_ = c.SetLinger(0)
	return c.Close()
}

// run pumps both ways until the link is over.
func (l *Link) run(target *net.TCPConn) {
	l.mu.Lock()
	l.target = target
	l.mu.Unlock()
	select {
	case <-l.done: // cut while it was being dialled
		_ = reset(target)
		return
	default:
	}
	var wg sync.WaitGroup
	wg.Go(func() { l.pump(Up, l.client, target) })
	wg.Go(func() { l.pump(Down, target, l.client) })
	wg.Wait()
	l.finish(FIN)
}

// Done is closed when the link is over.
func (l *Link) Done() <-chan struct{} { return l.done }

// Target is where the link leads: host and port; empty while that is being dialled.
func (l *Link) Target() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.target == nil {
		return ""
	}
	return l.target.RemoteAddr().String()
}

// Passed is how many bytes have gone through in one direction.
func (l *Link) Passed(d Direction) int64 { return l.passed[d].Load() }

// Cut ends both sides now.
func (l *Link) Cut(how How) {
	if how == RST {
		l.finish(RST)
		return
	}
	l.change(func() {
		for d := range l.ways {
			l.ways[d].cutting, l.ways[d].cutIn, l.ways[d].cutHow = true, 0, FIN
		}
	})
	// A pump that waits for data does not see it: the end of its stream wakes it.
	_ = l.client.CloseRead()
	l.mu.Lock()
	target := l.target
	l.mu.Unlock()
	if target != nil {
		_ = target.CloseRead()
	}
}

// CutAfter ends both sides when n more bytes have passed in one direction: in the middle of a message, most of the time.
func (l *Link) CutAfter(d Direction, n int64, how How) {
	l.change(func() { l.ways[d].cutting, l.ways[d].cutIn, l.ways[d].cutHow = true, n, how })
}

// Stall lets nothing pass for a time; then everything goes on.
func (l *Link) Stall(d time.Duration) {
	l.change(func() {
		for i := range l.ways {
			l.ways[i].stalled = time.Now().Add(d)
		}
	})
}

// Slow lets no more than rate bytes a second pass in each direction for a time.
func (l *Link) Slow(rate int, d time.Duration) {
	l.change(func() {
		for i := range l.ways {
			l.ways[i].slow, l.ways[i].rate = time.Now().Add(d), max(rate, 1)
		}
	})
}

// Swallow makes the link half open: what is sent in one direction vanishes from now on, and nobody is told.
func (l *Link) Swallow(d Direction) {
	l.change(func() { l.ways[d].swallow = true })
}

// Linger keeps the target's side open, and silent, for a time after the client's side has ended.
func (l *Link) Linger(d time.Duration) {
	l.change(func() { l.linger = d })
}

// Leave is what a target sees of a client that has changed its network: the client's side is reset, the target's stays
// open and silent for a time, and is then reset.
func (l *Link) Leave(d time.Duration) {
	l.change(func() { l.ways[Up].swallow, l.ways[Down].swallow, l.linger = true, true, d })
	_ = reset(l.client)
}

// change sets a fault, and wakes the pumps that wait because of an earlier one.
func (l *Link) change(set func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	set()
	close(l.changed)
	l.changed = make(chan struct{})
}
