package gemini

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"testing"
)

// TestEncodeBase64_isTheStandardOne for every length and every place of a byte, and writes nothing else.
func TestEncodeBase64_isTheStandardOne(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	for n := range 700 {
		pcm := make([]byte, n) // exactly: the end of it is the end of what may be read
		for i := range pcm {
			pcm[i] = byte(random.Uint32())
		}
		checkBase64(t, pcm)
	}
	for n := range 256 { // every number of six bits in every place
		checkBase64(t, bytes.Repeat([]byte{byte(n), byte(n >> 1), byte(255 - n)}, 40))
	}
}

func FuzzEncodeBase64(f *testing.F) {
	f.Add(sample(640))
	f.Add([]byte{})
	f.Fuzz(checkBase64)
}

func checkBase64(t *testing.T, pcm []byte) {
	const guard = 40
	want := base64.StdEncoding.EncodeToString(pcm)
	got := bytes.Repeat([]byte{'!'}, len(want)+guard)
	encodeBase64(got[:len(want)], pcm)
	if string(got[:len(want)]) != want {
		t.Fatalf("%d bytes: %q, want %q", len(pcm), got[:len(want)], want)
	}
	if !bytes.Equal(got[len(want):], bytes.Repeat([]byte{'!'}, guard)) {
		t.Fatalf("%d bytes: something was written behind the text: %q", len(pcm), got[len(want):])
	}
}
