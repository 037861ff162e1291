// Package pcm makes microphone audio whose every millisecond says whose it is and where in the conversation it belongs, and
// reads such audio back wherever it turns up: a ledger can tell lost, doubled and reordered samples, and those of somebody else.
//
// Audio is 16-bit PCM, mono. It consists of blocks of 16 samples: a mark, the number of the block, the number of the
// conversation, and a check over both, four bits in each sample. It comes at two levels: Loud, which every voice activity
// detector takes for speech, and quiet (about -59 dBFS), which none does. Digital silence is neither: what a gateway pads
// a stream with is told apart from what a person's quiet room sounds like.
package pcm

import "encoding/binary"

// Rate is the sample rate that the package's durations assume, in Hz.
const Rate = 16000

// Block is how many samples a block has: a millisecond. Whoever starts and stops speaking does so between blocks.
const Block = 16

// MaxBlocks is how many blocks a conversation may have: more than four hours.
const MaxBlocks = 1 << 24

// The levels of the mark and of the lowest of the 16 values, and the distance between values.
const (
	quietMark, quietLow, quietStep = 68, -60, 8
	loudMark, loudLow, loudStep    = 16000, -12000, 1600
)

// mark stands at the beginning of each block in the place of a value; other marks a sample that no block has.
const (
	mark  = 16
	other = 0xFF
)

// symbols are the values of one block: the mark and 15 times four bits.
func symbols(who uint16, block int64) (s [Block]byte) {
	s[0] = mark
	for i := range 6 {
		s[1+i] = byte(block>>(20-4*i)) & 15
	}
	for i := range 4 {
		s[7+i] = byte(who>>(12-4*i)) & 15
	}
	sum := check(who, block)
	for i := range 5 {
		s[11+i] = byte(sum>>(4*i)) & 15
	}
	return s
}

// check mixes both numbers into 20 bits (the finalizer of MurmurHash3).
func check(who uint16, block int64) uint32 {
	h := uint64(who)<<32 | uint64(block)
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return uint32(h) & 0xFFFFF
}

// Append appends n samples of a conversation from its sample number pos on, loud or quiet.
func Append(dst []byte, who uint16, pos int64, n int, loud bool) []byte {
	first, low, step := quietMark, quietLow, quietStep
	if loud {
		first, low, step = loudMark, loudLow, loudStep
	}
	for n > 0 {
		s := symbols(who, pos/Block)
		for _, v := range s[pos%Block : min(Block, pos%Block+int64(n))] {
			sample := first
			if v != mark {
				sample = low + step*int(v)
			}
			dst = binary.LittleEndian.AppendUint16(dst, uint16(int16(sample)))
			pos++
			n--
		}
	}
	return dst
}

// symbol reads one sample: its value, or mark, or other.
func symbol(v int16) (value byte, loud bool) {
	switch {
	case v == quietMark:
		return mark, false
	case v == loudMark:
		return mark, true
	case v > -800 && v < 800:
		return level(int(v), quietLow, quietStep), false
	default:
		return level(int(v), loudLow, loudStep), true
	}
}

func level(v, low, step int) byte {
	if v -= low; v < 0 || v%step != 0 || v/step > 15 {
		return other
	}
	return byte(v / step)
}
