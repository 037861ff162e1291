package gemini

import (
	"github.com/segmentio/asm/cpu"
	"github.com/segmentio/asm/cpu/x86"
)

// encodeBlocks makes 32 characters of every 24 bytes, masked with key, and reads four bytes behind the last of them.
//
//go:noescape
func encodeBlocks(dst, src *byte, blocks int, key uint32)

// encodeWide makes four characters of every three bytes, masked with key.
//
//go:noescape
func encodeWide(dst, src *byte, groups int, key uint32)

// decodeWide makes three bytes in place of every four characters, the first behind each other at p. It ends in front of those 64
// among which there is another character than the alphabet's, and tells how many it took.
//
//go:noescape
func decodeWide(p *byte, groups int) (n int)

var (
	hasAVX2 = cpu.X86.Has(x86.AVX2)
	hasVBMI = cpu.X86.Has(x86.AVX512VBMI) && cpu.X86.Has(x86.AVX512BW)
)

// encodeFront writes what the processor encodes at once of pcm to dst, masked with key, and tells how much of both that is. What
// github.com/segmentio/asm/base64 does mixes instructions of two generations, which takes 150 ns more.
func encodeFront(dst, pcm []byte, key uint32) (written, read int) {
	const in, out, behind = 24, 32, 4
	if groups := len(pcm) / 3; hasVBMI && groups > 0 {
		_ = dst[4*groups-1]
		encodeWide(&dst[0], &pcm[0], groups, key)
		return 4 * groups, 3 * groups
	}
	if blocks := (len(pcm) - behind) / in; hasAVX2 && blocks > 0 {
		_ = dst[blocks*out-1]
		encodeBlocks(&dst[0], &pcm[0], blocks, key)
		return blocks * out, blocks * in
	}
	return 0, 0
}

// decodeFront decodes in place what the processor decodes at once of the beginning of text, and tells how many characters those
// are: a multiple of four, all of the alphabet, and none of the padding.
func decodeFront(text []byte) (n int) {
	groups := len(text) / 4
	if groups > 0 && text[4*groups-1] == '=' {
		groups--
	}
	if !hasVBMI || groups == 0 {
		return 0
	}
	return decodeWide(&text[0], groups)
}
