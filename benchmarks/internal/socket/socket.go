// Package socket is a client's end of a WebSocket, for programs that measure servers: no allocation per message, and
// nothing between them and the bytes.
package socket

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6455 §4.2.2 wants it
	"encoding/base64"
	"errors"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// Config says what a client bears.
type Config struct {
	Protocols    []string      // offered subprotocols
	MaxMessage   int           // bytes that the server may send in one message
	WriteTimeout time.Duration // how long the server may not take a message
}

// Conn is an open WebSocket. Next is called by one goroutine; the others may be called by several.
type Conn struct {
	net      net.Conn
	reader   *frame.Reader
	patience time.Duration

	mu  sync.Mutex // one writer at a time: pongs and acks go between frames
	buf []byte     // for what is not audio; guarded by mu
}

// ErrNoHandshake is an answer with the right status and the wrong Sec-WebSocket-Accept.
var ErrNoHandshake = errors.New("the answer is no WebSocket handshake")

// RefusedError is an upgrade that was answered with another status. Whoever gets it closes the answer's body.
type RefusedError struct{ Response *http.Response }

func (e *RefusedError) Error() string { return "the upgrade was answered with " + e.Response.Status }

// Upgrade makes a WebSocket of conn; see Handshake.
func Upgrade(conn net.Conn, req *http.Request, cfg Config) (*Conn, error) {
	from, _, err := Handshake(conn, req, cfg.Protocols)
	if err != nil {
		return nil, err
	}
	return &Conn{net: conn, reader: frame.NewReader(from, frame.Client, cfg.MaxMessage), patience: cfg.WriteTimeout}, nil
}

// Handshake is the opening handshake of RFC 6455 §4.1 with req, whose headers it completes. It sets no deadline of its own.
// It returns what to read messages from, since the first may have come with the answer, and the subprotocol that was accepted.
func Handshake(conn net.Conn, req *http.Request, protocols []string) (from io.Reader, protocol string, err error) {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails
	key := base64.StdEncoding.EncodeToString(nonce)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Sec-WebSocket-Version", "13")
	req.Header.Set("Sec-WebSocket-Key", key)
	if len(protocols) > 0 {
		req.Header.Set("Sec-WebSocket-Protocol", strings.Join(protocols, ", "))
	}
	if err = req.Write(conn); err != nil {
		return nil, "", err
	}
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, req)
	if err != nil {
		return nil, "", err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return nil, "", &RefusedError{res}
	}
	_ = res.Body.Close() // there is none
	if res.Header.Get("Sec-WebSocket-Accept") != Accept(key) {
		return nil, "", ErrNoHandshake
	}
	early, err := in.Peek(in.Buffered())
	if err != nil {
		return nil, "", err
	}
	from = conn
	if len(early) > 0 {
		from = io.MultiReader(bytes.NewReader(early), conn)
	}
	return from, res.Header.Get("Sec-WebSocket-Protocol"), nil
}

// Accept is what a server answers to a key (RFC 6455 §4.2.2).
func Accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // RFC 6455
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Next waits for the next message, answering pings and the goodbye on the way. payload is borrowed until the next call. A
// close is a *frame.CloseError.
func (c *Conn) Next() (op frame.Opcode, payload []byte, err error) {
	for {
		op, payload, err = c.reader.Next()
		switch {
		case err != nil:
			return op, nil, err
		case op == frame.Close:
			why, err := frame.ParseClose(payload)
			if err != nil {
				return op, nil, err
			}
			_ = c.Write(frame.Close, frame.ClosePayload(1000, "")) // the goodbye is answered as far as it goes
			return op, nil, why
		case op == frame.Ping:
			if err := c.Write(frame.Pong, payload); err != nil {
				return op, nil, err
			}
		case op != frame.Pong:
			return op, payload, nil
		}
	}
}

// Write sends one message. payload is copied.
func (c *Conn) Write(op frame.Opcode, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf = frame.AppendMasked(c.buf[:0], op, payload, mrand.Uint32())
	return c.send(c.buf)
}

// WriteFrame sends audio. buf begins with frame.Room free bytes, and what follows is masked in place.
func (c *Conn) WriteFrame(buf []byte) error {
	sealed := frame.SealMasked(buf, frame.Binary, mrand.Uint32())
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.send(sealed)
}

// send is called with mu held.
func (c *Conn) send(p []byte) error {
	if err := c.net.SetWriteDeadline(time.Now().Add(c.patience)); err != nil {
		return err
	}
	_, err := c.net.Write(p)
	return err
}

// SetReadDeadline bounds Next.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.net.SetReadDeadline(t) }

// Close drops the connection without a word.
func (c *Conn) Close() { _ = c.net.Close() }
