package rfc6455

import "fmt"

// validUTF8 are texts at the edges of what UTF-8 can say (the Autobahn suite's sections 6.5 to 6.22).
var validUTF8 = []string{
	"κόσμε", "Hello-µ@ßöäüàá-UTF-8!!", "\u0080", "\u07ff", "\u0800", "\uffff", "\U00010000", "\U0010ffff", "\ud7ff", "\ue000",
	"\ufffd", "\ufdd0", "\U0001fffe", "\U0010fffe", "\x7f",
}

// invalidUTF8 are texts that are none.
var invalidUTF8 = []string{
	"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", // a surrogate
	"\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", // more of them, in a pair too
	"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf", // longer than need be
	"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf",
	"\xf4\x90\x80\x80", "\xf7\xbf\xbf\xbf", "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", // beyond U+10FFFF
	"\x80", "\xbf", "\x80\xbf\x80", // continuations of nothing
	"\xfe", "\xff", "\xfe\xfe\xff\xff",
	"\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc3 ", "\xe2\x82 ", "\xf0\x9f\x98 ", // characters that do not end
}

func utf8Whole(p *Peer) []Case {
	var all []Case
	for _, said := range validUTF8 {
		m := p.Text(said, 0)
		all = append(all, Case{Name: fmt.Sprintf("text %+q", said), Wire: p.Frame(fin|text, m), Messages: []Message{{Payload: m}}})
	}
	for _, said := range invalidUTF8 {
		all = append(all, violates(fmt.Sprintf("text %+q", said), badUTF8, p.Frame(fin|text, p.Text(said, 0))))
	}
	return append(all, violates("text that ends inside a character", badUTF8, p.Frame(fin|text, append(p.Text("x", 0), 0xE2, 0x82))))
}

// utf8Pieces are the same with every byte a fragment: characters are cut everywhere.
func utf8Pieces(p *Peer) []Case {
	var all []Case
	for _, c := range utf8Whole(p) {
		payload := c.Wire[len(c.Wire)-payloadLen(p, c.Wire):]
		if p.Masks {
			payload = masked(payload, c.Wire[len(c.Wire)-len(payload)-4:])
		}
		c.Name += ", in pieces"
		c.Wire = nil
		for i := range payload {
			head := byte(continuation)
			if i == 0 {
				head = text
			}
			if i == len(payload)-1 {
				head |= fin
			}
			c.Wire = append(c.Wire, p.Frame(head, payload[i:i+1])...)
		}
		all = append(all, c)
	}
	return all
}

// payloadLen is the length of the payload of the one short frame on the wire.
func payloadLen(p *Peer, wire []byte) int {
	n := len(wire) - 2
	if p.Masks {
		n -= 4
	}
	return n
}
