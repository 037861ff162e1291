package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	ws "github.com/stonepot/stonepot/benchmarks/internal/socket"
	"github.com/stonepot/stonepot/live/frame"
)

const (
	// connectTimeout bounds TCP and the upgrade together.
	connectTimeout = 5 * time.Second
	// giveUpWriting is how long a write may block before a client takes its connection for dead.
	giveUpWriting = 12 * time.Second
	// maxMessage is the longest message that a client takes.
	maxMessage = 4 << 20
)

// socket is one WebSocket connection of a client. One goroutine reads; one, the client's writer, writes.
type socket struct {
	tcp    *net.TCPConn
	reader *frame.Reader
	done   chan struct{} // closed when the connection is over
	once   sync.Once
	opened time.Time

	// Guarded by client.mu.
	control  [][]byte  // frames that overtake what is counted
	flowing  bool      // the session is accepted here: counted messages may go
	instance string    // the process that it leads to
	ticketOf string    // the one that made the ticket it resumes with
	told     string    // the code of an error message, after which only a close may come
	proved   time.Time // the newest ack or pong came: what is written arrives
	patient  time.Duration
	wake     chan struct{}
}

// dial connects from an address of the loopback network: a client that changes its network comes from another one.
func dial(ctx context.Context, from, to, path string, subprotocols []string) (*socket, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(ctx, "tcp4", to)
	if err != nil {
		return nil, err
	}
	tcp := c.(*net.TCPConn)
	deadline, _ := ctx.Deadline()
	_ = tcp.SetDeadline(deadline)
	buffered, err := upgrade(tcp, path, subprotocols)
	if err != nil {
		_ = tcp.Close()
		return nil, err
	}
	_ = tcp.SetDeadline(time.Time{})
	return &socket{
		tcp: tcp, reader: frame.NewReader(buffered, frame.Client, maxMessage),
		done: make(chan struct{}), wake: make(chan struct{}, 1), opened: time.Now(),
	}, nil
}

// upgrade is the opening handshake. It returns what to read messages from.
func upgrade(c net.Conn, path string, subprotocols []string) (io.Reader, error) {
	req, err := http.NewRequest(http.MethodGet, "http://torture.test"+path, nil) //nolint:noctx // c has a deadline
	if err != nil {
		return nil, err
	}
	in, accepted, err := ws.Handshake(c, req, subprotocols)
	var no *ws.RefusedError
	if errors.As(err, &no) {
		_ = no.Response.Body.Close()
	}
	if err == nil && accepted != subprotocols[0] {
		return nil, fmt.Errorf("the subprotocol %q was accepted, want %q", accepted, subprotocols[0])
	}
	return in, err
}

// write sends whole frames.
func (s *socket) write(frames []byte) error {
	_ = s.tcp.SetWriteDeadline(time.Now().Add(giveUpWriting))
	_, err := s.tcp.Write(frames)
	return err
}

// read waits for the next message, no longer than the client is patient: an open line brings a pong every few seconds.
func (s *socket) read() (frame.Opcode, []byte, error) {
	_ = s.tcp.SetReadDeadline(time.Now().Add(s.patient))
	return s.reader.Next()
}

// signal makes the writer look.
func (s *socket) signal() {
	select {
	case s.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// end closes the connection: with a reset, as a browser that vanishes, or with a FIN.
func (s *socket) end(reset bool) {
	s.once.Do(func() {
		if reset {
			_ = s.tcp.SetLinger(0)
		}
		close(s.done)
		_ = s.tcp.Close()
	})
}

// maskKey is unpredictable enough for frames that never leave this machine.
func maskKey() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return binary.LittleEndian.Uint32(b[:])
}
