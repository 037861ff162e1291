package handlers

import (
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// This half of fiberBrowser answers pings and says goodbye: frames that must not come inside a message, whoever
// writes that, and that nobody waits for.

// flush writes control frames that wait, unless somebody is writing: then that one will.
func (b *fiberBrowser) flush() {
	for b.waiting.Load() && b.io.TryLock() {
		left := b.pending > 0
		if !left {
			// A failed write shows at the next message or read; a control frame has nobody to tell.
			err := b.writeControl(b.try == nil)
			left = err != nil || len(b.tail) > 0
		}
		b.io.Unlock()
		if left {
			return // whoever finishes the message, or writes the next, takes it along
		}
	}
}

// writeControl writes the control frames that wait. It is called with io held, between two messages. Without wait
// it may leave the rest of one in tail.
func (b *fiberBrowser) writeControl(wait bool) error {
	for {
		if len(b.tail) == 0 && !b.nextControl() {
			return nil
		}
		write := b.waitWrite
		if !wait {
			write = b.try.TryWrite
		}
		n, err := write(b.tail)
		b.tail = b.tail[n:]
		if err != nil || len(b.tail) > 0 {
			return err
		}
		b.mu.Lock()
		sent := !b.goodbyeBy.IsZero() && !b.goodbyeOpen
		b.mu.Unlock()
		if sent {
			b.closeSent.Store(true)
		}
	}
}

// nextControl puts the next control frame that waits into tail. It is called with io held.
func (b *fiberBrowser) nextControl() bool {
	if !b.waiting.Load() {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closeSent.Load():
		b.pongLen = -1 // nothing follows a close frame (RFC 6455 §5.5.1)
	case b.pongLen >= 0:
		b.tail = b.control(frame.Pong, b.pong[:b.pongLen])
		b.pongLen = -1
		return true
	case b.goodbyeOpen:
		b.tail = b.control(frame.Close, b.goodbye)
		b.goodbyeOpen = false
		return true
	}
	b.waiting.Store(false)
	return false
}

// control makes a control frame. Most connections see one or none. It is called with io held.
func (b *fiberBrowser) control(op frame.Opcode, payload []byte) []byte {
	if b.tailBuf == nil {
		b.tailBuf = make([]byte, 0, controlRoom)
	}
	return frame.Append(b.tailBuf, op, payload)
}

// queuePong answers a ping; of several that wait only the newest is answered (RFC 6455 §5.5.3 allows that).
func (b *fiberBrowser) queuePong(payload []byte) {
	b.mu.Lock()
	if b.goodbyeBy.IsZero() {
		if b.pong == nil {
			b.pong = new([maxPong]byte)
		}
		b.pongLen = copy(b.pong[:], payload)
		b.waiting.Store(true)
	}
	b.mu.Unlock()
	b.flush()
}

// queueGoodbye makes payload the last frame. It reports whether it is the first goodbye of this connection. From now
// on reads and writes have little time left.
func (b *fiberBrowser) queueGoodbye(payload []byte) bool {
	b.mu.Lock()
	first := b.goodbyeBy.IsZero()
	if first {
		b.goodbye, b.goodbyeOpen = payload, true
		b.goodbyeBy = time.Now().Add(goodbyeWait)
		b.closing.Store(true)
		b.waiting.Store(true)
		// Bounds a write that is under way too; a socket that cannot take a deadline is one that was dropped.
		_ = b.socket.SetWriteDeadline(b.goodbyeBy)
	}
	b.mu.Unlock()
	b.flush()
	return first
}

// finishGoodbye writes the close frame, waiting for the socket, if the stream is between two messages.
func (b *fiberBrowser) finishGoodbye() {
	b.io.Lock()
	defer b.io.Unlock()
	if b.pending == 0 && !b.broken {
		_ = b.writeControl(true) // closeSent says whether it worked
	}
}
