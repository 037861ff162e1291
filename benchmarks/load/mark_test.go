package main

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

func TestMark_isReadAsItWasWritten(t *testing.T) {
	for _, m := range []mark{
		{},
		{run: 65535, session: 1 << 31, seq: 1<<32 - 1, queued: 1234 * time.Microsecond, measured: true, sent: time.Hour + 1},
		{run: 7, session: 3, seq: 9, queued: mostQueuedUs * time.Microsecond, sent: 1},
	} {
		p := make([]byte, markBytes)
		m.put(p)
		if got, ok := readMark(p); !ok || got != m {
			t.Errorf("%+v became %+v, %v", m, got, ok)
		}
	}
	long := mark{queued: 100 * time.Hour, measured: true}
	p := make([]byte, markBytes)
	long.put(p)
	if got, ok := readMark(p); !ok || !got.measured || got.queued != mostQueuedUs*time.Microsecond {
		t.Errorf("a wait that is too long became %+v", got)
	}
}

func TestReadMark_knowsWhatIsNone(t *testing.T) {
	p := make([]byte, markBytes)
	if _, ok := readMark(p); ok {
		t.Error("silence is no mark")
	}
	mark{}.put(p)
	if _, ok := readMark(p[:markBytes-1]); ok {
		t.Error("a short one is no mark")
	}
}

func TestDeframer_findsFramesHoweverTheyWereJoinedOrCut(t *testing.T) {
	const frame, frames = 64, 200
	var stream []byte
	for i := range frames {
		f := make([]byte, frame)
		mark{seq: uint32(i), session: 5}.put(f)
		stream = append(stream, f...)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		d := deframer{frame: frame}
		next := uint32(0)
		for rest := stream; len(rest) > 0; {
			n := min(1+rng.IntN(3*frame), len(rest))
			d.feed(bytes.Clone(rest[:n]), func(f []byte) {
				if m, ok := readMark(f); !ok || m.seq != next || len(f) != frame {
					t.Fatalf("frame %d is %+v, %v", next, m, ok)
				}
				next++
			})
			rest = rest[n:]
		}
		if next != frames || len(d.part) != 0 {
			t.Fatalf("%d frames, %d bytes left", next, len(d.part))
		}
	}
}

func TestSeen_countsEachOnce(t *testing.T) {
	var s seen
	for _, c := range []struct {
		n   uint32
		new bool
	}{{0, true}, {63, true}, {64, true}, {0, false}, {1000, true}, {64, false}, {1000, false}} {
		if got := s.add(c.n); got != c.new {
			t.Errorf("%d is new: %v", c.n, got)
		}
	}
	if s.count() != 4 {
		t.Errorf("%d different ones", s.count())
	}
}
