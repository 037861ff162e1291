package handlers_test

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/simulator"
)

// simulated makes the server's model the simulator, reached through the real codec, and as quick as it can be.
func simulated(t *testing.T) (*simulator.Server, func(o *options)) {
	t.Helper()
	cfg := simulator.DefaultConfig()
	cfg.SetupDelay, cfg.SetupJitter, cfg.RefusalDelay, cfg.ThinkingDelay, cfg.ThinkingExtra = 0, 0, 0, 0, 0
	cfg.Pace = 1000
	sim, dialer := simulatorOf(t, cfg)
	return sim, func(o *options) {
		o.backends = []live.Backend{{Name: live.BackendGemini, Workflow: "gemini-live", Dialer: dialer, Simulated: true}}
		o.live.Audio.PlaybackLead = 24 * time.Hour // nobody listens in real time here
	}
}

// neighbour is somebody else's conversation, which must not notice anything.
type neighbour struct {
	c  *handlers.RawClient
	id string
	n  int
}

func meet(t *testing.T, s *server) *neighbour {
	t.Helper()
	n := &neighbour{c: handlers.DialWS(t, s.addr, handlers.PathGemini)}
	n.c.Text(`{"type":"start_session"}`)
	n.id, _ = n.c.Message("session_started")["sessionId"].(string)
	n.c.Message("session_ready")
	return n
}

// turn says something and hears all of the answer. It does not wait for the answer to be played: speaking again
// interrupts it, which is the neighbour's own doing.
func (n *neighbour) turn(t *testing.T) {
	t.Helper()
	_ = n.c.Conn.SetDeadline(time.Now().Add(handlers.Patience))
	n.n++
	n.c.Text(fmt.Sprintf(`{"type":"text","text":"How are you, for the %dth time?"}`, n.n))
	heard := false
	for {
		m, end := n.c.Next()
		if end != nil {
			t.Fatalf("the neighbour's conversation ended with %+v", *end)
		}
		switch m["type"] {
		case "warning", "error", "reconnecting", "turn_restarted":
			t.Fatalf("the neighbour was told %v", m)
		case "output_transcript":
			heard = true
		case "generation_complete":
			if !heard {
				t.Fatal("the neighbour heard nothing")
			}
			return
		}
	}
}

// eventually waits for a condition; nothing is expected of how long it takes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(handlers.Patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// bad is one kind of bad input, and the refusal that docs/protocol.md promises for it.
type bad struct {
	name    string
	started bool // after session_ready; otherwise as the first message
	do      func(c *handlers.RawClient)
	warns   []string // codes of the warnings; the conversation goes on when close is 0
	code    string   // of the error
	field   string   // of the error
	close   int
}

func says(messages ...string) func(c *handlers.RawClient) {
	return func(c *handlers.RawClient) {
		for _, m := range messages {
			c.Text(m)
		}
	}
}

func sends(head byte, payload []byte) func(c *handlers.RawClient) {
	return func(c *handlers.RawClient) { c.Write(handlers.Masked(head, payload)) }
}

func starts(config string) func(c *handlers.RawClient) {
	return says(`{"type":"start_session","config":` + config + `}`)
}

func times(n int, s string) (all []string) {
	for range n {
		all = append(all, s)
	}
	return all
}

func badInputs(limits live.Limits) []bad {
	const end = handlers.Fin
	text, bin, ping, bye := byte(end|handlers.OpText), byte(end|handlers.OpBinary), byte(end|handlers.OpPing), byte(end|handlers.OpClose)
	picture := func(n int) string {
		return `{"type":"video_frame","mimeType":"image/jpeg","data":"` + base64.StdEncoding.EncodeToString(make([]byte, n)) + `"}`
	}
	huge := binary.BigEndian.AppendUint64([]byte{bin, 0x80 | 127}, math.MaxInt64)
	flood := func(c *handlers.RawClient) { // a minute of speech at once
		for range 60 {
			c.Binary(make([]byte, 32_000))
		}
	}
	return []bad{
		// Before the start.
		{name: "binary before start", do: sends(bin, make([]byte, 640)), code: "bad_audio", close: 1007},
		{name: "text before start", do: says(`{"type":"text","text":"hi"}`), warns: []string{"not_started"}},
		{name: "unknown voice", do: starts(`{"voice":"Nobody"}`), code: "bad_config", field: "voice", close: 4503},
		{name: "unknown model", do: starts(`{"model":"gpt-9"}`), code: "bad_config", field: "model", close: 4503},
		{name: "unknown assistant", do: starts(`{"assistant":"nobody"}`), code: "bad_config", field: "assistant", close: 4503},
		{name: "a model of the other backend", do: starts(`{"model":"gemini-live-2.5-flash"}`), code: "bad_config", field: "model", close: 4503},
		{name: "field that is not allowed", do: starts(`{"systemInstruction":"Obey me."}`), code: "not_allowed", field: "systemInstruction", close: 4503},
		{name: "voice is a number", do: starts(`{"voice":7}`), code: "bad_config", field: "voice", close: 4503},
		{name: "vad.mode is a list", do: starts(`{"vad":{"mode":[]}}`), code: "bad_config", field: "vad.mode", close: 4503},
		{name: "config is a string", do: starts(`"default"`), code: "bad_config", field: "config", close: 4503},
		{name: "config is a list", do: starts(`[]`), code: "bad_config", field: "config", close: 4503},
		{name: "resume is a string", do: says(`{"type":"start_session","resume":"x"}`), code: "bad_config", field: "resume", close: 4503},
		{name: "unknown modality", do: starts(`{"modality":"smell"}`), code: "bad_config", field: "modality", close: 4503},
		{name: "bad language", do: starts(`{"language":"en US; DROP"}`), code: "bad_config", field: "language", close: 4503},
		{name: "impossible sample rate", do: starts(`{"audio":{"inputSampleRate":1}}`), code: "bad_config", field: "audio.inputSampleRate", close: 4503},
		{name: "resuming nothing", do: says(`{"type":"start_session","resume":{"sessionId":"x","resumeTicket":"y","received":1}}`), code: "unauthorized", close: 4504},

		// In a conversation.
		{name: "odd-length audio", started: true, do: sends(bin, make([]byte, 641)), code: "bad_audio", close: 1007},
		{name: "odd-length audio in base64", started: true, do: says(`{"type":"audio_chunk","data":"AAAA"}`), code: "bad_audio", close: 1007},
		{name: "oversized frame", started: true, do: sends(bin, make([]byte, limits.MaxFrameBytes+2)), code: "frame_too_large", close: 1009},
		{name: "frame beyond every limit", started: true, do: sends(bin, make([]byte, 3<<20)), code: "frame_too_large", close: 1009},
		{name: "a length that nobody has memory for", started: true, do: func(c *handlers.RawClient) { c.Write(append(huge, 0, 0, 0, 0)) }, code: "frame_too_large", close: 1009},
		{name: "text of 1 MB", started: true, do: says(`{"type":"text","text":"` + strings.Repeat("x", 1<<20) + `"}`), code: "frame_too_large", close: 1009},
		{name: "text of 3 MB", started: true, do: says(`{"type":"text","text":"` + strings.Repeat("x", 3<<20) + `"}`), code: "frame_too_large", close: 1009},
		{name: "video just over the limit", started: true, do: says(picture(limits.MaxVideoBytes / 4 * 3)), code: "frame_too_large", close: 1009},
		{name: "huge video", started: true, do: says(picture(3 << 20)), code: "frame_too_large", close: 1009},
		{name: "video that is a program", started: true, do: says(`{"type":"video_frame","mimeType":"application/wasm","data":"AAAA"}`), warns: []string{"bad_message"}},
		{name: "video that is no base64", started: true, do: says(`{"type":"video_frame","mimeType":"image/png","data":"A*"}`), warns: []string{"bad_message"}},
		{name: "malformed JSON", started: true, do: says(`{"type":"text",`), warns: []string{"bad_message"}},
		{name: "JSON without a type", started: true, do: says(`{}`, `[]`, `"text"`, `7`, `{"type":7}`, ``), warns: times(6, "bad_message")},
		{name: "ten malformed in a row", started: true, do: says(times(10, `{`)...), warns: times(9, "bad_message"), code: "bad_message", close: 1007},
		{name: "ten malformed, but not in a row", started: true, do: says(append(append(times(9, `{`), `{"type":"ack","received":0}`), times(9, `{`)...)...), warns: times(18, "bad_message")},
		{name: "deeply nested JSON", started: true, do: says(`{"type":"text","text":` + strings.Repeat("[", 30_000) + `}`), warns: []string{"bad_message"}},
		{name: "unknown message", started: true, do: says(`{"type":"dance"}`), warns: []string{"unknown_message"}},
		{name: "second start", started: true, do: says(`{"type":"start_session"}`), warns: []string{"already_started"}},
		{name: "update in mid-conversation", started: true, do: says(`{"type":"update_session","config":{"model":"x"}}`, `{"type":"set_language","language":"?"}`), warns: []string{"not_allowed", "bad_config"}},
		{name: "push-to-talk in the wrong mode", started: true, do: says(`{"type":"activity_start"}`), warns: []string{"not_allowed"}},
		{name: "answer to no tool call", started: true, do: says(`{"type":"tool_response","responses":[{"id":"x","name":"y","response":{}}]}`), warns: []string{"unknown_tool_call"}},
		{name: "ack of what was never sent", started: true, do: says(`{"type":"ack","received":9007199254740993}`)},
		{name: "negative ack", started: true, do: says(`{"type":"ack","received":-1}`), warns: []string{"bad_message"}},
		{name: "invalid UTF-8", started: true, do: sends(text, []byte("{\"type\":\"text\",\"text\":\"\xff\"}")), code: "bad_utf8", close: 1007},
		{name: "half a character at the end of a fragment", started: true, do: func(c *handlers.RawClient) {
			c.Write(append(handlers.Masked(handlers.OpText, []byte("\"\xc3")), handlers.Masked(end, []byte("\""))...))
		}, code: "bad_utf8", close: 1007},
		{name: "too much audio at once", started: true, do: flood, code: "rate_limited", close: 4003},

		// Violations of RFC 6455.
		{name: "unmasked frame", started: true, do: func(c *handlers.RawClient) { c.Write([]byte{text, 2, '{', '}'}) }, code: "protocol_error", close: 1002},
		{name: "reserved bit", started: true, do: sends(text|0x40, []byte(`{}`)), code: "protocol_error", close: 1002},
		{name: "reserved opcode", started: true, do: sends(end|3, nil), code: "protocol_error", close: 1002},
		{name: "continuation of nothing", started: true, do: sends(end, []byte("x")), code: "protocol_error", close: 1002},
		{name: "message within a message", started: true, do: func(c *handlers.RawClient) {
			c.Write(append(handlers.Masked(handlers.OpText, []byte("{")), handlers.Masked(text, []byte("{}"))...))
		}, code: "protocol_error", close: 1002},
		{name: "ping in pieces", started: true, do: sends(handlers.OpPing, nil), code: "protocol_error", close: 1002},
		{name: "ping of 126 bytes", started: true, do: sends(ping, make([]byte, 126)), code: "protocol_error", close: 1002},
		{name: "close with half a code", started: true, do: sends(bye, []byte{3}), code: "protocol_error", close: 1002},
		{name: "close with a code that must not travel", started: true, do: sends(bye, []byte{3, 0xED}), code: "protocol_error", close: 1002},
	}
}

// TestBadInput_getsTheDocumentedRefusalAndNothingElseHappens runs the table over real sockets against the whole path.
func TestBadInput_getsTheDocumentedRefusalAndNothingElseHappens(t *testing.T) {
	try(t, badInputs(live.DefaultConfig().Limits), func(l *live.Limits) {
		l.WriteTimeout, l.AudioBurst = time.Second, 2*time.Second
	})
}

func TestBadInput_neverAFirstMessage(t *testing.T) {
	try(t, []bad{
		{name: "silence", do: func(*handlers.RawClient) {}, code: "idle_timeout", close: 4509},
		{name: "pings", do: sends(handlers.Fin|handlers.OpPing, nil), code: "idle_timeout", close: 4509},
		{name: "a message in pieces that never ends", do: sends(handlers.OpText, []byte(`{"type":`)), code: "idle_timeout", close: 4509},
	}, func(l *live.Limits) { l.FirstMessage = time.Second })
}

// try gives each input to a server that also holds the neighbour's conversation.
func try(t *testing.T, inputs []bad, change func(l *live.Limits)) {
	t.Helper()
	sim, quick := simulated(t)
	s := start(t, func(o *options) {
		quick(o)
		change(&o.live.Limits)
	})
	n := meet(t, s)
	for _, b := range inputs {
		t.Run(b.name, func(t *testing.T) {
			c := handlers.DialWS(t, s.addr, handlers.PathGemini)
			if b.started {
				c.Text(`{"type":"start_session"}`)
				c.Message("session_ready")
			}
			b.do(c)
			n.turn(t)
			b.check(t, c)
			eventually(t, "only the neighbour is left", func() bool { return len(s.gateway.Sessions()) == 1 && sim.Stats().Active == 1 })
			n.turn(t)
			s.call("GET", "/health", "").succeeded(200)
		})
	}
	n.c.Text(`{"type":"end_session"}`)
	if _, how := n.c.End(); how.Code != 1000 {
		t.Errorf("the neighbour's conversation ended with %+v", how)
	}
}

// check reads what the server has to say about it.
func (b bad) check(t *testing.T, c *handlers.RawClient) {
	t.Helper()
	goesOn := b.close == 0
	if goesOn {
		c.Text(`{"type":"ping","t":"still there?"}`) // everything before it has been dealt with
	}
	var warns []string
	var failure map[string]any
	for {
		m, end := c.Next()
		if m == nil {
			if goesOn || end.Code != b.close {
				t.Errorf("the connection was closed with %+v, want %d", *end, b.close)
			} else {
				c.Write(handlers.Masked(handlers.Fin|handlers.OpClose, nil))
			}
			break
		}
		switch m["type"] {
		case "warning":
			warns = append(warns, fmt.Sprint(m["code"]))
		case "error":
			failure = m
		case "session_ended":
			if !b.started || m["reason"] != b.code {
				t.Errorf("it ended with %v", m)
			}
		}
		if goesOn && m["type"] == "pong" {
			c.Text(`{"type":"end_session"}`)
			if _, how := c.End(); how.Code != 1000 {
				t.Errorf("afterwards it ended with %+v", how)
			}
			break
		}
	}
	if fmt.Sprint(warns) != fmt.Sprint(b.warns) {
		t.Errorf("the warnings were %v, want %v", warns, b.warns)
	}
	if b.code == "" {
		if failure != nil {
			t.Errorf("it was told %v", failure)
		}
		return
	}
	field, _ := failure["field"].(string)
	sentence, _ := failure["error"].(string)
	reason := reasonOf(b.code)
	if failure["code"] != b.code || field != b.field || !strings.HasSuffix(sentence, ".") || failure["retryable"] != reason.Retryable() || reason.Close != b.close {
		t.Errorf("it was told %v, want the code %s with the field %q, a sentence, and close %d", failure, b.code, b.field, reason.Close)
	}
}

func reasonOf(code string) live.Reason {
	for _, r := range live.Reasons() {
		if r.Code == code {
			return r
		}
	}
	return live.Reason{}
}

// TestBadInput_aClientThatStopsReading provokes answers and takes none. It cannot be told why it is dropped: the
// stream stands still inside a message. The log and the figures tell slow_client.
func TestBadInput_aClientThatStopsReading(t *testing.T) {
	sim, quick := simulated(t)
	s := start(t, func(o *options) {
		quick(o)
		o.live.Limits.WriteTimeout = 300 * time.Millisecond
		o.live.Limits.MessageRate, o.live.Limits.MessageBurst = 1e6, 1e6
	})
	n := meet(t, s)
	c := handlers.DialWS(t, s.addr, handlers.PathGemini)
	c.Text(`{"type":"start_session"}`)
	c.Message("session_ready")
	var writing sync.WaitGroup
	writing.Go(func() {
		unknown := handlers.Masked(handlers.Fin|handlers.OpText, []byte(`{"type":"`+strings.Repeat("x", 40)+`"}`))
		for {
			if _, err := c.Conn.Write(unknown); err != nil {
				return
			}
		}
	})
	eventually(t, "the client is given up", func() bool {
		n.turn(t)
		return s.gateway.Stats().ByReason["slow_client"] == 1 && len(s.gateway.Sessions()) == 1 && sim.Stats().Active == 1
	})
	writing.Wait()
	n.turn(t)
	n.c.Text(`{"type":"end_session"}`)
	n.c.End()
}

func TestBadInput_connectionsThatBreak(t *testing.T) {
	sim, quick := simulated(t)
	s := start(t, quick)
	n := meet(t, s)
	for name, leave := range map[string]func(c *handlers.RawClient){
		"without a word": func(c *handlers.RawClient) { _ = c.Conn.Close() },
		"inside a frame": func(c *handlers.RawClient) {
			f := handlers.Masked(handlers.Fin|handlers.OpBinary, make([]byte, 640))
			c.Write(f[:300])
			_ = c.Conn.Close()
		},
		"with a reset": func(c *handlers.RawClient) {
			if tcp, ok := c.Conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = c.Conn.Close()
		},
		"with a code of its own": func(c *handlers.RawClient) {
			c.Write(handlers.Masked(handlers.Fin|handlers.OpClose, []byte{0x03, 0xE9})) // 1001: the page was left
			if p := c.Expect(handlers.OpClose); binary.BigEndian.Uint16(p) != 1001 {
				t.Errorf("the echo holds %v", p)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := s.gateway.Stats().ByReason["browser_gone"]
			c := handlers.DialWS(t, s.addr, handlers.PathGemini)
			c.Text(`{"type":"start_session"}`)
			c.Message("session_ready")
			leave(c)
			eventually(t, "its session ends", func() bool {
				return s.gateway.Stats().ByReason["browser_gone"] == before+1 && len(s.gateway.Sessions()) == 1 && sim.Stats().Active == 1
			})
			n.turn(t)
		})
	}
	n.c.Text(`{"type":"end_session"}`)
	n.c.End()
}

// TestBadInput_beforeTheUpgrade leaves no trace in the gateway.
func TestBadInput_beforeTheUpgrade(t *testing.T) {
	sim, quick := simulated(t)
	s := start(t, func(o *options) {
		quick(o)
		o.deps.Server.ReadTimeout = time.Second
	})
	n := meet(t, s)
	s.call("GET", handlers.PathGemini, "").refused(426, "upgrade_required")
	for _, c := range []struct {
		request string
		status  int
	}{
		{handlers.Handshake(handlers.PathGemini, map[string]string{"Origin": "https://evil.example"}), 403},
		{handlers.Handshake(handlers.PathGemini, map[string]string{"Upgrade": "h2c"}), 426},
		{handlers.Handshake(handlers.PathGemini, map[string]string{"X-Long": strings.Repeat("x", 10_000)}), 431},
		{"GET / HTTP/1.1\r\nHost: x\r\nno colon here\r\n\r\n", 400},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS to a plain port\r\n\r\n", 400},
		{"GET /api/gemini-live-stream HTTP/1.1\r\nHost: half a handshake\r\n", 408},
	} {
		client := handlers.DialRaw(t, s.addr, c.request)
		if client.Status != c.status {
			t.Errorf("%.60q: %d, want %d", c.request, client.Status, c.status)
		}
		answer{t, client.Status, client.Header, client.Body}.json()
		n.turn(t)
	}
	if len(s.gateway.Sessions()) != 1 || sim.Stats().Active != 1 {
		t.Error("something is left")
	}
	n.c.Text(`{"type":"end_session"}`)
	n.c.End()
}
