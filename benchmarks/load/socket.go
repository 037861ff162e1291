package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6455 §4.2.2 wants it
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// writeTimeout is how long a server may not take a message before the session counts as lost. It is longer than the
// server's own patience (limits.write_timeout), so that the server's word on it arrives.
const writeTimeout = 30 * time.Second

// maxMessage bounds what a server may send in one message.
const maxMessage = 16 << 20

// socket is the client's end of a WebSocket. Next is called by one goroutine; the others may be called by several.
type socket struct {
	conn   net.Conn
	reader *frame.Reader

	mu  sync.Mutex // one writer at a time
	buf []byte     // for text; guarded by mu
}

// dialer opens the connections of a run.
type dialer struct {
	target *target
	net    net.Dialer
	tls    *tls.Config
	header http.Header
}

func newDialer(o *options) *dialer {
	d := &dialer{target: &o.target, header: o.header}
	if !o.owned {
		d.net.Control = guard
	}
	if o.target.tls {
		host, _, _ := net.SplitHostPort(o.target.host)
		d.tls = &tls.Config{ServerName: host, InsecureSkipVerify: o.insecure, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12} //nolint:gosec // --insecure
	}
	return d
}

// open connects, within ctx, and upgrades to a WebSocket at path.
func (d *dialer) open(ctx context.Context, path string, protocols []string) (*socket, error) {
	conn, err := d.connect(ctx)
	if err != nil {
		return nil, failed("connect", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	s, err := d.upgrade(conn, path, protocols)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, failed("upgrade", err)
	}
	return s, nil
}

func (d *dialer) connect(ctx context.Context) (net.Conn, error) {
	conn, err := d.net.DialContext(ctx, "tcp", d.target.host)
	if err != nil || d.tls == nil {
		return conn, err
	}
	secure := tls.Client(conn, d.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// upgrade does the opening handshake of RFC 6455 §4.1.
func (d *dialer) upgrade(conn net.Conn, path string, protocols []string) (*socket, error) {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails
	key := base64.StdEncoding.EncodeToString(nonce)
	req, err := http.NewRequest(http.MethodGet, d.target.url(path), nil) //nolint:noctx // written by hand
	if err != nil {
		return nil, err
	}
	req.Header = d.header.Clone()
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Sec-WebSocket-Version", "13")
	req.Header.Set("Sec-WebSocket-Key", key)
	if len(protocols) > 0 {
		req.Header.Set("Sec-WebSocket-Protocol", strings.Join(protocols, ", "))
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return nil, refused("upgrade", res)
	}
	if got := res.Header.Get("Sec-WebSocket-Accept"); got != accept(key) {
		return nil, &failure{"upgrade: the answer is no WebSocket handshake", nil}
	}
	// The server's first messages may have come with the answer.
	early, err := in.Peek(in.Buffered())
	if err != nil {
		return nil, err
	}
	var from io.Reader = conn
	if len(early) > 0 {
		from = io.MultiReader(bytes.NewReader(early), conn)
	}
	return &socket{conn: conn, reader: frame.NewReader(from, frame.Client, maxMessage)}, nil
}

// accept is what a server answers to a key (RFC 6455 §4.2.2).
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // RFC 6455
	return base64.StdEncoding.EncodeToString(sum[:])
}

// refused makes a failure of an HTTP answer that says no: its status and, from a Stonepot, its code.
func refused(step string, res *http.Response) *failure {
	defer res.Body.Close() //nolint:errcheck // it was read
	var body struct{ Code, Error string }
	data, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // what can be had of it
	_ = json.Unmarshal(data, &body)                         // a proxy answers in HTML
	reason := fmt.Sprintf("%s: %d", step, res.StatusCode)
	if body.Code != "" {
		reason += " " + body.Code
	}
	if body.Error == "" {
		return &failure{reason, nil}
	}
	return &failure{reason, errors.New(body.Error)}
}

// next waits for the next message, answering pings on the way. payload is borrowed until the next call. A close is a
// *frame.CloseError.
func (s *socket) next() (op frame.Opcode, payload []byte, err error) {
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
			_ = s.write(frame.Close, frame.ClosePayload(1000, "")) // the goodbye is answered as far as it goes
			return op, nil, why
		case op == frame.Ping:
			if err := s.write(frame.Pong, payload); err != nil {
				return op, nil, err
			}
		case op != frame.Pong:
			return op, payload, nil
		}
	}
}

// write sends one message. payload is copied.
func (s *socket) write(op frame.Opcode, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = frame.AppendMasked(s.buf[:0], op, payload, mrand.Uint32())
	return s.send(s.buf)
}

// writeFrame sends audio. buf begins with frame.Room free bytes, and what follows is masked in place.
func (s *socket) writeFrame(buf []byte) error {
	sealed := frame.SealMasked(buf, frame.Binary, mrand.Uint32())
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.send(sealed)
}

// send is called with mu held.
func (s *socket) send(p []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := s.conn.Write(p)
	return err
}

func (s *socket) close() { _ = s.conn.Close() }
