package main

import (
	"testing"
	"time"
)

const ms = time.Millisecond

// generator plays a real generator against pace: late says how late it wakes up for a frame, takes how long the write
// lasts.
type step struct {
	late, takes         time.Duration
	wantQueued, wantLag time.Duration
}

func play(t *testing.T, steps []step) {
	t.Helper()
	p := &pace{begin: 100 * ms, interval: 20 * ms}
	now := time.Duration(0)
	for k, s := range steps {
		k := uint32(k)
		now = max(now, p.due(k)) + s.late
		queued, lag := p.writing(k, now)
		if queued != s.wantQueued || lag != s.wantLag {
			t.Errorf("frame %d: queued %v, lag %v; want %v and %v", k, queued, lag, s.wantQueued, s.wantLag)
		}
		now += s.takes
		p.written(k, s.takes)
	}
}

func TestPace_blamesNobodyWhereAllIsWell(t *testing.T) {
	play(t, []step{{0, 1 * ms, 0, 0}, {0, 1 * ms, 0, 0}, {0, 1 * ms, 0, 0}})
}

func TestPace_countsABlockedWriteForEveryFrameBehindIt(t *testing.T) {
	// The connection takes nothing for 70 ms: three frames behind it wait 50, 30 and 10 ms.
	play(t, []step{{0, 70 * ms, 0, 0}, {0, 0, 50 * ms, 0}, {0, 0, 30 * ms, 0}, {0, 0, 10 * ms, 0}, {0, 0, 0, 0}})
}

func TestPace_blamesTheGeneratorForItsOwnSleep(t *testing.T) {
	// It sleeps 70 ms too long, and then writes what has gathered at once: nothing of it is the server's.
	play(t, []step{{70 * ms, 0, 0, 70 * ms}, {0, 0, 0, 50 * ms}, {0, 0, 0, 30 * ms}, {0, 0, 0, 10 * ms}, {0, 0, 0, 0}})
}

func TestPace_tellsThemApartWhereBothAreLate(t *testing.T) {
	// The write takes 30 ms, and then the generator oversleeps by 5 ms.
	play(t, []step{{0, 30 * ms, 0, 0}, {5 * ms, 0, 10 * ms, 5 * ms}, {0, 0, 0, 0}})
}

func TestPace_isWhatAHistogramThatCorrectsWouldSay(t *testing.T) {
	// A server that stops for a second, and answers at once otherwise. 50 frames fall into that second: waiting for
	// each answer before the next question would see one slow frame.
	p := &pace{interval: 20 * ms}
	var latencies []time.Duration
	now := time.Duration(0)
	for k := range uint32(100) {
		now = max(now, p.due(k))
		takes := time.Duration(0)
		if k == 10 {
			takes = time.Second
		}
		queued, _ := p.writing(k, now)
		now += takes
		p.written(k, takes)
		latencies = append(latencies, corrected(now-takes, queued, now))
	}
	slow, sum := 0, time.Duration(0)
	for _, l := range latencies {
		if l > 0 {
			slow++
			sum += l
		}
	}
	if slow != 50 || latencies[10] != time.Second || latencies[11] != 980*ms || latencies[59] != 20*ms || latencies[60] != 0 {
		t.Errorf("%d slow frames, %v", slow, latencies[9:62])
	}
	if mean := sum / time.Duration(slow); mean != 510*ms {
		t.Errorf("they waited %v on the average, want 510ms", mean)
	}
}
