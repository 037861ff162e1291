package handlers_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame/rfc6455"
)

// mirrored makes the server's model one that says what it hears, sample by sample.
func mirrored(o *options) {
	o.backends = []live.Backend{{Name: live.BackendGemini, Workflow: "gemini-live", Dialer: mirrors{}, Simulated: true}}
	o.live.Audio.PlaybackLead = 24 * time.Hour // nobody listens in real time here
}

type mirrors struct{}

func (mirrors) Dial(context.Context, live.Setup) (live.Upstream, error) {
	m := &mirror{heard: make(chan []byte, 1000), over: make(chan struct{})}
	return m, nil
}

type mirror struct {
	heard chan []byte
	once  sync.Once
	over  chan struct{}
	ready bool
	sent  int64
}

func (m *mirror) Send(c *live.Command) (int64, error) {
	if c.Kind == live.CommandAudio {
		select {
		case m.heard <- bytes.Clone(c.PCM):
		case <-m.over:
		}
	}
	m.sent++
	return m.sent, nil
}

func (m *mirror) Receive(e *live.Event) error {
	e.Reset()
	if !m.ready {
		m.ready, e.Kind = true, live.EventReady
		return nil
	}
	select {
	case pcm := <-m.heard:
		e.Kind, e.PCM = live.EventAudio, pcm
		return nil
	case <-m.over:
		return errors.New("woken")
	}
}

func (m *mirror) Wake()  { m.Close() }
func (m *mirror) Close() { m.once.Do(func() { close(m.over) }) }

// browserPeer sends text messages that a pong answers with what they say, and speech.
func browserPeer(limits live.Limits) *rfc6455.Peer {
	return &rfc6455.Peer{
		Masks: true, Limit: limits.MaxMessageBytes(),
		Text: func(said string, size int) []byte {
			head, tail := `{"type":"ping","t":"`+said, `"}`
			return []byte(head + `"` + strings.Repeat(" ", max(0, size-len(head)-len(tail))) + `}`)
		},
		Binary: func(said string, size int) []byte {
			return []byte(said + strings.Repeat(".", max(640, size)-len(said)))
		},
	}
}

// TestConformance_towardsBrowsers sends everything that the table of RFC 6455 holds to a real server, and reads what comes
// back frame by frame.
func TestConformance_towardsBrowsers(t *testing.T) {
	s := start(t, mirrored)
	peer := browserPeer(s.gateway.Config().Limits)
	for _, c := range rfc6455.Table(peer) {
		t.Run(c.Name, func(t *testing.T) {
			conform(t, s, c, len(c.Wire))
			if len(c.Wire) < 1500 {
				conform(t, s, c, 1)
			}
		})
	}
}

// conform plays one case, so many bytes at a time, to a conversation that can be resumed.
func conform(t *testing.T, s *server, c rfc6455.Case, step int) {
	t.Helper()
	b := handlers.DialWS(t, s.addr, handlers.PathGemini)
	b.Text(`{"type":"start_session","config":{"resumable":true}}`)
	id, _ := b.Message("session_ready")["sessionId"].(string)
	before := s.gateway.Stats().ByReason
	for wire := c.Wire; len(wire) > 0; wire = wire[min(step, len(wire)):] {
		b.Write(wire[:min(step, len(wire))])
	}
	if c.Close == 0 {
		b.Text(`{"type":"ping","t":"over"}`) // everything before it has been dealt with
	}
	var r reply
	r.read(t, b, &c)

	// What docs/protocol.md says of the session ("How it ends").
	reason := live.ReasonEnded.Code
	switch {
	case c.Violation:
		reason = violations[c.Close].Code
	case c.Close != 0 && c.Close != 1000:
		eventually(t, "the session waits for its client", func() bool {
			info, ok := s.gateway.Session(id)
			return ok && info.State == "detached"
		})
		s.gateway.End(id, true)
		reason = live.ReasonEndedByOperator.Code
	case c.Close == 0:
		b.Text(`{"type":"end_session"}`)
		if _, how := b.End(); how != (handlers.Closing{Code: 1000, Text: live.ReasonEnded.Text}) {
			t.Errorf("afterwards it ended with %+v", how)
		}
	}
	eventually(t, "the session ends with "+reason, func() bool {
		_, lives := s.gateway.Session(id)
		return !lives && s.gateway.Stats().ByReason[reason] == before[reason]+1
	})
}

// violations are what the session says before the close frame.
var violations = map[int]live.Reason{1002: live.ReasonProtocolError, 1007: live.ReasonBadUTF8, 1009: live.ReasonFrameTooLarge}

// reply is what has come back so far.
type reply struct {
	texts  []string // what the pongs of the voice protocol hold
	pcm    []byte
	pings  []string // what the pongs of RFC 6455 hold
	told   []string // error and session_ended
	closed []byte   // the whole close frame
}

// read reads until everything that c wants is there, and nothing that it does not want.
func (r *reply) read(t *testing.T, b *handlers.RawClient, c *rfc6455.Case) {
	t.Helper()
	var texts []string
	var pcm []byte
	for _, m := range c.Messages {
		if m.Binary {
			pcm = append(pcm, m.Payload...)
			continue
		}
		var said struct{ T string }
		if err := json.Unmarshal(m.Payload, &said); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, said.T)
	}
	if c.Close == 0 {
		texts = append(texts, "over")
	}
	// The model's answer to what was said before a close may be lost with the connection, but not come wrong.
	for c.Close != 0 || len(r.texts) < len(texts) || len(r.pcm) < len(pcm) {
		told := r.closed != nil
		if err := r.frame(t, b); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if !told && r.closed != nil {
			b.Write(handlers.Masked(handlers.Fin|handlers.OpClose, nil)) // also where it is the second one
		}
	}
	if fmt.Sprintf("%q", r.texts) != fmt.Sprintf("%q", texts) {
		t.Errorf("the texts %q came back, want %q", r.texts, texts)
	}
	if c.Close == 0 && !bytes.Equal(r.pcm, pcm) || !bytes.HasPrefix(pcm, r.pcm) {
		t.Errorf("%d bytes of speech came back, want %d", len(r.pcm), len(pcm))
	}
	checkPongs(t, r.pings, c.Pings)
	var told []string
	var closed []byte
	switch {
	case c.Violation:
		reason := violations[c.Close]
		told = []string{"error " + reason.Code, "session_ended " + reason.Code}
		closed = closeFrame(c.Close, reason.Text)
	case c.Close == rfc6455.NoCode:
		closed = []byte{0x88, 0}
	case c.Close != 0:
		closed = closeFrame(c.Close, "")
	}
	if fmt.Sprint(r.told) != fmt.Sprint(told) {
		t.Errorf("it was told %v, want %v", r.told, told)
	}
	if !bytes.Equal(r.closed, closed) {
		t.Errorf("the close frame was %x, want %x", r.closed, closed)
	}
}

// frame takes the next frame in.
func (r *reply) frame(t *testing.T, b *handlers.RawClient) error {
	t.Helper()
	head, payload, err := b.Frame()
	if err != nil {
		return err
	}
	if r.closed != nil {
		t.Errorf("%#x %q came behind the close frame", head, payload)
	}
	switch head {
	case handlers.Fin | handlers.OpText:
		var m struct{ Type, T, Code, Reason string }
		if err := json.Unmarshal(payload, &m); err != nil {
			t.Fatalf("%q: %v", payload, err)
		}
		switch m.Type {
		case "pong":
			r.texts = append(r.texts, m.T)
		case "error":
			r.told = append(r.told, m.Type+" "+m.Code)
		case "session_ended":
			r.told = append(r.told, m.Type+" "+m.Reason)
		case "ack", "resume_ticket":
		default:
			t.Errorf("%s came back", payload)
		}
	case handlers.Fin | handlers.OpBinary:
		r.pcm = append(r.pcm, payload...)
	case handlers.Fin | handlers.OpPong:
		r.pings = append(r.pings, string(payload))
	case handlers.Fin | handlers.OpClose:
		r.closed = append([]byte{head, byte(len(payload))}, payload...)
	default:
		t.Errorf("a frame with the head %#x came", head)
	}
	return nil
}

// checkPongs: of pings that wait only the newest has to be answered (RFC 6455 §5.5.3), but in order and with what they held.
func checkPongs(t *testing.T, got, pings []string) {
	t.Helper()
	left := pings
	for _, p := range got {
		for len(left) > 0 && left[0] != p {
			left = left[1:]
		}
		if len(left) == 0 {
			t.Errorf("the pongs %q came to the pings %q", got, pings)
			return
		}
		left = left[1:]
	}
	if len(pings) > 0 && len(left) > 0 {
		t.Errorf("the pongs %q came to the pings %q: the newest is not answered", got, pings)
	}
}

func closeFrame(code int, text string) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0x88, byte(2 + len(text))}, uint16(code)), text...)
}

// TestConformance_pingsAreAnsweredInOrder asks one after the other, so that each has its own answer.
func TestConformance_pingsAreAnsweredInOrder(t *testing.T) {
	s := start(t, mirrored)
	b := handlers.DialWS(t, s.addr, handlers.PathGemini)
	for n := range 126 {
		payload := bytes.Repeat([]byte{byte(n), 0xFF}, 63)[:n]
		b.Write(handlers.Masked(handlers.Fin|handlers.OpPing, payload))
		head, got, err := b.Frame()
		if err != nil || head != handlers.Fin|handlers.OpPong || !bytes.Equal(got, payload) {
			t.Fatalf("the ping with %x was answered with %#x %x (%v)", payload, head, got, err)
		}
	}
}

// TestConformance_pingsWhileAMessageIsHalfWritten: the client takes nothing until the server stands in the middle of a
// message, pings then, and reads on.
func TestConformance_pingsWhileAMessageIsHalfWritten(t *testing.T) {
	s := start(t, func(o *options) {
		mirrored(o)
		o.live.Limits.AudioRate, o.live.Limits.WriteTimeout = 1e6, handlers.Patience
	})
	b := handlers.DialWS(t, s.addr, handlers.PathGemini)
	b.Text(`{"type":"start_session"}`)
	id, _ := b.Message("session_ready")["sessionId"].(string)
	speech := bytes.Repeat([]byte("speech.."), 16<<10)
	said := 0
	for {
		info, _ := s.gateway.Session(id)
		if info.Counters.SlowWrites > 0 {
			break
		}
		if heard := int(info.Counters.DownlinkAudioMs) * 48; said-heard < 1<<20 { // it does not come in faster than it goes out
			b.Binary(speech)
			said += len(speech)
		}
	}
	for _, p := range []string{"old", "older", "newest"} {
		b.Write(handlers.Masked(handlers.Fin|handlers.OpPing, []byte(p)))
	}
	b.Text(`{"type":"ping","t":"over"}`)
	var r reply
	for len(r.texts) == 0 || len(r.pcm) < said {
		if err := r.frame(t, b); err != nil {
			t.Fatal(err)
		}
	}
	checkPongs(t, r.pings, []string{"old", "older", "newest"})
	if !bytes.Equal(r.pcm, bytes.Repeat([]byte("speech.."), said/8)) {
		t.Error("a message was torn")
	}
	b.Text(`{"type":"end_session"}`)
	b.End()
}

// TestConformance_theServerSaysGoodbyeFirst: whatever the client does then, it is told once, and no more.
func TestConformance_theServerSaysGoodbyeFirst(t *testing.T) {
	s := start(t, mirrored)
	frame := func(head byte, payload string) []byte { return handlers.Masked(handlers.Fin|head, []byte(payload)) }
	for name, answer := range map[string][]byte{
		"the same code":           frame(handlers.OpClose, "\x03\xe8"),
		"another code and a text": frame(handlers.OpClose, "\x0f\xa0see you"),
		"no code":                 frame(handlers.OpClose, ""),
		"a code that is none":     frame(handlers.OpClose, "\x03\xed"),
		"data, and then a code": append(append(frame(handlers.OpText, `{"type":"ping"}`), frame(handlers.OpBinary, "speech")...),
			frame(handlers.OpClose, "\x03\xe8")...),
		"a ping, and then a code":    append(frame(handlers.OpPing, "?"), frame(handlers.OpClose, "\x03\xe8")...),
		"half a message, and a code": append(handlers.Masked(handlers.OpText, []byte("{")), frame(handlers.OpClose, "\x03\xe8")...),
		"nonsense":                   []byte("nonsense"),
		"half a frame":               frame(handlers.OpClose, "\x03\xe8")[:3],
		"nothing":                    nil,
	} {
		for _, early := range []bool{false, true} { // before the goodbye has been read: it crosses the server's
			t.Run(fmt.Sprintf("%s, early %v", name, early), func(t *testing.T) {
				b := handlers.DialWS(t, s.addr, handlers.PathGemini)
				b.Text(`{"type":"start_session"}`)
				b.Message("session_ready")
				b.Text(`{"type":"end_session"}`)
				if early {
					b.Write(answer)
				}
				var r reply
				for r.closed == nil {
					if err := r.frame(t, b); err != nil {
						t.Fatal(err)
					}
				}
				if !early {
					b.Write(answer)
				}
				if tcp, ok := b.Conn.(interface{ CloseWrite() error }); ok {
					_ = tcp.CloseWrite()
				}
				for {
					if err := r.frame(t, b); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						t.Fatal(err)
					}
				}
				want := closeFrame(1000, live.ReasonEnded.Text)
				// What comes before the server has said it is answered, or is a violation.
				echo := early && len(r.closed) <= 4
				if !bytes.Equal(r.closed, want) && !echo && !(early && bytes.Equal(r.closed, closeFrame(1002, live.ReasonProtocolError.Text))) {
					t.Errorf("the close frame was %x, want %x", r.closed, want)
				}
			})
		}
	}
	eventually(t, "every session ends", func() bool { return len(s.gateway.Sessions()) == 0 })
	if n := s.gateway.Stats().ByReason[live.ReasonEnded.Code]; n != 20 {
		t.Errorf("%d sessions ended as they were asked to", n)
	}
}
