package live

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestStats_tellWhatTheServerAddsToSpeech(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		synctest.Wait()
		for range sampleEvery - 1 {
			st.browser.speak(tone(20, 16000))
			st.up.says(Event{Kind: EventAudio, PCM: tone(20, 24000)})
			time.Sleep(20 * time.Millisecond)
		}
		if s := st.gateway.Stats(); s.AddedUp.Count != 0 || s.AddedDown.Count != 0 {
			t.Errorf("measured before the %dth frame: up %+v, down %+v", sampleEvery, s.AddedUp, s.AddedDown)
		}
		st.browser.speak(tone(8, 16000)) // waits for more to come
		time.Sleep(12 * time.Millisecond)
		st.browser.speak(tone(12, 16000))
		st.up.says(Event{Kind: EventAudio, PCM: tone(20, 24000)})
		synctest.Wait()
		s := st.gateway.Stats()
		if s.AddedUp.Count != 1 || s.AddedUp.Max/100 != 120 {
			t.Errorf("a frame that waited 12 ms: %+v", s.AddedUp)
		}
		if s.AddedDown.Count != 1 || s.AddedDown.Max > 1 {
			t.Errorf("an answer that went at once: %+v", s.AddedDown)
		}
		st.end()
	})
}

func TestStats_addedLeavesRenewalsOut(t *testing.T) {
	in := inbox{maxUnsent: 1 << 20, maxKept: 1 << 20, probe: probe{added: newAdded()}}
	now := time.Now()
	in.watch(320, now)
	in.addAudio(make([]byte, 640), now)
	in.rewind(span{}, 0)
	_, _, at := in.take(nil, takeRule{minBytes: 640, maxBytes: 6400, whole: 6400})
	in.mark(1, at, time.Now().UnixNano())
	if n := in.probe.added.latency().Count; n != 0 {
		t.Errorf("%d frames measured over a renewal", n)
	}
}
