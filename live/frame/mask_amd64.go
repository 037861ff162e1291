package frame

import (
	"github.com/segmentio/asm/cpu"
	"github.com/segmentio/asm/cpu/x86"
)

// maskBlocks masks blocks of 128 bytes, at least one, with key.
//
//go:noescape
func maskBlocks(p *byte, blocks int, key uint32)

var hasAVX2 = cpu.X86.Has(x86.AVX2)

// maskFront masks what the processor masks at once of the beginning of p, and gives the rest, which begins with the same byte of
// the key.
func maskFront(p []byte, key uint32) (rest []byte) {
	const block = 128
	if blocks := len(p) / block; hasAVX2 && blocks > 0 {
		maskBlocks(&p[0], blocks, key)
		return p[blocks*block:]
	}
	return p
}
