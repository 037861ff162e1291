package gemini

import "github.com/stonepot/stonepot/live"

// scanUsage is here and not left to encoding/json because newer models send usage with every piece of audio.
func (m *message) scanUsage(s *scanner) bool {
	if !s.open('{') {
		return false
	}
	m.hasUsage = true
	u := &m.usage
	var seen uint32
	for first := true; ; first = false {
		name, more, ok := s.key(first)
		if !ok || !more {
			return ok
		}
		switch string(name) {
		case "promptTokenCount":
			ok = once(&seen, bit0) && s.add(&u.Input)
		case "toolUsePromptTokenCount":
			ok = once(&seen, bit1) && s.add(&u.Input)
		case "responseTokenCount":
			ok = once(&seen, bit2) && s.add(&u.Output)
		case "candidatesTokenCount":
			ok = once(&seen, bit3) && s.add(&u.Output)
		case "thoughtsTokenCount":
			ok = once(&seen, bit4) && s.add(&u.Output)
		case "promptTokensDetails":
			ok = once(&seen, bit5) && scanDetails(s, u, false)
		case "toolUsePromptTokensDetails":
			ok = once(&seen, bit6) && scanDetails(s, u, false)
		case "responseTokensDetails":
			ok = once(&seen, bit7) && scanDetails(s, u, true)
		case "candidatesTokensDetails":
			ok = once(&seen, bit8) && scanDetails(s, u, true)
		default:
			ok = s.skip()
		}
		if !ok {
			return false
		}
	}
}

func (s *scanner) add(sum *int64) bool {
	var n int64
	ok := s.integer(&n)
	*sum += n
	return ok
}

func scanDetails(s *scanner, u *live.Usage, output bool) bool {
	if !s.open('[') {
		return false
	}
	for first := true; ; first = false {
		more, ok := s.element(first)
		if !ok || !more {
			return ok
		}
		if !scanDetail(s, u, output) {
			return false
		}
	}
}

func scanDetail(s *scanner, u *live.Usage, output bool) bool {
	if !s.open('{') {
		return false
	}
	var (
		seen     uint32
		modality []byte
		count    int64
	)
	for first := true; ; first = false {
		name, more, ok := s.key(first)
		if !ok {
			return false
		}
		if !more {
			countTokens(u, output, modality, count)
			return true
		}
		switch string(name) {
		case "modality":
			var escaped bool
			modality, escaped, ok = s.str()
			ok = ok && !escaped && once(&seen, bit0)
		case "tokenCount":
			ok = once(&seen, bit1) && s.integer(&count)
		default:
			ok = s.skip()
		}
		if !ok {
			return false
		}
	}
}
