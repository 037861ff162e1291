package gemini

import "github.com/stonepot/stonepot/live/frame"

// decode takes one message of the model apart: by the scanner, or by encoding/json where that gives up.
func (m *message) decode(p []byte) error {
	if m.scan(p) {
		return nil
	}
	return m.parse(p)
}

// once notes that a member was seen and answers false for the second time: JSON does not say which of two equal
// names counts, so encoding/json decides.
func once(seen *uint32, bit uint32) bool {
	was := *seen & bit
	*seen |= bit
	return was == 0
}

// The members that the scanner knows, as bits for once; each object uses its own few.
const (
	bit0 = 1 << iota
	bit1
	bit2
	bit3
	bit4
	bit5
	bit6
	bit7
	bit8
)

// scan is the fast decoder. False means that m holds nothing that counts, and p is as it was.
func (m *message) scan(p []byte) bool {
	m.reset()
	if m.fits(p) {
		return true
	}
	s := scanner{p: p}
	if !s.open('{') {
		return false
	}
	var seen uint32
	for first := true; ; first = false {
		name, more, ok := s.key(first)
		if !ok {
			return false
		}
		if !more {
			break
		}
		if !m.scanMember(&s, name, &seen) {
			return false
		}
	}
	if s.space(); s.i != len(p) {
		return false
	}
	if m.interrupted {
		for _, piece := range m.pieces {
			if !harmless(piece.audio) {
				return false
			}
		}
	}
	m.finish()
	m.remember(p)
	return true
}

func (m *message) scanMember(s *scanner, name []byte, seen *uint32) bool {
	switch string(name) {
	case "serverContent":
		return once(seen, bit0) && m.scanContent(s)
	case "usageMetadata":
		return once(seen, bit1) && m.scanUsage(s)
	case "setupComplete":
		if s.space(); s.i >= len(s.p) || s.p[s.i] != '{' {
			return false
		}
		m.ready = true
		return once(seen, bit2) && s.skip()
	case "sessionResumptionUpdate":
		return once(seen, bit3) && m.scanResumption(s)
	case "goAway":
		return once(seen, bit4) && m.scanGoAway(s)
	case "toolCall":
		raw, ok := s.raw()
		if !ok || !once(seen, bit5) {
			return false
		}
		var err error
		m.calls, err = toolCalls(raw)
		return err == nil
	case "toolCallCancellation":
		raw, ok := s.raw()
		if !ok || !once(seen, bit6) {
			return false
		}
		var err error
		m.cancelled, err = cancelledCalls(raw)
		return err == nil
	case "voiceActivity", "voiceActivityDetectionSignal", "error":
		return false // seldom
	default:
		return s.skip()
	}
}

func (m *message) scanContent(s *scanner) bool {
	if !s.open('{') {
		return false
	}
	var seen uint32
	for first := true; ; first = false {
		name, more, ok := s.key(first)
		if !ok || !more {
			return ok
		}
		switch string(name) {
		case "modelTurn":
			ok = once(&seen, bit0) && m.scanTurn(s)
		case "outputTranscription":
			ok = once(&seen, bit1) && scanTranscript(s, &m.output)
		case "inputTranscription":
			ok = once(&seen, bit2) && scanTranscript(s, &m.input)
		case "interrupted":
			ok = once(&seen, bit3) && s.flag(&m.interrupted)
		case "generationComplete":
			ok = once(&seen, bit4) && s.flag(&m.generationComplete)
		case "turnComplete":
			ok = once(&seen, bit5) && s.flag(&m.turnComplete)
		case "waitingForInput":
			ok = once(&seen, bit6) && s.flag(&m.waiting)
		case "turnCompleteReason":
			ok = once(&seen, bit7)
			if ok {
				m.cause, ok = s.text()
			}
		case "interactionStatus":
			status, escaped, isText := s.str()
			m.working = string(status) == interactionInProgress
			ok = once(&seen, bit8) && isText && !escaped
		default:
			ok = s.skip()
		}
		if !ok {
			return false
		}
	}
}

func (m *message) scanTurn(s *scanner) bool {
	if !s.open('{') {
		return false
	}
	var seen uint32
	for first := true; ; first = false {
		name, more, ok := s.key(first)
		if !ok || !more {
			return ok
		}
		if string(name) != "parts" {
			if !s.skip() {
				return false
			}
			continue
		}
		if !once(&seen, bit0) || !m.scanParts(s) {
			return false
		}
	}
}

func (m *message) scanParts(s *scanner) bool {
	if !s.open('[') {
		return false
	}
	for first := true; ; first = false {
		more, ok := s.element(first)
		if !ok || !more {
			return ok
		}
		if !m.scanPart(s) {
			return false
		}
	}
}

// What models call their audio.
const (
	usualType = "audio/pcm;rate=24000"
	usualRate = 24000
)

// blob is inline data as the scanner found it.
type blob struct {
	mime    []byte
	data    []byte // behind its opening quote
	escaped bool
	front   []byte // data with frame.Room bytes before it; nil: there are fewer
	at      int    // where data begins
}

func (m *message) scanPart(s *scanner) bool {
	if !s.open('{') {
		return false
	}
	var (
		seen    uint32
		text    string
		thought bool
		b       blob
	)
	for first := true; ; first = false {
		name, more, ok := s.key(first)
		if !ok {
			return false
		}
		if !more {
			break
		}
		switch string(name) {
		case "inlineData":
			ok = once(&seen, bit0) && b.scan(s)
		case "text":
			ok = once(&seen, bit1)
			if ok {
				text, ok = s.text()
			}
		case "thought":
			ok = once(&seen, bit2) && s.flag(&thought)
		default:
			ok = s.skip()
		}
		if !ok {
			return false
		}
	}
	if thought {
		return harmless(b.data)
	}
	if text != "" {
		m.pieces = append(m.pieces, piece{text: text})
	}
	if seen&bit0 == 0 {
		return true
	}
	// The usual type is spared a look into it, and an allocation.
	if string(b.mime) == usualType {
		if len(b.data) > 1 {
			m.pieces = append(m.pieces, piece{audio: b.data, escaped: b.escaped, front: b.front, at: b.at, rate: usualRate})
		}
		return true
	}
	return m.addBlob(string(b.mime), b.data, b.escaped) || harmless(b.data)
}

func (b *blob) scan(s *scanner) bool {
	if !s.open('{') {
		return false
	}
	var seen uint32
	for first := true; ; first = false {
		name, more, ok := s.key(first)
		if !ok || !more {
			return ok
		}
		switch string(name) {
		case "data":
			ok = once(&seen, bit0)
			if ok {
				b.data, b.escaped, ok = s.base64()
			}
			if at := s.i - 1 - len(b.data); ok && at >= frame.Room {
				b.front, b.at = s.p[at-frame.Room:s.i-1:s.i-1], at
			}
		case "mimeType":
			var escaped bool
			b.mime, escaped, ok = s.str()
			ok = ok && !escaped && once(&seen, bit1)
		default:
			ok = s.skip()
		}
		if !ok {
			return false
		}
	}
}

func scanTranscript(s *scanner, t *transcript) bool {
	if !s.open('{') {
		return false
	}
	var seen uint32
	for first := true; ; first = false {
		name, more, ok := s.key(first)
		if !ok {
			return false
		}
		if !more {
			t.set = t.text != "" || t.final
			return true
		}
		switch string(name) {
		case "text":
			ok = once(&seen, bit0)
			if ok {
				t.text, ok = s.text()
			}
		case "finished":
			ok = once(&seen, bit1) && s.flag(&t.final)
		default:
			ok = s.skip()
		}
		if !ok {
			return false
		}
	}
}

func (m *message) scanResumption(s *scanner) bool {
	if !s.open('{') {
		return false
	}
	m.resumption = true
	var seen uint32
	for first := true; ; first = false {
		name, more, ok := s.key(first)
		if !ok || !more {
			return ok
		}
		switch string(name) {
		case "newHandle":
			ok = once(&seen, bit0)
			if ok {
				m.handle, ok = s.text()
			}
		case "resumable":
			ok = once(&seen, bit1) && s.flag(&m.resumable)
		case "lastConsumedClientMessageIndex":
			ok = once(&seen, bit2) && s.integer(&m.consumed)
		default:
			ok = s.skip()
		}
		if !ok {
			return false
		}
	}
}

func (m *message) scanGoAway(s *scanner) bool {
	if !s.open('{') {
		return false
	}
	m.goAway = true
	var seen uint32
	for first := true; ; first = false {
		name, more, ok := s.key(first)
		if !ok || !more {
			return ok
		}
		if string(name) == "timeLeft" {
			var text string
			if text, ok = s.text(); ok {
				m.timeLeft, ok = duration(text), once(&seen, bit0)
			}
		} else {
			ok = s.skip()
		}
		if !ok {
			return false
		}
	}
}
