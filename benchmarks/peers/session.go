package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/socket"
	"github.com/stonepot/stonepot/live/frame"
)

// session is a browser's end of a conversation. next is called by one goroutine; the others by one more.
type session struct {
	*socket.Conn

	acks     bool // it acknowledges
	received atomic.Int64
}

const (
	// maxMessage bounds what a relay may send at once.
	maxMessage = 4 << 20
	// writeWait is how long a relay may not take a message before the measurement fails.
	writeWait = 10 * time.Second
	// readyWait is how long a conversation may take to begin.
	readyWait = 20 * time.Second
)

// begin opens a conversation with the relay at host and waits until it is ready.
func begin(ctx context.Context, r relay, host string) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	s, err := upgrade(conn, host, r)
	if err == nil {
		err = s.start(r)
	}
	if !stop() {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("a session with %s could not begin: %w", r.name, err), conn.Close())
	}
	return s, nil
}

func upgrade(conn net.Conn, host string, r relay) (*session, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+host+r.path, nil) //nolint:noctx // conn has it
	if err != nil {
		return nil, err
	}
	c, err := socket.Upgrade(conn, req, socket.Config{MaxMessage: maxMessage, WriteTimeout: writeWait})
	var no *socket.RefusedError
	if errors.As(err, &no) {
		_ = no.Response.Body.Close()
	}
	if err != nil {
		return nil, err
	}
	return &session{Conn: c, acks: r.acks}, nil
}

// start says the first message and waits for session_ready.
func (s *session) start(r relay) error {
	first := startSession
	if r.start != "" {
		first = r.start
	}
	if err := s.Write(frame.Text, []byte(first)); err != nil {
		return err
	}
	for {
		op, payload, err := s.next()
		switch {
		case err != nil:
			return err
		case op != frame.Text:
			return errors.New("audio came before session_ready")
		case bytes.Contains(payload, []byte(`"session_ready"`)):
			return nil
		case bytes.Contains(payload, []byte(`"error"`)):
			return fmt.Errorf("it said %.200s", payload)
		}
	}
}

// next waits for the next message, and counts it. payload is borrowed until the next call.
func (s *session) next() (op frame.Opcode, payload []byte, err error) {
	if op, payload, err = s.Next(); err == nil {
		s.count(op, payload)
	}
	return op, payload, err
}

// uncounted are the messages about the connection itself (docs/protocol.md).
var uncounted = [][]byte{
	[]byte(`"session_started"`), []byte(`"session_resumed"`), []byte(`"resume_ticket"`), []byte(`"skipped"`), []byte(`"ack"`),
	[]byte(`"pong"`), []byte(`"session_ended"`),
}

// count counts a message as a browser that acknowledges does.
func (s *session) count(op frame.Opcode, payload []byte) {
	if op == frame.Text {
		for _, name := range uncounted {
			if bytes.Contains(payload[:min(len(payload), 64)], name) {
				return
			}
		}
	}
	s.received.Add(1)
}

// acknowledge says how much has come.
func (s *session) acknowledge() error {
	return s.Write(frame.Text, fmt.Appendf(nil, `{"type":"ack","received":%d}`, s.received.Load()))
}

func (s *session) close() {
	_ = s.Write(frame.Close, frame.ClosePayload(1000, ""))
	s.Close()
}
