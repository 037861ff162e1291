package gemini

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// writer serialises what one end writes: the messages of the sender, and the pings, pongs and the close of
// others. Whoever finds the connection busy leaves a control frame behind; who holds it writes it afterwards, so
// that neither the reader nor a timer ever waits for a sender whose other side does not read.
type writer struct {
	conn    net.Conn
	timeout time.Duration

	closing atomic.Bool // Close has been called: whoever writes should be done at once

	mu    sync.Mutex // held while writing
	armed time.Time  // when the write deadline on conn passes; guarded by mu
	err   error      // sticky; guarded by mu

	control controlFrames
}

type controlFrames struct {
	mu   sync.Mutex
	pong []byte // the newest one only (RFC 6455 §5.5.3); nil: none
	ping bool
}

// write writes one sealed frame with one call and takes at most the timeout. now may be zero.
func (w *writer) write(p []byte, now time.Time) error {
	w.mu.Lock()
	err := w.put(p, now)
	w.release()
	return err
}

// put writes p; mu is held.
func (w *writer) put(p []byte, now time.Time) error {
	if w.err != nil {
		return w.err
	}
	if now.IsZero() {
		now = time.Now()
	}
	// Setting a deadline costs 0.15 µs and the runtime's timer lock (a third of encoding 20 ms of audio). One that
	// was set for an earlier write and has most of its time left bounds this one as well.
	if w.armed.Sub(now) < w.timeout-w.timeout/4 {
		w.armed = now.Add(w.timeout)
		if w.err = w.conn.SetWriteDeadline(w.armed); w.err != nil {
			return w.err
		}
	}
	// Looked at behind the deadline: either this sees the flag, or hurry's deadline is the later one.
	if w.closing.Load() {
		w.err = errClosed
		return w.err
	}
	_, w.err = w.conn.Write(p)
	return w.err
}

// hurry gives a write that is under way a moment more, and lets none begin.
func (w *writer) hurry() {
	w.closing.Store(true)
	_ = w.conn.SetWriteDeadline(time.Now().Add(lastMoment))
}

// lastMoment is enough for a write that the kernel has room for, and no delay for whoever closes.
const lastMoment = 20 * time.Millisecond

// release writes the control frames that others left and gives the connection free; mu is held. It looks again
// after unlocking, so that nothing waits forgotten.
func (w *writer) release() {
	for {
		for {
			p := w.control.take()
			if p == nil || w.put(p, time.Time{}) != nil {
				break
			}
		}
		w.mu.Unlock()
		if !w.control.waiting() || !w.mu.TryLock() {
			return
		}
		if w.err != nil {
			w.mu.Unlock()
			return
		}
	}
}

// pong answers a ping, now or behind the message that is being written. payload is copied.
func (w *writer) pong(payload []byte) {
	w.control.mu.Lock()
	w.control.pong = append(w.control.pong[:0], payload...)
	if w.control.pong == nil {
		w.control.pong = []byte{}
	}
	w.control.mu.Unlock()
	w.flush()
}

// ping sends an empty ping, now or behind the message that is being written.
func (w *writer) ping() {
	w.control.mu.Lock()
	w.control.ping = true
	w.control.mu.Unlock()
	w.flush()
}

func (w *writer) flush() {
	if w.mu.TryLock() {
		w.release()
	}
}

func (c *controlFrames) take() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.pong != nil:
		p := frame.AppendMasked(nil, frame.Pong, c.pong, maskKey())
		c.pong = nil
		return p
	case c.ping:
		c.ping = false
		return frame.AppendMasked(nil, frame.Ping, nil, maskKey())
	default:
		return nil
	}
}

func (c *controlFrames) waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pong != nil || c.ping
}

// maskKey is a key that who chooses the payload cannot predict (RFC 6455 §5.3): the runtime's generator is a
// ChaCha8 that the operating system's entropy seeds, and costs a few nanoseconds.
func maskKey() uint32 { return rand.Uint32() }

// sayClose writes a close frame and says that nothing more comes. Every later write fails.
func (w *link) sayClose(code int, within time.Duration) {
	w.mu.Lock()
	w.close(code, within)
}

// trySayClose is sayClose where nobody is writing; false: somebody is.
func (w *link) trySayClose(code int, within time.Duration) bool {
	if !w.mu.TryLock() {
		return false
	}
	w.close(code, within)
	return true
}

// close does it and gives up mu.
func (w *link) close(code int, within time.Duration) {
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	if code == 1005 {
		code = 0
	}
	_ = w.sock.raw.SetWriteDeadline(time.Now().Add(within))
	_, _ = w.conn.Write(frame.AppendMasked(nil, frame.Close, frame.ClosePayload(code, ""), maskKey()))
	w.err = errClosed
	w.sock.closeWrite()
}
