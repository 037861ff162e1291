package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// session is a browser's end of a conversation. next is called by one goroutine; the others by one more.
type session struct {
	net    net.Conn
	reader *frame.Reader

	mu  sync.Mutex // one writer at a time: pongs and acks go between frames
	buf []byte     // for what is not audio; guarded by mu

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

// upgrade does the opening handshake (RFC 6455 §4.1). Relays of this machine are trusted to have understood it.
func upgrade(conn net.Conn, host string, r relay) (*session, error) {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n",
		r.path, host, base64.StdEncoding.EncodeToString(nonce))
	if err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		_ = res.Body.Close()
		return nil, fmt.Errorf("it answered %s", res.Status)
	}
	early, err := in.Peek(in.Buffered())
	if err != nil {
		return nil, err
	}
	var from io.Reader = conn
	if len(early) > 0 { // the relay's first messages came with the answer
		from = io.MultiReader(bytes.NewReader(early), conn)
	}
	return &session{net: conn, reader: frame.NewReader(from, frame.Client, maxMessage), acks: r.acks}, nil
}

// start says the first message and waits for session_ready.
func (s *session) start(r relay) error {
	first := startSession
	if r.start != "" {
		first = r.start
	}
	if err := s.write(frame.Text, []byte(first)); err != nil {
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

// next waits for the next message. payload is borrowed until the next call.
func (s *session) next() (op frame.Opcode, payload []byte, err error) {
	for {
		op, payload, err = s.reader.Next()
		switch {
		case err != nil:
			return op, nil, err
		case op == frame.Close:
			why, err := frame.ParseClose(payload)
			if err != nil {
				return op, nil, err
			}
			return op, nil, why
		case op == frame.Ping:
			if err := s.write(frame.Pong, payload); err != nil {
				return op, nil, err
			}
		case op != frame.Pong:
			s.count(op, payload)
			return op, payload, nil
		}
	}
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

// write sends one message. payload is copied.
func (s *session) write(op frame.Opcode, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = frame.AppendMasked(s.buf[:0], op, payload, mrand.Uint32())
	return s.send(s.buf)
}

// writeFrame sends audio. buf begins with frame.Room free bytes, and what follows is masked in place.
func (s *session) writeFrame(buf []byte) error {
	sealed := frame.SealMasked(buf, frame.Binary, mrand.Uint32())
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.send(sealed)
}

// acknowledge says how much has come.
func (s *session) acknowledge() error {
	return s.write(frame.Text, fmt.Appendf(nil, `{"type":"ack","received":%d}`, s.received.Load()))
}

// send is called with mu held.
func (s *session) send(p []byte) error {
	if err := s.net.SetWriteDeadline(time.Now().Add(writeWait)); err != nil {
		return err
	}
	_, err := s.net.Write(p)
	return err
}

func (s *session) close() {
	_ = s.write(frame.Close, frame.ClosePayload(1000, ""))
	_ = s.net.Close()
}
