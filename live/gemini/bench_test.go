package gemini

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	fasthttpws "github.com/fasthttp/websocket"
	"github.com/gorilla/websocket"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
	"google.golang.org/genai"
)

// swallow reads everything without allocating.
func (p *peer) swallow() {
	buf := make([]byte, 64<<10)
	for {
		if _, err := p.in.Read(buf); err != nil {
			return
		}
	}
}

// flood writes the same bytes until the connection ends. TCP holds it back.
func (p *peer) flood(b []byte) {
	_ = p.conn.SetDeadline(timeless)
	for {
		if _, err := p.conn.Write(b); err != nil {
			return
		}
	}
}

func TestUpstream_sendsAudioWithoutAllocating(t *testing.T) {
	u := dial(t, startModel(t, func(p *peer) { p.ready(); p.swallow() }))
	receive(t, u, live.EventReady)
	for _, n := range []int{640, 1280, 3200, 30_000} {
		c := live.Command{Kind: live.CommandAudio, PCM: sample(n)}
		step := func() {
			if _, err := u.Send(&c); err != nil {
				t.Fatal(err)
			}
		}
		step()
		if a := testing.AllocsPerRun(500, step); a != 0 {
			t.Errorf("%d bytes: %v allocations per message", n, a)
		}
	}
}

func TestUpstream_receivesAudioWithoutAllocating(t *testing.T) {
	usage := `,"usageMetadata":{"promptTokenCount":310,"responseTokenCount":1,"responseTokensDetails":[{"modality":"AUDIO","tokenCount":1}]}}`
	for name, text := range map[string]string{
		"compact":   audioFrame(sample(1921)), // odd: every second piece is one sample longer
		"pretty":    pretty(audioFrame(sample(4800))),
		"long":      audioFrame(sample(46_000)),
		"usage too": strings.TrimSuffix(audioFrame(sample(1920)), "}") + usage,
	} {
		wire := frame.Append(nil, frame.Binary, []byte(text))
		u := dial(t, startModel(t, func(p *peer) { p.ready(); p.flood(wire) }))
		receive(t, u, live.EventReady)
		var e live.Event
		step := func() {
			if err := u.Receive(&e); err != nil || e.Kind != live.EventAudio && e.Kind != live.EventUsage {
				t.Fatal(e.Kind, err)
			}
		}
		for range 20 {
			step()
		}
		if a := testing.AllocsPerRun(500, step); a != 0 {
			t.Errorf("%s: %v allocations per event", name, a)
		}
		u.Close()
	}
}

// pretty is JSON as Google writes it.
func pretty(text string) string {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		panic(err)
	}
	p, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err)
	}
	return string(p) + "\n"
}

var pieces = []int{960, 9600, 46_000}

// The codecs alone, without sockets. encoding_json is the least that a program with Google's types must do; genai is what Google's
// own session does for a message, and all of that: its WebSocket library writes to nothing, or reads the same frame again and again.

func BenchmarkDecode(b *testing.B) {
	for _, n := range pieces {
		text := []byte(pretty(audioFrame(sample(n))))
		buf := make([]byte, len(text))
		b.Run(fmt.Sprintf("ours/%d", n), func(b *testing.B) {
			var m message
			var c carry
			var e live.Event
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				copy(buf, text) // decoding happens in place
				if err := m.decode(buf); err != nil {
					b.Fatal(err)
				}
				if found, err := m.next(&e, &c); !found || err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("memcpy/%d", n), func(b *testing.B) { benchCopy(b, n) })
		b.Run(fmt.Sprintf("genai/%d", n), func(b *testing.B) {
			s := benchGenai(b, func(c *fasthttpws.Conn) { _, _, _ = c.NextReader() }, frame.Append(nil, frame.Binary, text))
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				if m, err := s.Receive(); err != nil || m.ServerContent == nil || len(m.ServerContent.ModelTurn.Parts[0].InlineData.Data) != n {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("encoding_json/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				var m genai.LiveServerMessage
				if err := json.Unmarshal(text, &m); err != nil || len(m.ServerContent.ModelTurn.Parts[0].InlineData.Data) != n {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{640, 1280, 3200, 30_000} {
		pcm := sample(n)
		b.Run(fmt.Sprintf("ours/%d", n), func(b *testing.B) {
			s := testSetup()
			e := newEncoder(&s)
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				e.audio(pcm)
			}
		})
		b.Run(fmt.Sprintf("memcpy/%d", n), func(b *testing.B) { benchCopy(b, n) })
		b.Run(fmt.Sprintf("genai/%d", n), func(b *testing.B) {
			s := benchGenai(b, func(c *fasthttpws.Conn) { _, _, _ = c.NextReader() }, []byte{})
			in := genai.LiveRealtimeInput{Audio: &genai.Blob{MIMEType: "audio/pcm;rate=16000", Data: pcm}}
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				if err := s.SendRealtimeInput(in); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("encoding_json/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				m := map[string]any{"realtimeInput": &genai.LiveRealtimeInput{Audio: &genai.Blob{MIMEType: "audio/pcm;rate=16000", Data: pcm}}}
				p, err := json.Marshal(m)
				if err != nil {
					b.Fatal(err)
				}
				frame.AppendMasked(nil, frame.Text, p, maskKey())
			}
		})
	}
}

// benchCopy copies n bytes: what the codec is compared with.
func benchCopy(b *testing.B, n int) {
	from, to := sample(n), make([]byte, n)
	b.ReportAllocs()
	b.SetBytes(int64(n))
	for b.Loop() {
		copy(to, from)
	}
}

// The pair that follows is whole: from the PCM to the socket, and from the socket to the PCM, over loopback.
func BenchmarkUpstream_send640(b *testing.B) {
	u := benchUpstream(b, func(p *peer) { p.ready(); _ = p.conn.SetDeadline(timeless); p.swallow() })
	c := live.Command{Kind: live.CommandAudio, PCM: sample(640)}
	b.ReportAllocs()
	b.SetBytes(640)
	for b.Loop() {
		if _, err := u.Send(&c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpstream_receive(b *testing.B) {
	for _, n := range pieces {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			wire := frame.Append(nil, frame.Binary, []byte(pretty(audioFrame(sample(n)))))
			u := benchUpstream(b, func(p *peer) { p.ready(); p.flood(wire) })
			var e live.Event
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				if err := u.Receive(&e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkGenai_send640 and BenchmarkGenai_receive are the same two with Google's own session.
func BenchmarkGenai_send640(b *testing.B) {
	s := benchGenai(b, func(c *fasthttpws.Conn) {
		for {
			if _, _, err := c.NextReader(); err != nil {
				return
			}
		}
	}, nil)
	in := genai.LiveRealtimeInput{Audio: &genai.Blob{MIMEType: "audio/pcm;rate=16000", Data: sample(640)}}
	b.ReportAllocs()
	b.SetBytes(640)
	for b.Loop() {
		if err := s.SendRealtimeInput(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGenai_receive(b *testing.B) {
	for _, n := range pieces {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			text := []byte(pretty(audioFrame(sample(n))))
			s := benchGenai(b, func(c *fasthttpws.Conn) {
				for c.WriteMessage(fasthttpws.BinaryMessage, text) == nil {
				}
			}, nil)
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				m, err := s.Receive()
				if err != nil || m.ServerContent == nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchUpstream(b *testing.B, script func(p *peer)) live.Upstream {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	m := serveModel(b, l, "http", script)
	d, err := NewGemini(GeminiConfig{BaseURL: m.url, APIVersion: "v1beta", APIKeys: []string{"k"}}, testDial(), discardLog())
	if err != nil {
		b.Fatal(err)
	}
	u, err := d.Dial(context.Background(), testSetup())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { u.Close(); _ = d.Close() })
	var e live.Event
	if err := u.Receive(&e); err != nil || e.Kind != live.EventReady {
		b.Fatal(e, err)
	}
	return u
}

// benchGenai is a session of Google's with a server that runs script. With repeat it loses its socket when it is ready, and
// reads that over and over.
func benchGenai(b *testing.B, script func(c *fasthttpws.Conn), repeat []byte) *genai.Session {
	b.Helper()
	unsocketed := &memory{repeat: repeat}
	if repeat != nil {
		was := websocket.DefaultDialer.NetDialContext
		defer func() { websocket.DefaultDialer.NetDialContext = was }()
		websocket.DefaultDialer.NetDialContext = unsocketed.dial
	}
	up := fasthttpws.Upgrader{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r, nil)
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = c.Close() }()
		if _, _, err := c.ReadMessage(); err != nil {
			return
		}
		if c.WriteMessage(fasthttpws.BinaryMessage, []byte(`{"setupComplete":{}}`)) == nil {
			script(c)
		}
	}))
	client, err := genai.NewClient(context.Background(), &genai.ClientConfig{
		Backend: genai.BackendGeminiAPI, APIKey: "k",
		HTTPOptions: genai.HTTPOptions{BaseURL: strings.Replace(server.URL, "http:", "ws:", 1), APIVersion: "v1beta"},
	})
	if err != nil {
		b.Fatal(err)
	}
	s, err := client.Live.Connect(context.Background(), "m", &genai.LiveConnectConfig{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Receive(); err != nil { // setupComplete, which Connect has kept
		b.Fatal(err)
	}
	unsocketed.ready = true
	b.Cleanup(func() { _ = s.Close(); server.CloseClientConnections(); server.Close() })
	return s
}

// memory is a connection that, once it is ready, reads the same bytes over and over, and writes nowhere.
type memory struct {
	net.Conn
	ready  bool
	repeat []byte
	at     int
}

func (m *memory) dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	m.Conn, err = new(net.Dialer).DialContext(ctx, network, address)
	return m, err
}

func (m *memory) Read(p []byte) (int, error) {
	if !m.ready {
		return m.Conn.Read(p)
	}
	n := copy(p, m.repeat[m.at:])
	m.at = (m.at + n) % len(m.repeat)
	return n, nil
}

func (m *memory) Write(p []byte) (int, error) {
	if !m.ready {
		return m.Conn.Write(p)
	}
	return len(p), nil
}
