package static

import "bytes"

// coding is a content coding in which a file can be sent.
type coding uint8

const (
	identity coding = iota
	gzipped
	brotlied
	codings // how many there are
)

// names are the words of Accept-Encoding and Content-Encoding; suffixes are the file names beside the original.
var (
	names    = [codings]string{identity: "identity", gzipped: "gzip", brotlied: "br"}
	suffixes = [codings]string{gzipped: ".gz", brotlied: ".br"}
	// preference decides between codings that the client likes equally: the smallest first.
	preference = [codings]coding{brotlied, gzipped, identity}
)

// negotiate picks one of the available codings by the client's Accept-Encoding headers (RFC 9110 §12.5.3): the one with
// the highest weight. A client that accepts nothing we have gets identity, as §12.5.3 prefers to a refusal.
func negotiate(headers [][]byte, available *[codings]bool) coding {
	if len(headers) == 0 {
		return identity
	}
	const unnamed = -1
	weights := [codings]int{unnamed, unnamed, unnamed}
	other := unnamed
	for _, header := range headers {
		for len(header) > 0 {
			var element []byte
			element, header, _ = bytes.Cut(header, []byte(","))
			name, parameters, _ := bytes.Cut(element, []byte(";"))
			name = bytes.Trim(name, " \t")
			w := weight(parameters)
			switch {
			case bytes.EqualFold(name, []byte("br")):
				weights[brotlied] = w
			case bytes.EqualFold(name, []byte("gzip")), bytes.EqualFold(name, []byte("x-gzip")):
				weights[gzipped] = w
			case bytes.EqualFold(name, []byte("identity")):
				weights[identity] = w
			case len(name) == 1 && name[0] == '*':
				other = w
			}
		}
	}
	best, highest := identity, 0
	for _, c := range preference {
		if !available[c] {
			continue
		}
		w := weights[c]
		if w == unnamed {
			w = other
		}
		if w == unnamed && c == identity {
			w = 1 // always acceptable unless refused, but any coding that was asked for is better
		}
		if w > highest {
			best, highest = c, w
		}
	}
	return best
}

// weight reads the q parameter as thousandths times two, so that there is room below q=0.001 for identity unasked.
// Without one it is 1; a malformed one counts as a refusal, which is never wrong: identity is always there.
func weight(parameters []byte) int {
	for len(parameters) > 0 {
		var p []byte
		p, parameters, _ = bytes.Cut(parameters, []byte(";"))
		p = bytes.Trim(p, " \t")
		if len(p) < 2 || (p[0] != 'q' && p[0] != 'Q') || p[1] != '=' {
			continue
		}
		return 2 * thousandths(p[2:])
	}
	return 2000
}

// thousandths reads a qvalue: "0" or "1", with up to three decimals. 0 for anything else.
func thousandths(v []byte) int {
	if len(v) == 0 || len(v) > 5 || (v[0] != '0' && v[0] != '1') || (len(v) > 1 && v[1] != '.') {
		return 0
	}
	n, unit := int(v[0]-'0')*1000, 100
	for i := 2; i < len(v); i++ {
		if v[i] < '0' || v[i] > '9' {
			return 0
		}
		n += int(v[i]-'0') * unit
		unit /= 10
	}
	if n > 1000 {
		return 0
	}
	return n
}

// matchesAny says whether one of the headers (If-None-Match, If-Match) lists etag or is "*". Weak compares without
// the W/ mark (RFC 9110 §8.8.3.2): a proxy that recompresses weakens our tags, and the file is still the same.
func matchesAny(headers [][]byte, etag []byte, weak bool) bool {
	for _, list := range headers {
		for {
			list = bytes.TrimLeft(list, " \t,")
			if len(list) == 0 {
				break
			}
			if list[0] == '*' {
				return true
			}
			marked := bytes.HasPrefix(list, []byte("W/"))
			if marked {
				list = list[2:]
			}
			if len(list) == 0 || list[0] != '"' {
				break // not a list of tags; the rest cannot be trusted to be one
			}
			end := bytes.IndexByte(list[1:], '"')
			if end < 0 {
				break
			}
			tag := list[:end+2]
			if bytes.Equal(tag, etag) && (weak || !marked) {
				return true
			}
			list = list[end+2:]
		}
	}
	return false
}
