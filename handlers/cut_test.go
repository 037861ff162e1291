package handlers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
)

// part is a piece of a conversation as a client sends it, and how many messages have been counted behind it
// (docs/protocol.md, "Counting").
type part struct {
	wire    []byte
	counted int64
}

// conversation is a short one, from the first byte of the handshake to the last one of the goodbye.
func conversation() (wire []byte, parts []part) {
	text := byte(handlers.Fin | handlers.OpText)
	parts = []part{
		{[]byte(handlers.Handshake(handlers.PathGemini, map[string]string{"Sec-WebSocket-Protocol": "stonepot.v1"})), 0},
		{handlers.Masked(text, []byte(`{"type":"start_session","config":{"resumable":true}}`)), 0},
		{handlers.Masked(handlers.Fin|handlers.OpBinary, []byte("speech")), 1},
		{handlers.Masked(handlers.OpText, []byte(`{"type":"turn_`)), 1},
		{handlers.Masked(handlers.Fin|handlers.OpPing, []byte("there?")), 1},
		{handlers.Masked(handlers.Fin, []byte(`complete"}`)), 2},
		{handlers.Masked(text, []byte(`{"type":"ping"}`)), 2},
		{handlers.Masked(handlers.Fin|handlers.OpBinary, []byte("more")), 3},
		{handlers.Masked(handlers.Fin|handlers.OpClose, []byte{0x03, 0xE8}), 3},
	}
	for _, p := range parts {
		wire = append(wire, p.wire...)
	}
	return wire, parts
}

// heard is what a client has of its server when the line is gone.
type heard struct {
	said       bool
	id, ticket string
	counted    int64
	closed     []byte // the payload of a close frame
}

// listen reads until the line is gone.
func listen(t *testing.T, c *handlers.RawClient) (h heard) {
	t.Helper()
	for {
		head, payload, err := c.Frame()
		switch {
		case errors.Is(err, io.EOF), isReset(err):
			return h
		case err != nil:
			t.Fatal(err)
		case head == handlers.Fin|handlers.OpClose:
			h.closed = append([]byte{}, payload...)
		case head == handlers.Fin|handlers.OpBinary:
			h.counted++
		case head == handlers.Fin|handlers.OpText:
			h.take(t, payload)
		}
	}
}

func (h *heard) take(t *testing.T, payload []byte) {
	t.Helper()
	var m struct{ Type, SessionID, ResumeTicket string }
	if err := json.Unmarshal(payload, &m); err != nil {
		t.Fatal(err)
	}
	switch m.Type {
	case "session_started", "resume_ticket", "session_resumed":
		h.said = true
		h.id, h.ticket = m.SessionID, m.ResumeTicket
	case "ack", "skipped", "pong", "error", "session_ended":
	default:
		h.counted++
	}
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

// The client's line ends at every byte of what it says: a conversation that can be resumed waits for it with everything that
// came whole, nobody is told a close code, and nothing is left of what had not begun.
func TestCut_theClientGoesAtEveryByte(t *testing.T) {
	s := start(t, mirrored)
	wire, parts := conversation()
	begun, over := len(parts[0].wire)+len(parts[1].wire), len(wire)
	each(t, over, func(n int) {
		c := cutAfter(t, s.addr, wire[:n])
		var h heard
		if n >= len(parts[0].wire) {
			c.Answer()
			h = listen(t, c)
		} else {
			_, _ = io.Copy(io.Discard, c.Conn)
		}
		if h.said != (n >= begun) {
			t.Errorf("%d bytes: a session began: %v", n, h.said)
		}
		switch {
		case n == over:
			if string(h.closed) != "\x03\xe8" {
				t.Errorf("the goodbye was answered with %x", h.closed)
			}
			eventually(t, "it ends", func() bool { _, lives := s.gateway.Session(h.id); return !lives })
			return
		case h.closed != nil:
			t.Errorf("%d bytes: a close frame with %x", n, h.closed)
		case n < begun:
			return
		}
		var want int64
		sent := 0
		for _, p := range parts {
			if sent += len(p.wire); n >= sent {
				want = p.counted
			}
		}
		resumed(t, s, h, n, want)
	})
	nothingLeft(t, s)
}

// resumed comes back to a conversation and ends it. It must have received so many messages.
func resumed(t *testing.T, s *server, h heard, n int, received int64) {
	t.Helper()
	c := handlers.DialWS(t, s.addr, handlers.PathGemini)
	c.Text(fmt.Sprintf(`{"type":"start_session","resume":{"sessionId":%q,"resumeTicket":%q,"received":%d}}`, h.id, h.ticket, h.counted))
	m := c.Message("session_resumed")
	if m["received"] != float64(received) || m["lost"] != float64(0) || m["upstream"] == "fresh" {
		t.Errorf("cut after %d bytes: %v, want %d messages received", n, m, received)
	}
	c.Text(`{"type":"end_session"}`)
	if _, how := c.End(); how.Code != 1000 {
		t.Errorf("cut after %d bytes: ended with %+v", n, how)
	}
	_ = c.Conn.Close()
}

// The client's line breaks, in both directions at once, at every byte of what it says.
func TestCut_theClientsLineBreaksAtEveryByte(t *testing.T) {
	handlers.HandshakeNeverExpires(t) // no room waits for a clock
	s := start(t, mirrored)
	wire, _ := conversation()
	each(t, len(wire), func(n int) {
		conn := dial(t, s.addr)
		_, _ = conn.Write(wire[:n])
		reset(conn)
	})
	for _, info := range s.gateway.Sessions() {
		eventually(t, "it waits for its client", func() bool { now, lives := s.gateway.Session(info.ID); return !lives || now.State == "detached" })
	}
	stats := s.gateway.Stats().ByReason
	for reason, n := range stats {
		if n != 0 && reason != live.ReasonEnded.Code && reason != live.ReasonBrowserGone.Code {
			t.Errorf("%d sessions ended with %s", n, reason)
		}
	}
	nothingLeft(t, s)
}

// The client takes so many bytes of what it is told, and its line breaks.
func TestCut_theServerIsCutOffAtEveryByte(t *testing.T) {
	s := start(t, func(o *options) {
		mirrored(o)
		o.live.Live.MaxSessions = 2000 // all of them wait
	})
	wire, parts := conversation()
	wire = wire[len(parts[0].wire) : len(wire)-len(parts[len(parts)-1].wire)] // without the goodbye
	const least = 780                                                         // bytes that it is told at least
	each(t, least, func(n int) {
		c := handlers.DialRaw(t, s.addr, string(parts[0].wire))
		c.Write(wire)
		c.Take(n)
		reset(c.Conn)
	})
	eventually(t, "all wait for their clients", func() bool {
		for _, info := range s.gateway.Sessions() {
			if info.State != "detached" {
				return false
			}
		}
		return true
	})
	for reason, n := range s.gateway.Stats().ByReason {
		if n != 0 {
			t.Errorf("%d sessions ended with %s", n, reason)
		}
	}
	nothingLeft(t, s)
}

// each calls f for 0 to n, four at once.
func each(t *testing.T, n int, f func(i int)) {
	t.Helper()
	next := make(chan int, n+1)
	for i := range n + 1 {
		next <- i
	}
	close(next)
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for i := range next {
				if !t.Failed() {
					f(i)
				}
			}
		})
	}
	work.Wait()
}

// cutAfter sends so much and no more.
func cutAfter(t *testing.T, addr string, wire []byte) *handlers.RawClient {
	t.Helper()
	conn := dial(t, addr)
	_, _ = conn.Write(wire)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	return handlers.ClientOn(t, conn)
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(handlers.Patience))
	return conn
}

func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// nothingLeft ends the sessions that wait, and finds all rooms free and every connection let go.
func nothingLeft(t *testing.T, s *server) {
	t.Helper()
	eventually(t, "every session ends", func() bool {
		all := s.gateway.Sessions()
		for _, info := range all {
			s.gateway.End(info.ID, true)
		}
		return len(all) == 0
	})
	eventually(t, "every connection is let go", func() bool { return s.app.Server().GetOpenConnectionsCount() == 0 })
}
