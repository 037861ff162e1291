package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stonepot/stonepot/live/frame"
)

// person is a client that resumes, as docs/protocol.md asks of it: it counts both ways, keeps what is not covered, and
// holds the server to its promises. It lives in a synctest bubble.
type person struct {
	t       testing.TB
	gateway *Gateway
	backend string

	b    *memBrowser
	done chan struct{}
	read int  // bytes of b's wire that were looked at
	new  bool // nothing has come over b yet

	id, ticket string
	sent       []Frame // counted messages, the first one has number first
	first      int64
	received   int64 // counted messages of the server
	covered    int64
	acked      int64
	skipped    int64 // messages that the server gave up
	heard      []message
	resumed    *message // the newest session_resumed
	ended      *message // session_ended or error, the first of them
}

func newPerson(t testing.TB, g *Gateway) *person {
	return &person{t: t, gateway: g, backend: BackendGemini, first: 1}
}

// connect opens a connection without saying anything on it. false: it was refused before the upgrade.
func (p *person) connect(resume bool) bool {
	slot, err := p.gateway.Admit(p.backend, resume)
	if err != nil {
		return false
	}
	b := newMemBrowser(p.t)
	p.b, p.done, p.read, p.new = b, make(chan struct{}), 0, true
	go func(done chan struct{}) {
		defer close(done)
		slot.Serve(b, Client{})
		b.mu.Lock()
		b.returned = true
		b.mu.Unlock()
	}(p.done)
	return true
}

// start begins a conversation that can be resumed. config is the inside of start_session.config.
func (p *person) start(config string) {
	if config != "" {
		config = "," + config
	}
	p.connect(false)
	p.b.say(`{"type":"start_session","config":{"resumable":true` + config + `}}`)
	synctest.Wait()
	p.look()
}

// cut loses the connection. Of what the server wrote and was not looked at yet, the first lucky bytes still come.
func (p *person) cut(lucky int) {
	p.b.mu.Lock()
	p.b.wire = p.b.wire[:min(len(p.b.wire), p.read+lucky)]
	p.b.mu.Unlock()
	p.look()
	p.b.failure <- io.ErrUnexpectedEOF
	<-p.done
	for len(p.b.in) > 0 {
		<-p.b.in // lost on the way
	}
}

// resume comes back, and repeats what the server lacks. It reports whether the conversation goes on.
func (p *person) resume() bool {
	if !p.connect(true) {
		return false
	}
	p.ask(p.received)
	return p.goOn()
}

// ask is the first message of a connection that resumes.
func (p *person) ask(received any) {
	r, _ := json.Marshal(received)
	p.b.say(fmt.Sprintf(`{"type":"start_session","resume":{"sessionId":%q,"resumeTicket":%q,"received":%s}}`, p.id, p.ticket, r))
	p.resumed = nil
	synctest.Wait()
	p.look()
}

// goOn repeats what the server lacks.
func (p *person) goOn() bool {
	if p.resumed == nil {
		return false
	}
	have := int64(p.resumed.JSON["received"].(float64))
	if have < p.first-1 || have > p.first-1+int64(len(p.sent)) {
		p.t.Fatalf("the server has %d messages; %d to %d are kept", have, p.first, p.first-1+int64(len(p.sent)))
	}
	for _, f := range p.sent[have-p.first+1:] {
		p.b.in <- f
	}
	return true
}

// reload is a page without history that has its ticket still.
func (p *person) reload() bool {
	p.sent, p.first, p.received, p.covered, p.acked = nil, 1, 0, 0, 0
	if !p.connect(true) {
		return false
	}
	p.ask(nil)
	return p.goOn()
}

func (p *person) say(text string)  { p.send(Frame{Data: []byte(text)}) }
func (p *person) speak(pcm []byte) { p.send(Frame{Binary: true, Data: pcm}) }

func (p *person) send(f Frame) {
	p.sent = append(p.sent, f)
	select {
	case <-p.done:
	default:
		p.b.in <- f
	}
}

// acknowledge tells what has come.
func (p *person) acknowledge() { p.b.say(fmt.Sprintf(`{"type":"ack","received":%d}`, p.received)) }

// look takes what has come since the last look.
func (p *person) look() {
	p.b.mu.Lock()
	wire := bytes.Clone(p.b.wire[p.read:])
	p.b.mu.Unlock()
	source := bytes.NewReader(wire)
	r := frame.NewReader(source, frame.Client, 64<<20)
	for {
		op, payload, err := r.Next()
		if err != nil {
			return
		}
		p.read += frameLen(len(payload))
		if op == frame.Binary {
			p.take(message{Type: "audio", Audio: bytes.Clone(payload)})
			continue
		}
		m := message{JSON: map[string]any{}}
		if err := json.Unmarshal(payload, &m.JSON); err != nil {
			p.t.Errorf("the server wrote %q: %v", payload, err)
		}
		m.Type, _ = m.JSON["type"].(string)
		p.take(m)
	}
}

// frameLen is what a server's frame with n bytes of payload takes.
func frameLen(n int) int { return len(frame.Append(nil, frame.Binary, make([]byte, n))) }

func (p *person) take(m message) {
	first := p.new
	p.new = false
	number := func(key string) int64 { n, _ := m.JSON[key].(float64); return int64(n) }
	if t, ok := m.JSON["resumeTicket"].(string); ok {
		p.ticket = t
	}
	switch m.Type {
	case "session_started":
		p.id, _ = m.JSON["sessionId"].(string)
	case "session_resumed":
		if !first {
			p.t.Error("session_resumed was not the first message")
		}
		p.resumed = &m
	case "resume_ticket", "pong":
	case "skipped":
		p.received += number("messages")
		p.skipped += number("messages")
	case "ack":
		p.acked, p.covered = number("received"), number("covered")
		if last := p.first - 1 + int64(len(p.sent)); p.acked > last || p.covered > p.acked {
			p.t.Errorf("the server acknowledges %d and covers %d messages of %d", p.acked, p.covered, last)
		}
		for p.first <= p.covered {
			p.sent, p.first = p.sent[1:], p.first+1
		}
	case "error", "session_ended":
		if p.ended == nil {
			p.ended = &m
		}
	default:
		p.received++
		p.heard = append(p.heard, m)
	}
}

// settle lets everything happen that can, and takes what has come.
func (p *person) settle() {
	synctest.Wait()
	p.look()
}

// leave ends the conversation.
func (p *person) leave() {
	p.say(`{"type":"end_session"}`)
	<-p.done
	p.look()
}
