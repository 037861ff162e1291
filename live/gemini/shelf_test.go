package gemini

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestShelf_keepsToItsRules(t *testing.T) {
	now := time.Now()
	cfg := DefaultPoolConfig()
	at := func(d time.Duration) time.Time { return now.Add(d) }
	s := &shelf{}
	if old, next := s.sort(now, cfg); len(old) != 0 || !next.IsZero() {
		t.Error("an endpoint that nobody asked for", old, next)
	}
	if n, _ := s.missing(now, cfg.Size, time.Time{}); n != 0 {
		t.Error("dials for nobody")
	}
	s.wanted = now
	if _, next := s.sort(now, cfg); !next.Equal(at(cfg.IdleAfter)) {
		t.Error(next)
	}
	for _, c := range []struct {
		idle, dialling, want int
	}{{0, 0, 2}, {1, 0, 1}, {0, 1, 1}, {1, 1, 0}, {2, 0, 0}, {0, 3, 0}} {
		s.idle, s.dialling = make([]*warm, c.idle), c.dialling
		if n, hold := s.missing(now, 2, time.Time{}); n != c.want || !hold.IsZero() {
			t.Errorf("%+v: %d, %v", c, n, hold)
		}
	}
	s.idle, s.dialling = nil, 0
	if n, hold := s.missing(now, 2, at(time.Minute)); n != 0 || !hold.Equal(at(time.Minute)) {
		t.Error("dials what is cooling", n, hold)
	}
	if n, _ := s.missing(now, 2, now); n != 2 {
		t.Error("is held back by what has cooled")
	}
	s.fail(now)
	if n, hold := s.missing(now, 2, time.Time{}); n != 0 || !hold.Equal(s.notBefore) {
		t.Error("does not pause", n, hold)
	}
	s.failures = 5
	young, old, flushed := &warm{due: at(time.Second)}, &warm{due: at(-time.Second)}, &warm{}
	s.idle = []*warm{flushed, young}
	if aged, next := s.sort(now, cfg); len(aged) != 1 || aged[0] != flushed || !next.Equal(young.due) || s.failures != 5 {
		t.Error(aged, next, s.failures)
	}
	s.idle = []*warm{old, young}
	if aged, _ := s.sort(now, cfg); len(aged) != 1 || aged[0] != old || s.failures != 0 {
		t.Error(aged, s.failures)
	}
	if aged, next := s.sort(at(cfg.IdleAfter), cfg); len(aged) != 1 || !next.IsZero() || len(s.idle) != 0 {
		t.Error("is kept though nobody asks", aged, next)
	}
}

func TestShelf_pausesLongerAndLongerButCountsOneTroubleOnce(t *testing.T) {
	now := time.Now()
	s := &shelf{}
	longest := time.Duration(0)
	for n := range 12 {
		s.fail(now)
		s.fail(now) // what struck both connections
		if s.failures != n+1 {
			t.Fatal(s.failures)
		}
		pause := s.notBefore.Sub(now)
		if want := min(firstPause<<n, longestPause); pause > want || pause <= want/2 {
			t.Errorf("failure %d: a pause of %v", n+1, pause)
		}
		longest = max(longest, pause)
		now = s.notBefore
	}
	if longest < longestPause/2 {
		t.Error(longest)
	}
}

func TestPassed_believesEitherClock(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		t    time.Time
		want bool
	}{
		"later":   {now.Add(time.Second), false},
		"earlier": {now.Add(-time.Second), true},
		// A machine that slept: the wall clock alone has gone on.
		"wall only": {now.Round(0).Add(-time.Second), true},
		"never set": {time.Time{}, true},
	} {
		if passed(now, c.t) != c.want {
			t.Error(name)
		}
	}
}

func TestPool_tellsOnceThatItDoesNotWork(t *testing.T) {
	var out syncBuffer
	var up atomic.Bool
	m := startModel(t, func(p *peer) {
		if !up.Load() {
			p.write([]byte("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"))
			return
		}
		p.ready()
		p.drain()
	})
	d, err := NewGemini(GeminiConfig{BaseURL: m.url, APIVersion: "v1", APIKeys: []string{"AIzaSyA1234567890abcdefghijklmnop"}},
		warmDial(1), slog.New(slog.NewJSONHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := d.pool.shelves[0]
	failed := func(n int) func() bool {
		return func() bool {
			d.pool.mu.Lock()
			defer d.pool.mu.Unlock()
			return s.failures == n
		}
	}
	d.pool.take(s.at)
	for n := 1; n < 4; n++ {
		eventually(t, "it fails", failed(n))
		d.pool.mu.Lock()
		s.notBefore = time.Time{} // the pause is over
		if n == 3 {
			up.Store(true)
		}
		d.pool.mu.Unlock()
		d.pool.nudge()
	}
	eventually(t, "it works", func() bool { return d.PoolStats().Idle == 1 })
	if !failed(3)() {
		t.Error("a connection that was not yet of use ends the row of failures")
	}
	agree(t, d, testSetup())
	if !failed(0)() {
		t.Error("a connection that was of use does not end the row of failures")
	}
	text := out.String()
	if strings.Count(text, "cannot be kept ready") != 1 || strings.Count(text, "kept ready again") != 1 || strings.Contains(text, "AIza") {
		t.Error(text)
	}
}

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
