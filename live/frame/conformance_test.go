package frame

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stonepot/stonepot/live/frame/rfc6455"
)

// peerOf is the other end of a reader in a role.
func peerOf(role Role, limit int) *rfc6455.Peer {
	payload := func(said string, size int) []byte {
		return []byte(said + strings.Repeat(" ", max(0, max(size, 40)-len(said))))
	}
	return &rfc6455.Peer{Masks: role == Server, Limit: limit, Text: payload, Binary: payload}
}

func TestReader_conformsToRFC6455(t *testing.T) {
	for _, role := range []Role{Server, Client} {
		for _, limit := range []int{65_536, 100_000} {
			for _, c := range rfc6455.Table(peerOf(role, limit)) {
				for name, src := range map[string]io.Reader{
					"whole": bytes.NewReader(c.Wire), "byte by byte": iotest.OneByteReader(bytes.NewReader(c.Wire)),
				} {
					check(t, c, NewReader(src, role, limit), name)
				}
			}
		}
	}
}

// check reads until the end and compares it with what the table says.
func check(t *testing.T, c rfc6455.Case, r *Reader, cut string) {
	t.Helper()
	var messages []rfc6455.Message
	var pings []string
	end := 0
	for end == 0 {
		op, p, err := r.Next()
		var violation *Error
		switch {
		case errors.Is(err, io.EOF):
			end = -1
		case errors.As(err, &violation):
			end = violation.Code
		case err != nil:
			t.Fatalf("%s, %s: %v", c.Name, cut, err)
		case op == Ping:
			pings = append(pings, string(p))
		case op == Close:
			bye, err := ParseClose(p)
			if err != nil || c.Violation {
				t.Errorf("%s, %s: the goodbye was taken (%v)", c.Name, cut, err)
				return
			}
			end = bye.Code
		case op != Pong:
			messages = append(messages, rfc6455.Message{Binary: op == Binary, Payload: bytes.Clone(p)})
		}
	}
	if want := c.Close; end != want && (end != -1 || want != 0) {
		t.Errorf("%s, %s: ended with %d, want %d", c.Name, cut, end, want)
	}
	same := func(a, b rfc6455.Message) bool { return a.Binary == b.Binary && bytes.Equal(a.Payload, b.Payload) }
	if !slices.Equal(pings, c.Pings) || !slices.EqualFunc(messages, c.Messages, same) {
		t.Errorf("%s, %s: %d messages and pings %q, want %d and %q", c.Name, cut, len(messages), pings, len(c.Messages), c.Pings)
	}
}

// reference reads all of wire at once, as RFC 6455 says it and with no thought of speed. It is what Reader is measured
// against: what it says in the end is a close code, or io.EOF, or io.ErrUnexpectedEOF.
func reference(wire []byte, role Role, limit int) (said []string, end any) {
	var message []byte
	began := Continuation // no message has begun
	cut := func() ([]string, any) {
		if len(wire) == 0 {
			return said, io.EOF
		}
		return said, io.ErrUnexpectedEOF
	}
	for {
		if len(wire) < 2 {
			return cut()
		}
		fin, op, masked := wire[0]&0x80 != 0, Opcode(wire[0]&0x0F), wire[1]&0x80 != 0
		data := op <= Binary
		switch {
		case wire[0]&0x70 != 0, masked != (role == Server), op > Binary && op < Close, op > Pong,
			!data && (!fin || wire[1]&0x7F > 125),
			data && (op == Continuation) != (began != Continuation):
			return said, CodeProtocol
		}
		n, rest := uint64(wire[1]&0x7F), wire[2:]
		width := 0
		switch n {
		case 126:
			width = 2
		case 127:
			width = 8
		}
		keyed := 0
		if masked {
			keyed = 4
		}
		if len(rest) < width+keyed {
			return cut()
		}
		if width > 0 {
			n = 0
			for _, b := range rest[:width] {
				n = n<<8 | uint64(b)
			}
			if n < 126 || width == 8 && (n < 1<<16 || n >= 1<<63) {
				return said, CodeProtocol
			}
		}
		if data && n > uint64(limit-len(message)) {
			return said, CodeTooLarge
		}
		mask := rest[width : width+keyed]
		rest = rest[width+keyed:]
		if uint64(len(rest)) < n {
			return cut()
		}
		payload := bytes.Clone(rest[:n])
		for i := range payload {
			if masked {
				payload[i] ^= mask[i%4]
			}
		}
		wire = rest[n:]
		if !data {
			if op == Close {
				if _, err := ParseClose(payload); err != nil {
					var violation *Error
					errors.As(err, &violation)
					return said, violation.Code
				}
			}
			said = append(said, string(rune('0'+op))+string(payload))
			continue
		}
		if op != Continuation {
			began, message = op, nil
		}
		message = append(message, payload...)
		if !fin {
			continue
		}
		if began == Text && strings.ToValidUTF8(string(message), "\x00") != string(message) {
			return said, CodeBadUTF8
		}
		said = append(said, string(rune('0'+began))+string(message))
		began, message = Continuation, nil
	}
}

// pieces gives what r holds in pieces of random length, now and then with the error of its end.
type pieces struct {
	r    *bytes.Reader
	rand *rand.Rand
}

func (p *pieces) Read(b []byte) (int, error) {
	n, err := p.r.Read(b[:min(len(b), 1+p.rand.IntN(1+p.rand.IntN(9000)))])
	if err == nil && p.r.Len() == 0 && p.rand.IntN(2) == 0 {
		err = io.EOF
	}
	return n, err
}

// FuzzReader checks that whatever any stranger sends is read as the reference reads it, however it is cut on its way.
func FuzzReader(f *testing.F) {
	for _, role := range []Role{Server, Client} {
		for _, c := range rfc6455.Table(peerOf(role, 1<<16)) {
			if len(c.Wire) < 1000 {
				f.Add(c.Wire, role == Server, uint64(len(c.Wire)))
			}
		}
	}
	f.Add([]byte{0x82, 0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4}, true, uint64(0))
	f.Fuzz(func(t *testing.T, wire []byte, server bool, seed uint64) {
		const limit = 1 << 16
		role := Client
		if server {
			role = Server
		}
		want, wantEnd := reference(wire, role, limit)
		for name, src := range map[string]io.Reader{
			"whole": bytes.NewReader(wire), "byte by byte": iotest.OneByteReader(bytes.NewReader(wire)),
			"in pieces": &pieces{bytes.NewReader(wire), rand.New(rand.NewPCG(seed, 0))},
		} {
			r := NewReader(src, role, limit)
			var got []string
			var end any
			for end == nil {
				op, p, err := r.Next()
				var violation *Error
				switch {
				case errors.As(err, &violation):
					end = violation.Code
				case err != nil:
					end = err
				default:
					got = append(got, string(rune('0'+op))+string(p))
				}
			}
			if !slices.Equal(got, want) || end != wantEnd {
				t.Fatalf("%s: read %q and %v, want %q and %v", name, got, end, want, wantEnd)
			}
		}
	})
}
