package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"sync"
	"time"
)

// slowLine stands in front of a server as a long way would: it speaks TLS with a certificate of its own, and each step
// of opening a connection takes longer. What follows passes as it is. The kernel answers a TCP connect by itself, so
// that delay lies between it and the first byte of TLS: the sum is the same.
type slowLine struct {
	url   string
	roots string // a file with the certificate to trust

	listener net.Listener
	target   string
	delay    time.Duration
	tls      *tls.Config
	wg       sync.WaitGroup

	mu     sync.Mutex
	closed bool                  // guarded by mu
	conns  map[net.Conn]struct{} // guarded by mu
}

func newSlowLine(target string, delay time.Duration) (*slowLine, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	s := &slowLine{target: u.Host, delay: delay, conns: map[net.Conn]struct{}{}}
	if err := s.certify(); err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		_ = os.Remove(s.roots)
		return nil, err
	}
	s.url = "https://" + s.listener.Addr().String()
	s.wg.Go(func() {
		for {
			c, err := s.listener.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(c) })
		}
	})
	return s, nil
}

// certify makes a certificate, and a file that says so.
func (s *slowLine) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Stonepot's benchmarks"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	s.tls = &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			time.Sleep(s.delay)
			return nil, nil // this one
		},
	}
	f, err := os.CreateTemp("", "stonepot-benchmark-*.pem")
	if err != nil {
		return err
	}
	s.roots = f.Name()
	err = pem.Encode(f, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// serve is one connection.
func (s *slowLine) serve(raw net.Conn) {
	defer s.forget(raw)
	if !s.keep(raw) {
		return
	}
	time.Sleep(s.delay)
	near := tls.Server(raw, s.tls)
	if near.Handshake() != nil {
		return
	}
	head := make([]byte, 4<<10)
	n, err := near.Read(head) // the request is smaller, and is sent at once
	if err != nil {
		return
	}
	time.Sleep(s.delay)
	far, err := net.Dial("tcp", s.target)
	if err != nil {
		return
	}
	defer s.forget(far)
	if !s.keep(far) {
		return
	}
	if _, err := far.Write(head[:n]); err != nil {
		return
	}
	s.wg.Go(func() {
		_, _ = io.Copy(near, far)
		_ = raw.Close()
	})
	_, _ = io.Copy(far, near)
}

// keep remembers c; false: the line is closed.
func (s *slowLine) keep(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
	return !s.closed
}

func (s *slowLine) forget(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// close ends every connection and waits for them.
func (s *slowLine) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	_ = os.Remove(s.roots)
}
