package gemini

import (
	"bytes"

	"github.com/stonepot/stonepot/live/frame"
)

// shape is what stood around the audio of the last message that held one piece of it and nothing else. Models send the same
// around each: a message that has it too needs no scanner.
type shape struct {
	head []byte // up to the opening quote
	tail []byte // from the closing one
}

// longestShape is how much of either is remembered.
const longestShape = 256

// fits makes m the audio between what is remembered, if p has that around a string without quotes and escapes. All else
// that the scanner would look at is the same as it was then. What is decoded of it needs no search: quotes and escapes are no base64.
func (m *message) fits(p []byte) bool {
	s := m.shape
	if s == nil || len(p) <= len(s.head)+len(s.tail) || !bytes.HasPrefix(p, s.head) || !bytes.HasSuffix(p, s.tail) {
		return false
	}
	from, to := len(s.head), len(p)-len(s.tail)
	text := p[from:to]
	decoded := decodeFront(text)
	if rest := text[decoded:]; bytes.IndexByte(rest, '"') >= 0 || bytes.IndexByte(rest, '\\') >= 0 {
		undecode(text, decoded)
		return false
	}
	m.pieces = append(m.pieces, piece{audio: p[from-1 : to : to], front: p[from-1-frame.Room : to : to], at: from - 1, rate: usualRate, decoded: decoded})
	return true
}

// remember takes the shape of p, which was scanned into m.
func (m *message) remember(p []byte) {
	if len(m.pieces) != 1 || m.others() {
		return
	}
	a := &m.pieces[0]
	head, tail := p[:max(0, a.at+1)], p[a.at+len(a.audio):]
	if a.front == nil || a.escaped || len(head) > longestShape || len(tail) > longestShape {
		return
	}
	if m.shape == nil {
		m.shape = new(shape)
	}
	m.shape.head, m.shape.tail = append(m.shape.head[:0], head...), append(m.shape.tail[:0], tail...)
}

// others reports whether m holds anything but pieces.
func (m *message) others() bool {
	return m.ready || m.interrupted || m.generationComplete || m.turnComplete || m.working || m.waiting || m.cause != "" ||
		m.input != (transcript{}) || m.output != (transcript{}) || len(m.calls) > 0 || len(m.cancelled) > 0 || m.hasUsage ||
		m.voice || m.resumption || m.goAway || m.failure != nil
}
