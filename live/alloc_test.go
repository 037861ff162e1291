package live

import (
	"log/slog"
	"testing"
	"time"
)

// nullBrowser and nullUpstream take everything at once and keep nothing, so that only the session is measured.
type nullBrowser struct{ *memBrowser }

func (nullBrowser) TryWrite(p []byte) (int, error) { return len(p), nil }
func (nullBrowser) Write([]byte) error             { return nil }

type nullUpstream struct{ *memUpstream }

func (u nullUpstream) Send(*Command) (int64, error) { u.n++; return u.n, nil }

// hop is a session that is live between ends that cost nothing.
func hop(tb testing.TB) (r *reader, done func()) {
	cfg := DefaultConfig()
	cfg.Limits.AudioRate, cfg.Audio.PlaybackLead = 1e6, 24*time.Hour
	b, up := nullBrowser{newMemBrowser(tb)}, nullUpstream{newMemUpstream()}
	g := NewGateway(cfg, nil, slog.New(slog.DiscardHandler))
	p, err := resolve(&cfg, BackendGemini, &StartConfig{})
	if err != nil {
		tb.Fatal(err)
	}
	s := newSession(g, Backend{Name: BackendGemini}, &cfg, Client{}, p)
	l, err := s.attach(b, nil)
	if err != nil {
		tb.Fatal(err)
	}
	s.up.own(up)
	s.ready(up)
	return s.newReader(l, false), func() {
		s.end(ReasonEnded, "")
		s.finish()
		s.in.clear()
		s.out.release()
	}
}

func TestSession_audioAllocatesNothing(t *testing.T) {
	s, done := hop(t)
	defer done()
	up := Command{Kind: CommandAudio, PCM: tone(20, 16000)}
	short := Command{Kind: CommandAudio, PCM: tone(8, 16000)}
	down := Event{Kind: EventAudio, PCM: tone(40, 24000)}
	for range 2 * int(s.config.Resume.ReplayAudio/(20*time.Millisecond)) { // until as much is kept as may be
		s.take(&up, len(up.PCM))
	}
	for name, step := range map[string]func(){
		"uplink":              func() { s.take(&up, len(up.PCM)) },
		"uplink, short frame": func() { s.take(&short, len(short.PCM)) },
		"downlink":            func() { s.event(&down) },
	} {
		step()
		if n := testing.AllocsPerRun(500, step); n != 0 {
			t.Errorf("%s: %v allocations per frame", name, n)
		}
	}
}

func BenchmarkSession_uplink640(b *testing.B) {
	s, done := hop(b)
	defer done()
	c := Command{Kind: CommandAudio, PCM: tone(20, 16000)}
	b.ReportAllocs()
	b.SetBytes(640)
	for b.Loop() {
		s.take(&c, 640)
	}
}

func BenchmarkSession_downlink1920(b *testing.B) {
	s, done := hop(b)
	defer done()
	e := Event{Kind: EventAudio, PCM: tone(40, 24000)}
	b.ReportAllocs()
	b.SetBytes(1920)
	for b.Loop() {
		s.event(&e)
	}
}
