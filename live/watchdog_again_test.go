package live

import (
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// Stories of people who ask again, because nobody answers: none of them may be left alone for ever.

// moved is a conversation that came here with its handle "h" from another instance, and whose upstream here is ready.
func moved(t *testing.T, n int) (st *stage, ups []*memUpstream) {
	t.Helper()
	p, up, _ := talk(t, nil)
	up.says(counting(0, 40), Event{Kind: EventTurnComplete}, Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
	time.Sleep(2 * time.Second)
	p.settle()
	first, d := p.drained()
	ups = append(ups, first)
	for range n - 1 {
		up := newMemUpstream()
		ups = append(ups, up)
		d.later = append(d.later, later{up: up})
	}
	for _, up := range ups {
		up.says(Event{Kind: EventReady})
	}
	if !p.resume() {
		t.Fatal("the conversation did not go on")
	}
	synctest.Wait()
	return &stage{gateway: p.gateway, browser: p.b, up: first, dialer: d, done: p.done}, ups
}

// heardOf is an upstream that transcribes what it was given.
func heardOf(up *memUpstream) {
	synctest.Wait()
	up.says(Event{Kind: EventInputTranscript, Text: "Hello?"})
	synctest.Wait()
}

// One question may have been meant for somebody else, and the next connection would remember nothing. Two were not, however long the
// person waits between them.
func TestWatchdog_whereNobodyRemembersASecondQuestionIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := moved(t, 4)
		st.utter(0)
		heardOf(ups[0])
		time.Sleep(20 * time.Second)
		st.wantHandles(t, "h", "h") // tried again
		heardOf(ups[1])
		time.Sleep(time.Minute) // and accepted
		st.wantHandles(t, "h", "h")
		st.utter(2000)
		heardOf(ups[1])
		time.Sleep(20 * time.Second)
		st.wantHandles(t, "h", "h", "")
		if m := find(st.browser.heard(), "warning"); m == nil || m.JSON["code"] != "memory_lost" {
			t.Errorf("that the model has forgotten everything was not told: %v", types(st.browser.heard()))
		}
		time.Sleep(time.Minute) // accepted once more
		ups[2].says(speech(40), Event{Kind: EventTurnComplete})
		synctest.Wait()
		st.utter(4000) // after an answer it is the first again
		heardOf(ups[2])
		time.Sleep(time.Minute)
		st.wantHandles(t, "h", "h", "")
		st.end()
	})
}

// What was learned of a silence holds for the connections that took the silent one's place, and for no other.
func TestWatchdog_aConnectionThatComesAfterABreakIsJudgedAnew(t *testing.T) {
	for name, end := range map[string]func(*memUpstream){
		"break":   func(up *memUpstream) { up.ended <- io.ErrUnexpectedEOF },
		"go_away": func(up *memUpstream) { up.says(Event{Kind: EventGoAway, TimeLeft: time.Second}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st, ups := several(t, 7, nil)
				ups[0].says(Event{Kind: EventInputTranscript, Text: "One."}, speech(40), Event{Kind: EventOutputTranscript, Text: "1."},
					Event{Kind: EventTurnComplete}, resumable("H1", 0))
				synctest.Wait()
				ups[0].ended <- io.ErrUnexpectedEOF
				synctest.Wait()
				st.utter(0)
				heardOf(ups[1])
				time.Sleep(20 * time.Second)
				st.wantHandles(t, "", "H1", "") // poisoned
				ups[2].says(Event{Kind: EventInputTranscript, Text: "Two."}, resumable("H2", -1), speech(40))
				synctest.Wait()
				end(ups[2]) // in mid-answer
				time.Sleep(2 * time.Second)
				st.wantHandles(t, "", "H1", "", "H2")
				heardOf(ups[3]) // poisoned too
				time.Sleep(20 * time.Second)
				st.wantHandles(t, "", "H1", "", "H2", "")
				heardOf(ups[4])
				time.Sleep(3 * time.Minute) // and that is enough
				st.wantHandles(t, "", "H1", "", "H2", "")
				st.end()
			})
		})
	}
}

// A silence to what must be answered is never what the model has to say.
func TestWatchdog_whatMustBeAnsweredIsJudgedAnewThoughASilenceWasAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 6, nil)
		ups[0].says(resumable("H1", 0))
		st.browser.say(`{"type":"text","text":"Hello?"}`)
		time.Sleep(time.Minute)
		st.wantHandles(t, "", "H1", "")
		st.utter(0)
		time.Sleep(time.Minute)
		st.wantHandles(t, "", "H1", "")
		st.browser.say(`{"type":"text","text":"Is anybody there?"}`)
		time.Sleep(time.Minute)
		st.wantHandles(t, "", "H1", "", "")
		st.end()
	})
}

// A resumption that went wrong shows nothing at all where the person's speech is not transcribed.
func TestWatchdog_aDeafConnectionIsGivenUpWhenThePersonAsksAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 4, nil)
		ups[0].says(Event{Kind: EventInputTranscript, Text: "One."}, speech(40), Event{Kind: EventOutputTranscript, Text: "1."},
			Event{Kind: EventTurnComplete}, resumable("H1", 0))
		synctest.Wait()
		ups[0].ended <- io.ErrUnexpectedEOF
		synctest.Wait()
		for i := range 3 {
			st.wantHandles(t, []string{"", "H1", "H1"}[:min(2+i, 3)]...)
			st.utter(2000 * i)
			time.Sleep(30 * time.Second)
		}
		st.utter(9000)
		time.Sleep(30 * time.Second)
		st.wantHandles(t, "", "H1", "H1", "")
		for i := range 5 {
			st.utter(2000 * i)
			time.Sleep(30 * time.Second)
		}
		st.wantHandles(t, "", "H1", "H1", "")
		st.end()
	})
}

// Real models transcribe while the person speaks, and then no more.
func TestWatchdog_whatIsTranscribedWhileThePersonSpeaksIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 3, nil)
		ups[0].says(Event{Kind: EventInputTranscript, Text: "One."}, speech(40), Event{Kind: EventOutputTranscript, Text: "1."},
			Event{Kind: EventTurnComplete}, resumable("H1", 0))
		synctest.Wait()
		ups[0].ended <- io.ErrUnexpectedEOF
		synctest.Wait()
		st.speak(0, 500)
		heardOf(ups[1])
		st.utter(500)
		time.Sleep(20 * time.Second)
		st.wantHandles(t, "", "H1", "")
		st.end()
	})
}

// A voice too soft to be measured is heard by the model all the same.
func TestWatchdog_aTranscriptOfASoftVoiceIsAQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 3, nil)
		ups[0].says(Event{Kind: EventInputTranscript, Text: "One."}, speech(40), Event{Kind: EventOutputTranscript, Text: "1."},
			Event{Kind: EventTurnComplete}, resumable("H1", 0))
		synctest.Wait()
		ups[0].ended <- io.ErrUnexpectedEOF
		synctest.Wait()
		st.hush(2000)
		heardOf(ups[1])
		time.Sleep(20 * time.Second)
		st.wantHandles(t, "", "H1", "")
		ups[2].says(speech(40), Event{Kind: EventTurnComplete})
		synctest.Wait()
		time.Sleep(3 * time.Minute)
		st.wantHandles(t, "", "H1", "")
		st.end()
	})
}

// Models tell a handle as soon as they are set up: it says that nothing is going on, and is no answer.
func TestWatchdog_aHandleIsNoSignOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 3, nil)
		st.browser.say(`{"type":"text","text":"Hello?"}`)
		synctest.Wait()
		time.Sleep(100 * time.Millisecond)
		ups[0].says(resumable("H1", 0))
		time.Sleep(20 * time.Second)
		st.wantHandles(t, "", "H1")
		st.end()
	})
}

// A noisy room is loud for ever.
func TestWatchdog_aVoiceIsNoExcuseForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 2, nil)
		ups[0].says(resumable("H1", 0))
		st.browser.say(`{"type":"text","text":"Hello?"}`)
		begun := time.Now()
		for len(st.handles()) < 2 && time.Since(begun) < 5*time.Minute {
			st.browser.speak(tone(100, 16000))
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(begun); took < 40*time.Second || took > 50*time.Second {
			t.Errorf("renewed after %v", took)
		}
		st.end()
	})
}

// What the model had begun to answer must be answered.
func TestWatchdog_anAnswerThatWasTakenBackMustCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 4, nil)
		ups[0].says(resumable("H1", 0))
		st.utter(0)
		ups[0].says(speech(40))
		time.Sleep(40 * time.Second)
		st.wantHandles(t, "", "H1", "") // the second says nothing at all
		if len(ups[2].pcm()) == 0 {
			t.Error("the fresh connection was not asked")
		}
		time.Sleep(3 * time.Minute)
		st.wantHandles(t, "", "H1", "")
		st.end()
	})
}

// Whoever calls out every few seconds is not talking to somebody else.
func TestWatchdog_callingOutAgainAndAgainDoesNotPutItOffForEver(t *testing.T) {
	for _, midAnswer := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			st, ups := several(t, 2, nil)
			ups[0].says(resumable("H1", 0))
			if midAnswer {
				ups[0].says(speech(40))
			}
			synctest.Wait()
			begun := time.Now()
			for len(st.handles()) < 2 && time.Since(begun) < 5*time.Minute {
				st.speak(0, 600)
				st.hush(1600)
			}
			if took := time.Since(begun); took > 50*time.Second {
				t.Errorf("renewed after %v", took)
			}
			st.end()
		})
	}
}
