package rfc6455

import "encoding/binary"

// First bytes of frames (RFC 6455 §5.2).
const (
	fin  = 0x80
	rsv1 = 0x40
	rsv2 = 0x20
	rsv3 = 0x10

	continuation = 0x0
	text         = 0x1
	bin          = 0x2
	bye          = 0x8
	ping         = 0x9
	pong         = 0xA
)

// Peer is the end that sends what the table says.
type Peer struct {
	// Masks: it is a client, and the end under test a server.
	Masks bool
	// Limit is the longest message that the end under test takes.
	Limit int
	// Text is the payload of a text message that says something, at least size bytes long: spaces behind what it
	// says. What is said is put in as it is, valid or not.
	Text func(said string, size int) []byte
	// Binary is the same of a binary message.
	Binary func(said string, size int) []byte
}

// Frame builds one frame. head is its first byte.
func (p *Peer) Frame(head byte, payload []byte) []byte {
	return p.frame(head, shortest(len(payload)), payload)
}

// shortest is how many bytes the extended length of n bytes takes.
func shortest(n int) int {
	switch {
	case n < 126:
		return 0
	case n < 1<<16:
		return 2
	default:
		return 8
	}
}

// frame builds one frame whose extended length takes so many bytes.
func (p *Peer) frame(head byte, extended int, payload []byte) []byte {
	f := p.header(head, extended, uint64(len(payload)))
	if !p.Masks {
		return append(f, payload...)
	}
	return append(f, masked(payload, f[len(f)-4:])...)
}

// header claims n bytes, which need not follow.
func (p *Peer) header(head byte, extended int, n uint64) []byte {
	f := []byte{head, 0}
	switch extended {
	case 0:
		f[1] = byte(n)
	case 2:
		f[1] = 126
		f = binary.BigEndian.AppendUint16(f, uint16(n))
	default:
		f[1] = 127
		f = binary.BigEndian.AppendUint64(f, n)
	}
	if p.Masks {
		f[1] |= 0x80
		// Keys of the table: any will do, also those that leave bytes as they are.
		f = append(f, head*7, 0, byte(n), 0xE3)
	}
	return f
}

// wrongly is a frame that is masked where it must not be, and not masked where it must.
func (p *Peer) wrongly(head byte, payload []byte) []byte {
	other := Peer{Masks: !p.Masks}
	return other.Frame(head, payload)
}

func masked(payload, key []byte) []byte {
	out := make([]byte, len(payload))
	for i, b := range payload {
		out[i] = b ^ key[i%4]
	}
	return out
}

// goodbye is the payload of a close frame; code 0: none.
func goodbye(code int, reason string) []byte {
	if code == 0 {
		return nil
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}

func join(frames ...[]byte) []byte {
	var all []byte
	for _, f := range frames {
		all = append(all, f...)
	}
	return all
}
