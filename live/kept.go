package live

import "time"

// kept holds the counted messages that were written to the browser and that it has not acknowledged: what a resumed
// connection is sent again. Messages are bytes as they went over the wire, in pooled chunks, freed as acknowledgements
// come. It belongs to the outbox and is guarded by its lock.
//
// The bound: beyond maxKeptBytes the oldest messages are given up, and beyond maxKeptMessages forgotten altogether. A
// client that acknowledges (docs/protocol.md) never gets there, because audio.window holds its speech back. What was
// given up is told by skipped when the client resumes.
type kept struct {
	store  bool // keep the bytes, not only what the window needs to know
	frames ring[keptFrame]
	first  int64 // number of the message at 0
	gone   int   // how many of the oldest messages have no bytes any more
	speech int   // bytes of unacknowledged speech

	budget *budget // of the gateway; nil: none
	chunks ring[*chunk]
	base   int64 // place of the first chunk's first byte in the stream of everything that was ever kept
	end    int64 // place behind the last byte
}

// keptFrame is one message.
type keptFrame struct {
	at     int64 // place of its first byte, if it has not been given up
	length int
	speech time.Duration // of audio; 0: not speech
}

const (
	maxKeptBytes    = 1 << 20
	maxKeptMessages = 16 << 10
)

// push keeps a message that is about to be written, the one behind the newest.
func (k *kept) push(wire []byte, speech time.Duration) {
	if speech > 0 {
		k.speech += len(wire)
	}
	k.frames.push(keptFrame{at: k.end, length: len(wire), speech: speech})
	if k.store {
		k.write(wire)
		for k.end-k.oldest() > maxKeptBytes {
			k.gone++
		}
		k.free()
	} else {
		k.gone++
	}
	if k.frames.len() > maxKeptMessages {
		k.pop()
	}
}

func (k *kept) write(p []byte) {
	for len(p) > 0 {
		used := int(k.end - k.base - int64(max(0, k.chunks.len()-1))*chunkSize)
		if k.chunks.len() == 0 || used == chunkSize {
			if k.chunks.len() == 0 {
				k.base = k.end
			}
			k.chunks.push(k.newChunk())
			used = 0
		}
		n := copy((*k.chunks.at(k.chunks.len() - 1)).data[used:], p)
		k.end += int64(n)
		p = p[n:]
	}
}

// newChunk takes memory. When the budget is used up it is taken from the oldest messages that are kept here.
func (k *kept) newChunk() *chunk {
	for !k.budget.take(chunkMemory) {
		if k.gone >= k.frames.len()-1 { // the newest is being kept just now
			k.budget.must(chunkMemory)
			break
		}
		k.gone++
		k.free()
	}
	return chunks.take()
}

// oldest is the place of the oldest byte that is still wanted.
func (k *kept) oldest() int64 {
	if k.gone < k.frames.len() {
		return k.frames.at(k.gone).at
	}
	return k.end
}

// free returns the chunks before the oldest byte to the pool.
func (k *kept) free() {
	oldest := k.oldest()
	for k.chunks.len() > 0 && (k.base+chunkSize <= oldest || oldest == k.end) {
		chunks.put(k.chunks.pop())
		k.budget.give(chunkMemory)
		k.base += chunkSize
	}
}

// pop forgets the oldest message.
func (k *kept) pop() {
	if f := k.frames.pop(); f.speech > 0 {
		k.speech -= f.length
	}
	k.gone = max(0, k.gone-1)
	k.first++
}

// acknowledged forgets the messages up to number n.
func (k *kept) acknowledged(n int64) {
	for k.frames.len() > 0 && k.first <= n {
		k.pop()
	}
	k.free()
}

// clear forgets everything; the next message has number first.
func (k *kept) clear(first int64) {
	k.acknowledged(k.first + int64(k.frames.len()))
	k.first = first
}

// missing tells what of the messages behind number n cannot be sent again.
func (k *kept) missing(n int64) (messages int64, speech time.Duration) {
	messages = max(0, k.first-1-n)
	for i := range k.gone {
		if k.first+int64(i) > n {
			messages++
			speech += k.frames.at(i).speech
		}
	}
	return messages, speech
}

// appendTo appends the bytes of message n, which must be kept, to dst.
func (k *kept) appendTo(dst []byte, n int64) []byte {
	f := k.frames.at(int(n - k.first))
	for at, left := f.at-k.base, f.length; left > 0; {
		from := int(at % chunkSize)
		p := (*k.chunks.at(int(at / chunkSize))).data[from:min(chunkSize, from+left)]
		dst = append(dst, p...)
		at, left = at+int64(len(p)), left-len(p)
	}
	return dst
}

// bytes is what the chunks take.
func (k *kept) bytes() int { return k.chunks.len() * chunkMemory }
