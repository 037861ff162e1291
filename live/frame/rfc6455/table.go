package rfc6455

import (
	"bytes"
	"fmt"
	"math"
	"strings"
)

// Case is one thing that the other end does, and what must come of it.
type Case struct {
	Name string
	Wire []byte // what it sends, behind the handshake and between two messages

	Messages []Message // that must arrive, whole and in order
	Pings    []string  // payloads that pongs must answer

	// Close is the code that a close frame must answer with: 0: none, the connection goes on; NoCode: a close frame
	// without one. Nothing but the end of the stream may follow it.
	Close int
	// Violation: it is the end under test that ends the connection; otherwise the other end did, and gets its own
	// code back.
	Violation bool
}

// Message is one whole data message.
type Message struct {
	Binary  bool
	Payload []byte
}

// NoCode stands for the code of a close frame that holds none.
const NoCode = 1005

const (
	protocolError = 1002
	badUTF8       = 1007
	tooLarge      = 1009
)

// Table lists the cases as p sends them.
func Table(p *Peer) []Case {
	var all []Case
	for _, part := range []func(*Peer) []Case{
		messages, fragments, lengths, pings, closes, headers, unbegun, utf8Whole, utf8Pieces,
	} {
		all = append(all, part(p)...)
	}
	return all
}

func violates(name string, code int, wire ...[]byte) Case {
	return Case{Name: name, Wire: join(wire...), Close: code, Violation: true}
}

func messages(p *Peer) []Case {
	one, two, three := p.Text("one", 0), p.Binary("two", 0), p.Text("three", 0)
	return []Case{
		{Name: "a text message", Wire: p.Frame(fin|text, one), Messages: []Message{{Payload: one}}},
		{Name: "a binary message", Wire: p.Frame(fin|bin, two), Messages: []Message{{true, two}}},
		{
			Name: "three messages at once", Wire: join(p.Frame(fin|text, one), p.Frame(fin|bin, two), p.Frame(fin|text, three)),
			Messages: []Message{{Payload: one}, {true, two}, {Payload: three}},
		},
		{
			Name: "a message behind a pong and a ping", Wire: join(p.Frame(fin|pong, nil), p.Frame(fin|ping, []byte("?")), p.Frame(fin|text, one)),
			Pings: []string{"?"}, Messages: []Message{{Payload: one}},
		},
	}
}

func fragments(p *Peer) []Case {
	said, heard := p.Text("one piece after the other", 0), p.Binary("heard", 0)
	both := []Message{{Payload: said}}
	inPieces := func(between ...[]byte) []byte {
		var wire []byte
		for i := range said {
			head := byte(continuation)
			switch i {
			case 0:
				head = text
			case len(said) - 1:
				head = fin | continuation
			}
			wire = append(wire, p.Frame(head, said[i:i+1])...)
			if i < len(between) {
				wire = append(wire, between[i]...)
			}
		}
		return wire
	}
	return []Case{
		{Name: "two fragments", Wire: join(p.Frame(text, said[:9]), p.Frame(fin, said[9:])), Messages: both},
		{Name: "a binary message in two fragments", Wire: join(p.Frame(bin, heard[:7]), p.Frame(fin, heard[7:])), Messages: []Message{{true, heard}}},
		{Name: "every byte a fragment", Wire: inPieces(), Messages: both},
		{
			Name: "fragments that hold nothing", Messages: both,
			Wire: join(p.Frame(text, nil), p.Frame(0, said[:3]), p.Frame(0, nil), p.Frame(0, said[3:]), p.Frame(fin, nil)),
		},
		{
			Name: "control frames between fragments", Messages: both, Pings: []string{"first", "", "third"},
			Wire: inPieces(p.Frame(fin|ping, []byte("first")), p.Frame(fin|pong, []byte("nobody asked")), p.Frame(fin|ping, nil), p.Frame(fin|ping, []byte("third"))),
		},
		{
			Name: "a message behind one in fragments", Messages: []Message{{Payload: said}, {true, heard}, {Payload: said}},
			Wire: join(inPieces(), p.Frame(fin|bin, heard), p.Frame(text, said[:1]), p.Frame(fin, said[1:])),
		},
		{
			Name: "long fragments", Messages: []Message{{true, p.Binary("long", 60_000)}},
			Wire:  join(p.Frame(bin, p.Binary("long", 60_000)[:30_000]), p.Frame(fin|ping, []byte("still there?")), p.Frame(fin, p.Binary("long", 60_000)[30_000:])),
			Pings: []string{"still there?"},
		},
		{Name: "a goodbye between fragments", Wire: join(p.Frame(text, said[:9]), p.Frame(fin|bye, goodbye(1001, ""))), Close: 1001},
		violates("a text message inside a message", protocolError, p.Frame(text, said), p.Frame(fin|text, said)),
		violates("a binary message inside a message", protocolError, p.Frame(text, said), p.Frame(fin|bin, heard)),
		violates("the beginning of a message inside a message", protocolError, p.Frame(bin, heard), p.Frame(bin, heard)),
		violates("a bad frame between fragments", protocolError, p.Frame(text, said), p.Frame(fin|0xB, nil)),
	}
}

func lengths(p *Peer) []Case {
	var all []Case
	for _, n := range []int{125, 126, 127, 128, 65_534, 65_535, 65_536} {
		for _, b := range []bool{false, true} {
			if b && n%2 != 0 {
				continue // no whole samples
			}
			m := Message{b, p.Text("long", n)}
			head := byte(fin | text)
			if b {
				m.Payload, head = p.Binary("long", n), fin|bin
			}
			all = append(all, Case{Name: fmt.Sprintf("%d bytes, binary %v", n, b), Wire: p.Frame(head, m.Payload), Messages: []Message{m}})
		}
	}
	said := p.Text("short", 100)
	half := make([]byte, p.Limit/2+1)
	return append(all,
		// "The minimal number of bytes MUST be used to encode the length" (§5.2).
		violates("100 bytes in the 16-bit form", protocolError, p.frame(fin|text, 2, said)),
		violates("100 bytes in the 64-bit form", protocolError, p.frame(fin|text, 8, said)),
		violates("no bytes in the 16-bit form", protocolError, p.frame(fin|bin, 2, nil)),
		violates("no bytes in the 64-bit form", protocolError, p.frame(fin|bin, 8, nil)),
		violates("65,535 bytes in the 64-bit form", protocolError, p.header(fin|bin, 8, 65_535)),
		violates("125 bytes of a fragment in the 16-bit form", protocolError, p.Frame(bin, said), p.frame(fin, 2, said)),
		// "The most significant bit MUST be 0".
		violates("2^63 bytes", protocolError, p.header(fin|bin, 8, 1<<63)),
		violates("2^64 bytes but one", protocolError, p.header(fin|bin, 8, math.MaxUint64)),
		violates("2^63 bytes but one", tooLarge, p.header(fin|bin, 8, math.MaxInt64)),
		violates("2^32 bytes", tooLarge, p.header(fin|text, 8, 1<<32)),
		violates("one byte too many", tooLarge, p.header(fin|bin, shortest(p.Limit+1), uint64(p.Limit+1))),
		violates("too many in two fragments", tooLarge, p.Frame(bin, half), p.header(fin, shortest(len(half)), uint64(len(half)))),
		violates("too many in two fragments, in the 16-bit form", tooLarge, p.Frame(bin, make([]byte, p.Limit-1000)), p.header(0, 2, 1001)),
		violates("too many in a fragment behind one of 2 bytes", tooLarge, p.Frame(bin, half[:2]), p.header(fin, 8, math.MaxInt64)),
	)
}

func pings(p *Peer) []Case {
	var all []Case
	for name, payload := range map[string]string{
		"nothing": "", "a word": "hello", "bytes that are no text": "\x00\xff\xfe\x80", "125 bytes": strings.Repeat("x", 125),
	} {
		all = append(all, Case{Name: "a ping with " + name, Wire: p.Frame(fin|ping, []byte(payload)), Pings: []string{payload}})
	}
	var many Case
	many.Name = "ten pings at once"
	for i := range 10 {
		many.Pings = append(many.Pings, fmt.Sprint("ping ", i))
		many.Wire = append(many.Wire, p.Frame(fin|ping, []byte(many.Pings[i]))...)
	}
	said := p.Text("x", 0)
	return append(all, many,
		Case{Name: "pongs that nobody asked for", Wire: join(p.Frame(fin|pong, nil), p.Frame(fin|pong, bytes.Repeat([]byte{0xFF}, 125)))},
		Case{Name: "a ping before a violation", Wire: join(p.Frame(fin|ping, []byte("?")), p.Frame(fin|0xF, nil)), Pings: []string{"?"}, Close: protocolError, Violation: true},
		Case{Name: "a ping before a goodbye", Wire: join(p.Frame(fin|ping, []byte("?")), p.Frame(fin|bye, goodbye(1001, ""))), Pings: []string{"?"}, Close: 1001},
		violates("a ping of 126 bytes", protocolError, p.Frame(fin|ping, make([]byte, 126))),
		violates("a pong of 126 bytes", protocolError, p.Frame(fin|pong, make([]byte, 126))),
		violates("a ping of 65,536 bytes, announced", protocolError, p.header(fin|ping, 8, 65_536)),
		violates("a ping of 4 bytes in the 16-bit form", protocolError, p.frame(fin|ping, 2, []byte("ping"))),
		violates("a ping in fragments", protocolError, p.Frame(ping, []byte("pi")), p.Frame(fin, []byte("ng"))),
		violates("a pong in fragments", protocolError, p.Frame(pong, nil)),
		violates("a ping in fragments between fragments", protocolError, p.Frame(text, said), p.Frame(ping, nil)),
	)
}

func closes(p *Peer) []Case {
	said := p.Text("too late", 0)
	all := []Case{
		{Name: "a goodbye without a code", Wire: p.Frame(fin|bye, nil), Close: NoCode},
		{Name: "a goodbye with a reason", Wire: p.Frame(fin|bye, goodbye(1000, "Auf Wiedersehen, κόσμε")), Close: 1000},
		{Name: "a goodbye with the longest reason", Wire: p.Frame(fin|bye, goodbye(3000, strings.Repeat("x", 123))), Close: 3000},
		{
			Name: "data behind the goodbye", Close: 1001,
			Wire: join(p.Frame(fin|bye, goodbye(1001, "")), p.Frame(fin|text, said), p.Frame(fin|ping, []byte("?")), p.Frame(fin|bye, goodbye(1000, ""))),
		},
		{Name: "nonsense behind the goodbye", Close: 1001, Wire: join(p.Frame(fin|bye, goodbye(1001, "")), []byte("\xFF\xFF\xFF\xFFnonsense"))},
		violates("data behind a violation", protocolError, p.Frame(fin|rsv1|text, said), p.Frame(fin|text, said), p.Frame(fin|ping, nil)),
		violates("a goodbye with half a code", protocolError, p.Frame(fin|bye, []byte{3})),
		violates("a goodbye of 126 bytes", protocolError, p.Frame(fin|bye, goodbye(1000, strings.Repeat("x", 124)))),
		violates("a goodbye in fragments", protocolError, p.Frame(bye, goodbye(1000, ""))),
		violates("a goodbye whose reason is not UTF-8", badUTF8, p.Frame(fin|bye, goodbye(1000, "\xce\xba\xe1\xbd\xed\xa0\x80"))),
		violates("a goodbye whose reason is cut inside a character", badUTF8, p.Frame(fin|bye, goodbye(1000, strings.Repeat("é", 61)+"\xc3"))),
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4499, 4500, 4999} {
		all = append(all, Case{Name: fmt.Sprint("a goodbye with code ", code), Wire: p.Frame(fin|bye, goodbye(code, "")), Close: code})
	}
	for _, code := range []int{1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535} {
		all = append(all, violates(fmt.Sprint("a goodbye with code ", code), protocolError, p.Frame(fin|bye, goodbye(code, ""))))
	}
	return append(all, violates("a goodbye with code 0", protocolError, p.Frame(fin|bye, []byte{0, 0})))
}

// headers are first bytes that no frame may have, and masks that must be there or must not.
func headers(p *Peer) []Case {
	said := p.Text("x", 0)
	var all []Case
	for _, bits := range []byte{rsv1, rsv2, rsv3, rsv1 | rsv2 | rsv3} {
		for name, op := range map[string]byte{"text": text, "binary": bin, "ping": ping, "pong": pong, "close": bye} {
			all = append(all, violates(fmt.Sprintf("reserved bits %#x in a %s frame", bits, name), protocolError, p.Frame(fin|bits|op, nil)))
		}
		all = append(all, violates(fmt.Sprintf("reserved bits %#x in a continuation", bits), protocolError, p.Frame(text, said), p.Frame(fin|bits, said)))
	}
	for op := byte(3); op < 16; op++ {
		if op >= bye && op <= pong {
			continue
		}
		all = append(all,
			violates(fmt.Sprintf("opcode %#x", op), protocolError, p.Frame(fin|op, nil)),
			violates(fmt.Sprintf("opcode %#x, with more to come", op), protocolError, p.Frame(op, said)))
	}
	return append(all,
		violates("a text message with the wrong mask", protocolError, p.wrongly(fin|text, said)),
		violates("a message of no bytes with the wrong mask", protocolError, p.wrongly(fin|bin, nil)),
		violates("a ping with the wrong mask", protocolError, p.wrongly(fin|ping, nil)),
		violates("a goodbye with the wrong mask", protocolError, p.wrongly(fin|bye, goodbye(1000, ""))),
		violates("a continuation with the wrong mask", protocolError, p.Frame(text, said), p.wrongly(fin, said)),
		violates("HTTP once more", protocolError, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")), // 'G' is 0x47: a reserved bit
	)
}

// unbegun are continuations of nothing.
func unbegun(p *Peer) []Case {
	said := p.Text("x", 0)
	whole := Message{Payload: said}
	return []Case{
		violates("a continuation of nothing", protocolError, p.Frame(fin, said)),
		violates("a continuation of nothing, with more to come", protocolError, p.Frame(0, said)),
		violates("an empty continuation of nothing", protocolError, p.Frame(fin, nil)),
		{
			Name: "a continuation of a message that was whole", Messages: []Message{whole}, Close: protocolError, Violation: true,
			Wire: join(p.Frame(fin|text, said), p.Frame(fin, said)),
		},
		{
			Name: "a continuation of a message that has ended", Messages: []Message{whole}, Close: protocolError, Violation: true,
			Wire: join(p.Frame(text, said[:3]), p.Frame(fin, said[3:]), p.Frame(0, said)),
		},
	}
}
