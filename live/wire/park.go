package wire

import (
	"sync"
	"time"
)

// Waker is told that a connection is parked no more.
type Waker interface {
	// Wake is called once for each time that the connection was parked. It must not wait, and may be called with locks
	// held by whoever sets a deadline or closes the connection: it starts a goroutine.
	Wake()
}

// ErrRelieved is what waiting for something to read ends with when Relieve was called and nothing had come. To a library
// between, such as crypto/tls, it is a deadline that has passed: nothing is wrong with the connection.
var ErrRelieved error = relieved{}

type relieved struct{}

func (relieved) Error() string   { return "nothing has come for a while" }
func (relieved) Timeout() bool   { return true }
func (relieved) Temporary() bool { return true }

// watch is who waits for something to read.
type watch struct {
	mu       sync.Mutex // taken before the lot's. Guards:
	deadline bool       // one is set: only the runtime keeps it, so somebody must be waiting
	relieved bool       // the runtime's deadline is Relieve's, until it is noticed
	parked   Waker      // nil: it is not parked
	place    int32      // in the lot
	turn     uint32     // of the place

	heed bool // Read, too, heeds Relieve; the reader's own
}

// Relieve asks whoever waits for something to read, or will do so next, to return ErrRelieved, so that the connection can
// be parked. Read does not heed it, unless told to: who reads has half a message. It may be called from anywhere.
func (c *Conn) Relieve() {
	w := &c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if !canPark || w.deadline || w.relieved || w.parked != nil {
		return
	}
	w.relieved = c.TCPConn.SetReadDeadline(long) == nil
}

// Heed says whether Read heeds Relieve. It is called by the reader.
func (c *Conn) Heed(yes bool) { c.watch.heed = yes }

// long is long ago.
var long = time.Unix(1, 0)

// wasRelieved reports whether it was Relieve that let a read end with a deadline, and takes that deadline away.
func (c *Conn) wasRelieved() bool {
	w := &c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.relieved
	w.relieved = false
	return was && c.TCPConn.SetReadDeadline(time.Time{}) == nil
}

// Park lets the connection be without a goroutine until there is something to read, a read deadline is set, or it is
// closed: then k is woken, once. The caller must be its only reader, and may touch nothing of a reader's after true, when
// the next one may be at work already. False: it cannot be parked, and k is not woken.
func (c *Conn) Park(k Waker) bool {
	w := &c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deadline || w.parked != nil {
		return false
	}
	if w.relieved {
		w.relieved = false
		if c.TCPConn.SetReadDeadline(time.Time{}) != nil {
			return false
		}
	}
	if !parkingLot.enter(c) {
		return false
	}
	w.parked = k
	return true
}

// leave takes the connection out of the lot, if it is there. It returns whom to wake. Called with watch.mu held.
func (c *Conn) leave() Waker {
	w := &c.watch
	k := w.parked
	if k != nil {
		w.parked = nil
		parkingLot.leave(c)
	}
	return k
}

// come is told by the lot that there is something to read, for whoever parked the connection at turn.
func (c *Conn) come(turn uint32) {
	w := &c.watch
	w.mu.Lock()
	var k Waker
	if w.turn == turn {
		k = c.leave()
	}
	w.mu.Unlock()
	if k != nil {
		k.Wake()
	}
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.limit(t, c.TCPConn.SetReadDeadline) }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error { return c.limit(t, c.TCPConn.SetDeadline) }

// limit sets a deadline for reading. One that is parked is woken: the runtime has no goroutine to tell.
func (c *Conn) limit(t time.Time, set func(time.Time) error) error {
	w := &c.watch
	w.mu.Lock()
	w.deadline, w.relieved = !t.IsZero(), false
	err := set(t)
	var k Waker
	if w.deadline {
		k = c.leave()
	}
	w.mu.Unlock()
	if k != nil {
		k.Wake()
	}
	return err
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	err := c.TCPConn.Close()
	w := &c.watch
	w.mu.Lock()
	k := c.leave()
	w.mu.Unlock()
	if k != nil {
		k.Wake()
	}
	return err
}
