package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/socket"
)

// writeTimeout is how long a server may not take a message before the session counts as lost. It is longer than the
// server's own patience (limits.write_timeout), so that the server's word on it arrives.
const writeTimeout = 30 * time.Second

// maxMessage bounds what a server may send in one message.
const maxMessage = 16 << 20

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
func (d *dialer) open(ctx context.Context, path string, protocols []string) (*socket.Conn, error) {
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

// upgrade makes a WebSocket of conn.
func (d *dialer) upgrade(conn net.Conn, path string, protocols []string) (*socket.Conn, error) {
	req, err := http.NewRequest(http.MethodGet, d.target.url(path), nil) //nolint:noctx // conn has it
	if err != nil {
		return nil, err
	}
	req.Header = d.header.Clone()
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	c, err := socket.Upgrade(conn, req, socket.Config{Protocols: protocols, MaxMessage: maxMessage, WriteTimeout: writeTimeout})
	var no *socket.RefusedError
	switch {
	case errors.As(err, &no):
		return nil, refused("upgrade", no.Response)
	case errors.Is(err, socket.ErrNoHandshake):
		return nil, &failure{"upgrade: " + err.Error(), nil}
	}
	return c, err
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
