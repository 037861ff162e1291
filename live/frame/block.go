package frame

import (
	"math/bits"
	"sync"
)

// block is pooled memory for what is being read. It belongs to one Reader, until that has nothing unread.
type block struct {
	data []byte
}

const (
	// smallBlock holds 40 ms of 24 kHz audio with its header.
	smallBlock = 4 << 10
	// classes are the sizes that are pooled: 4 KiB, 8 KiB and so on to 8 MiB.
	classes = 12
)

var blocks [classes]sync.Pool

// roundUp is the size of the block for n bytes.
func roundUp(n int) int {
	if n <= smallBlock {
		return smallBlock
	}
	return 1 << bits.Len(uint(n-1))
}

// newBlock gives a block of a size that roundUp has given.
func newBlock(size int) *block {
	if c := class(size); c < classes {
		if b, ok := blocks[c].Get().(*block); ok {
			return b
		}
	}
	return &block{make([]byte, size)}
}

func (b *block) free() {
	if c := class(len(b.data)); c < classes {
		blocks[c].Put(b)
	}
}

func class(size int) int { return bits.Len(uint(size/smallBlock)) - 1 }
