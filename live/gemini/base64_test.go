package gemini

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"testing"

	"github.com/stonepot/stonepot/live/frame"
)

// TestEncodeBase64_isTheStandardOne for every length, every place in memory and every place of a byte, and writes nothing else.
func TestEncodeBase64_isTheStandardOne(t *testing.T) {
	eachWay(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
		for n := range 700 {
			pcm := make([]byte, n) // exactly: the end of it is the end of what may be read
			for i := range pcm {
				pcm[i] = byte(random.Uint32())
			}
			checkEncode(t, pcm, n%64, random.Uint32())
		}
		for at := range 64 {
			checkEncode(t, sample(64 + 203)[at:], 63-at, random.Uint32())
		}
		for n := range 256 { // every number of six bits in every place
			checkEncode(t, bytes.Repeat([]byte{byte(n), byte(n >> 1), byte(255 - n)}, 40), 0, 0)
		}
	})
}

func FuzzEncodeBase64(f *testing.F) {
	f.Add(sample(640), uint32(0))
	f.Add([]byte{}, uint32(0xffeeddcc))
	f.Fuzz(func(t *testing.T, pcm []byte, key uint32) {
		eachWay(t, func(t *testing.T) { checkEncode(t, pcm, len(pcm)%64, key) })
	})
}

// checkEncode encodes to the place at in memory.
func checkEncode(t *testing.T, pcm []byte, at int, key uint32) {
	t.Helper()
	const guard = 70
	want := []byte(base64.StdEncoding.EncodeToString(pcm))
	frame.Mask(want, key, 0)
	fence := bytes.Repeat([]byte{'!'}, guard)
	all := append(append(bytes.Repeat([]byte{'!'}, guard+at), want...), fence...)
	clear(all[guard+at:][:len(want)])
	got := all[guard+at:][:len(want)]
	encodeBase64(got, pcm, key)
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, key %x: %q, want %q", len(pcm), key, got, want)
	}
	if !bytes.Equal(all[at:][:guard], fence) || !bytes.Equal(all[guard+at+len(want):], fence) {
		t.Fatalf("%d bytes: something was written beside the text: %q", len(pcm), all)
	}
}

// TestDecodeBase64_isTheStandardOne for every length and every place in memory, and ends in front of every byte that is none of
// the alphabet, wherever it stands.
func TestDecodeBase64_isTheStandardOne(t *testing.T) {
	eachWay(t, func(t *testing.T) {
		for n := range 400 {
			checkDecode(t, []byte(base64.StdEncoding.EncodeToString(sample(n))), n%64)
			checkDecode(t, []byte(base64.RawStdEncoding.EncodeToString(sample(n))), 0)
		}
		text := base64.StdEncoding.EncodeToString(sample(148))
		for at := range 64 {
			checkDecode(t, []byte(text), at)
		}
		for at := range text {
			for c := range 256 {
				spoilt := []byte(text)
				spoilt[at] = byte(c)
				checkDecode(t, spoilt, at%64)
			}
		}
	})
}

func FuzzDecodeBase64(f *testing.F) {
	f.Add([]byte(base64.StdEncoding.EncodeToString(sample(640))))
	f.Add([]byte(base64.URLEncoding.EncodeToString(sample(641))))
	f.Add([]byte("AQI=\nAQ=="))
	f.Fuzz(func(t *testing.T, text []byte) {
		eachWay(t, func(t *testing.T) { checkDecode(t, text, len(text)%64) })
	})
}

// checkDecode decodes at the place at in memory.
func checkDecode(t *testing.T, text []byte, at int) {
	t.Helper()
	const guard = 70
	want, wantErr := base64.StdEncoding.DecodeString(string(text))
	if bytes.ContainsAny(text, "\r\n") || len(text)%4 != 0 {
		want, wantErr = nil, errBadBase64
	}
	all := append(bytes.Repeat([]byte{'!'}, guard+at), text...)
	all = append(all, bytes.Repeat([]byte{'!'}, guard)...)
	was := bytes.Clone(all)
	got := all[guard+at:][:len(text)]

	n := decodeFront(got)
	pcm, err := base64.StdEncoding.DecodeString(string(text[:n]))
	if n%4 != 0 || err != nil || bytes.IndexByte(text[:n], '=') >= 0 || !bytes.Equal(got[:n/4*3], pcm) {
		t.Fatalf("%q: %d characters became %x, want %x, %v", text, n, got[:n/4*3], pcm, err)
	}
	if n == 0 && decodesAtOnce && len(text) >= 68 && wantErr == nil {
		t.Fatalf("%q: nothing was decoded at once", text)
	}
	if !bytes.Equal(all[:guard+at], was[:guard+at]) || !bytes.Equal(all[guard+at+n:], was[guard+at+n:]) {
		t.Fatalf("%q: something was written beside the %d characters that were taken: %q", text, n, all)
	}
	undecode(got, n)
	if !bytes.Equal(all, was) {
		t.Fatalf("%q was decoded and taken back: %q", text, got)
	}

	n = decodeFront(got)
	var c carry
	_, out, err := c.decode(append([]byte{0}, got...), n)
	if c.odd {
		out = append(out, c.low)
	}
	if (err != nil) != (wantErr != nil) || err == nil && !bytes.Equal(out, want) {
		t.Fatalf("%q, %d of it taken at once: %x, %v; want %x, %v", text, n, out, err, want, wantErr)
	}
}
