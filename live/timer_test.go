package live

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"
)

// A tick that is under way when the session ends arms the timer again
func TestSession_noTimerIsArmedAfterServe(t *testing.T) {
	armed := 0
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			st := play(t, nil)
			st.up.stall = make(chan struct{})
			st.browser.say(`{"type":"start_session"}`)
			st.up.says(Event{Kind: EventReady})
			time.Sleep(25 * time.Second) // the silence hangs in Send
			s := st.gateway.all()[0]
			st.end()
			s.timerMu.Lock()
			if s.timer.Stop() {
				armed++
			}
			s.timerMu.Unlock()
		})
	}
	if armed > 0 {
		t.Errorf("%d of 200 sessions left their timer armed", armed)
	}
}

// A text that went ahead of held audio, known to an exact handle
func TestSession_whatWentAheadAndIsKnownIsNotGivenTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, func(c *Config) { c.Live.DefaultModels.Gemini = "gemini-2.5-flash-native-audio-latest" })
		st.up.says(Event{Kind: EventToolCall, Calls: []ToolCall{{ID: "c1", Name: "f", Args: json.RawMessage(`{}`)}}})
		synctest.Wait()
		st.browser.speak(words(0, 20))
		st.browser.say(`{"type":"text","text":"typed"}`)
		synctest.Wait()
		st.browser.say(`{"type":"tool_response","responses":[{"id":"c1","response":{}}]}`)
		synctest.Wait()
		st.up.says(resumable("H1", 1)) // the text, not the answer, not the audio
		synctest.Wait()
		st.up.ended <- nil2()
		second.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		n := 0
		for _, c := range second.got() {
			if c.Kind == CommandText {
				n++
			}
		}
		if n != 0 {
			t.Errorf("the text, which the handle knows, was given again")
		}
		st.end()
	})
}

func nil2() error { return &UpstreamError{Fault: FaultBroken} }

// Whoever asks for a tick at once must not be put off by somebody who asks for a later one.
func TestSession_aTickThatIsDueIsNotPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		synctest.Wait()
		s := st.gateway.all()[0]
		s.lastActive.Store(0)
		s.tickSoon(0)
		s.tickSoon(time.Hour)
		synctest.Wait()
		if s.ctx.Err() == nil {
			t.Error("the session, which was idle, has not ended: its timer was put off")
		}
		<-st.done
	})
}

// Silence at 11025 Hz
func TestSession_silenceIsWholeSamplesAtEveryRate(t *testing.T) {
	for _, rate := range []string{"8000", "8001", "11025", "12345", "22050", "44100", "47999"} {
		synctest.Test(t, func(t *testing.T) {
			st := play(t, nil)
			st.browser.say(`{"type":"start_session","config":{"audio":{"inputSampleRate":` + rate + `}}}`)
			st.up.says(Event{Kind: EventReady})
			time.Sleep(25 * time.Second)
			for _, c := range st.up.got() {
				if len(c.PCM)%2 != 0 {
					t.Errorf("%s Hz: %d bytes of silence are no whole samples", rate, len(c.PCM))
				}
			}
			st.end()
		})
	}
}
