package gemini

import (
	"crypto/tls"
	"io"
	"net"
	"time"

	"github.com/stonepot/stonepot/live/frame"
	"github.com/stonepot/stonepot/live/wire"
)

// socket is a connection whose handshake a library with a buffer of its own reads. Its Read stops at the end of
// the HTTP header, so that not one byte of the first frame ends up in the library's buffer, which nobody can get
// at afterwards.
type socket struct {
	net.Conn
	raw *wire.Conn // under TLS, or the same as Conn

	ahead     []byte // read from the connection, not yet given on
	first     [1]byte
	relieved  bool // Await's last word was that nothing has come
	past      bool // the header has ended
	lineEmpty bool // nothing but CR since the last LF
}

// Read gives at most the rest of the HTTP header in one call; once that has ended it reads on as it comes.
func (s *socket) Read(p []byte) (int, error) {
	if len(s.ahead) == 0 {
		if s.past {
			return s.Conn.Read(p)
		}
		buf := make([]byte, 1024) // in handshakes only
		n, err := s.Conn.Read(buf)
		if n == 0 {
			return 0, err
		}
		s.ahead = buf[:n]
	}
	n := min(len(p), len(s.ahead))
	if !s.past {
		n = s.header(s.ahead[:n])
	}
	copy(p, s.ahead[:n])
	if s.ahead = s.ahead[n:]; len(s.ahead) == 0 {
		s.ahead = nil
	}
	return n, nil
}

// Await implements frame.Awaiter: under TLS bytes can wait in a buffer that nobody sees, so it takes one.
func (s *socket) Await() error {
	if len(s.ahead) > 0 {
		return nil
	}
	s.raw.Heed(true)
	n, err := s.Read(s.first[:])
	s.raw.Heed(false)
	s.relieved = err == wire.ErrRelieved //nolint:errorlint // as it is: crypto/tls passes it on
	if n == 0 {
		return err
	}
	s.ahead = s.first[:]
	return nil
}

// park is wire.Conn's, unless something may lie in TLS's own memory.
func (s *socket) park(w wire.Waker) bool {
	return (s.relieved || s.Conn == net.Conn(s.raw)) && len(s.ahead) == 0 && s.raw.Park(w)
}

// source is what a frame reader reads of a conversation, which begins with what was read ahead.
func (s *socket) source(maxMessage int) *frame.Reader {
	var from io.Reader = s
	if s.Conn == net.Conn(s.raw) {
		from = (*plain)(s)
	}
	r := frame.NewReader(from, frame.Client, maxMessage)
	r.Preload(s.ahead)
	s.ahead = nil
	return r
}

// plain is a socket without TLS.
type plain socket

func (p *plain) Read(b []byte) (int, error) { return (*socket)(p).Read(b) }

// Poll implements frame.Poller.
func (p *plain) Poll(try func(fd uintptr) bool) error { return p.raw.Poll(try) }

// header is how many bytes of p belong to the HTTP header: it ends with an empty line.
func (s *socket) header(p []byte) int {
	for i, c := range p {
		switch {
		case c == '\n' && s.lineEmpty:
			s.past = true
			return i + 1
		case c == '\n':
			s.lineEmpty = true
		case c != '\r':
			s.lineEmpty = false
		}
	}
	return len(p)
}

// closeWrite says that nothing more will be written, so that the other side reads everything before the end.
func (s *socket) closeWrite() {
	if c, ok := s.Conn.(*tls.Conn); ok {
		_ = c.CloseWrite()
	}
	_ = s.raw.CloseWrite()
}

// discard reads until the other side closes or the time has come. The kernel answers unread bytes with a reset,
// and that could overtake the goodbye.
func (s *socket) discard(until time.Time) {
	if s.raw.SetReadDeadline(until) != nil {
		return
	}
	var buf [512]byte
	for {
		if _, err := s.raw.Read(buf[:]); err != nil {
			return
		}
	}
}
