package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	ws "github.com/stonepot/stonepot/benchmarks/internal/socket"
	"github.com/stonepot/stonepot/benchmarks/torture/pcm"
	"github.com/stonepot/stonepot/benchmarks/torture/proxy"
	"github.com/stonepot/stonepot/live/frame"
)

// miniature is the smallest server that keeps docs/protocol.md's promises about resuming one session, and breaks one on request.
type miniature struct {
	received func(n int64) int64 // what it still knows that it had

	mu      sync.Mutex
	have    int64 // counted messages of the client
	sent    [][]byte
	conn    interface{ Close() error }
	serial  int
	scanner pcm.Scanner
	next    int64 // the sample that should come next
	gaps    int
	resumes int
}

func (m *miniature) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer c.Close() //nolint:errcheck // a test
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: stonepot.v1\r\n\r\n", ws.Accept(r.Header.Get("Sec-Websocket-Key")))
	in := frame.NewReader(rw, frame.Server, maxMessage)
	_, first, err := in.Next()
	if err != nil {
		return
	}
	serial := m.accept(c, first)
	for {
		op, payload, err := in.Next()
		if err != nil || op == frame.Close {
			return
		}
		if !m.take(c, serial, op, payload) {
			return
		}
	}
}

func text(m object) []byte { return frame.Append(nil, frame.Text, encode(m)) }

// accept begins or resumes the session, and repeats what the client lacks.
func (m *miniature) accept(c interface {
	Write([]byte) (int, error)
	Close() error
}, first []byte) (serial int) {
	var start struct {
		Resume *struct{ Received *int64 }
	}
	_ = json.Unmarshal(first, &start)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil { // the newest connection wins
		old := m.conn.(interface{ Write([]byte) (int, error) })
		_, _ = old.Write(frame.Append(nil, frame.Close, frame.ClosePayload(4505, "")))
	}
	m.conn = c
	m.serial++
	if start.Resume == nil {
		_, _ = c.Write(text(object{"type": "session_started", "sessionId": "s", "protocol": 1, "resumeTicket": "t0"}))
		m.count(c, text(object{"type": "session_ready", "sessionId": "s"}))
		return m.serial
	}
	m.resumes++
	from := int64(0)
	if start.Resume.Received == nil {
		m.have, m.sent = 0, nil
	} else {
		from = *start.Resume.Received
	}
	if m.received != nil {
		m.have = m.received(m.have)
	}
	_, _ = c.Write(text(object{
		"type": "session_resumed", "sessionId": "s", "received": m.have, "lost": 0, "upstream": "kept",
		"resumeTicket": fmt.Sprintf("ticket %d", m.serial),
	}))
	for _, f := range m.sent[from:] {
		_, _ = c.Write(f)
	}
	return m.serial
}

// count sends a counted message. Called with mu held.
func (m *miniature) count(c interface{ Write([]byte) (int, error) }, f []byte) {
	m.sent = append(m.sent, f)
	_, _ = c.Write(f)
}

// take counts a message of the client, and answers each with a word. false: another connection has come.
func (m *miniature) take(c interface{ Write([]byte) (int, error) }, serial int, op frame.Opcode, payload []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if serial != m.serial {
		return false
	}
	if op == frame.Text && bytes.Contains(payload, []byte(`"type":"skipped"`)) {
		var skipped struct{ Messages int64 }
		_ = json.Unmarshal(payload, &skipped)
		m.have += skipped.Messages
		return true
	}
	if op == frame.Text && (bytes.Contains(payload, []byte(`"type":"ack"`)) || bytes.Contains(payload, []byte(`"type":"ping"`))) {
		_, _ = c.Write(text(object{"type": "ack", "sessionId": "s", "received": m.have, "covered": m.have / 2}))
		return true
	}
	m.have++
	if op == frame.Binary {
		m.scanner.Scan(payload, func(r pcm.Run) {
			if r.Kind > pcm.Quiet || r.Pos != m.next {
				m.gaps++
			}
			m.next = r.End()
		})
	}
	if bytes.Contains(payload, []byte("end_session")) {
		_, _ = c.Write(text(object{"type": "session_ended", "sessionId": "s", "reason": "ended"}))
		_, _ = c.Write(frame.Append(nil, frame.Close, frame.ClosePayload(1000, "")))
		return true
	}
	if op == frame.Binary && m.have%3 == 0 {
		m.count(c, text(object{"type": "output_transcript", "sessionId": "s", "text": fmt.Sprintf("%d", len(m.sent))}))
	}
	if m.have%5 == 0 {
		_, _ = c.Write(text(object{"type": "ack", "sessionId": "s", "received": m.have, "covered": m.have / 2}))
	}
	return true
}

// against lets one conversation run against a miniature while disturb does what it likes to it.
func against(t *testing.T, m *miniature, disturb func(c *conversation, w *world)) *conversation {
	t.Helper()
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	front, err := proxy.Listen(proxy.Config{Target: func() string { return strings.TrimPrefix(server.URL, "http://") }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = front.Close() })
	w := testWorld()
	w.front, w.side = front, front
	w.until = time.Now() // nobody asks anything: the microphone is enough
	c := newConversation(w, 1)
	w.add(c)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { disturb(c, w) })
	c.run(ctx)
	wg.Wait()
	return c
}

func violations(c *conversation) map[string]int {
	c.w.report.mu.Lock()
	defer c.w.report.mu.Unlock()
	return c.w.report.backends[c.backend].violations
}

func TestClient_losesAndDoublesNothingOverManyConnections(t *testing.T) {
	m := &miniature{}
	c := against(t, m, func(c *conversation, w *world) {
		for i := range 6 {
			time.Sleep(150 * time.Millisecond)
			if l := c.link(); l != nil {
				l.CutAfter(proxy.Direction(i%2), int64(700*i), proxy.How(i/2%2))
			}
		}
	})
	if v := violations(c); len(v) > 0 {
		t.Errorf("%v: %q", v, c.w.report.samples)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gaps != 0 || m.next != c.person.pos || c.line.ended != "ended" {
		t.Errorf("%d gaps; the server has heard %d samples of %d; ended: %q", m.gaps, m.next, c.person.pos, c.line.ended)
	}
	if m.resumes == 0 {
		t.Error("nothing was resumed")
	}
}

func TestClient_reloadsAndOpensASecondTab(t *testing.T) {
	for _, keep := range []bool{false, true} {
		m := &miniature{}
		c := against(t, m, func(c *conversation, _ *world) {
			time.Sleep(400 * time.Millisecond)
			if !c.line.reload(keep) {
				t.Error("the page could not be reloaded")
			}
		})
		if v := violations(c); len(v) > 0 || m.resumes != 1 || c.line.ended != "ended" {
			t.Errorf("keep %v: %v, %d resumes, ended %q: %q", keep, v, m.resumes, c.line.ended, c.w.report.samples)
		}
	}
}

func TestClient_noticesAServerThatForgetsWhatItHad(t *testing.T) {
	m := &miniature{received: func(n int64) int64 { return n - 20 }}
	c := against(t, m, func(c *conversation, _ *world) {
		time.Sleep(900 * time.Millisecond)
		c.line.lose(true)
	})
	if violations(c)[kindProtocol] == 0 {
		t.Error("session_resumed with too small a count is not noticed")
	}
}

func TestClient_noticesWhatIsNoProtocol(t *testing.T) {
	cases := map[string]object{
		"an unknown type":           {"type": "weather", "sessionId": "s"},
		"another session":           {"type": "interrupted", "sessionId": "other"},
		"an ack of the future":      {"type": "ack", "sessionId": "s", "received": 1_000_000, "covered": 0},
		"a covered beyond received": {"type": "ack", "sessionId": "s", "received": 1, "covered": 2},
		"an unexpected warning":     {"type": "warning", "sessionId": "s", "code": "strange"},
		"a turn without figures":    {"type": "turn_complete", "sessionId": "s"},
		"an unknown error code":     {"type": "error", "sessionId": "s", "code": "strange"},
		"a second start":            {"type": "session_started", "sessionId": "s", "protocol": 1, "resumeTicket": "t"},
	}
	for name, message := range cases {
		w := testWorld()
		c := newConversation(w, 1)
		s := &socket{flowing: true, wake: make(chan struct{}, 1), done: make(chan struct{})}
		c.line.conn, c.line.sessionID = s, "s"
		c.line.up.next = 5
		c.line.take(s, frame.Text, encode(message))
		if c.failed.Load() == 0 {
			t.Errorf("%s is not noticed", name)
		}
	}
}
