package main

import (
	"encoding/binary"
	"math/bits"
	"time"
)

// mark is the beginning of each frame where the model's end echoes: it says which frame this is. It takes the place
// of a few samples, which nobody listens to.
//
//	0  uint16  markMagic
//	2  uint16  number of the run
//	4  uint32  number of the session
//	8  uint32  number of the frame
//	12 uint32  microseconds it had to wait because the connection did not take the frame before; top bit: it is measured
//	16 int64   when it was written, in nanoseconds since the generator's start
type mark struct {
	run      uint16
	session  uint32
	seq      uint32
	queued   time.Duration
	measured bool
	sent     time.Duration
}

const (
	markBytes    = 24
	markMagic    = 0x7053
	measuredBit  = 1 << 31
	mostQueuedUs = measuredBit - 1
)

func (m mark) put(p []byte) {
	queued := uint32(min(m.queued.Microseconds(), mostQueuedUs))
	if m.measured {
		queued |= measuredBit
	}
	binary.LittleEndian.PutUint16(p, markMagic)
	binary.LittleEndian.PutUint16(p[2:], m.run)
	binary.LittleEndian.PutUint32(p[4:], m.session)
	binary.LittleEndian.PutUint32(p[8:], m.seq)
	binary.LittleEndian.PutUint32(p[12:], queued)
	binary.LittleEndian.PutUint64(p[16:], uint64(m.sent))
}

// readMark reports whether p begins with a mark.
func readMark(p []byte) (m mark, ok bool) {
	if len(p) < markBytes || binary.LittleEndian.Uint16(p) != markMagic {
		return m, false
	}
	queued := binary.LittleEndian.Uint32(p[12:])
	return mark{
		run:      binary.LittleEndian.Uint16(p[2:]),
		session:  binary.LittleEndian.Uint32(p[4:]),
		seq:      binary.LittleEndian.Uint32(p[8:]),
		queued:   time.Duration(queued&^measuredBit) * time.Microsecond,
		measured: queued&measuredBit != 0,
		sent:     time.Duration(binary.LittleEndian.Uint64(p[16:])),
	}, true
}

// deframer cuts the stream of echoed bytes into the frames that they were sent in: a server may join frames, or cut
// them. It is used by one goroutine.
type deframer struct {
	frame int
	part  []byte // the beginning of a frame whose end has not come
}

// feed calls take for each whole frame. Frames are borrowed until it returns.
func (d *deframer) feed(p []byte, take func(frame []byte)) {
	if len(d.part) > 0 {
		n := min(d.frame-len(d.part), len(p))
		d.part = append(d.part, p[:n]...)
		p = p[n:]
		if len(d.part) < d.frame {
			return
		}
		take(d.part)
		d.part = d.part[:0]
	}
	for ; len(p) >= d.frame; p = p[d.frame:] {
		take(p[:d.frame])
	}
	d.part = append(d.part, p...)
}

// seen is a set of frame numbers that grows with the largest: a bit for each.
type seen struct{ words []uint64 }

// add reports whether n is new.
func (s *seen) add(n uint32) bool {
	w, bit := int(n/64), uint64(1)<<(n%64)
	for w >= len(s.words) {
		s.words = append(s.words, 0)
	}
	if s.words[w]&bit != 0 {
		return false
	}
	s.words[w] |= bit
	return true
}

func (s *seen) count() (n int) {
	for _, w := range s.words {
		n += bits.OnesCount64(w)
	}
	return n
}
