package frame

import (
	"math/bits"
	"sync"
)

// Block is pooled memory for what is being read, or put together. It belongs to one Reader, until that has nothing unread, or to
// who has borrowed it.
type Block struct {
	Data []byte
}

// Borrow gives a block of n bytes at least, with anything in it.
func Borrow(n int) *Block { return newBlock(roundUp(n)) }

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
func newBlock(size int) *Block {
	if c := class(size); c < classes {
		if b, ok := blocks[c].Get().(*Block); ok {
			return b
		}
	}
	return &Block{make([]byte, size)}
}

// Free gives the block back.
func (b *Block) Free() {
	if c := class(len(b.Data)); c < classes {
		blocks[c].Put(b)
	}
}

func class(size int) int { return bits.Len(uint(size/smallBlock)) - 1 }
