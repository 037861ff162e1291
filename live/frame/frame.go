// Package frame reads and builds WebSocket messages (RFC 6455) on a connection whose handshake a library has
// done. Both ends of a session use it: the browser's socket as server, the upstream's as client.
//
// It exists because the relay needs three things that message-oriented libraries do not give together: a
// message as one byte slice that can be written without waiting and finished later, no allocation per message,
// and violations as values, so that a person is told what went wrong before the close frame goes out.
package frame

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// Opcode is the kind of a frame (RFC 6455 §5.2).
type Opcode byte

// The opcodes.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xA
)

// Control reports whether o is a control frame's opcode.
func (o Opcode) Control() bool { return o >= 0x8 }

// Room is how many bytes Seal and SealMasked need in front of a payload: the longest header.
const Room = 14

const (
	finBit  = 0x80
	maskBit = 0x80

	// maxControlPayload is RFC 6455 §5.5's bound on a control frame.
	maxControlPayload = 125
	// maxReason is what remains of it for the text of a close frame after the code.
	maxReason = maxControlPayload - 2
)

// Seal turns buf, whose first Room bytes are free and whose rest is the payload, into one unmasked frame (a
// server's) and returns the part of buf that holds it. Nothing is copied.
func Seal(buf []byte, op Opcode) []byte {
	start := putHeader(buf, op, 0)
	return buf[start:]
}

// SealMasked is Seal for a client: it masks the payload in place with key, which must not be predictable by
// whoever chooses the payload (RFC 6455 §10.3).
func SealMasked(buf []byte, op Opcode, key uint32) []byte {
	Mask(buf[Room:], key, 0)
	return SealMaskedPayload(buf, op, key)
}

// SealMaskedPayload is SealMasked for a payload that is masked with key already: see Mask.
func SealMaskedPayload(buf []byte, op Opcode, key uint32) []byte {
	start := putHeader(buf, op, 4)
	buf[start+1] |= maskBit
	binary.LittleEndian.PutUint32(buf[Room-4:Room], key)
	return buf[start:]
}

// Append appends one unmasked frame with a copy of payload to dst.
func Append(dst []byte, op Opcode, payload []byte) []byte {
	var head [Room]byte
	start := putHeaderLen(head[:], op, len(payload), 0)
	dst = append(dst, head[start:]...)
	return append(dst, payload...)
}

// AppendMasked appends one masked frame with a copy of payload to dst.
func AppendMasked(dst []byte, op Opcode, payload []byte, key uint32) []byte {
	var head [Room]byte
	start := putHeaderLen(head[:], op, len(payload), 4)
	head[start+1] |= maskBit
	binary.LittleEndian.PutUint32(head[Room-4:], key)
	dst = append(dst, head[start:]...)
	at := len(dst)
	dst = append(dst, payload...)
	Mask(dst[at:], key, 0)
	return dst
}

// ClosePayload is the payload of a close frame. Text longer than a close frame can hold is cut at a whole
// character. A code of 0 gives an empty payload (RFC 6455 §5.5.1).
func ClosePayload(code int, text string) []byte {
	if code == 0 {
		return nil
	}
	if len(text) > maxReason {
		text = text[:maxReason]
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
	}
	p := make([]byte, 2, 2+len(text))
	binary.BigEndian.PutUint16(p, uint16(code))
	return append(p, text...)
}

func putHeader(buf []byte, op Opcode, maskLen int) (start int) {
	return putHeaderLen(buf[:Room], op, len(buf)-Room, maskLen)
}

// putHeaderLen writes a header for n bytes that ends where head ends, leaving maskLen bytes for the key, and
// returns where it starts.
func putHeaderLen(head []byte, op Opcode, n, maskLen int) (start int) {
	end := len(head) - maskLen
	switch {
	case n <= maxControlPayload:
		start = end - 2
		head[start+1] = byte(n)
	case n <= 0xFFFF:
		start = end - 4
		head[start+1] = 126
		binary.BigEndian.PutUint16(head[start+2:], uint16(n))
	default:
		start = end - 10
		head[start+1] = 127
		binary.BigEndian.PutUint64(head[start+2:], uint64(n))
	}
	head[start] = finBit | byte(op)
	return start
}

// KeyAt is key for what begins at byte number offset of the payload.
func KeyAt(key uint32, offset int) uint32 { return bits.RotateLeft32(key, -8*(offset&3)) }

// Mask applies the masking of RFC 6455 §5.3 to p, whose first byte is byte number offset of the payload.
func Mask(p []byte, key uint32, offset int) {
	key = KeyAt(key, offset)
	p = maskFront(p, key)
	wide := uint64(key)<<32 | uint64(key)
	for len(p) >= 32 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		binary.LittleEndian.PutUint64(p[8:], binary.LittleEndian.Uint64(p[8:])^wide)
		binary.LittleEndian.PutUint64(p[16:], binary.LittleEndian.Uint64(p[16:])^wide)
		binary.LittleEndian.PutUint64(p[24:], binary.LittleEndian.Uint64(p[24:])^wide)
		p = p[32:]
	}
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		p = p[8:]
	}
	if len(p) >= 4 {
		binary.LittleEndian.PutUint32(p, binary.LittleEndian.Uint32(p)^key)
		p = p[4:]
	}
	for i := range p {
		p[i] ^= byte(key >> (8 * i))
	}
}

// Error is a violation by the other side. Code is the close code that answers it: 1002, 1007 or 1009.
type Error struct {
	Code int
	Text string
}

func (e *Error) Error() string { return fmt.Sprintf("websocket: %s (close %d)", e.Text, e.Code) }

// The violations that callers tell apart by their code.
const (
	CodeProtocol = 1002
	CodeBadUTF8  = 1007
	CodeTooLarge = 1009
)

// CloseError is an orderly goodbye by the other side. Code is 1005 when its frame held none.
type CloseError struct {
	Code int
	Text string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("websocket: closed by the other side with %d %q", e.Code, e.Text)
}
