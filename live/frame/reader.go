package frame

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"unicode/utf8"
)

// Role is which end of the connection a Reader stands at.
type Role uint8

// The roles. A server takes only masked frames, a client only unmasked ones (RFC 6455 §5.1).
const (
	Server Role = iota
	Client
)

// smallBuffer is what a Reader keeps between messages: enough for 40 ms of 24 kHz audio with its header.
const smallBuffer = 4 << 10

// shrinkAfter is how many messages without a long one give the memory of long ones back. A model's long and
// short messages alternate within seconds: giving back at once would allocate for each long one.
const shrinkAfter = 512

// Reader takes the messages of the other side off a connection. It is used by one goroutine. It allocates only
// when a message is longer than every one before, and gives the memory of long messages back.
type Reader struct {
	src  io.Reader
	role Role
	max  int

	buf        []byte // read from src: buf[start:end] is not yet taken
	start, end int
	short      int // messages since the last long one

	message  []byte // fragments of a message whose end has not come
	assembly Opcode // its opcode; Continuation when there is none
}

// NewReader reads messages of at most limit bytes from src.
func NewReader(src io.Reader, role Role, limit int) *Reader {
	return &Reader{src: src, role: role, max: limit, buf: make([]byte, smallBuffer)}
}

// Next waits for the next whole message or control frame. payload is borrowed until the next call, unmasked,
// and may be changed by the caller. Text, and the text of a close frame, is valid UTF-8. The error is an
// *Error, or what src answered; after an error the Reader is done. A close frame is returned as any other: see
// ParseClose.
func (r *Reader) Next() (op Opcode, payload []byte, err error) {
	for {
		h, err := r.header()
		if err != nil {
			return 0, nil, err
		}
		if h.op.Control() {
			if payload, err = r.payload(h); err == nil && h.op == Close {
				_, err = ParseClose(payload)
			}
			return h.op, payload, err
		}
		if h.fin && r.assembly == Continuation { // the usual case: one frame, one message
			if payload, err = r.payload(h); err != nil {
				return 0, nil, err
			}
			return h.op, payload, checkText(h.op, payload)
		}
		done, err := r.fragment(h)
		if err != nil {
			return 0, nil, err
		}
		if done {
			op, p := r.assembly, r.message
			r.assembly, r.message = Continuation, nil
			return op, p, checkText(op, p)
		}
	}
}

// Buffered is how many bytes have been read from the connection but belong to no message returned so far.
func (r *Reader) Buffered() int { return r.end - r.start }

type header struct {
	fin    bool
	op     Opcode
	length int
	key    uint32
}

// header takes the next frame's header and checks what can be checked before its payload is there.
func (r *Reader) header() (h header, err error) {
	if err := r.fill(2); err != nil {
		return h, err
	}
	b0, b1 := r.buf[r.start], r.buf[r.start+1]
	h.fin, h.op = b0&finBit != 0, Opcode(b0&0x0F)
	if b0&0x70 != 0 {
		return h, protocolError("a reserved bit is set, but no extension was agreed")
	}
	if masked := b1&maskBit != 0; masked != (r.role == Server) {
		if masked {
			return h, protocolError("a server must not mask its frames")
		}
		return h, protocolError("a client must mask its frames")
	}
	if err := r.checkOpcode(h); err != nil {
		return h, err
	}
	size, length := 2, uint64(b1&^maskBit)
	switch length {
	case 126:
		size = 4
	case 127:
		size = 10
	}
	if h.op.Control() && size != 2 {
		return h, protocolError("a control frame is longer than 125 bytes")
	}
	maskAt := size
	if r.role == Server {
		size += 4
	}
	if err := r.fill(size); err != nil {
		return h, unexpected(err)
	}
	head := r.buf[r.start : r.start+size]
	switch length {
	case 126:
		if length = uint64(binary.BigEndian.Uint16(head[2:])); length < 126 {
			return h, protocolError("a length is not in its shortest form")
		}
	case 127:
		if length = binary.BigEndian.Uint64(head[2:]); length <= 0xFFFF || length > math.MaxInt64 {
			return h, protocolError("a length is not in its shortest form, or beyond all numbers")
		}
	}
	if r.role == Server {
		h.key = binary.LittleEndian.Uint32(head[maskAt:])
	}
	if !h.op.Control() && (length > uint64(r.max) || int(length)+len(r.message) > r.max) {
		return h, &Error{CodeTooLarge, fmt.Sprintf("a message is longer than %d bytes", r.max)}
	}
	h.length = int(length)
	r.start += size
	return h, nil
}

func (r *Reader) checkOpcode(h header) error {
	switch h.op {
	case Text, Binary:
		if r.assembly != Continuation {
			return protocolError("a new message began before the last one ended")
		}
	case Continuation:
		if r.assembly == Continuation {
			return protocolError("a continuation has no beginning")
		}
	case Close, Ping, Pong:
		if !h.fin {
			return protocolError("a control frame is fragmented")
		}
	default:
		return protocolError("an opcode is not known")
	}
	return nil
}

// payload takes h's payload, unmasked in place.
func (r *Reader) payload(h header) ([]byte, error) {
	if err := r.fill(h.length); err != nil {
		return nil, unexpected(err)
	}
	if r.short++; h.length > smallBuffer {
		r.short = 0
	}
	p := r.buf[r.start : r.start+h.length : r.start+h.length]
	r.start += h.length
	if r.role == Server {
		mask(p, h.key, 0)
	}
	return p, nil
}

// fragment adds one frame of a fragmented message.
func (r *Reader) fragment(h header) (done bool, err error) {
	p, err := r.payload(h)
	if err != nil {
		return false, err
	}
	if h.op != Continuation {
		r.assembly = h.op
	}
	r.message = append(r.message, p...)
	return h.fin, nil
}

// fill makes at least n unread bytes available in buf. Memory grows with what arrives, not with what a header
// claims: a stranger who announces a long message and sends nothing costs nothing.
func (r *Reader) fill(n int) error {
	for r.end-r.start < n {
		r.makeRoom(min(n, 2*(r.end-r.start)+smallBuffer))
		m, err := r.src.Read(r.buf[r.end:])
		r.end += m
		if err != nil && r.end-r.start < n {
			if r.end > r.start {
				return unexpected(err)
			}
			return err
		}
	}
	return nil
}

// makeRoom arranges buf so that n bytes from start fit, with at least one byte free, moving what is unread to
// its front and going back to the small buffer after a while without long messages. Payloads lent by Next end
// here: they are borrowed only until the next call.
func (r *Reader) makeRoom(n int) {
	unread := r.end - r.start
	size := len(r.buf)
	switch {
	case n > size:
		// Whole pages with some air, so that messages that grow a little do not allocate each time.
		size = (n + n/4 + smallBuffer) &^ (smallBuffer - 1)
	case r.short > shrinkAfter && n <= smallBuffer && unread <= smallBuffer:
		size = smallBuffer
	}
	switch {
	case size != len(r.buf):
		buf := make([]byte, size)
		copy(buf, r.buf[r.start:r.end])
		r.buf = buf
	case r.start > 0 && (unread == 0 || r.start+n > size || r.end == size):
		copy(r.buf, r.buf[r.start:r.end])
	default:
		return
	}
	r.start, r.end = 0, unread
}

// ParseClose reads the payload of a close frame (RFC 6455 §7.4). The error is an *Error.
func ParseClose(p []byte) (*CloseError, error) {
	if len(p) == 0 {
		return &CloseError{Code: 1005}, nil
	}
	if len(p) == 1 {
		return nil, protocolError("a close frame holds half a code")
	}
	code := int(binary.BigEndian.Uint16(p))
	if !validCloseCode(code) {
		return nil, protocolError("a close code may not be sent")
	}
	if !utf8.Valid(p[2:]) {
		return nil, &Error{CodeBadUTF8, "the text of a close frame is not valid UTF-8"}
	}
	return &CloseError{Code: code, Text: string(p[2:])}, nil
}

// validCloseCode knows the codes of RFC 6455 §7.4 and the IANA registry that may go over the wire.
func validCloseCode(code int) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
		return true
	default:
		return false
	}
}

func checkText(op Opcode, p []byte) error {
	if op == Text && !utf8.Valid(p) {
		return &Error{CodeBadUTF8, "a text message is not valid UTF-8"}
	}
	return nil
}

func protocolError(text string) error { return &Error{CodeProtocol, text} }

// unexpected tells a connection that ended inside a message from one that ended between two.
func unexpected(err error) error {
	if err == io.EOF { //nolint:errorlint // io.Reader's contract: EOF itself
		return io.ErrUnexpectedEOF
	}
	return err
}
