package frame

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"github.com/stonepot/stonepot/live/wire"
)

// Role is which end of the connection a Reader stands at.
type Role uint8

// The roles. A server takes only masked frames, a client only unmasked ones (RFC 6455 §5.1).
const (
	Server Role = iota
	Client
)

// shrinkAfter is how many messages without a long one end the memory for long ones. A model's long and short messages
// alternate within seconds: to read each long one piece by piece would cost a system call for each piece.
const shrinkAfter = 512

// Poller is a source that waits for bytes without memory for them: a socket.
type Poller interface {
	io.Reader
	// Poll is the Read of a syscall.RawConn: it calls try with the descriptor now, and again whenever there may be
	// something to read, until try answers true.
	Poll(try func(fd uintptr) bool) error
}

// Awaiter is a source that does the same where nobody can read past what has a buffer of its own: TLS.
type Awaiter interface {
	io.Reader
	// Await returns when Read would not wait.
	Await() error
}

// ErrRelieved is what Await returns when the connection may be parked: see wire.Conn.
var ErrRelieved = wire.ErrRelieved

// Reader takes the messages of the other side off a connection. It is used by one goroutine. It reads into pooled
// memory, of which it holds none while it waits for a message from a Poller or an Awaiter. Nothing is allocated when the
// pools are full.
type Reader struct {
	src  io.Reader
	role Role
	max  int

	poll  Poller                // src, if it is one
	await Awaiter               // src, if it is one
	try   func(fd uintptr) bool // tryRead: a closure for each read would be an allocation for each message
	got   int                   // out of try
	err   error                 // out of try

	// Borrowed from the first byte of a message until Next is called again and finds nothing more.
	mem        *Block
	buf        []byte // mem's: buf[start:end] is not yet taken
	start, end int
	size       int // of the memory to borrow
	short      int // messages since the last long one

	message  []byte // fragments of a message whose end has not come
	assembly Opcode // its opcode; Continuation when there is none
}

// NewReader reads messages of at most limit bytes from src.
func NewReader(src io.Reader, role Role, limit int) *Reader {
	r := &Reader{src: src, role: role, max: limit, size: smallBlock}
	if p, ok := src.(Poller); ok && wire.CanTry {
		r.poll, r.try = p, r.tryRead
	} else if a, ok := src.(Awaiter); ok {
		r.await = a
	}
	return r
}

// Preload puts a copy of p, which was read from the connection before, in front of what is read from it. It is called
// before anything else.
func (r *Reader) Preload(p []byte) {
	if len(p) == 0 {
		return
	}
	r.borrow(len(p))
	r.end = copy(r.buf, p)
}

// Await waits until something has come, and holds no memory meanwhile. Who calls it before Next waits here, under less
// stack than in Next. The error is as Next's, or ErrRelieved: then the connection may be parked, or awaited again.
func (r *Reader) Await() error {
	if r.end > r.start {
		return nil
	}
	r.start, r.end = 0, 0
	n, err := r.read(1)
	if r.end = n; n > 0 {
		return nil
	}
	return err
}

// Rest gives back the memory of the last message, whose payload is lent no longer, and reports whether nothing more is there.
func (r *Reader) Rest() bool {
	if r.end > r.start {
		return false
	}
	r.start, r.end = 0, 0
	r.release()
	return true
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
	if r.short++; h.length > smallBlock {
		r.short = 0
	} else if r.short > shrinkAfter {
		r.size = smallBlock
	}
	p := r.buf[r.start : r.start+h.length : r.start+h.length]
	r.start += h.length
	if r.role == Server {
		Mask(p, h.key, 0)
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
		if r.end == r.start {
			r.start, r.end = 0, 0
		}
		m, err := r.read(min(n, 2*(r.end-r.start)+smallBlock))
		if r.end += m; err == ErrRelieved { //nolint:errorlint // as it is: by Poll
			continue // inside a message nobody is relieved
		}
		if err != nil && r.end-r.start < n {
			if r.end > r.start {
				return unexpected(err)
			}
			return err
		}
	}
	return nil
}

// read reads once, behind what is unread, with room for n bytes from start. Payloads lent by Next end here: they are
// borrowed only until the next call.
func (r *Reader) read(n int) (int, error) {
	switch {
	case r.end > 0:
		r.makeRoom(n)
	case r.poll != nil:
		r.got, r.err = 0, nil
		if err := r.poll.Poll(r.try); err != nil {
			r.release()
			return 0, err
		}
		return r.got, r.err
	case r.await != nil:
		r.release()
		if err := r.await.Await(); err != nil {
			return 0, err
		}
		fallthrough
	default:
		r.borrow(n)
	}
	return r.src.Read(r.buf[r.end:])
}

// makeRoom arranges buf so that n bytes from start fit, with at least one byte free, moving what is unread to its front.
func (r *Reader) makeRoom(n int) {
	unread := r.end - r.start
	switch {
	case n > len(r.buf):
		old, from := r.mem, r.buf[r.start:r.end]
		r.mem = nil
		r.borrow(n)
		copy(r.buf, from)
		old.Free()
	case r.start > 0 && (r.start+n > len(r.buf) || r.end == len(r.buf)):
		copy(r.buf, r.buf[r.start:r.end])
	default:
		return
	}
	r.start, r.end = 0, unread
}

// borrow makes sure that there is memory for n bytes.
func (r *Reader) borrow(n int) {
	r.size = max(r.size, roundUp(n))
	if r.mem != nil && len(r.buf) == r.size {
		return
	}
	r.release()
	r.mem = newBlock(r.size)
	r.buf = r.mem.Data
}

// release gives the memory back.
func (r *Reader) release() {
	if r.mem != nil {
		r.mem.Free()
		r.mem, r.buf = nil, nil
	}
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
