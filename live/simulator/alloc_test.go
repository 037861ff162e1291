package simulator

import (
	"log/slog"
	"testing"
	"time"
)

// listener is a connection without a socket whose setup was accepted.
func listener(tb testing.TB, o Observer) *conn {
	tb.Helper()
	s, err := New(quickConfig(), slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	s.Observe(o)
	c := newConn(s, credentials{backendGemini, "k"}, "v1beta", nil)
	c.setup, c.ready = &setup{Model: "models/gemini-3.8-live"}, true
	return c
}

// counter is an observer that only counts.
type counter struct{ bytes int }

func (c *counter) Observe(e *Event) { c.bytes += len(e.PCM) }

// Load tests run thousands of microphones against this server: a piece of audio costs it no allocation.
func TestTake_audioAllocatesNothing(t *testing.T) {
	message := []byte(audioInput(silence(20 * time.Millisecond)))
	for name, o := range map[string]Observer{"unobserved": nil, "observed": &counter{}} {
		c := listener(t, o)
		var scratch []byte
		if n := testing.AllocsPerRun(500, func() {
			scratch = c.take(message, scratch)
			c.tell()
		}); n != 0 {
			t.Errorf("%s: %v allocations for each piece of audio", name, n)
		}
		if o == nil && (c.events != nil || c.told != nil) {
			t.Error("events are kept for nobody")
		}
		if o, ok := o.(*counter); ok && o.bytes != 501*640 {
			t.Errorf("%d bytes were told of, want 501 pieces", o.bytes)
		}
	}
}

func BenchmarkTake(b *testing.B) {
	for name, pcm := range map[string][]byte{"silence": silence(20 * time.Millisecond), "speech": tone(20 * time.Millisecond)} {
		b.Run(name, func(b *testing.B) {
			c := listener(b, nil)
			message := []byte(audioInput(pcm))
			var scratch []byte
			b.ReportAllocs()
			b.SetBytes(int64(len(pcm)))
			for b.Loop() {
				scratch = c.take(message, scratch)
				c.tell()
			}
		})
	}
}
