package gemini

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // vertexai says with every client that it is deprecated
	goleak.VerifyTestMain(m,
		// Of the simulator: the cleaner of a fasthttp server that was shut down looks every ten seconds, and then ends;
		// its clock is the process's.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

const patience = 10 * time.Second // for what must happen; never for what must not

var timeless = time.Time{}

// model is a WebSocket server that stands where Google would: each connection runs script.
type model struct {
	t        testing.TB
	url      string
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	requests []*http.Request
}

// peer is the model's end of one connection.
type peer struct {
	t       testing.TB
	conn    net.Conn
	in      *bufio.Reader
	reader  *frame.Reader
	request *http.Request
}

// startModel serves on loopback until the test ends.
func startModel(t testing.TB, script func(p *peer)) *model {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveModel(t, l, "http", script)
}

func serveModel(t testing.TB, l net.Listener, scheme string, script func(p *peer)) *model {
	m := &model{t: t, listener: l, url: scheme + "://" + l.Addr().String()}
	m.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			m.wg.Go(func() {
				defer func() { _ = c.Close() }()
				_ = c.SetDeadline(time.Now().Add(patience))
				in := bufio.NewReader(c)
				request, err := http.ReadRequest(in)
				if err != nil {
					return // a refused TLS handshake, for example
				}
				m.mu.Lock()
				m.requests = append(m.requests, request)
				m.mu.Unlock()
				script(&peer{t: t, conn: c, in: in, reader: frame.NewReader(in, frame.Server, 1<<22), request: request})
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		m.wg.Wait()
	})
	return m
}

func (m *model) seen() []*http.Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]*http.Request(nil), m.requests...)
}

// accepted is the answer to the handshake.
func (p *peer) accepted() []byte {
	sum := sha1.Sum([]byte(p.request.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
}

func (p *peer) write(b []byte) {
	if _, err := p.conn.Write(b); err != nil && !errors.Is(err, net.ErrClosed) {
		p.t.Logf("model: %v", err)
	}
}

// upgrade accepts the handshake and takes the setup.
func (p *peer) upgrade() map[string]any {
	p.write(p.accepted())
	return p.message()
}

// message takes the next message; nil when the connection has ended.
func (p *peer) message() map[string]any {
	for {
		op, data, err := p.reader.Next()
		switch {
		case err != nil:
			return nil
		case op == frame.Close:
			return nil
		case op == frame.Text:
			var v map[string]any
			if err := json.Unmarshal(data, &v); err != nil {
				p.t.Errorf("a message that is not JSON: %q", data)
			}
			return v
		case op == frame.Binary:
			p.t.Error("a binary message: Google's SDKs send text")
		}
	}
}

// say sends JSON the way Google does: in a binary frame.
func (p *peer) say(text string) { p.write(frame.Append(nil, frame.Binary, []byte(text))) }

// ready takes the handshake and the setup, and accepts both.
func (p *peer) ready() map[string]any {
	setup := p.upgrade()
	p.say("{\n  \"setupComplete\": {}\n}\n")
	return setup
}

func (p *peer) bye(code int, text string) {
	p.write(frame.Append(nil, frame.Close, frame.ClosePayload(code, text)))
	p.drain()
}

// drain reads until the other side is gone.
func (p *peer) drain() { _, _ = io.Copy(io.Discard, p.in) }

// until reads to the next frame of one kind and gives its payload; nil when the connection has ended.
func (p *peer) until(op frame.Opcode) []byte {
	for {
		got, data, err := p.reader.Next()
		if err != nil {
			return nil
		}
		if got == op {
			return data
		}
	}
}

func testDial() DialConfig {
	c := DefaultDialConfig()
	c.PingInterval = 0
	return c
}

func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func testSetup() live.Setup {
	return live.Setup{
		Model:     live.Model{ID: "gemini-3.8-live"},
		Modality:  "audio",
		InputRate: 16000,
		VAD:       live.VAD{PrefixPadding: -1, SilenceDuration: -1},
	}
}

// geminiDialer is a dialer with the given keys for m.
func geminiDialer(t *testing.T, url string, cfg DialConfig, keys ...string) *Dialer {
	t.Helper()
	if keys == nil {
		keys = []string{"test-key"}
	}
	d, err := NewGemini(GeminiConfig{BaseURL: url, APIVersion: "v1beta", APIKeys: keys}, cfg, discardLog())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// dial opens a connection to m that is closed at the end.
func dial(t *testing.T, m *model) live.Upstream {
	t.Helper()
	u, err := geminiDialer(t, m.url, testDial()).Dial(context.Background(), testSetup())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	return u
}

// receive takes one event of the wanted kind.
func receive(t *testing.T, u live.Upstream, want live.EventKind) live.Event {
	t.Helper()
	var e live.Event
	if err := u.Receive(&e); err != nil {
		t.Fatalf("waiting for event %d: %v", want, err)
	}
	if e.Kind != want {
		t.Fatalf("event %+v, want kind %d", e, want)
	}
	return e
}

// ending receives until the connection ends.
func ending(t *testing.T, u live.Upstream) *live.UpstreamError {
	t.Helper()
	for {
		var e live.Event
		err := u.Receive(&e)
		if err == nil {
			continue
		}
		var up *live.UpstreamError
		if !errors.As(err, &up) {
			t.Fatalf("%T %v is no upstream error", err, err)
		}
		if again := u.Receive(&e); !errors.Is(again, err) {
			t.Fatalf("the error is not sticky: %v, then %v", err, again)
		}
		return up
	}
}
