package live

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// beginThrice is a session that is live, and two more upstreams for when one is gone.
func beginThrice(t *testing.T) (st *stage, second, third *memUpstream) {
	second, third = newMemUpstream(), newMemUpstream()
	st = begin(t, func(_ *Config, d *memDialer) { d.later = []later{{up: second}, {up: third}} })
	synctest.Wait()
	return st, second, third
}

// wantWords checks that an upstream was given the words from a time to another, in milliseconds: a frame more or less in
// front, because the overlap is rounded to whole pieces.
func wantWords(t *testing.T, up *memUpstream, from, to int) {
	t.Helper()
	pcm := up.pcm()
	if ms := to - len(pcm)/32; ms < from || ms > from+20 || !bytes.Equal(pcm, words(ms, to-ms)) {
		t.Errorf("the last upstream was given %d ms, want those from %d to %d", len(pcm)/32, from, to)
	}
}

// A snapshot may be older than a replay that was given at once: a handle that is told right behind one is not gone by.
func TestHandle_thatComesRightBehindAReplayIsNotGoneBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second, third := beginThrice(t)
		st.speak(0, 1000)
		st.up.says(resumable("H1", -1))
		st.speak(1000, 2000)
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		st.speak(3000, 200)
		second.says(resumable("H2", -1))
		st.speak(3200, 100)
		second.ended <- io.ErrUnexpectedEOF
		third.says(Event{Kind: EventReady})
		time.Sleep(time.Second) // the back-off after a connection that did not live long
		synctest.Wait()
		st.end()
		if asked := st.dialer.asked(); len(asked) != 3 || asked[2].Handle != "H1" {
			t.Fatalf("dialled %d times, with %q in the end", len(asked), asked[len(asked)-1].Handle)
		}
		wantWords(t, third, 500, 3300)
	})
}

// Some time later it is as good as any.
func TestHandle_thatComesLaterIsGoneBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second, third := beginThrice(t)
		st.speak(0, 1000)
		st.up.says(resumable("H1", -1))
		st.speak(1000, 2000)
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		st.speak(3000, 1000)
		second.says(resumable("H2", -1))
		st.speak(4000, 100)
		second.ended <- io.ErrUnexpectedEOF
		third.says(Event{Kind: EventReady})
		time.Sleep(time.Second) // the back-off after a connection that did not live long
		synctest.Wait()
		st.end()
		if asked := st.dialer.asked(); len(asked) != 3 || asked[2].Handle != "H2" {
			t.Fatalf("dialled %d times, with %q in the end", len(asked), asked[len(asked)-1].Handle)
		}
		wantWords(t, third, 3500, 4100)
	})
}

// A turn that only the newer handle knows would be answered a second time with the older one.
func TestHandle_thatKnowsAFinishedTurnIsGoneByEvenBehindABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second, third := beginThrice(t)
		st.speak(0, 1000)
		st.up.says(resumable("H1", -1))
		st.speak(1000, 2000)
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		time.Sleep(inFlight + 50*time.Millisecond)
		second.says(speech(40), Event{Kind: EventTurnComplete}, resumable("H2", -1))
		st.speak(3000, 100)
		second.ended <- io.ErrUnexpectedEOF
		third.says(Event{Kind: EventReady})
		time.Sleep(time.Second) // the back-off after a connection that did not live long
		synctest.Wait()
		st.end()
		if asked := st.dialer.asked(); len(asked) != 3 || asked[2].Handle != "H2" {
			t.Fatalf("dialled %d times, with %q in the end", len(asked), asked[len(asked)-1].Handle)
		}
		wantWords(t, third, 3000, 3100)
	})
}

// Two that tell overtake each other; the client hears only more.
func TestOutbox_anAckIsNeverTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		synctest.Wait()
		o := &st.gateway.all()[0].out
		for _, told := range [][2]int64{{5, 2}, {4, 3}, {6, 1}} {
			o.mu.Lock()
			o.tickets.at(0).at.covered = told[1]
			o.mu.Unlock()
			o.ack(o.link.generation, told[0])
		}
		synctest.Wait()
		if got, want := o.link.acked, (AckNotice{6, 3}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		st.end()
	})
}

// The first one of a connection that was seeded comes behind what is given again, and is the only one that tickets can have: the handle
// before it does not know the last turn.
func TestHandle_ofASeededConnectionIsTheTicketsEvenBehindABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := newMemUpstream()
		p, up, _ := talk(t, func(_ *Config, d *memDialer) { d.later = []later{{up: second}} })
		up.says(resumable("H1", -1))
		for range 50 {
			p.speak(tone(20, 16000))
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(time.Second)
		up.says(speech(40), Event{Kind: EventOutputTranscript, Text: "answer"}, Event{Kind: EventTurnComplete})
		synctest.Wait()
		up.ended <- io.ErrUnexpectedEOF
		synctest.Wait()
		for range 10 {
			p.speak(tone(20, 16000))
		}
		synctest.Wait()
		second.says(Event{Kind: EventReady}, resumable("H2", -1))
		time.Sleep(time.Second)
		synctest.Wait()
		s := p.gateway.find(p.id)
		s.life.mu.Lock()
		at := s.life.point
		s.life.mu.Unlock()
		if at.handle != "H2" || at.behind {
			t.Errorf("tickets hold %q, behind the last turn: %v", at.handle, at.behind)
		}
		p.leave()
	})
}
