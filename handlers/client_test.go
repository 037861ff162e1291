package handlers

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp's clock, which lives as long as the process.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		// Its sweeper of idle workers, asleep for up to ten seconds after its server has ended.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// Patience bounds everything that a test waits for; no test expects anything of how long something takes.
const Patience = 20 * time.Second

// RawClient speaks RFC 6455 by hand, and as wrongly as a test wants, so that no mistake of package frame hides.
type RawClient struct {
	Conn   net.Conn
	Status int
	Header http.Header
	Body   []byte // of an answer that is no upgrade

	t  testing.TB
	br *bufio.Reader
}

// Handshake is what a browser would send, with changes: an empty value takes the header away.
func Handshake(path string, change map[string]string) string {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce)
	headers := map[string]string{
		"Host": "stonepot.example", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": base64.StdEncoding.EncodeToString(nonce),
	}
	for k, v := range change {
		headers[k] = v
	}
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\n", path)
	for k, v := range headers {
		if v != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", k, v)
		}
	}
	return b.String() + "\r\n"
}

// DialRaw sends request (and whatever follows it at once) and reads the answer's head.
func DialRaw(t testing.TB, addr, request string) *RawClient {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(Patience))
	if _, err = io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	c := ClientOn(t, conn)
	c.Answer()
	return c
}

// ClientOn speaks on a connection that there is already.
func ClientOn(t testing.TB, conn net.Conn) *RawClient {
	return &RawClient{Conn: conn, t: t, br: bufio.NewReader(conn)}
}

// Answer reads the head of the answer to the handshake.
func (c *RawClient) Answer() {
	c.t.Helper()
	response, err := http.ReadResponse(c.br, nil)
	if err != nil {
		c.t.Fatalf("no answer to the handshake: %v", err)
	}
	c.Status, c.Header = response.StatusCode, response.Header
	if c.Status != http.StatusSwitchingProtocols {
		c.Body, _ = io.ReadAll(response.Body)
	}
	_ = response.Body.Close()
}

// Take takes n bytes of what the server says.
func (c *RawClient) Take(n int) {
	c.t.Helper()
	if _, err := io.CopyN(io.Discard, c.br, int64(n)); err != nil {
		c.t.Errorf("%d bytes: %v", n, err)
	}
}

// DialWS opens a WebSocket that must be accepted.
func DialWS(t testing.TB, addr, path string) *RawClient {
	t.Helper()
	c := DialRaw(t, addr, Handshake(path, nil))
	if c.Status != http.StatusSwitchingProtocols {
		t.Fatalf("the upgrade was refused with %d: %s", c.Status, c.Body)
	}
	return c
}

const (
	OpText, OpBinary, OpClose, OpPing, OpPong = 1, 2, 8, 9, 10
	Fin                                       = 0x80
)

// Masked builds one frame; head is its first byte.
func Masked(head byte, payload []byte) []byte {
	f := []byte{head}
	switch n := len(payload); {
	case n < 126:
		f = append(f, 0x80|byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, 0x80|126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, 0x80|127), uint64(n))
	}
	key := [4]byte{0xA1, 0x07, 0x5C, 0xE3}
	f = append(f, key[:]...)
	for i, b := range payload {
		f = append(f, b^key[i%4])
	}
	return f
}

// Write sends bytes as they are. That the server has closed meanwhile shows when reading.
func (c *RawClient) Write(p []byte) {
	_, _ = c.Conn.Write(p)
}

func (c *RawClient) Text(s string)   { c.Write(Masked(Fin|OpText, []byte(s))) }
func (c *RawClient) Binary(p []byte) { c.Write(Masked(Fin|OpBinary, p)) }

// Frame reads one frame as it comes.
func (c *RawClient) Frame() (head byte, payload []byte, err error) {
	var h [2]byte
	if _, err = io.ReadFull(c.br, h[:]); err != nil {
		return 0, nil, err
	}
	if h[1]&0x80 != 0 {
		return 0, nil, errors.New("the server masks its frames")
	}
	n, wide := uint64(h[1]), [8]byte{}
	switch n {
	case 126:
		_, err = io.ReadFull(c.br, wide[6:])
		n = binary.BigEndian.Uint64(wide[:])
	case 127:
		_, err = io.ReadFull(c.br, wide[:])
		n = binary.BigEndian.Uint64(wide[:])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(c.br, payload)
	return h[0], payload, err
}

// Expect reads frames until one has the opcode, and fails at anything but audio and text on the way.
func (c *RawClient) Expect(op byte) []byte {
	c.t.Helper()
	for {
		head, payload, err := c.Frame()
		if err != nil {
			c.t.Fatalf("waiting for a frame with opcode %d: %v", op, err)
		}
		if head&0x0F == op {
			return payload
		}
		if head&0x0F >= 8 {
			c.t.Fatalf("got opcode %d with %q, want %d", head&0x0F, payload, op)
		}
	}
}

// Closing is how a connection ended.
type Closing struct {
	Code int // 0: without a close frame
	Text string
}

// Message reads until a text message of the type comes.
func (c *RawClient) Message(kind string) map[string]any {
	c.t.Helper()
	for {
		m, end := c.Next()
		if m == nil {
			c.t.Fatalf("the connection ended with %+v before a %s came", *end, kind)
		}
		if m["type"] == kind {
			return m
		}
	}
}

// Next reads the next text message, skipping audio; nil and how it ended when there is none.
func (c *RawClient) Next() (map[string]any, *Closing) {
	c.t.Helper()
	for {
		head, payload, err := c.Frame()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.t.Fatal("the server says nothing more and does not close")
		case err != nil:
			return nil, &Closing{}
		case head&0x0F == OpClose && len(payload) >= 2:
			return nil, &Closing{int(binary.BigEndian.Uint16(payload)), string(payload[2:])}
		case head&0x0F == OpClose:
			return nil, &Closing{Code: 1005}
		case head&0x0F == OpText:
			m := map[string]any{}
			if err := json.Unmarshal(payload, &m); err != nil {
				c.t.Fatalf("%q: %v", payload, err)
			}
			return m, nil
		}
	}
}

// End reads until the connection is over, answers the close frame, and returns what was said by then.
func (c *RawClient) End() (said []map[string]any, how Closing) {
	c.t.Helper()
	for {
		m, end := c.Next()
		if m == nil {
			if end.Code != 0 {
				c.Write(Masked(Fin|OpClose, nil))
			}
			return said, *end
		}
		said = append(said, m)
	}
}
