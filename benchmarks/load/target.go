package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"github.com/stonepot/stonepot/handlers"
)

// target is the server under load.
type target struct {
	host string // with its port
	tls  bool
	// path of the voice WebSocket with its query. Empty: what the server's answer to session/create says.
	path    string
	backend string // asked for in session/create; empty: the server's default
}

// parseTarget takes ws://, wss://, http:// and https://, with or without the path of a voice WebSocket.
func parseTarget(s, backend string) (t target, err error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return t, fmt.Errorf("the URL must look like ws://127.0.0.1:8080 or wss://example.com, got %q", s)
	}
	port := "80"
	switch u.Scheme {
	case "ws", "http":
	case "wss", "https":
		t.tls, port = true, "443"
	default:
		return t, fmt.Errorf("the URL must begin with ws://, wss://, http:// or https://, got %q", s)
	}
	switch {
	case u.User != nil:
		return t, errors.New("the URL must hold no name or password: use --header")
	case u.Fragment != "":
		return t, fmt.Errorf("the URL must hold no fragment, got #%s", u.Fragment)
	case u.Hostname() == "":
		return t, fmt.Errorf("the URL names no host: %q", s)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	t.host = net.JoinHostPort(u.Hostname(), port)
	if u.Path != "" && u.Path != "/" {
		t.path = u.RequestURI()
	}
	t.backend = backend
	return t, t.settle(u.Path)
}

// settle brings the path and the backend together.
func (t *target) settle(path string) error {
	paths := map[string]string{"gemini": handlers.PathGemini, "vertex": handlers.PathVertex}
	for name, p := range paths {
		switch {
		case path != p:
		case t.backend != "" && t.backend != name:
			return fmt.Errorf("the URL's path belongs to the backend %s, and --backend says %s", name, t.backend)
		default:
			t.backend = name
		}
	}
	return nil
}

// voicePath is the path to dial where no answer of session/create gave one.
func (t *target) voicePath() string {
	switch {
	case t.path != "":
		return t.path
	case t.backend == "vertex":
		return handlers.PathVertex
	default:
		return handlers.PathGemini
	}
}

// url is an address of the server for its REST API.
func (t *target) url(path string) string {
	if t.tls {
		return "https://" + t.host + path
	}
	return "http://" + t.host + path
}

// String is the server's address for people, without a query, which may hold a secret.
func (t *target) String() string {
	path, _, _ := strings.Cut(t.path, "?")
	return map[bool]string{false: "ws://", true: "wss://"}[t.tls] + t.host + path
}

// here reports whether the URL names this machine. guard sees to it when connecting.
func (t *target) here() bool {
	host, _, err := net.SplitHostPort(t.host)
	return err == nil && loopback(host)
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// guard is the Control of every dialer of an unowned target: whatever a name resolves to and an answer says, a
// connection leaves this machine only when the person has said so.
func guard(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil || !loopback(host) {
		return fmt.Errorf("%s is not this machine: add --i-own-this-target if it is yours", address)
	}
	return nil
}
