package live

import (
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// sentKinds are the kinds of what an upstream was sent, runs of audio told once.
func sentKinds(u *memUpstream) (all []CommandKind) {
	for _, c := range u.got() {
		if n := len(all); n == 0 || c.Kind != CommandAudio || all[n-1] != CommandAudio {
			all = append(all, c.Kind)
		}
	}
	return all
}

func TestUpdate_toPushToTalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.up.says(resumable("H1", -1))
		settled()
		st.speak(0, 100)
		st.browser.say(`{"type":"turn_complete"}`)
		st.speak(100, 100) // has had no answer: the new connection is given it, as an activity
		st.update(`{"vad":{"mode":"manual"}}`)
		st.browser.say(`{"type":"activity_start"}`) // not in effect yet
		st.speak(200, 100)
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		if w := find(st.browser.heard(), "warning"); w == nil || w.JSON["field"] != "vad.mode" {
			t.Errorf("warning: %+v", w)
		}
		st.speak(900, 100) // outside of an activity
		st.browser.say(`{"type":"activity_start"}`)
		st.speak(300, 100)
		st.browser.say(`{"type":"turn_complete"}`)
		synctest.Wait()
		want := []CommandKind{CommandActivityStart, CommandAudio, CommandActivityEnd, CommandActivityStart, CommandAudio, CommandActivityEnd}
		if got := sentKinds(second); !slices.Equal(got, want) {
			t.Errorf("the second upstream was sent %v, want %v", got, want)
		}
		wantPCM(t, "the second upstream", second.pcm(), words(0, 400))
		st.end()
	})
}

func TestUpdate_fromPushToTalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second, third := newMemUpstream(), newMemUpstream()
		st := play(t, func(_ *Config, d *memDialer) { d.later = []later{{up: second}, {up: third}} })
		st.browser.say(`{"type":"start_session","config":{"vad":{"mode":"manual","silenceDurationMs":300}}}`)
		st.up.says(Event{Kind: EventReady}, resumable("H1", -1))
		settled()
		st.browser.say(`{"type":"activity_start"}`)
		st.speak(0, 100)
		st.update(`{"vad":{"mode":"auto"}}`)
		if w := find(st.browser.heard(), "warning"); w == nil || w.JSON["code"] != "not_allowed" || w.JSON["field"] != "vad.mode" {
			t.Errorf("in mid-activity the warning is %+v", w)
		}
		st.browser.say(`{"type":"activity_end"}`)
		st.update(`{"vad":{"mode":"auto"}}`)
		st.browser.say(`{"type":"activity_start"}`) // it is not in effect yet
		st.speak(100, 100)
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		wantUpdated(t, st, "Kore auto")
		st.speak(200, 100)
		st.browser.say(`{"type":"activity_end"}`)
		st.speak(300, 100)
		want := []CommandKind{CommandAudio, CommandAudioStreamEnd, CommandAudio, CommandAudioStreamEnd, CommandAudio}
		if got := sentKinds(second); !slices.Equal(got, want) {
			t.Errorf("the second upstream was sent %v, want %v", got, want)
		}
		if v := st.dialer.asked()[1].VAD; v.Manual || v.SilenceDuration != 300*time.Millisecond {
			t.Errorf("asked for %+v", v)
		}
		second.ended <- io.ErrUnexpectedEOF // and what was made to fit, stays so
		third.says(Event{Kind: EventReady})
		settled()
		if got := sentKinds(third); !slices.Equal(got, want) {
			t.Errorf("the third upstream was sent %v, want %v", got, want)
		}
		wantPCM(t, "the third upstream", third.pcm(), words(0, 400))
		if n := slices.Index(types(st.browser.heard()), "warning"); slices.Contains(types(st.browser.heard())[n+1:], "warning") {
			t.Error("there was more than the one warning")
		}
		st.end()
	})
}

// What was turned into activities must survive a second renewal, as what was said in them does.
func TestUpdate_toPushToTalkAndRenewedOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second, third := newMemUpstream(), newMemUpstream()
		st := begin(t, func(_ *Config, d *memDialer) { d.later = []later{{up: second}, {up: third}} })
		settled()
		st.speak(0, 100)
		st.browser.say(`{"type":"turn_complete"}`)
		st.update(`{"vad":{"mode":"manual"}}`)
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		second.ended <- io.ErrUnexpectedEOF
		third.says(Event{Kind: EventReady})
		settled()
		want := []CommandKind{CommandActivityStart, CommandAudio, CommandActivityEnd}
		if got := sentKinds(third); !slices.Equal(got, want) {
			t.Errorf("the third upstream was sent %v, want %v", got, want)
		}
		wantPCM(t, "the third upstream", third.pcm(), words(0, 100))
		st.end()
	})
}
