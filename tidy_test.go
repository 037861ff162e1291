package main

import (
	"context"
	"runtime"
	"testing"
	"time"
)

func TestTidy_looksForTheQuietBehindABurst(t *testing.T) {
	const mb = 1 << 20
	var tidy tidy
	for _, look := range []struct {
		why              string
		allocated, inUse uint64
		want             bool
	}{
		{"the start", 3 * mb, 3 * mb, false},
		{"nothing since", 3 * mb, 3 * mb, false},
		{"a burst", 20 * mb, 10 * mb, false},
		{"it goes on", 40 * mb, 16 * mb, false},
		{"quiet", 40*mb + 1000, 16 * mb, true},
		{"quiet as before", 40*mb + 2000, 10 * mb, false},
		{"a little", 43 * mb, 12 * mb, false},
		{"of a little nothing is made", 43*mb + 1000, 12 * mb, false},
		{"little by little", 43*mb + quietBytes - 1, 12 * mb, false},
		{"enough", 45 * mb, 12 * mb, false},
		{"quiet again", 45*mb + 1, 12 * mb, true},
		{"a large heap", 50 * mb, 100 * mb, false},
		{"is not collected for a small part", 50*mb + 1, 100 * mb, false},
	} {
		if got := tidy.look(look.allocated, look.inUse); got != look.want {
			t.Errorf("%s: %v, want %v", look.why, got, look.want)
		}
	}
}

func TestTidy_givesMemoryBack(t *testing.T) {
	garbage := make([][]byte, 64)
	for i := range garbage {
		garbage[i] = make([]byte, 1<<20)
	}
	runtime.KeepAlive(garbage)
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		new(tidy).run(ctx, time.Millisecond)
	}()
	for now.HeapReleased < before.HeapReleased+32<<20 || now.NumForcedGC == before.NumForcedGC {
		runtime.Gosched() // until the test's own deadline
		runtime.ReadMemStats(&now)
	}
	cancel()
	<-over
}
