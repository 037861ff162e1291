package live

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// oneSecond keeps so little speech that what is said around a text is soon forgotten.
func oneSecond(c *Config) { c.Resume.ReplayAudio = time.Second }

// A text outlives the speech around it, and is given in its place: before the speech that was kept.
func TestAside_aTextAmongForgottenSpeechIsGivenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, oneSecond)
		st.speak(0, 500)
		st.browser.say(`{"type":"text","text":"one"}`)
		st.speak(500, 1500)
		st.browser.say(`{"type":"text","text":"two"}`)
		st.speak(2000, 3000)
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		got := kinds(second.got())
		if len(got) < 3 || !slices.Equal(got[:2], []string{"text:one", "text:two"}) || slices.Contains(got[2:], "text:one") || slices.Contains(got[2:], "text:two") {
			t.Errorf("the second upstream got %v", got)
		}
		if pcm := second.pcm(); !bytes.HasSuffix(words(0, 5000), pcm) || len(pcm) > 32000 || len(pcm) < 28000 {
			t.Errorf("%d bytes were given again, want about the newest second", len(pcm))
		}
		st.end()
	})
}

// It is given to each connection, once, for as long as nobody has answered it; and never to one whose transcript knows it.
func TestAside_aTextIsGivenUntilItIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second, third, fourth := newMemUpstream(), newMemUpstream(), newMemUpstream()
		st := begin(t, func(c *Config, d *memDialer) {
			oneSecond(c)
			d.later = []later{{up: second}, {up: third}, {up: fourth}}
		})
		synctest.Wait()
		st.browser.say(`{"type":"text","text":"one"}`)
		st.speak(0, 3000)
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		time.Sleep(10 * time.Second)
		st.speak(3000, 3000)
		second.ended <- io.ErrUnexpectedEOF
		third.says(Event{Kind: EventReady})
		time.Sleep(10 * time.Second)
		third.says(Event{Kind: EventInputTranscript, Text: "one"}, speech(40), Event{Kind: EventOutputTranscript, Text: "Yes."}, Event{Kind: EventTurnComplete})
		synctest.Wait()
		st.browser.say(`{"type":"text","text":"two"}`)
		st.speak(6000, 3000)
		third.ended <- io.ErrUnexpectedEOF
		fourth.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		for i, want := range [][]string{{"one"}, {"one", "two"}, {"two"}} {
			if got := texts([]*memUpstream{second, third, fourth}[i].got()); !slices.Equal(got, want) {
				t.Errorf("connection %d got %v, want %v", i+2, got, want)
			}
		}
		st.end()
	})
}

// Where the upstream tells what a handle knows, a text that it has taken is not given again, however much was said since.
func TestAside_anIndexTellsOfTextsToo(t *testing.T) {
	for consumed, want := range map[int64][]string{0: {"one", "two"}, 1: {"two"}, 60: nil} {
		t.Run(fmt.Sprint(consumed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st, second := beginTwice(t, oneSecond)
				synctest.Wait()
				st.browser.say(`{"type":"text","text":"one"}`) // message 1
				st.speak(0, 1000)                              // 2 to 51
				st.browser.say(`{"type":"text","text":"two"}`) // 52
				st.speak(1000, 3000)
				st.up.says(resumable("H1", consumed))
				synctest.Wait()
				st.speak(4000, 3000)
				st.up.ended <- io.ErrUnexpectedEOF
				second.says(Event{Kind: EventReady})
				time.Sleep(time.Second)
				if got := texts(second.got()); !slices.Equal(got, want) {
					t.Errorf("given again %v, want %v", got, want)
				}
				st.end()
			})
		})
	}
}

// The same of the next connection, which was given them again.
func TestAside_anIndexTellsOfTextsThatWereGivenAgain(t *testing.T) {
	for consumed, want := range map[int64][]string{0: {"one", "two"}, 1: {"two"}, 2: nil} {
		t.Run(fmt.Sprint(consumed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				second, third := newMemUpstream(), newMemUpstream()
				st := begin(t, func(c *Config, d *memDialer) { oneSecond(c); d.later = []later{{up: second}, {up: third}} })
				synctest.Wait()
				st.browser.say(`{"type":"text","text":"one"}`)
				st.browser.say(`{"type":"text","text":"two"}`)
				st.speak(0, 3000)
				st.up.ended <- io.ErrUnexpectedEOF
				second.says(Event{Kind: EventReady})
				time.Sleep(10 * time.Second)
				st.speak(3000, 3000)
				second.says(resumable("H1", consumed))
				synctest.Wait()
				st.speak(6000, 3000)
				second.ended <- io.ErrUnexpectedEOF
				third.says(Event{Kind: EventReady})
				time.Sleep(time.Second)
				if got := texts(third.got()); !slices.Equal(got, want) {
					t.Errorf("given again %v, want %v", got, want)
				}
				st.end()
			})
		})
	}
}

// Push-to-talk that is held for longer than speech is kept: the model takes audio only inside an activity.
func TestAside_aLongActivityIsOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := newMemUpstream()
		st := play(t, func(c *Config, d *memDialer) { oneSecond(c); d.later = []later{{up: second}} })
		st.browser.say(`{"type":"start_session","config":{"vad":{"mode":"manual"}}}`)
		st.up.says(Event{Kind: EventReady})
		synctest.Wait()
		for range 2 { // one that is over is of no use any more
			st.browser.say(`{"type":"activity_start"}`)
			st.speak(0, 3000)
			st.browser.say(`{"type":"activity_end"}`)
			synctest.Wait()
		}
		st.browser.say(`{"type":"activity_start"}`)
		st.speak(0, 3000)
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		st.browser.say(`{"type":"activity_end"}`)
		time.Sleep(time.Second)
		got := kinds(second.got())
		got = slices.DeleteFunc(got, func(k string) bool { return strings.HasPrefix(k, "audio:") })
		if first := kinds(second.got())[0]; first != "start" || !slices.Equal(got, []string{"start", "end"}) {
			t.Errorf("the second upstream got %v, beginning with %s", got, first)
		}
		st.end()
	})
}

// What is kept aside is bounded; what goes beyond is told.
func TestAside_isBoundedAndTellsWhatItForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, oneSecond)
		long := strings.Repeat("x", 60<<10)
		for i := range 40 {
			st.browser.say(fmt.Sprintf(`{"type":"text","text":"%d %s","turnComplete":false}`, i, long))
			st.speak(i*2000, 2000)
		}
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		got := texts(second.got())
		m := find(st.browser.heard(), "warning")
		if m == nil || m.JSON["code"] != "messages_lost" || m.JSON["messages"] != float64(40-len(got)) || len(got) < 30 || len(got) > 35 {
			t.Errorf("%d of 40 texts were given again, told %v", len(got), m)
		}
		if len(got) > 0 && !strings.HasPrefix(got[len(got)-1], "39 ") {
			t.Error("the newest was not kept")
		}
		st.end()
	})
}

// Another instance is told to go on before the text, however much was said since.
func TestAside_anotherInstanceGoesOnBeforeTheText(t *testing.T) {
	in := given(100, 40, 10, 50)
	var places []int64 // behind the texts
	for i := range in.items.len() {
		if in.items.at(i).command != nil {
			places = append(places, int64(i+1))
		}
	}
	in.maxKept = 32000
	in.take(nil, takeRule{flush: true}) // nothing, but what is kept
	in.mu.Lock()
	in.trim()
	in.mu.Unlock()
	here := in.place()
	for _, at := range []struct {
		commands int64
		covered  int64
		ahead    []int64
	}{{0, 11, nil}, {places[0], 52, nil}, {places[1], 90, nil}} {
		known := span{audio: here, commands: cursor{item: at.commands}}
		if p := in.resumeAt(known, overlap500, 0); p.covered != at.covered || !slices.Equal(p.ahead, at.ahead) {
			t.Errorf("known up to %d: %d are covered, %v ahead; want %d, %v", at.commands, p.covered, p.ahead, at.covered, at.ahead)
		}
	}
	if p := in.resumeAt(span{audio: here}, overlap500, 20); p.covered != 52 {
		t.Errorf("%d are covered, want 52: the first text the client has forgotten", p.covered)
	}
}
