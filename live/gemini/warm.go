package gemini

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// warm is a connection that waits for a conversation: upgraded, the setup not yet sent. Its watcher reads from it,
// so that its end is noticed when it comes, until somebody takes it.
type warm struct {
	// Static after construction.
	sock *socket
	done chan struct{} // closed when the watcher has returned

	due time.Time // when it is not used any more; guarded by pool.mu
	err error     // what the watcher ended with; to be read when done is closed
}

// While a connection waits, its other side is asked this often whether it is there: one that has vanished without a
// word is found after about twenty seconds. It is the kernel that answers, so Google's late pongs do not matter.
var waiting = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3}

// talking is what Go's connections have by default.
var talking = net.KeepAliveConfig{Enable: true}

func newWarm(sock *socket, due time.Time) *warm {
	_ = sock.raw.SetKeepAliveConfig(waiting) // where a system does not know it, the default remains
	return &warm{sock: sock, done: make(chan struct{}), due: due}
}

// errOutOfTurn is a message in front of the setup.
var errOutOfTurn = errors.New("the model spoke before the setup")

// watch reads until the connection ends, which closes it, or until stop; then what has been read of an unfinished
// frame is put back. Pings are answered within timeout.
func (w *warm) watch(timeout time.Duration) error {
	var buf [256]byte // two control frames
	n := 0
	for {
		m, err := w.sock.Read(buf[n:])
		rest, trouble := w.control(buf[:n+m], timeout)
		if n = copy(buf[:], rest); n == len(buf) {
			trouble = errOutOfTurn
		}
		switch {
		case trouble != nil:
			_ = w.sock.Close()
			return trouble
		case errors.Is(err, os.ErrDeadlineExceeded):
			w.sock.ahead = append([]byte(nil), buf[:n]...)
			return err
		case err != nil:
			_ = w.sock.Close()
			return err
		}
	}
}

// control takes the control frames off the front of p and returns the rest. The error is why the connection is over.
func (w *warm) control(p []byte, timeout time.Duration) (rest []byte, err error) {
	if len(p) == 0 {
		return p, nil
	}
	src := bytes.NewReader(p)
	r := frame.NewReader(src, frame.Client, 0)
	for {
		rest = p[len(p)-src.Len()-r.Buffered():]
		op, payload, err := r.Next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return rest, nil
		case err != nil:
			return nil, err
		case op == frame.Ping:
			if err := w.pong(payload, timeout); err != nil {
				return nil, err
			}
		case op == frame.Close:
			return nil, io.EOF
		case op != frame.Pong:
			return nil, errOutOfTurn
		}
	}
}

func (w *warm) pong(payload []byte, timeout time.Duration) error {
	_ = w.sock.SetWriteDeadline(time.Now().Add(timeout))
	_, err := w.sock.Write(frame.AppendMasked(nil, frame.Pong, payload, maskKey()))
	_ = w.sock.SetWriteDeadline(time.Time{})
	return err
}

// stop ends the watcher and reports whether the connection still stands: then it is the caller's.
func (w *warm) stop() bool {
	_ = w.sock.raw.SetReadDeadline(time.Unix(1, 0))
	<-w.done
	if !errors.Is(w.err, os.ErrDeadlineExceeded) {
		return false
	}
	_ = w.sock.raw.SetReadDeadline(time.Time{})
	_ = w.sock.raw.SetKeepAliveConfig(talking)
	return true
}

// retire says goodbye for a connection that nobody took. Nothing has been said on it: there is no answer to wait for.
func (w *warm) retire(closeWait time.Duration) {
	if w.stop() {
		l := &link{writer: &writer{conn: w.sock}, sock: w.sock}
		l.sayClose(1000, closeWait)
		_ = w.sock.Close()
	}
}
