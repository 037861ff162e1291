package handlers

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
	"github.com/stonepot/stonepot/live/wire"
)

// goodbyeWait is how long the other side has to answer our close frame before the connection is dropped.
const goodbyeWait = 2 * time.Second

// maxPong is the longest payload of a control frame (RFC 6455 §5.5), and controlRoom holds one with its header.
const (
	maxPong     = 125
	controlRoom = frame.Room + maxPong
)

var errSaidGoodbye = errors.New("websocket: the close frame has been sent")

// fiberBrowser is a live.Browser on a connection whose handshake contrib/websocket has done. From then on the
// frames are read and written here, on the socket itself, which takeOver has taken from fasthttp: contrib's Conn copies
// and allocates per message and cannot try a write without waiting, and both of them hold more memory for an idle
// connection than the rest of its session.
//
// What is written goes through one lock, io: whoever holds it looks for control frames when it is done, so that a
// pong or a close frame that could not go at once waits for nobody in particular and is never forgotten.
type fiberBrowser struct {
	// Static after newFiberBrowser.
	socket       net.Conn
	tcp          *wire.Conn // the same; nil when it cannot be tried without waiting (a pipe)
	try          trier      // the same
	writeTimeout time.Duration

	// Owned by Read's caller.
	reader *frame.Reader

	// io's holder writes to the socket. Guarded by io:
	io      sync.Mutex
	pending int    // bytes of a message that was begun; no control frame may come between
	tail    []byte // rest of a control frame that was begun; no message may come between
	tailBuf []byte // tail's memory; nil: there was none yet
	broken  bool   // a write failed: what was begun can never be finished

	waiting atomic.Bool // a pong or the goodbye wants to be written

	mu          sync.Mutex     // a leaf. Guards:
	pong        *[maxPong]byte // nil: there was no ping
	pongLen     int            // -1: none
	goodbye     []byte
	goodbyeOpen bool      // goodbye is still to be written
	goodbyeBy   time.Time // zero: nobody said goodbye

	closing   atomic.Bool // goodbye was queued
	closeSent atomic.Bool // goodbye is out as a whole
	parted    atomic.Bool // the other side's close frame was read
	readEnded atomic.Bool // nothing more can come from the other side
}

// trier is a socket that can be written without waiting.
type trier interface {
	TryWrite(p []byte) (n int, err error)
}

// newFiberBrowser makes a browser of a socket, from which early has been read already (see takeOver). Messages longer
// than maxMessage bytes are refused as a frame.Error.
func newFiberBrowser(socket net.Conn, early []byte, maxMessage int, writeTimeout time.Duration) *fiberBrowser {
	b := &fiberBrowser{socket: socket, writeTimeout: writeTimeout, pongLen: -1}
	var source io.Reader = (*browserSource)(b)
	if tcp, ok := socket.(*wire.Conn); ok {
		b.tcp, b.try = tcp, tcp
		source = (*polledSource)(b)
	}
	b.reader = frame.NewReader(source, frame.Server, maxMessage)
	b.reader.Preload(early)
	return b
}

// Read implements live.Browser.
func (b *fiberBrowser) Read(f *live.Frame) error {
	for {
		if err := b.reader.Await(); err != nil {
			if err != live.ErrRelieved { //nolint:errorlint // as it is
				b.readEnded.Store(true)
			}
			return err
		}
		if given, err := b.take(f); given || err != nil {
			return err
		}
	}
}

// Relieve implements live.Relievable.
func (b *fiberBrowser) Relieve() {
	if b.tcp != nil {
		b.tcp.Relieve()
	}
}

// park is called in place of Read: see wire.Conn.
func (b *fiberBrowser) park(w wire.Waker) bool {
	return b.tcp != nil && b.reader.Rest() && b.tcp.Park(w)
}

// take takes a message into f, or a control frame. It is apart from Read so that a reader waits with a small stack.
//
//go:noinline
func (b *fiberBrowser) take(f *live.Frame) (given bool, err error) {
	op, payload, err := b.reader.Next()
	if err != nil {
		var violation *frame.Error
		if !errors.As(err, &violation) {
			b.readEnded.Store(true)
		}
		return false, err
	}
	switch op {
	case frame.Ping:
		b.queuePong(payload)
	case frame.Pong:
	case frame.Close:
		farewell, err := frame.ParseClose(payload)
		if err != nil {
			return false, err
		}
		b.parted.Store(true)
		code := farewell.Code
		if code == 1005 { // there was none: answer with none
			code = 0
		}
		b.queueGoodbye(frame.ClosePayload(code, ""))
		return false, farewell
	default:
		if b.closing.Load() {
			break // what was under way when we said goodbye
		}
		f.Binary, f.Data = op == frame.Binary, payload
		return true, nil
	}
	return false, nil
}

// TryWrite implements live.Browser.
func (b *fiberBrowser) TryWrite(p []byte) (n int, err error) {
	if b.try == nil || len(p) == 0 {
		return 0, nil
	}
	b.io.Lock()
	ready, err := b.ready(false)
	if ready {
		n, err = b.try.TryWrite(p)
		b.took(n, len(p), err)
	}
	b.io.Unlock()
	b.flush()
	return n, err
}

// Write implements live.Browser.
func (b *fiberBrowser) Write(p []byte) error {
	b.io.Lock()
	_, err := b.ready(true)
	if err == nil {
		var n int
		n, err = b.waitWrite(p)
		b.took(n, len(p), err)
	}
	b.io.Unlock()
	if err != nil {
		return err
	}
	b.flush()
	return nil
}

// took counts n of size bytes of a message, or of the rest of one, as written.
func (b *fiberBrowser) took(n, size int, err error) {
	b.broken = b.broken || err != nil
	switch {
	case b.pending > 0:
		b.pending -= n
	case n > 0:
		b.pending = size - n
	}
}

// ready reports whether a message, or the rest of one, can be written now. It is called with io held.
func (b *fiberBrowser) ready(wait bool) (bool, error) {
	if b.pending > 0 {
		return true, nil
	}
	if err := b.writeControl(wait); err != nil {
		return false, err
	}
	if b.closeSent.Load() {
		return false, errSaidGoodbye
	}
	return len(b.tail) == 0, nil
}

// waitWrite writes all of p within the write timeout, or what is left of the goodbye's time. It is called with io held.
func (b *fiberBrowser) waitWrite(p []byte) (int, error) {
	if err := b.setWriteDeadline(time.Now().Add(b.writeTimeout)); err != nil {
		return 0, err
	}
	n, err := b.socket.Write(p)
	if err == nil {
		err = b.setWriteDeadline(time.Time{})
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("the browser took %d of %d bytes within the write timeout: %w", n, len(p), err)
	}
	return n, err
}

// setWriteDeadline is for one write; the goodbye's deadline, once there is one, is not moved any more.
func (b *fiberBrowser) setWriteDeadline(t time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.goodbyeBy.IsZero() {
		t = b.goodbyeBy
	}
	return b.socket.SetWriteDeadline(t)
}

// Abort implements live.Browser. Unless a close frame is on its way the connection is reset: what lies in the send
// buffer is for someone who does not take it, and the kernel would keep it, and try to deliver it, for minutes.
//
// When both sides have said goodbye nobody waits for the socket any more, and linger sees it off.
func (b *fiberBrowser) Abort() {
	if b.parted.Load() && b.closeSent.Load() {
		return
	}
	b.readEnded.Store(true)
	if tcp, ok := b.socket.(interface{ SetLinger(sec int) error }); ok && !b.closeSent.Load() {
		_ = tcp.SetLinger(0)
	}
	_ = b.socket.Close() // linger closes it once more, which does no harm
}

// Close implements live.Browser. When the socket does not take the close frame at once, the goroutine that reads
// writes it: Close itself never waits. A stream that broke inside a message takes no close frame any more.
func (b *fiberBrowser) Close(r live.Reason) {
	if r.Close == 0 || b.isBroken() {
		b.Abort()
		return
	}
	if !b.queueGoodbye(frame.ClosePayload(r.Close, r.Text)) {
		return
	}
	deadline := b.deadline()
	if !b.closeSent.Load() {
		deadline = time.Unix(1, 0) // wakes the reader
	}
	_ = b.socket.SetReadDeadline(deadline)
}

// isBroken must not wait: whoever holds io is still writing, so nothing is broken yet.
func (b *fiberBrowser) isBroken() bool {
	if !b.io.TryLock() {
		return false
	}
	defer b.io.Unlock()
	return b.broken
}

func (b *fiberBrowser) deadline() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.goodbyeBy
}

// linger is called once, after the session has let go. It gives the other side the rest of goodbyeWait to take the
// close frame, to answer it and to close its end: closing a socket that holds unread bytes resets the connection, and a
// reset throws away what the other side has not read yet, above all the close frame itself. Then the socket is closed.
func (b *fiberBrowser) linger() {
	defer b.socket.Close() //nolint:errcheck // nobody is left to tell
	if !b.closing.Load() || b.readEnded.Load() {
		return
	}
	b.finishGoodbye()
	if !b.closeSent.Load() {
		return
	}
	if half, ok := b.socket.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // whoever does not know WebSocket's close sees the end of the stream
	}
	_ = b.socket.SetReadDeadline(b.deadline())
	_, _ = io.Copy(io.Discard, b.socket)
}

// browserSource is what the frame reader reads.
type browserSource fiberBrowser

// Read reads on after Close has woken it, until the goodbye's time is over.
func (s *browserSource) Read(p []byte) (int, error) {
	b := (*fiberBrowser)(s)
	for {
		n, err := b.socket.Read(p)
		if n > 0 || err == nil || !b.onGoodbye(&err) {
			return n, err
		}
	}
}

// onGoodbye reports whether reading goes on after err, which Close has caused: the other side may have the rest of the
// goodbye's time to answer.
func (b *fiberBrowser) onGoodbye(err *error) bool {
	if !b.closing.Load() || !errors.Is(*err, os.ErrDeadlineExceeded) {
		return false
	}
	b.finishGoodbye()
	by := b.deadline()
	if !time.Now().Before(by) {
		return false
	}
	if failed := b.socket.SetReadDeadline(by); failed != nil {
		*err = failed
		return false
	}
	return true
}

// polledSource is browserSource where the socket can be read without waiting.
type polledSource fiberBrowser

func (s *polledSource) Read(p []byte) (int, error) { return (*browserSource)(s).Read(p) }

// Poll implements frame.Poller.
func (s *polledSource) Poll(try func(fd uintptr) bool) error {
	b := (*fiberBrowser)(s)
	for {
		err := b.tcp.Poll(try)
		if err == nil || !b.onGoodbye(&err) {
			return err
		}
	}
}
