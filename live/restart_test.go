package live

import (
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// An answer that is over may still wait for a slow line, or for its pace, when the connection breaks in the next one: only that is lost.
func TestRestart_leavesTheAnswerBeforeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, func(c *Config) { c.Audio.PlaybackLead = 100 * time.Millisecond })
		var answer []Event
		for range 20 {
			answer = append(answer, speech(100))
		}
		st.up.says(answer...)
		st.up.says(Event{Kind: EventGenerationComplete}, Event{Kind: EventTurnComplete})
		st.up.says(answer[:5]...)
		synctest.Wait()
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady}, speech(100), Event{Kind: EventTurnComplete})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		st.end()
		var got []string
		heard := 0
		for _, m := range st.browser.heard() {
			switch m.Type {
			case "audio":
				heard++
			case "turn_complete", "turn_restarted":
				got = append(got, m.Type)
				if len(got) == 1 && heard != 20 {
					t.Errorf("%d pieces of the first answer were heard, want 20", heard)
				}
			}
		}
		if !slices.Equal(got, []string{"turn_complete", "turn_restarted", "turn_complete"}) || heard != 21 {
			t.Errorf("%v with %d pieces of speech", got, heard)
		}
	})
}
