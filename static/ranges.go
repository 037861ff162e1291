package static

import "bytes"

// rangeVerdict is what a Range header means for a file of a known size.
type rangeVerdict uint8

const (
	rangeNone          rangeVerdict = iota // absent, malformed, another unit, or several ranges: answer with the whole file
	rangeOK                                // one range that lies, at least partly, in the file
	rangeUnsatisfiable                     // well formed, but outside of the file: 416
)

// parseRange reads one byte range (RFC 9110 §14.1.2) and returns the first and the last position, both included.
// Several ranges are not worth a multipart answer here, and a server may ignore the header (§14.2).
func parseRange(header []byte, size int64) (first, last int64, verdict rangeVerdict) {
	const unit = "bytes="
	if len(header) < len(unit) || !bytes.EqualFold(header[:len(unit)], []byte(unit)) {
		return 0, 0, rangeNone
	}
	spec := bytes.Trim(header[len(unit):], " \t")
	from, to, found := bytes.Cut(spec, []byte("-"))
	if !found || (len(from) == 0 && len(to) == 0) {
		return 0, 0, rangeNone
	}

	if len(from) == 0 { // the last n bytes
		n, ok := position(to)
		switch {
		case !ok:
			return 0, 0, rangeNone
		case n == 0:
			return 0, 0, rangeUnsatisfiable
		case size == 0:
			// Satisfiable by the letter, but Content-Range cannot say "nothing".
			return 0, 0, rangeNone
		}
		return max(size-n, 0), size - 1, rangeOK
	}

	first, ok := position(from)
	if !ok {
		return 0, 0, rangeNone
	}
	last = size - 1
	if len(to) > 0 {
		end, ok := position(to)
		if !ok || end < first {
			return 0, 0, rangeNone
		}
		last = min(end, last)
	}
	if first >= size {
		return 0, 0, rangeUnsatisfiable
	}
	return first, last, rangeOK
}

// position reads a decimal number; one too large for any file is as good as the largest.
func position(digits []byte) (int64, bool) {
	const ceiling = int64(1) << 60
	if len(digits) == 0 {
		return 0, false
	}
	var n int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n < ceiling/10 {
			n = n*10 + int64(c-'0')
		} else {
			n = ceiling
		}
	}
	return n, true
}
