package simulator

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestHandles_areBoundedInBytes(t *testing.T) {
	h := newHandles(time.Hour)
	speech := make([]byte, 16<<20) // shared, so that the test needs none of what it counts
	const n = 40
	for i := range n {
		h.put(fmt.Sprint(i), &snapshot{memory: memory{ears: ears{utterance: speech}}, made: time.Now()})
	}
	if h.bytes > maxHandleBytes || len(h.known) != len(h.order) || len(h.known) < 10 {
		t.Errorf("%d handles with %d bytes, %d in order", len(h.known), h.bytes, len(h.order))
	}
	if h.get("0") != nil || h.get(fmt.Sprint(n-1)) == nil {
		t.Error("the oldest must go, the newest stay")
	}
}

func TestHandles_areForgottenWhenTheirLifeIsOver(t *testing.T) {
	h := newHandles(time.Hour)
	h.put("old", &snapshot{made: time.Now().Add(-2 * time.Hour)})
	if h.get("old") != nil {
		t.Error("a handle outlived its life")
	}
	h.put("new", &snapshot{made: time.Now()})
	if len(h.known) != 1 || h.get("new") == nil || h.bytes != h.known["new"].size() {
		t.Errorf("%d handles with %d bytes are kept", len(h.known), h.bytes)
	}
}

// What comes after the close has begun is not heard: the ledger must not count it.
func TestTake_nothingBehindTheClose(t *testing.T) {
	l := &ledger{}
	c := listener(t, l)
	c.take([]byte(audioInput(silence(20*time.Millisecond))), nil)
	c.take([]byte(`{"setup":{"model":"models/gemini-3.8-live"}}`), nil) // a second one
	c.take([]byte(audioInput(silence(20*time.Millisecond))), nil)
	c.take([]byte(`{"realtimeInput":{"text":"too late"}}`), nil)
	c.tell()
	if n := len(l.events[0]); n != 1 || c.index != 1 {
		t.Errorf("%d events, %d messages taken, want the first piece of audio only", n, c.index)
	}
}

// A connection goes on after a snapshot; what it hears then must not get into it.
func TestMemory_aCopyIsLeftAlone(t *testing.T) {
	l := listener(t, nil)
	l.rate, l.detector = inputRate, newDetector(l.setup.detection(l.cfg, backendGemini), inputRate)
	now := time.Now()
	l.hear(tone(300*time.Millisecond), inputRate, now)
	l.earlier = append(make([]string, 0, 8), "first")
	inSpeech := l.copied()
	l.hear(silence(500*time.Millisecond), inputRate, now) // it ends
	l.hear(silence(500*time.Millisecond), inputRate, now) // and is followed by a quiet room
	l.earlier = append(l.earlier, "second")
	quiet := l.copied()
	room := slices.Clone(quiet.before)
	for i := range l.before {
		l.before[i] = 1
	}
	l.hear(tone(300*time.Millisecond), inputRate, now)
	if !inSpeech.inSpeech() || len(inSpeech.utterance) != len(tone(300*time.Millisecond)) || inSpeech.samples != 4800 || inSpeech.waiting != nil {
		t.Errorf("the sentence in the first copy has %d bytes, in speech: %v", len(inSpeech.utterance), inSpeech.inSpeech())
	}
	if inSpeech.earlier = append(inSpeech.earlier, "other"); l.earlier[1] != "second" {
		t.Error("the copy of what was written writes into the original")
	}
	if quiet.inSpeech() || !slices.Equal(quiet.before, room) || len(room) == 0 {
		t.Errorf("the second copy is in speech: %v, and of its %d bytes of room some have changed", quiet.inSpeech(), len(room))
	}
}
