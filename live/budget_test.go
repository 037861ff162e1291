package live

import (
	"bytes"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// Speech and silence by chance, given to an upstream, of which a handle then knows a part: the next upstream must be given the
// rest, bit by bit.
func TestInbox_whatIsGivenAgainIsTheSameBitByBit(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 11))
		in := inbox{maxUnsent: 1 << 30, maxKept: 1 << 30}
		now := time.Now()
		rule := takeRule{minBytes: 640, maxBytes: 3200}
		var all []byte      // what was said
		var ends []int      // where each message to the upstream ended
		given, from := 0, 0 // of all, by the connection in use, and where that began
		silent := false
		for range 300 {
			switch n := rng.IntN(20); {
			case n < 14:
				if rng.IntN(8) == 0 {
					silent = !silent
				}
				pcm := make([]byte, 2*(1+rng.IntN(500)))
				if rng.IntN(30) == 0 {
					pcm = make([]byte, 20_000) // a client that catches up
				}
				for i := range pcm {
					if !silent {
						pcm[i] = byte(rng.IntN(256))
					}
				}
				all = append(all, pcm...)
				in.addAudio(pcm, now)
			case n < 19:
				rule.flush = rng.IntN(4) == 0
				for {
					pcm, _, at := in.take(nil, rule)
					if len(pcm) == 0 {
						break
					}
					if !bytes.Equal(pcm, all[given:given+len(pcm)]) {
						t.Fatalf("seed %d: the upstream is given something else from byte %d of %d on", seed, given, len(all))
					}
					given += len(pcm)
					ends = append(ends, given)
					in.mark(int64(len(ends)), at, time.Now().UnixNano())
				}
			default:
				index := rng.IntN(len(ends) + 1)
				known := in.consumed(int64(index))
				if index > 0 {
					from = ends[index-1]
				}
				if rng.IntN(2) == 0 {
					in.cover(known, 0)
				}
				again, lost := in.rewind(known, 0)
				if again < given-from || lost != 0 {
					t.Fatalf("seed %d: %d bytes go up again and %d are lost, want %d", seed, again, lost, given-from)
				}
				given, ends = from, nil
			}
		}
	}
}

// TestInbox_longSilenceIsALength: what a muted microphone sends takes no chunk, and hardly any items.
func TestInbox_longSilenceIsALength(t *testing.T) {
	b := newBudget(1 << 30)
	in := inbox{maxUnsent: 1 << 30, maxKept: 30 * 32000, budget: b}
	rule := takeRule{minBytes: 640, maxBytes: 3200}
	buf := make([]byte, 0, 3200)
	say := func(pcm []byte) {
		in.addAudio(pcm, time.Now())
		in.take(buf, rule)
	}
	for range 50 {
		say(words(1, 20))
	}
	before := b.used.Load() - in.placesMemory()
	for range 29 * 50 {
		say(make([]byte, 640))
	}
	if used := b.used.Load() - in.placesMemory(); used != before || before > 40_000 {
		t.Errorf("a second of speech takes %d bytes, and 29 s of silence behind it %d", before, used-before)
	}
	if n := in.items.len(); n > 310 { // one for 120 ms
		t.Errorf("it takes %d items", n)
	}
	if in.kept != 30*32000 {
		t.Errorf("%d bytes are kept, want 30 s", in.kept)
	}
	again, lost := in.rewind(span{}, 0)
	if again != 30*32000 || lost != 0 {
		t.Errorf("%d bytes go up again, %d are lost", again, lost)
	}
	in.clear()
	if b.used.Load() != 0 {
		t.Errorf("%d bytes are not given back", b.used.Load())
	}
}

// When memory is short a session gives up its own oldest speech, and the renewal tells what is lost. What was not sent stays.
func TestBudget_theOldestOfOnesOwnIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, func(c *Config) { c.Resume.Memory = 1 << 20 })
		other := inbox{budget: st.gateway.budget, maxUnsent: 1 << 30, maxKept: 1 << 30}
		const theirs = 20 * chunkSize
		other.addAudio(bytes.Repeat([]byte{1}, theirs), time.Now())
		other.take(nil, takeRule{maxBytes: 1 << 30})
		st.gateway.budget.limit.Store(20*chunkMemory + 8*chunkMemory) // one second
		st.browser.say(`{"type":"text","text":"not answered"}`)
		st.speak(0, 4000)
		if kept := st.gateway.Stats().KeptBytes; kept > 28*chunkMemory {
			t.Errorf("%d bytes are kept", kept)
		}
		st.up.ended <- io.ErrUnexpectedEOF
		synctest.Wait()
		st.speak(4000, 2000) // not sent: more than the budget has, and less than audio.inbox
		second.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		pcm := second.pcm()
		if !bytes.HasSuffix(words(0, 6000), pcm) || len(pcm) < 2000*32 || len(pcm) > 3100*32 {
			t.Errorf("%d ms were given, want the last two seconds and what is left of the second before", len(pcm)/32)
		}
		if got := texts(second.got()); len(got) != 1 {
			t.Errorf("texts %v", got)
		}
		if pcm, _, _ := other.take(nil, takeRule{}); len(pcm) != 0 || other.kept != theirs {
			t.Errorf("the other one keeps %d bytes, want %d", other.kept, theirs)
		}
		c := st.gateway.Stats().Counters
		if want := int64(6000 - len(pcm)/32); c.LostAudioMs != want || c.GivenUpAudioMs < want || c.UplinkDroppedMs != 0 {
			t.Errorf("lost %d ms, given up %d ms, want %d", c.LostAudioMs, c.GivenUpAudioMs, want)
		}
		st.end()
		other.clear()
		if kept := st.gateway.Stats().KeptBytes; kept != 0 {
			t.Errorf("%d bytes are kept of sessions that are over", kept)
		}
	})
}

// However long somebody speaks while memory is short, what is left of the speech that was given up is no more than would be
// kept of it otherwise, and a renewal tells all of it as lost.
func TestBudget_placesOfWhatWasGivenUpAreBoundedToo(t *testing.T) {
	const frame, second = 640, 32000
	b := newBudget(4 * chunkMemory)
	in := inbox{maxUnsent: 1 << 30, maxKept: 3 * second, budget: b}
	given := 0
	for range 60 * second / frame {
		in.addAudio(bytes.Repeat([]byte{1}, frame), time.Now())
		pcm, _, at := in.take(nil, takeRule{minBytes: frame, maxBytes: frame})
		given += len(pcm)
		in.mark(int64(given/frame), at, time.Now().UnixNano())
	}
	if most := 2 * in.maxKept / frame; in.items.len() > most || in.marks.len() > most {
		t.Errorf("%d items and %d marks are left of a minute of speech, want %d of each at most", in.items.len(), in.marks.len(), most)
	}
	again, lost := in.rewind(span{}, 0)
	if again == 0 || again+lost != given {
		t.Errorf("%d bytes go up again and %d are lost, want %d together", again, lost, given)
	}
}

// What the places of speech take is counted, and given back when the speech is covered.
func TestBudget_countsPlacesAndGetsThemBack(t *testing.T) {
	const frame, frames = 640, 1500
	b := newBudget(1 << 30)
	in := inbox{maxUnsent: 1 << 30, maxKept: 1 << 30, budget: b}
	for i := range frames {
		in.addAudio(bytes.Repeat([]byte{1}, frame), time.Now())
		_, _, at := in.take(nil, takeRule{minBytes: frame, maxBytes: frame})
		in.mark(int64(i+1), at, time.Now().UnixNano())
	}
	if places := in.placesMemory(); places < frames*(itemMemory+markMemory) || places > 140_000 || b.used.Load() < places+frames*frame {
		t.Errorf("half a minute's places take %d bytes, of %d that are counted", places, b.used.Load())
	}
	in.cover(in.consumed(frames), 0)
	in.mark(frames+1, in.place(), time.Now().UnixNano())
	in.cover(in.consumed(frames+1), 0)
	if used := b.used.Load(); used > 2*chunkMemory || in.placesMemory() > 2*segmentPlaces*(itemMemory+markMemory) {
		t.Errorf("%d bytes are counted of speech that is covered, %d of them places", used, in.placesMemory())
	}
	in.addAudio(bytes.Repeat([]byte{1}, frame), time.Now())
	in.clear()
	if b.used.Load() != 0 {
		t.Errorf("%d bytes are not given back", b.used.Load())
	}
}

// What is kept for the browser comes out of the same budget.
func TestBudget_messagesForABrowserToo(t *testing.T) {
	b := newBudget(4 * chunkMemory)
	k := kept{store: true, first: 1, budget: b}
	for range 100 {
		k.push(make([]byte, 1000), time.Millisecond)
	}
	if used := b.used.Load(); used > 4*chunkMemory || used != int64(k.bytes()) {
		t.Errorf("%d bytes are used, %d held", used, k.bytes())
	}
	k.push(make([]byte, 10*chunkSize), time.Millisecond) // not smaller than everything
	if n, _ := k.missing(0); n != 100 {
		t.Errorf("%d messages are given up, want all but the newest", n)
	}
	if got := k.appendTo(nil, 101); len(got) != 10*chunkSize {
		t.Errorf("the newest has %d bytes", len(got))
	}
	k.clear(0)
	if b.used.Load() != 0 {
		t.Errorf("%d bytes are not given back", b.used.Load())
	}
}

// A thousand people speak at once, and nothing is covered by a handle.
func TestBudget_holdsUnderAThousandSessions(t *testing.T) {
	const sessions, limit = 1000, 64 << 20
	g, all, done := crowd(t, sessions, limit)
	defer done()
	frame := Command{Kind: CommandAudio, PCM: tone(20, 16000)}
	for range 4 * 50 { // 128 MB if all of it were kept
		for _, s := range all {
			s.take(&frame, len(frame.PCM))
		}
		if used := g.budget.used.Load(); used > limit {
			t.Fatalf("%d bytes are kept, %d may", used, limit)
		}
	}
	for i, s := range all {
		if s.in.kept < 32000 {
			t.Fatalf("session %d keeps %d bytes: the others took its share", i, s.in.kept)
		}
	}
}

// crowd is n sessions of one gateway, live between ends that cost nothing.
func crowd(tb testing.TB, n int, memory int64) (g *Gateway, all []*reader, done func()) {
	cfg := DefaultConfig()
	cfg.Limits.AudioRate, cfg.Resume.Memory = 1e6, memory
	g = NewGateway(cfg, nil, slog.New(slog.DiscardHandler))
	var ends []func()
	for range n {
		s, end := join(tb, g, &cfg, true)
		all, ends = append(all, s), append(ends, end)
	}
	return g, all, func() {
		for _, end := range ends {
			end()
		}
		if used := g.budget.used.Load(); used != 0 {
			tb.Errorf("%d bytes are kept of sessions that are over", used)
		}
	}
}

// BenchmarkKept_bytesPerSession measures what is kept of sessions that are idle, that have been silent for half a minute behind an
// open microphone, and that have spoken for as long without an answer: how much has been taken since they began, of the heap and of
// the chunks outside of it, and how much of that counts against resume.memory.
func BenchmarkKept_bytesPerSession(b *testing.B) {
	for _, kind := range []struct {
		name string
		pcm  []byte
	}{{"idle", nil}, {"silent", make([]byte, 640)}, {"speaking", tone(20, 16000)}} {
		b.Run(kind.name, func(b *testing.B) {
			const sessions = 100
			for range b.N {
				g, all, done := crowd(b, sessions, 1<<40)
				before := taken()
				c := Command{Kind: CommandAudio, PCM: kind.pcm}
				for range 30 * 50 {
					for _, s := range all {
						if kind.pcm != nil {
							s.take(&c, len(c.PCM))
						}
					}
				}
				b.ReportMetric(float64(taken()-before)/sessions, "bytes/session")
				b.ReportMetric(float64(g.budget.used.Load())/sessions, "kept-bytes/session")
				done()
			}
		})
	}
}

// taken is what lives on the heap, and the chunks in use where they lie outside of it.
func taken() int64 {
	runtime.GC()
	runtime.GC() // what pools hold goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	n := int64(m.HeapAlloc)
	if chunks.mapped {
		chunks.mu.Lock()
		n += int64(chunks.used) * chunkSize
		chunks.mu.Unlock()
	}
	return n
}

// The test of zeros looks at every byte.
func TestIsSilent(t *testing.T) {
	for n := range 40 {
		pcm := make([]byte, n)
		if !isSilent(pcm) {
			t.Errorf("%d zeros are not silent", n)
		}
		for i := range pcm {
			pcm[i] = 1
			if isSilent(pcm) {
				t.Errorf("byte %d of %d makes no sound", i, n)
			}
			pcm[i] = 0
		}
	}
}
