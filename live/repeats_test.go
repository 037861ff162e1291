package live

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestResume_whatIsRepeatedIsNotTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, _ := talk(t, nil)
		p.cut(0)
		for range 3000 { // a minute of speech
			p.speak(tone(20, 16000))
		}
		for i := range 200 {
			p.say(fmt.Sprintf(`{"type":"text","text":"%d"}`, i))
		}
		for range 400 {
			p.say(`{"type":"interrupt"}`)
		}
		time.Sleep(55 * time.Second) // it was said meanwhile
		at := time.Now()
		p.resume()
		if took := time.Since(at); took != 0 {
			t.Errorf("the client was held back for %v", took)
		}
		time.Sleep(time.Second)
		p.settle()
		if p.acked != 3600 {
			t.Errorf("%d of 3600 messages have come", p.acked)
		}
		p.leave()
	})
}

// What is repeated to a session whose upstream is being made is more than a microphone could have said meanwhile.
func TestResume_whatIsRepeatedWaitsForTheUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, _ := talk(t, nil)
		up2, _ := p.drained()
		speech := tone(60_000, 16000)
		for i := 0; i < len(speech); i += 640 {
			p.speak(speech[i : i+640])
		}
		if !p.resume() {
			t.Fatal("the conversation did not go on")
		}
		time.Sleep(time.Second)
		up2.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		p.settle()
		if n := len(up2.pcm()); n != len(speech) {
			t.Errorf("the model heard %d of %d bytes", n, len(speech))
		}
		p.leave()
	})
}
