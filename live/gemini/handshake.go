package gemini

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/stonepot/stonepot/live/frame"
	"github.com/stonepot/stonepot/live/wire"
)

// attempt is one try to open a connection to one endpoint.
type attempt struct {
	d       *Dialer
	ctx     context.Context // its end closes the connection, at whatever point the attempt is
	sock    *socket         // once there is one
	expires time.Time       // of the credential; zero: never
	stop    func() bool     // ends the watch over ctx
}

// open connects to e, upgrades to a WebSocket and sends the setup, not before left is closed. What went wrong is
// whatever the layer that failed said: see dialTrouble.
func (d *Dialer) open(ctx context.Context, e *endpoint, setup []byte, left <-chan struct{}) (*socket, error) {
	a := &attempt{d: d}
	err := a.run(ctx, func() error {
		if err := a.upgrade(e); err != nil {
			return err
		}
		return a.begin(setup, left)
	})
	return a.sock, err
}

// prepare is open without the setup, and tells when the credential that the connection was opened with expires.
func (d *Dialer) prepare(ctx context.Context, e *endpoint) (*socket, time.Time, error) {
	a := &attempt{d: d}
	err := a.run(ctx, func() error { return a.upgrade(e) })
	return a.sock, a.expires, err
}

// begin is what prepare has left out. Where it fails sock is closed.
func (d *Dialer) begin(ctx context.Context, sock *socket, setup []byte, left <-chan struct{}) error {
	a := &attempt{d: d, sock: sock}
	return a.run(ctx, func() error { return a.begin(setup, left) })
}

// run takes the steps within live.upstream.handshake_timeout; when they fail there is no connection left.
func (a *attempt) run(ctx context.Context, steps func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, a.d.cfg.HandshakeTimeout, errHandshakeTimeout)
	defer cancel()
	a.ctx = ctx
	if a.sock != nil {
		a.watch()
	}
	err := steps()
	if a.stop != nil && !a.stop() && err == nil {
		err = context.Cause(ctx) // the watch closed the connection between the last byte and here
	}
	if err == nil {
		return nil
	}
	if a.sock != nil {
		_ = a.sock.Close()
		a.sock = nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (a *attempt) upgrade(e *endpoint) error {
	header, expires, err := e.header(a.ctx)
	if err != nil {
		return &tokenError{err}
	}
	a.expires = expires
	// The library does the handshake and is then left behind with its buffers. Compression is not offered: base64
	// of PCM barely shrinks, and it is not known whether Google would take it.
	ws := websocket.Dialer{
		NetDialContext:    a.plain,
		NetDialTLSContext: a.secure,
		ReadBufferSize:    1024,
		WriteBufferSize:   256, // for frames that it will not write
	}
	_, res, err := ws.DialContext(a.ctx, e.url, header)
	if errors.Is(err, websocket.ErrBadHandshake) && res != nil {
		return refusedUpgrade(res)
	}
	return err
}

// begin sends the setup, not before left is closed; nil: at once.
func (a *attempt) begin(setup []byte, left <-chan struct{}) error {
	if left != nil {
		select {
		case <-left:
		case <-a.ctx.Done():
			return context.Cause(a.ctx)
		}
	}
	_, err := a.sock.Write(frame.AppendMasked(nil, frame.Text, setup, maskKey()))
	return err
}

func (a *attempt) plain(ctx context.Context, network, addr string) (net.Conn, error) {
	raw, err := a.tcp(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return a.keep(raw, raw), nil
}

func (a *attempt) secure(ctx context.Context, network, addr string) (net.Conn, error) {
	raw, err := a.tcp(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := tls.Client(raw, a.d.tlsFor(addr))
	if err := c.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, &tlsError{err}
	}
	return a.keep(c, raw), nil
}

func (a *attempt) tcp(ctx context.Context, network, addr string) (*wire.Conn, error) {
	c, err := a.d.net.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		_ = c.Close()
		return nil, fmt.Errorf("%s is not reached by TCP", addr)
	}
	// Go's default already, but the latency of every frame hangs on it.
	err = tcp.SetNoDelay(true)
	var raw *wire.Conn
	if err == nil {
		raw, err = wire.New(tcp)
	}
	if err != nil {
		_ = tcp.Close()
		return nil, err
	}
	return raw, nil
}

// keep remembers the connection behind the library's back.
func (a *attempt) keep(c net.Conn, raw *wire.Conn) net.Conn {
	a.sock = &socket{Conn: c, raw: raw}
	a.watch()
	return a.sock
}

// watch looks after ctx from here on: the library looks at its deadline, not at its end.
func (a *attempt) watch() {
	raw := a.sock.raw
	a.stop = context.AfterFunc(a.ctx, func() { _ = raw.Close() })
}

// refusedUpgrade is an HTTP answer that is not an upgrade, with the beginning of what it says.
func refusedUpgrade(res *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1024)) // the library has read it already
	return &httpError{status: res.StatusCode, body: string(body)}
}

var errHandshakeTimeout = errors.New("the handshake took longer than live.upstream.handshake_timeout")

// httpError is an HTTP answer in place of an upgrade.
type httpError struct {
	status int
	body   string
}

func (e *httpError) Error() string {
	return fmt.Sprintf("HTTP %d %s: %s", e.status, http.StatusText(e.status), e.body)
}

// tlsError is a failed TLS handshake, apart from the TCP connection under it.
type tlsError struct{ err error }

func (e *tlsError) Error() string { return e.err.Error() }
func (e *tlsError) Unwrap() error { return e.err }

// tokenError is a failure to get an access token.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }
