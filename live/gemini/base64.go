package gemini

import (
	"github.com/segmentio/asm/base64"
	"github.com/stonepot/stonepot/live/frame"
)

// encodeBase64 writes pcm to dst, which has the length for it, masked with key, whose first byte is for the first of dst. In one
// go: to encode and then to mask takes a message through the cache twice.
func encodeBase64(dst, pcm []byte, key uint32) {
	written, read := encodeFront(dst, pcm, key)
	if dst = dst[written:]; len(dst) > 0 {
		base64.StdEncoding.Encode(dst, pcm[read:])
		frame.Mask(dst, key, 0)
	}
}

// undecode takes back what decodeFront has done to the first n characters of text.
func undecode(text []byte, n int) {
	b := frame.Borrow(n)
	encodeBase64(text[:n], b.Data[:copy(b.Data, text[:n/4*3])], 0)
	b.Free()
}
