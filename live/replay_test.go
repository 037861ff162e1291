package live

import (
	"slices"
	"testing"
	"time"
)

// given is an inbox of which everything was given: frames of some milliseconds, and a text behind those whose number is in texts.
func given(frames, ms int, texts ...int) *inbox {
	in := &inbox{maxUnsent: 1 << 20, maxKept: 1 << 20}
	for i := range frames {
		in.received++
		in.addAudio(words(ms*i, ms), time.Now())
		if slices.Contains(texts, i) {
			in.received++
			in.addCommand(&Command{Kind: CommandText, Text: "hello"})
		}
		for {
			if pcm, c, _ := in.take(nil, takeRule{flush: true, maxBytes: 1 << 20}); len(pcm) == 0 && c == nil {
				break
			}
		}
	}
	return in
}

const overlap500 = 500 * 32 // bytes

// An answer's first audio is the last moment of which it is known that a text before it was heard. A handle that comes
// seconds later covers the audio up to then nevertheless.
func TestInbox_coversAudioBehindTheLastCommandThatIsKnown(t *testing.T) {
	in := given(100, 40)
	known := span{audio: in.place(), commands: cursor{item: in.first + 25}}
	in.cover(known, overlap500)
	if ms := in.kept / 32; ms > 500 || ms < 400 {
		t.Errorf("%d ms are kept, want the overlap", ms)
	}
	covered := in.resumeAt(known, overlap500, 0).covered
	if want := int64(88); covered != want { // 100 frames less the 12 that fit into 500 ms
		t.Errorf("%d messages are covered, want %d", covered, want)
	}
}

func TestInbox_keepsACommandThatNobodyMayHaveHeard(t *testing.T) {
	in := given(100, 40, 50)
	known := span{audio: in.place(), commands: cursor{item: in.first + 25}}
	in.cover(known, overlap500)
	if at := in.resumeAt(known, overlap500, 0); at.covered != 51 || len(at.ahead) != 0 || at.heard != 89 {
		t.Errorf("%d messages are covered, %v ahead; want 51: the text is the 52nd", at.covered, at.ahead)
	}
	known.commands = in.place()
	if at := in.resumeAt(known, overlap500, 0); at.covered != 89 || len(at.ahead) != 0 {
		t.Errorf("once it is known: %d messages are covered, %v ahead; want 89", at.covered, at.ahead)
	}
}

func TestInbox_theOverlapIsNeverMoreThanThat(t *testing.T) {
	for _, ms := range []int{20, 40, 100} {
		in := given(4000/ms, ms)
		here := in.place()
		again, lost := in.rewind(span{here, here}, overlap500)
		if again > overlap500 || again < overlap500*3/4 || lost != 0 {
			t.Errorf("frames of %d ms: %d bytes again, %d lost; want a little less than %d, and 0", ms, again, lost, overlap500)
		}
		in = given(4000/ms, ms)
		if covered := in.resumeAt(span{here, here}, overlap500, 0).covered; covered < int64(3500/ms) || covered > int64(3625/ms) {
			t.Errorf("frames of %d ms: %d are covered", ms, covered)
		}
	}
}

// The memory of the ring lies in pieces, and a frame may lie in two of them. What begins with half a message here would begin with the whole of
// it on another instance.
func TestInbox_theOverlapBeginsWithAMessage(t *testing.T) {
	for frames := 90; frames < 110; frames++ {
		in := given(frames, 40)
		here := in.place()
		again, _ := in.rewind(span{here, here}, overlap500)
		if again > overlap500 || again < overlap500*3/4 {
			t.Errorf("%d frames: %d bytes again, want a little less than %d", frames, again, overlap500)
		}
		covered := in.resumeAt(span{in.place(), here}, 0, 0).covered
		if repeated := (frames - int(covered)) * 40 * 32; repeated != again {
			t.Errorf("%d frames: %d bytes are given again here, and %d elsewhere", frames, again, repeated)
		}
	}
}

// Of a frame that is longer than the overlap, too much is better than nothing.
func TestInbox_aLongFrameIsRepeatedWhole(t *testing.T) {
	in := given(4, 1000)
	here := in.place()
	if covered := in.resumeAt(span{here, here}, overlap500, 0).covered; covered != 3 {
		t.Errorf("%d messages are covered, want 3", covered)
	}
}
