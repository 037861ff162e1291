package main

import (
	"time"

	"github.com/stonepot/stonepot/benchmarks/torture/pcm"
	"github.com/stonepot/stonepot/live/frame"
)

// frameSamples is a microphone frame of 40 ms.
const frameSamples = 40 * pcm.Rate / 1000

// maxKeptAudio is how much speech a client keeps that nobody has covered (docs/protocol.md, "Counting").
const maxKeptAudio = 60 * pcm.Rate

// upMessage is one counted message of a client. Audio is made anew each time it is sent.
type upMessage struct {
	text []byte // nil: audio
	pos  int64
	n    int
	loud bool
}

// uplink counts what a client has sent, and keeps what it may have to send again: docs/protocol.md from the client's side.
// It is guarded by client.mu.
type uplink struct {
	who      uint16
	ring     []upMessage // forgotten ones in front, for the excuses
	base     int64       // number of ring[0]; the first message of all is 1
	first    int64       // number of the first that is kept
	next     int64       // number of the message to be written next
	received int64       // what the server says it has
	covered  int64       // what it says the newest ticket's handle includes
	audio    int64       // samples that are kept
}

// maxForgotten is how many messages that are not kept any more still have a place.
const maxForgotten = 2000

func newUplink(who uint16) uplink { return uplink{who: who, base: 1, first: 1, next: 1} }

// count is how many messages there are so far.
func (u *uplink) count() int64 { return u.base + int64(len(u.ring)) - 1 }

// push counts one more message.
func (u *uplink) push(m upMessage) {
	u.ring = append(u.ring, m)
	u.audio += int64(m.n)
	for u.audio > maxKeptAudio {
		u.drop()
	}
}

// drop gives the oldest message up.
func (u *uplink) drop() {
	u.audio -= int64(u.ring[u.first-u.base].n)
	u.first++
	if u.first-u.base > 2*maxForgotten {
		u.ring = append(u.ring[:0], u.ring[maxForgotten:]...)
		u.base += maxForgotten
	}
}

// forget drops what the newest ticket covers.
func (u *uplink) forget(covered int64) {
	u.covered = covered
	for u.first <= min(covered, u.count()) {
		u.drop()
	}
}

// rewind makes the message after received the next one, and returns how many behind it are not kept any more.
func (u *uplink) rewind(received int64) (missing int64) {
	u.received = received
	u.next = max(received+1, u.first)
	return u.next - received - 1
}

// restart begins anew at 0, as a page does that was reloaded. It returns the first sample that the server may not have and
// the one that no ticket covers.
func (u *uplink) restart(pos int64) (received, covered int64) {
	received, covered = u.place(u.received, pos), u.place(u.covered, pos)
	*u = newUplink(u.who)
	return received, covered
}

// place is the position of the first sample behind message n; pos where nothing that is kept tells.
func (u *uplink) place(n, pos int64) int64 {
	for i := max(0, n+1-u.base); i < int64(len(u.ring)); i++ {
		if m := u.ring[i]; m.text == nil {
			return m.pos
		}
	}
	return pos
}

// appendNext appends the frame of the next message, if there is one, and moves on.
func (u *uplink) appendNext(dst []byte, scratch *[]byte) ([]byte, bool) {
	if u.next > u.count() {
		return dst, false
	}
	m := &u.ring[u.next-u.base]
	u.next++
	if m.text != nil {
		return frame.AppendMasked(dst, frame.Text, m.text, maskKey()), true
	}
	*scratch = pcm.Append((*scratch)[:0], u.who, m.pos, m.n, m.loud)
	return frame.AppendMasked(dst, frame.Binary, *scratch, maskKey()), true
}

// lasting is how long samples of the microphone last.
func lasting(samples int64) time.Duration { return time.Duration(samples) * time.Second / pcm.Rate }
