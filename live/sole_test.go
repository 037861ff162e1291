package live

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// voice is speech that is loud enough to be somebody's.
func voice(ms int) []byte {
	return bytes.Repeat(binary.LittleEndian.AppendUint16(nil, 8000), ms*16)
}

// A text that is answered sooner than an event can be known not to have crossed it: it was the question if nothing else was asked.
func TestSole_aTextThatIsAnsweredAtOnce(t *testing.T) {
	type story = func(st *stage)
	say := func(text string) story {
		return func(st *stage) { st.browser.say(`{"type":"text","text":"` + text + `"}`); synctest.Wait() }
	}
	wait := func(d time.Duration) story { return func(*stage) { time.Sleep(d); synctest.Wait() } }
	loud := func(st *stage) { st.browser.speak(voice(100)); synctest.Wait() }
	silent := func(st *stage) {
		st.browser.speak(make([]byte, 640))
		st.browser.say(`{"type":"turn_complete"}`)
		synctest.Wait()
	}
	answer := func(st *stage) {
		st.up.says(speech(40), Event{Kind: EventOutputTranscript, Text: "Yes."}, Event{Kind: EventGenerationComplete}, Event{Kind: EventTurnComplete})
		synctest.Wait()
	}
	for name, tt := range map[string]struct {
		before []story
		again  []string
	}{
		"nothing else":              {nil, nil},
		"after a spoken turn":       {[]story{loud, wait(time.Second), answer}, nil},
		"after a written turn":      {[]story{say("first"), wait(time.Second), answer}, nil},
		"the microphone is muted":   {[]story{silent}, nil},
		"somebody had spoken":       {[]story{loud, wait(time.Second)}, []string{"What is this?"}},
		"into the answer before it": {[]story{say("first"), wait(time.Second), answer, loud}, []string{"What is this?"}},
		"another was not answered":  {[]story{say("first"), wait(time.Second)}, []string{"What is this?"}},
		"two at once":               {[]story{say("first")}, []string{"What is this?"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st, second := beginTwice(t, nil)
				synctest.Wait()
				for _, step := range tt.before {
					step(st)
				}
				say("What is this?")(st)
				wait(100 * time.Millisecond)(st)
				answer(st)
				st.up.says(resumable("H1", -1))
				synctest.Wait()
				st.up.ended <- io.ErrUnexpectedEOF
				second.says(Event{Kind: EventReady})
				time.Sleep(time.Second)
				if got := texts(second.got()); !slices.Equal(got, tt.again) {
					t.Errorf("given again %v, want %v", got, tt.again)
				}
				st.end()
			})
		})
	}
}
