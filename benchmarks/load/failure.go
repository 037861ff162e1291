package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/stonepot/stonepot/live/frame"
)

// failure is why a session is not, or no longer, there, in few and fixed words: they are counted.
type failure struct {
	reason string
	cause  error // may be nil
}

func (f *failure) Error() string {
	if f.cause != nil {
		return f.reason + ": " + f.cause.Error()
	}
	return f.reason
}

func (f *failure) Unwrap() error { return f.cause }

// failed makes a failure of what a step returned: the step's name and the kind of trouble, without addresses and other
// words that differ from session to session.
func failed(step string, err error) *failure {
	if f := (*failure)(nil); errors.As(err, &f) {
		return f
	}
	return &failure{step + ": " + trouble(err), err}
}

// trouble names the kinds of network errors.
func trouble(err error) string {
	var (
		closed    *frame.CloseError
		violation *frame.Error
		dns       *net.DNSError
		timeout   interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &closed):
		return closing(closed.Code)
	case errors.As(err, &violation):
		return "the server violated the WebSocket protocol"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "too many open files on this machine (see ulimit -n)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no free local port (see net.ipv4.ip_local_port_range)"
	case errors.As(err, &dns):
		return "the name could not be resolved"
	case certificate(err):
		return "the TLS certificate is not trusted"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed without a goodbye"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "given up by the generator"
	default:
		return "network error"
	}
}

func certificate(err error) bool {
	var (
		verify  *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
	)
	return errors.As(err, &verify) || errors.As(err, &unknown) || errors.As(err, &name)
}

// closing says with which code a connection was closed.
func closing(code int) string {
	if code == 1005 {
		return "closed without a code"
	}
	return fmt.Sprintf("closed with %d", code)
}
