package live

import (
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// nullBrowser and nullUpstream take everything at once and keep nothing, so that only the session is measured.
type nullBrowser struct{ *memBrowser }

func (nullBrowser) TryWrite(p []byte) (int, error) { return len(p), nil }
func (nullBrowser) Write([]byte) error             { return nil }

type nullUpstream struct{ *memUpstream }

func (u nullUpstream) Send(*Command) (int64, error) { u.n++; return u.n, nil }

// hop is a session that is live between ends that cost nothing.
func hop(tb testing.TB, resumable bool) (r *reader, done func()) {
	cfg := DefaultConfig()
	cfg.Limits.AudioRate, cfg.Limits.MessageRate, cfg.Audio.PlaybackLead = 1e6, 1e9, 24*time.Hour
	return join(tb, NewGateway(cfg, nil, slog.New(slog.DiscardHandler)), &cfg, resumable)
}

// join is such a session of a gateway.
func join(tb testing.TB, g *Gateway, cfg *Config, resumable bool) (r *reader, done func()) {
	b, up := nullBrowser{newMemBrowser(tb)}, nullUpstream{newMemUpstream()}
	p, err := resolve(cfg, BackendGemini, &StartConfig{Resumable: &resumable})
	if err != nil {
		tb.Fatal(err)
	}
	if p.resumable != resumable {
		tb.Fatalf("the session is resumable: %v, want %v", p.resumable, resumable)
	}
	s := newSession(g, &Backend{Name: BackendGemini}, cfg, Client{}, &p)
	l, err := s.attach(b, nil)
	if err != nil {
		tb.Fatal(err)
	}
	s.up.own(up)
	s.ready(up)
	return s.newReader(l), func() {
		s.end(ReasonEnded, "")
		s.finish()
		s.in.clear()
		s.out.release()
	}
}

// listener takes the model's speech, and acknowledges it each 8 KB as docs/protocol.md asks: with a message that is
// decoded like any other.
type listener struct {
	*reader
	speech    Event
	text      []byte
	ack       Command
	received  int64
	unacked   int
	acks      int
	undecoded error
}

func newListener(r *reader) *listener {
	return &listener{reader: r, speech: Event{Kind: EventAudio, PCM: tone(40, 24000)}}
}

func (l *listener) hear() {
	l.event(&l.speech, time.Now())
	l.received++
	if l.unacked += len(l.speech.PCM); l.unacked < ackBytes {
		return
	}
	l.unacked = 0
	l.acks++
	l.text = append(strconv.AppendInt(append(l.text[:0], `{"type":"ack","received":`...), l.received, 10), '}')
	if err := l.out.dialect.Decode(Frame{Data: l.text}, &l.ack); err != nil {
		l.undecoded = err
		return
	}
	l.take(&l.ack, len(l.text))
}

func TestSession_audioAllocatesNothing(t *testing.T) {
	for _, resumable := range []bool{false, true} {
		s, done := hop(t, resumable)
		up := Command{Kind: CommandAudio, PCM: tone(20, 16000)}
		short := Command{Kind: CommandAudio, PCM: tone(8, 16000)}
		long := Command{Kind: CommandAudio, PCM: tone(938, 16000)} // 30 kB
		down := Event{Kind: EventAudio, PCM: tone(40, 24000)}
		framed := append(make([]byte, frame.Room), tone(625, 24000)...)
		downLong := Event{Kind: EventAudio, PCM: framed[frame.Room:], Framed: framed}
		for range 2 * int(s.config.Resume.ReplayAudio/(20*time.Millisecond)) { // until as much is kept as may be
			s.take(&up, len(up.PCM))
		}
		client := newListener(s)
		steps := map[string]func(){
			"uplink":              func() { s.take(&up, len(up.PCM)) },
			"uplink, short frame": func() { s.take(&short, len(short.PCM)) },
			"uplink, long frame":  func() { s.take(&long, len(long.PCM)) },
			"downlink":            func() { s.event(&down, time.Now()) },
		}
		if !resumable {
			steps["downlink, long frame"] = func() { s.event(&downLong, time.Now()) }
		}
		if resumable { // nobody else may have its speech kept for good
			steps["downlink"] = client.hear
		}
		for name, step := range steps {
			for range 100 { // acks included, until every buffer is as large as it gets
				step()
			}
			most := 0.0
			if raceDetector && name == "uplink, long frame" {
				most = 2 * float64(len(long.PCM)/chunkSize+1) // what its chunks are made of
			}
			if n := testing.AllocsPerRun(500, step); n > most {
				t.Errorf("%s, resumable %v: %v allocations per frame", name, resumable, n)
			}
		}
		if resumable {
			if client.undecoded != nil || client.acks < 100 {
				t.Errorf("%d acks, %v", client.acks, client.undecoded)
			}
			if kept := s.out.kept.frames.len(); kept > 8 {
				t.Errorf("%d messages are kept although the client has acknowledged", kept)
			}
		}
		done()
	}
}

// benchUplink is one frame of the microphone, from the reader to the upstream.
func benchUplink(b *testing.B, resumable bool) {
	s, done := hop(b, resumable)
	defer done()
	c := Command{Kind: CommandAudio, PCM: tone(20, 16000)}
	b.ReportAllocs()
	b.SetBytes(640)
	for b.Loop() {
		s.take(&c, 640)
	}
}

func BenchmarkSession_uplink640(b *testing.B)          { benchUplink(b, false) }
func BenchmarkSession_uplink640Resumable(b *testing.B) { benchUplink(b, true) }

func BenchmarkSession_downlink1920(b *testing.B) {
	s, done := hop(b, false)
	defer done()
	e := Event{Kind: EventAudio, PCM: tone(40, 24000)}
	b.ReportAllocs()
	b.SetBytes(1920)
	for b.Loop() {
		s.event(&e, time.Now())
	}
}

// The same for a client that acknowledges: the decoding and the work of its acks are in it.
func BenchmarkSession_downlink1920Resumable(b *testing.B) {
	s, done := hop(b, true)
	defer done()
	client := newListener(s)
	b.ReportAllocs()
	b.SetBytes(1920)
	for b.Loop() {
		client.hear()
	}
}
