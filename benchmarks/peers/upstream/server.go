package upstream

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // RFC 6455 §4.2.2 wants it
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Raw is the path for relays that pass bytes on.
const Raw = "/raw"

// Config is how a Server behaves. The zero value echoes.
type Config struct {
	// With Every > 0 it speaks: TalkBytes of PCM in each message, at that rate, from the setup on, and echoes nothing.
	TalkBytes int
	Every     time.Duration

	// Heard, which may be nil, is called with the PCM of each message that came, and Said with what was answered.
	// They are called by each connection's goroutines, and must not keep the slice.
	Heard, Said func(pcm []byte)
}

// Counts are what crossed the model's end since its start.
type Counts struct {
	MessagesIn, BytesIn   int64 // of audio; bytes of PCM
	MessagesOut, BytesOut int64
	Refused               int64 // connections that were ended because of what they said
}

// Server is a model's end on two free ports of this machine, with TLS and without. Its methods may be called by anybody.
type Server struct {
	cfg     Config
	plain   net.Listener
	secure  net.Listener
	http    *http.Server
	caFile  string
	talking []byte // PCM

	serving sync.WaitGroup // the accept loops, and every connection
	mu      sync.Mutex
	conns   map[net.Conn]struct{}
	closed  bool
	refusal error // the first one

	messagesIn, bytesIn, messagesOut, bytesOut, refused atomic.Int64
}

// Start listens. dir takes the certificate's file and must outlive the Server. The caller closes it.
func Start(cfg Config, dir string) (*Server, error) {
	certificate, caFile, err := certify(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, caFile: caFile, conns: map[net.Conn]struct{}{}, talking: pattern(cfg.TalkBytes)}
	if s.plain, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if s.secure, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, s.plain.Close())
	}
	s.secure = tls.NewListener(s.secure, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 30 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	for _, l := range []net.Listener{s.plain, s.secure} {
		s.serving.Go(func() { _ = s.http.Serve(l) }) // until Close
	}
	return s, nil
}

// URL is where relays find it: http://host:port, or https:// with a certificate of CAFile.
func (s *Server) URL(secure bool) string {
	if secure {
		return "https://" + s.secure.Addr().String()
	}
	return "http://" + s.plain.Addr().String()
}

// CAFile holds the certificate of URL(true), PEM.
func (s *Server) CAFile() string { return s.caFile }

// Counts returns what crossed so far.
func (s *Server) Counts() Counts {
	return Counts{s.messagesIn.Load(), s.bytesIn.Load(), s.messagesOut.Load(), s.bytesOut.Load(), s.refused.Load()}
}

// Err is the first thing that a relay said that the Live API would not understand.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refusal
}

// Close ends all connections and waits for them.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	err := s.http.Close()
	s.serving.Wait()
	return err
}

// ServeHTTP upgrades to a WebSocket and serves it; /health is answered for relays that pass everything on.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw := strings.HasPrefix(r.URL.Path, Raw)
	switch {
	case r.URL.Path == "/health":
		return
	case !raw && !strings.Contains(r.URL.Path, "BidiGenerateContent"):
		http.NotFound(w, r)
		return
	case !strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		http.Error(w, "a WebSocket is expected here", http.StatusUpgradeRequired)
		return
	}
	conn, early, err := hijack(w, r.Header.Get("Sec-WebSocket-Key"))
	if err != nil || !s.adopt(conn) {
		return
	}
	defer s.disown(conn)
	c := newConn(s, conn, early, raw)
	if err := c.serve(); err != nil {
		s.refuse(err)
	}
}

// hijack takes the connection over, with what has come behind the request, and answers the handshake.
func hijack(w http.ResponseWriter, key string) (net.Conn, io.Reader, error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, err := buffered.Reader.Peek(buffered.Reader.Buffered())
	if err == nil {
		_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept(key))
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	if len(early) == 0 {
		return conn, conn, nil
	}
	return conn, io.MultiReader(bytes.NewReader(bytes.Clone(early)), conn), nil
}

// accept is the answer to a key (RFC 6455 §4.2.2).
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // RFC 6455
	return base64.StdEncoding.EncodeToString(sum[:])
}

// adopt makes conn end with the Server; false means that it already has.
func (s *Server) adopt(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return false
	}
	s.conns[conn] = struct{}{}
	s.serving.Add(1)
	return true
}

func (s *Server) disown(conn net.Conn) {
	_ = conn.Close()
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
	s.serving.Done()
}

func (s *Server) refuse(err error) {
	s.refused.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal == nil {
		s.refusal = err
	}
}

// pattern is n bytes of PCM of which no part is like another.
func pattern(n int) []byte {
	pcm := make([]byte, n)
	x := uint32(1)
	for i := range pcm {
		x = x*1664525 + 1013904223
		pcm[i] = byte(x >> 24)
	}
	return pcm
}
