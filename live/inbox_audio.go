package live

import (
	"bytes"
	"encoding/binary"
	"sync"
	"time"
	"unsafe"
)

// This part of the inbox stores audio: speech in pooled chunks, silence as a length. Silence is what consists of zeros only:
// a muted track, or a microphone behind a noise gate. Everything else is kept bit by bit.

// zeros is what silence is made of.
var zeros [chunkSize]byte

// isSilent reports whether pcm holds zeros only. Of speech it looks at the first words only.
func isSilent(pcm []byte) bool {
	for len(pcm) >= 8 {
		if binary.LittleEndian.Uint64(pcm) != 0 {
			return false
		}
		pcm = pcm[8:]
	}
	return bytes.Equal(pcm, zeros[:len(pcm)])
}

func (in *inbox) appendAudio(pcm []byte, now time.Time) {
	if in.unsent == 0 {
		in.firstShort = now
	}
	in.unsent += len(pcm)
	if isSilent(pcm) {
		in.appendSilence(len(pcm))
		return
	}
	if in.tail != nil && in.tail.refs == 0 {
		in.tail.used = 0
	}
	for len(pcm) > 0 {
		if in.tail == nil || in.tail.used == chunkSize {
			in.releaseTail()
			in.tail = in.newChunk()
		}
		t := in.tail
		n := copyFar(t.data[t.used:], pcm)
		if last := in.lastShort(n); last != nil {
			last.length += uint16(n)
		} else {
			in.push(item{seq: in.received, pos: in.samples, chunk: t, from: uint16(t.used), length: uint16(n)})
			t.refs++
		}
		t.used += int32(n)
		in.samples += int64(n / 2)
		pcm = pcm[n:]
	}
}

// appendSilence keeps bytes of silence.
func (in *inbox) appendSilence(bytes int) {
	for bytes > 0 {
		n := min(bytes, chunkSize)
		if last := in.newestWaiting(); last != nil && last.silent() && last.len()+n <= shortItem {
			last.length += uint16(n)
		} else {
			in.push(item{seq: in.received, pos: in.samples, length: uint16(n)})
		}
		in.samples += int64(n / 2)
		bytes -= n
	}
}

// silent reports whether an item is silence.
func (it *item) silent() bool { return it.chunk == nil && it.length > 0 }

// end is the place in the microphone's stream behind an item of audio.
func (it *item) end() int64 { return it.pos + int64(it.length/2) }

// appendTo appends an item's audio to dst.
func (it *item) appendTo(dst []byte) []byte {
	if it.silent() {
		return append(dst, zeros[:it.length]...)
	}
	return append(dst, it.chunk.data[it.from:it.from+it.length]...)
}

// mergeSilence makes one item of the two that were given last, if both are silence, nothing waits behind them, and no
// upstream was given them before: then nobody knows the second by its number. Places inside such an item are told by
// their samples.
func (in *inbox) mergeSilence() {
	n := in.items.len()
	if in.done < 2 || in.done != n || in.first+int64(n-2) < in.everGiven {
		return
	}
	it, last := in.items.at(n-2), in.items.at(n-1)
	if !it.silent() || !last.silent() || it.passed || last.passed || it.end() != last.pos || it.len()+last.len() > chunkSize {
		return
	}
	it.length += last.length
	in.giveItems(in.items.drop(&itemSegments))
	in.done--
}

// newChunk takes memory for audio. When the budget is used up it is taken from the oldest speech that is kept here; what was
// not sent yet is worth more than the budget.
func (in *inbox) newChunk() *chunk {
	for !in.budget.take(chunkMemory) {
		if !in.giveUp() {
			in.budget.must(chunkMemory)
			break
		}
	}
	return chunks.take()
}

// giveUp forgets the oldest item, which was given and is kept, for want of memory. It reports false when there is none. A renewal
// tells by its place what is lost with it.
func (in *inbox) giveUp() bool {
	if in.done == 0 {
		return false
	}
	in.givenUp += int64(in.items.at(0).len())
	in.setAside()
	in.forget()
	return true
}

// What places take counts against the budget as the speech does.
const (
	itemMemory = int64(unsafe.Sizeof(item{}))
	markMemory = int64(unsafe.Sizeof(mark{}))
)

var itemSegments, markSegments sync.Pool

// placesMemory is what places take now.
func (in *inbox) placesMemory() int64 {
	return int64(in.items.size())*itemMemory + int64(in.marks.size())*markMemory
}

func (in *inbox) giveItems(places int) { in.budget.give(int64(places) * itemMemory) }
func (in *inbox) giveMarks(places int) { in.budget.give(int64(places) * markMemory) }

// push makes an item the newest. Where the memory for more is not there, the oldest make room.
func (in *inbox) push(it item) {
	for n := in.items.growth(); n > 0 && !in.budget.take(int64(n)*itemMemory); n = in.items.growth() {
		if !in.giveUp() {
			in.budget.must(int64(n) * itemMemory)
			break
		}
	}
	in.items.push(it, &itemSegments)
}

// pushMark does the same for a mark.
func (in *inbox) pushMark(m mark) {
	for n := in.marks.growth(); n > 0 && !in.budget.take(int64(n)*markMemory); n = in.marks.growth() {
		if !in.giveUp() {
			in.budget.must(int64(n) * markMemory)
			break
		}
		in.popMarks()
	}
	in.marks.push(m, &markSegments)
	in.popMarks()
}

// popMarks forgets the marks of what is kept no more.
func (in *inbox) popMarks() {
	for in.marks.len() > 1 && in.marks.at(0).at.item < in.first {
		in.giveMarks(in.marks.pop(&markSegments))
	}
}

func (in *inbox) freeChunk(c *chunk) {
	chunks.put(c)
	in.budget.give(chunkMemory)
}

// shortItem is how long an item of audio may become by joining short frames: an item costs more than a few samples.
const shortItem = 512

// lastShort is the newest item when it has yet to be given and n bytes more at the end of the tail may join it.
func (in *inbox) lastShort(n int) *item {
	it := in.newestWaiting()
	if it == nil || it.chunk == nil || it.chunk != in.tail || int32(it.from)+int32(it.length) != in.tail.used || it.len()+n > shortItem {
		return nil
	}
	return it
}

// newestWaiting is the newest item if it has yet to be given.
func (in *inbox) newestWaiting() *item {
	if in.items.len() == in.done {
		return nil
	}
	return in.items.at(in.items.len() - 1)
}

// release gives an item's share of its chunk back and leaves the item empty.
func (in *inbox) release(it *item) {
	c := it.chunk
	it.chunk, it.length = nil, 0
	if c == nil {
		return
	}
	if c.refs--; c.refs == 0 && c != in.tail {
		in.freeChunk(c)
	}
}

func (in *inbox) releaseTail() {
	if in.tail != nil && in.tail.refs == 0 {
		in.freeChunk(in.tail)
	}
	in.tail = nil
}
