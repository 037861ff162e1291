package gemini

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// scanner walks over one JSON text without allocating. Every method answers false where it meets something that
// it does not handle, or that is not valid JSON: then encoding/json has the word. It never takes for valid what
// encoding/json refuses.
type scanner struct {
	p     []byte
	i     int
	depth int
}

// maxDepth bounds the nesting that the scanner walks into; real messages have about ten levels.
const maxDepth = 48

func (s *scanner) space() {
	for s.i < len(s.p) {
		switch s.p[s.i] {
		case ' ', '\n', '\t', '\r':
			s.i++
		default:
			return
		}
	}
}

// take steps over c, with the space in front of it.
func (s *scanner) take(c byte) bool {
	s.space()
	if s.i < len(s.p) && s.p[s.i] == c {
		s.i++
		return true
	}
	return false
}

// literal steps over word.
func (s *scanner) literal(word string) bool {
	s.space()
	if len(s.p)-s.i >= len(word) && string(s.p[s.i:s.i+len(word)]) == word {
		s.i += len(word)
		return true
	}
	return false
}

// key takes the next member's name and its colon; more is false at the end of the object. Names that are written
// with escapes are left to encoding/json.
func (s *scanner) key(first bool) (name []byte, more, ok bool) {
	if s.take('}') {
		s.depth--
		return nil, false, true
	}
	if !first && !s.take(',') {
		return nil, false, false
	}
	name, escaped, ok := s.str()
	return name, true, ok && !escaped && s.take(':')
}

// open enters an object or an array.
func (s *scanner) open(c byte) bool {
	s.depth++
	return s.depth <= maxDepth && s.take(c)
}

// element steps to the next element of an array; more is false at its end.
func (s *scanner) element(first bool) (more, ok bool) {
	if s.take(']') {
		s.depth--
		return false, true
	}
	return true, first || s.take(',')
}

// str takes a string and gives what stands between the quotes, as it stands there.
func (s *scanner) str() (text []byte, escaped, ok bool) {
	if !s.take('"') {
		return nil, false, false
	}
	start := s.i
	for s.i < len(s.p) {
		switch c := s.p[s.i]; {
		case c == '"':
			text = s.p[start:s.i]
			s.i++
			return text, escaped, true
		case c < ' ':
			return nil, false, false
		case c == '\\':
			escaped = true
			if !s.escape() {
				return nil, false, false
			}
		default:
			s.i++
		}
	}
	return nil, false, false
}

// escape steps over one escape sequence.
func (s *scanner) escape() bool {
	if s.i+1 >= len(s.p) {
		return false
	}
	switch s.p[s.i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.i += 2
		return true
	case 'u':
		if s.i+6 > len(s.p) {
			return false
		}
		for _, c := range s.p[s.i+2 : s.i+6] {
			if !hexDigit(c) {
				return false
			}
		}
		s.i += 6
		return true
	default:
		return false
	}
}

func hexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// text takes a string and makes it Go's.
func (s *scanner) text() (string, bool) {
	s.space()
	start := s.i
	raw, escaped, ok := s.str()
	if !ok {
		return "", false
	}
	if !escaped && utf8.Valid(raw) {
		return string(raw), true
	}
	var text string
	err := json.Unmarshal(s.p[start:s.i], &text)
	return text, err == nil
}

// base64 takes a string that holds audio, without looking at every byte: blob is what stands between the quotes
// with the opening one in front, whose byte may be overwritten. What is in between is checked when it is
// decoded, or by harmless. Escapes other than \/ are left to encoding/json.
func (s *scanner) base64() (blob []byte, escaped, ok bool) {
	if !s.take('"') {
		return nil, false, false
	}
	n := bytes.IndexByte(s.p[s.i:], '"')
	if n < 0 {
		return nil, false, false
	}
	text := s.p[s.i : s.i+n]
	for at := 0; ; {
		k := bytes.IndexByte(text[at:], '\\')
		if k < 0 {
			break
		}
		if at += k + 2; at > len(text) || text[at-1] != '/' {
			return nil, false, false
		}
		escaped = true
	}
	blob = s.p[s.i-1 : s.i+n : s.i+n]
	s.i += n + 1
	return blob, escaped, true
}

// harmless reports whether a string that nobody decodes was valid: JSON has no control characters in strings.
func harmless(text []byte) bool {
	for _, c := range text {
		if c < ' ' {
			return false
		}
	}
	return true
}

func (s *scanner) flag(v *bool) bool {
	switch {
	case s.literal("true"):
		*v = true
	case s.literal("false"):
		*v = false
	default:
		return false
	}
	return true
}

// integer takes a whole number, or a string that holds one, of up to 18 digits.
func (s *scanner) integer(v *int64) bool {
	quoted := s.take('"')
	negative := s.i < len(s.p) && s.p[s.i] == '-'
	if negative {
		s.i++
	}
	start, n := s.i, int64(0)
	for s.i < len(s.p) && s.p[s.i] >= '0' && s.p[s.i] <= '9' {
		n = n*10 + int64(s.p[s.i]-'0')
		s.i++
	}
	digits := s.i - start
	if digits == 0 || digits > 18 || digits > 1 && s.p[start] == '0' {
		return false
	}
	if quoted {
		if s.i >= len(s.p) || s.p[s.i] != '"' {
			return false
		}
		s.i++
	} else if s.i < len(s.p) && (s.p[s.i] == '.' || s.p[s.i] == 'e' || s.p[s.i] == 'E') {
		return false
	}
	if negative {
		n = -n
	}
	*v = n
	return true
}

// raw steps over any value and gives its bytes.
func (s *scanner) raw() ([]byte, bool) {
	s.space()
	start := s.i
	if !s.skip() {
		return nil, false
	}
	return s.p[start:s.i], true
}

// skip steps over any value and checks it on the way.
func (s *scanner) skip() bool {
	s.space()
	if s.i >= len(s.p) {
		return false
	}
	switch c := s.p[s.i]; {
	case c == '{':
		if !s.open('{') {
			return false
		}
		for first := true; ; first = false {
			if s.take('}') {
				s.depth--
				return true
			}
			if !first && !s.take(',') {
				return false
			}
			if _, _, ok := s.str(); !ok || !s.take(':') || !s.skip() {
				return false
			}
		}
	case c == '[':
		if !s.open('[') {
			return false
		}
		for first := true; ; first = false {
			more, ok := s.element(first)
			if !ok || more && !s.skip() {
				return false
			}
			if !more {
				return true
			}
		}
	case c == '"':
		_, _, ok := s.str()
		return ok
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	default:
		return s.literal("true") || s.literal("false") || s.literal("null")
	}
}

// number steps over a number (RFC 8259 §6).
func (s *scanner) number() bool {
	if s.p[s.i] == '-' {
		s.i++
	}
	start := s.i
	if !s.digits() || s.p[start] == '0' && s.i-start > 1 {
		return false
	}
	if s.i < len(s.p) && s.p[s.i] == '.' {
		if s.i++; !s.digits() {
			return false
		}
	}
	if s.i < len(s.p) && (s.p[s.i] == 'e' || s.p[s.i] == 'E') {
		s.i++
		if s.i < len(s.p) && (s.p[s.i] == '+' || s.p[s.i] == '-') {
			s.i++
		}
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.p) && s.p[s.i] >= '0' && s.p[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}
