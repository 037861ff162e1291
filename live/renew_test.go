package live

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// words is ms of 16 kHz audio whose samples count on from a place: what was given twice, or not at all, shows.
func words(from, ms int) []byte {
	pcm := make([]byte, ms*32)
	for i := range ms * 16 {
		binary.LittleEndian.PutUint16(pcm[2*i:], uint16(from*16+i))
	}
	return pcm
}

// speak sends words in frames of 20 ms, at the pace of speech.
func (st *stage) speak(from, ms int) {
	for f := range slices.Chunk(words(from, ms), 640) {
		st.browser.speak(f)
		time.Sleep(20 * time.Millisecond)
	}
	synctest.Wait()
}

// resumable is the event of a handle that covers everything up to a message, or (-1) does not say.
func resumable(handle string, consumed int64) Event {
	return Event{Kind: EventResumption, Handle: handle, Resumable: true, Consumed: consumed}
}

func wantPCM(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, want %d%s", what, len(got), len(want), firstDifference(got, want))
	}
}

func firstDifference(a, b []byte) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("; they differ from byte %d on", i)
		}
	}
	return ""
}

// beginTwice is a session that is live, and a second upstream that will be there when the first is gone.
func beginTwice(t *testing.T, change func(*Config)) (st *stage, second *memUpstream) {
	second = newMemUpstream()
	st = begin(t, func(c *Config, d *memDialer) {
		d.later = []later{{up: second}}
		if change != nil {
			change(c)
		}
	})
	synctest.Wait()
	return st, second
}

func TestRenew_atATurnsEndNobodyNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.speak(0, 100)
		st.up.says(speech(40), Event{Kind: EventGoAway, TimeLeft: 50 * time.Second}, speech(40))
		synctest.Wait()
		if n := len(st.dialer.asked()); n != 1 {
			t.Fatal("the connection was renewed in the middle of an answer")
		}
		st.up.says(Event{Kind: EventTurnComplete}, resumable("H1", -1))
		synctest.Wait()
		if asked := st.dialer.asked(); len(asked) != 2 || asked[1].Handle != "H1" {
			t.Fatalf("dialled %d times", len(asked))
		}
		<-st.up.closed
		st.speak(100, 100) // while nobody listens
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		st.speak(200, 100)
		second.says(speech(40), Event{Kind: EventTurnComplete})
		synctest.Wait()
		st.end()
		wantPCM(t, "the second upstream", second.pcm(), words(0, 300)) // the overlap reaches back to the beginning
		all := st.browser.heard()
		wantTypes(t, all, "session_started", "session_ready", "audio", "turn_complete", "audio", "turn_complete", "session_ended")
		if turns := find(all, "session_ended").JSON["turns"]; turns != 2.0 {
			t.Errorf("%v turns", turns)
		}
		if c := st.gateway.Stats().Counters; c.Renewals != 1 || c.ReplayedAudioMs != 100 || c.LostAudioMs != 0 {
			t.Errorf("counters: %+v", c)
		}
	})
}

func TestRenew_idleAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.up.says(resumable("H1", -1), Event{Kind: EventGoAway, TimeLeft: 50 * time.Second})
		synctest.Wait()
		if asked := st.dialer.asked(); len(asked) != 2 || asked[1].Handle != "H1" {
			t.Fatalf("dialled %d times", len(asked))
		}
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		st.end()
	})
}

// Connections that all say goAway as soon as they are ready have time for an answer each.
func TestRenew_whatCameToAnswerAnswersFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 12, func(c *Config) { c.Resume.Watchdog = 0 })
		ups[0].says(resumable("H1", -1))
		st.utter(0)
		for _, up := range ups[1:] {
			up.says(resumable("H1", -1), Event{Kind: EventGoAway, TimeLeft: 6 * time.Second}, resumable("H1", -1))
		}
		ups[0].ended <- io.ErrUnexpectedEOF
		time.Sleep(time.Second)
		st.wantHandles(t, "", "H1")
		ups[1].says(speech(40), Event{Kind: EventGenerationComplete}, Event{Kind: EventTurnComplete})
		synctest.Wait()
		st.wantHandles(t, "", "H1")
		ups[1].says(resumable("H2", -1))
		synctest.Wait()
		st.wantHandles(t, "", "H1", "H2")
		time.Sleep(2 * time.Second)
		st.wantHandles(t, "", "H1", "H2")
		time.Sleep(2 * time.Second) // nothing was asked of it: half of the time that it had is over
		st.wantHandles(t, "", "H1", "H2", "H1")
		st.end()
	})
}

func TestRenew_beforeTheDeadlineThoughTheTurnNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, func(c *Config) { c.Resume.Watchdog = 0 })
		st.up.says(resumable("H1", -1), speech(40), Event{Kind: EventGoAway, TimeLeft: 50 * time.Second})
		begun := time.Now()
		second.says(Event{Kind: EventReady})
		for len(st.dialer.asked()) < 2 && time.Since(begun) < time.Minute {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(begun); took < 44*time.Second || took > 46*time.Second {
			t.Errorf("renewed after %v, want 45 s", took)
		}
		synctest.Wait()
		if find(st.browser.heard(), "turn_restarted") == nil {
			t.Error("the answer that was cut was not told to be restarted")
		}
		st.end()
	})
}

func TestRenew_givesExactlyWhatTheHandleDoesNotHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.speak(0, 1000) // messages 1 to 50
		st.up.says(resumable("H1", 40))
		synctest.Wait()
		st.speak(1000, 200)
		st.up.ended <- io.ErrUnexpectedEOF
		synctest.Wait()
		st.speak(1200, 100)
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		st.end()
		wantPCM(t, "the second upstream", second.pcm(), words(800, 500))
	})
}

func TestRenew_givesTheOverlapAgainWhereNobodyTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.speak(0, 2000)
		st.browser.say(`{"type":"text","text":"answered"}`)
		time.Sleep(time.Second)
		st.up.says(speech(40))
		synctest.Wait()
		st.browser.say(`{"type":"text","text":"typed into the answer"}`)
		synctest.Wait()
		st.up.says(Event{Kind: EventTurnComplete}, resumable("H1", -1))
		synctest.Wait()
		st.browser.say(`{"type":"text","text":"after"}`)
		st.speak(2000, 200)
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		st.end()
		wantPCM(t, "the second upstream", second.pcm(), words(1500, 700))
		var texts []string
		for _, c := range second.got() {
			if c.Kind == CommandText {
				texts = append(texts, c.Text)
			}
		}
		if !slices.Equal(texts, []string{"typed into the answer", "after"}) {
			t.Errorf("texts %v were given again, want those that had no answer", texts)
		}
	})
}

func TestRenew_inMidAnswer(t *testing.T) {
	for _, policy := range []string{midTurnRestart, midTurnKeep} {
		t.Run(policy, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st, second := beginTwice(t, func(c *Config) { c.Resume.MidTurn = policy })
				st.up.says(resumable("H1", -1))
				synctest.Wait()
				st.speak(0, 600)
				for range 10 {
					st.up.says(speech(500))
				}
				synctest.Wait()
				st.up.ended <- io.ErrUnexpectedEOF
				second.says(Event{Kind: EventReady}, speech(100), Event{Kind: EventTurnComplete})
				time.Sleep(10 * time.Second)
				all := st.browser.heard()
				if policy == midTurnRestart {
					wantTypes(t, all, "session_started", "session_ready", "audio", "turn_restarted", "audio", "turn_complete")
					wantPCM(t, "the second upstream", second.pcm(), words(0, 600))
				} else {
					wantTypes(t, all, "session_started", "session_ready", "audio", "turn_complete", "audio", "turn_complete")
					wantPCM(t, "the second upstream", second.pcm(), nil)
					if n := audioBytes(all); n != 5100*48 {
						t.Errorf("%d ms of speech were heard, want all 5100", n/48)
					}
					if turn := find(all, "turn_complete").JSON["turn"].(map[string]any); turn["interrupted"] != true {
						t.Errorf("turn %v", turn)
					}
				}
				st.end()
				if want, got := int64(1), st.gateway.Stats().Counters.TurnsRestarted; (policy == midTurnRestart) != (got == want) {
					t.Errorf("%d turns restarted", got)
				}
			})
		})
	}
}

func TestRenew_withoutAHandleTheTranscriptSeedsTheNext(t *testing.T) {
	for _, dead := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			third := newMemUpstream()
			st := begin(t, func(_ *Config, d *memDialer) {
				if dead {
					d.later = append(d.later, later{err: &UpstreamError{Fault: FaultDeadHandle}})
				}
				d.later = append(d.later, later{up: third})
			})
			synctest.Wait()
			st.speak(0, 100)
			st.up.says(Event{Kind: EventInputTranscript, Text: "What is "}, Event{Kind: EventInputTranscript, Text: "this?"}, speech(40),
				Event{Kind: EventOutputTranscript, Text: "A stone."}, Event{Kind: EventTurnComplete})
			if dead {
				st.up.says(resumable("H1", -1))
			}
			synctest.Wait()
			st.speak(100, 100)
			st.up.ended <- io.ErrUnexpectedEOF
			third.says(Event{Kind: EventReady})
			synctest.Wait()
			asked := st.dialer.asked()
			last := asked[len(asked)-1]
			want := []HistoryTurn{{"user", "What is this?"}, {"model", "A stone."}}
			if last.Handle != "" || !slices.Equal(last.History, want) {
				t.Errorf("dead %v: seeded with %v and the handle %q", dead, last.History, last.Handle)
			}
			if pcm := third.pcm(); !bytes.HasSuffix(pcm, words(100, 100)) {
				t.Errorf("dead %v: what was said since was not given again: %d bytes", dead, len(pcm))
			}
			st.end()
		})
	}
}

func TestRenew_tellsThatItTakesLongAndWhatItCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := newMemUpstream()
		st := begin(t, func(_ *Config, d *memDialer) {
			broken := later{err: &UpstreamError{Fault: FaultBroken}}
			d.later = []later{broken, broken, broken, {up: second}}
		})
		st.up.says(resumable("H1", -1))
		synctest.Wait()
		st.speak(0, 100)
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		time.Sleep(10 * time.Second)
		all := st.browser.heard()
		wantTypes(t, all, "session_started", "session_ready", "reconnecting", "reconnected")
		m := find(all, "reconnected").JSON
		if gap, _ := m["gapMs"].(float64); gap < 1400 || gap > 2200 || m["replayedAudioMs"] != 100.0 || m["lostAudioMs"] != 0.0 {
			t.Errorf("reconnected: %v", m)
		}
		st.end()
	})
}

func TestRenew_isNotTriedForWhatItCannotHeal(t *testing.T) {
	for fault, reason := range map[UpstreamFault]Reason{
		FaultQuota: ReasonUpstreamQuota, FaultAuth: ReasonUpstreamAuth, FaultRejected: ReasonUpstreamRejected,
	} {
		synctest.Test(t, func(t *testing.T) {
			st := begin(t, func(_ *Config, d *memDialer) { d.later = []later{{err: &UpstreamError{Fault: fault, Detail: "no"}}} })
			synctest.Wait()
			st.up.ended <- io.ErrUnexpectedEOF
			<-st.done
			if *st.browser.closed != reason || len(st.dialer.asked()) != 2 {
				t.Errorf("closed with %v after %d dials", st.browser.closed, len(st.dialer.asked()))
			}
		})
	}
}

func TestRenew_connectionsThatDieYoungEndTheSessionInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, func(_ *Config, d *memDialer) {
			for range 100 {
				up := newMemUpstream()
				up.says(Event{Kind: EventReady})
				up.ended <- &UpstreamError{Fault: FaultBroken, Detail: "Internal error encountered.", Close: 1011}
				d.later = append(d.later, later{up: up})
			}
		})
		synctest.Wait()
		begun := time.Now()
		st.up.ended <- io.ErrUnexpectedEOF
		<-st.done
		if n := len(st.dialer.asked()); *st.browser.closed != ReasonUpstreamUnavailable || n > 15 || time.Since(begun) > 16*time.Second {
			t.Errorf("closed with %v after %d dials in %v", st.browser.closed, n, time.Since(begun))
		}
	})
}

func TestRenew_anOpenToolCallIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.speak(0, 100)
		st.up.says(resumable("H1", -1), Event{Kind: EventToolCall, Calls: []ToolCall{{ID: "c1", Name: "f", Args: []byte("{}")}}},
			Event{Kind: EventGoAway, TimeLeft: 50 * time.Second})
		synctest.Wait()
		if len(st.dialer.asked()) != 1 {
			t.Fatal("the connection was renewed while a tool was being asked")
		}
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		st.browser.say(`{"type":"tool_response","responses":[{"id":"c1","response":{}}]}`)
		synctest.Wait()
		all := st.browser.heard()
		wantTypes(t, all, "session_started", "session_ready", "tool_call", "tool_call_cancelled", "warning")
		for _, c := range second.got() {
			if c.Kind == CommandToolResponse {
				t.Error("the answer to a call that the model does not know went up")
			}
		}
		st.end()
	})
}

func TestRenew_theSessionEndsInTheMiddleOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.up.ended <- io.ErrUnexpectedEOF
		synctest.Wait()
		st.end() // the second has not answered
		<-second.closed
		if *st.browser.closed != ReasonEnded {
			t.Errorf("closed with %v", st.browser.closed)
		}
	})
}

func TestRenew_whatIsKeptIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, func(c *Config) { c.Resume.ReplayAudio = time.Second })
		st.speak(0, 3000)
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		st.end()
		pcm := second.pcm()
		if !bytes.HasSuffix(words(0, 3000), pcm) || len(pcm) > 32000 || len(pcm) < 28000 {
			t.Errorf("%d bytes were given again, want about the newest second", len(pcm))
		}
		if c := st.gateway.Stats().Counters; c.LostAudioMs < 2000 || c.LostAudioMs+c.ReplayedAudioMs != 3000 {
			t.Errorf("counters: %+v", c)
		}
	})
}

func TestRenew_tellsThatATranscriptWillComeTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.up.says(resumable("H1", -1))
		st.speak(0, 400)
		st.up.says(Event{Kind: EventInputTranscript, Text: "What is this?"})
		synctest.Wait()
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady}, Event{Kind: EventInputTranscript, Text: "What is this?"})
		synctest.Wait()
		wantTypes(t, st.browser.heard(), "session_started", "session_ready", "input_transcript", "reconnected", "input_transcript")
		st.end()
	})
}

// Without transcripts nobody knows what was answered since the handle: it is not asked again.
func TestRenew_whatWasAnsweredIsAskedAgainOnlyWhereNobodyRemembersIt(t *testing.T) {
	for _, handle := range []string{"", "H1"} {
		synctest.Test(t, func(t *testing.T) {
			st, second := beginTwice(t, nil)
			if handle != "" {
				st.up.says(resumable(handle, 0))
			}
			st.speak(0, 1000)
			st.browser.say(`{"type":"text","text":"answered"}`)
			time.Sleep(time.Second)
			st.up.says(speech(40), Event{Kind: EventTurnComplete})
			synctest.Wait()
			st.speak(1000, 1000)
			st.browser.say(`{"type":"text","text":"not answered"}`)
			synctest.Wait()
			st.up.ended <- io.ErrUnexpectedEOF
			second.says(Event{Kind: EventReady})
			time.Sleep(time.Second)
			// A fresh connection gets the overlap, because nobody tells when the answer began; one with a handle that does
			// not know the answered turn gets it again, and the person is told.
			want, again := words(500, 1500), []string{"not answered"}
			if handle != "" {
				want, again = words(0, 2000), []string{"answered", "not answered"}
			}
			wantPCM(t, "the second upstream, handle "+handle, second.pcm(), want)
			if got := texts(second.got()); !slices.Equal(got, again) {
				t.Errorf("handle %q: given again: %v", handle, got)
			}
			if told := find(st.browser.heard(), "turn_restarted") != nil; told != (handle != "") {
				t.Errorf("handle %q: turn_restarted: %v", handle, told)
			}
			if asked := st.dialer.asked(); asked[1].Handle != handle {
				t.Errorf("dialled with the handle %q", asked[1].Handle)
			}
			st.end()
		})
	}
}

// An upstream's connection that is young has no message that a handle could count: the handle holds what the one before held.
func TestRenew_aHandleOfMessageZeroHoldsWhatTheConnectionBeganWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 3, nil)
		st.speak(0, 1000)
		ups[0].says(resumable("H1", 40)) // and no turn has ended: a fresh connection would need all
		synctest.Wait()
		ups[0].ended <- io.ErrUnexpectedEOF
		synctest.Wait()
		ups[1].says(resumable("H2", 0))
		synctest.Wait()
		ups[1].ended <- io.ErrUnexpectedEOF
		time.Sleep(time.Second)
		wantPCM(t, "the third upstream", ups[2].pcm(), words(800, 200))
		st.end()
	})
}

// A dead handle takes with it what only it knew: the next connection is given that too.
func TestRenew_aDeadHandleLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		third := newMemUpstream()
		st := begin(t, func(_ *Config, d *memDialer) {
			d.later = []later{{err: &UpstreamError{Fault: FaultDeadHandle}}, {up: third}}
		})
		synctest.Wait()
		st.speak(0, 1000)
		st.up.says(resumable("H1", 40))
		synctest.Wait()
		st.speak(1000, 100)
		st.up.ended <- io.ErrUnexpectedEOF
		third.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		wantPCM(t, "the fresh upstream", third.pcm(), words(0, 1100))
		st.end()
		if c := st.gateway.Stats().Counters; c.ReplayedAudioMs != 1100 || c.LostAudioMs != 0 {
			t.Errorf("counters: %+v", c)
		}
	})
}

// A handle that comes when all was generated knows the answer, whether or not turn_complete follows.
func TestRenew_atTheHandleThoughTurnCompleteIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		second.says(Event{Kind: EventReady})
		st.up.says(speech(40), Event{Kind: EventGoAway, TimeLeft: 30 * time.Second}, Event{Kind: EventGenerationComplete})
		synctest.Wait()
		if n := len(st.dialer.asked()); n != 1 {
			t.Fatalf("%d connections were opened before there was a handle", n)
		}
		st.up.says(Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
		time.Sleep(time.Second)
		if got := st.dialer.asked(); len(got) != 2 || got[1].Handle != "h" {
			t.Errorf("asked for %+v", got)
		}
		wantTypes(t, st.browser.heard(), "session_started", "session_ready", "audio", "generation_complete", "turn_complete")
		st.end()
	})
}

func TestRenew_aSetupThatIsNeverAnsweredIsNotWaitedForToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		third := newMemUpstream()
		st, _ := beginTwice(t, nil) // the second one never answers its setup
		st.dialer.later = append(st.dialer.later, later{up: third})
		third.says(Event{Kind: EventReady})
		st.up.ended <- io.ErrUnexpectedEOF
		time.Sleep(8 * time.Second)
		st.browser.speak(tone(20, 16000))
		synctest.Wait()
		if len(third.pcm()) == 0 {
			t.Error("the conversation does not go on")
		}
		st.end()
	})
}

// Connections that each answered a turn are no row of failures, however short they lived.
func TestRenew_aConnectionThatDidItsWorkBeginsTheBudgetAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ups := make([]*memUpstream, 20)
		st := begin(t, func(_ *Config, d *memDialer) {
			for i := range ups {
				ups[i] = newMemUpstream()
				ups[i].says(Event{Kind: EventReady})
				d.later = append(d.later, later{up: ups[i]})
			}
		})
		synctest.Wait()
		up := st.up
		for i := range ups {
			up.says(Event{Kind: EventOutputTranscript, Text: "yes"}, speech(40), Event{Kind: EventGenerationComplete}, Event{Kind: EventTurnComplete})
			time.Sleep(time.Second)
			up.ended <- io.ErrUnexpectedEOF
			time.Sleep(time.Second)
			up = ups[i]
		}
		if m := find(st.browser.heard(), "error"); m != nil {
			t.Errorf("the conversation ended: %v", m.JSON)
		}
		st.end()
	})
}

func TestRenew_tellsWhatWasLostHoweverQuickItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, func(c *Config) { c.Resume.ReplayAudio = time.Second })
		second.says(Event{Kind: EventReady})
		for range 150 {
			st.browser.speak(tone(20, 16000))
		}
		synctest.Wait()
		st.up.ended <- io.ErrUnexpectedEOF
		time.Sleep(time.Second)
		if m := find(st.browser.heard(), "reconnected"); m == nil || m.JSON["lostAudioMs"].(float64) < 1900 {
			t.Errorf("told %v", m)
		}
		st.end()
	})
}

// What the person says into an answer is the next turn's: the transcript that seeds a connection must not hold what is
// given again.
func TestRenew_aTextThatInterruptsIsNotSeededAndGivenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.up.says(Event{Kind: EventInputTranscript, Text: "question"}, Event{Kind: EventOutputTranscript, Text: "ans"}, speech(40))
		time.Sleep(time.Second)
		st.browser.say(`{"type":"text","text":"wait"}`)
		synctest.Wait()
		st.up.says(Event{Kind: EventInterrupted}, Event{Kind: EventInputTranscript, Text: "wait"}, Event{Kind: EventTurnComplete})
		time.Sleep(time.Second)
		second.says(Event{Kind: EventReady})
		st.up.ended <- io.ErrUnexpectedEOF
		time.Sleep(time.Second)
		if got := second.got(); len(got) != 1 || got[0].Text != "wait" {
			t.Errorf("the second upstream got %v", kinds(got))
		}
		want := []HistoryTurn{{"user", "question"}, {"model", "ans"}}
		if got := st.dialer.asked()[1].History; !slices.Equal(got, want) {
			t.Errorf("the second upstream was seeded with %v", got)
		}
		st.end()
	})
}

func TestHistory_turnsThatAreTakenBackAreFiledOnce(t *testing.T) {
	var h history
	for n := range 3 {
		h.mark()
		if n == 2 {
			h.typed("question", false)
			h.said("answer")
			h.turn(nil) // not known either
		}
		h.typed("question", false)
		h.said("answer")
		h.turn(nil)
	}
	h.takeBack()
	h.typed("more", false)
	h.said("answer anew")
	h.turn(nil)
	want := []HistoryTurn{
		{"user", "question"}, {"model", "answer"}, {"user", "question"}, {"model", "answer"}, {"user", "question\nquestion\nmore"}, {"model", "answer anew"},
	}
	if got := h.all(); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// A text that comes into an answer without interrupting it waits for the next one, and may be written down at once.
func TestRenew_aTextThatWaitsForTheNextAnswerIsNotSeededAndGivenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.up.says(Event{Kind: EventInputTranscript, Text: "question"}, Event{Kind: EventOutputTranscript, Text: "ans"}, speech(40))
		time.Sleep(time.Second)
		st.browser.say(`{"type":"text","text":"and then"}`)
		synctest.Wait()
		st.up.says(Event{Kind: EventInputTranscript, Text: "and then"}, Event{Kind: EventGenerationComplete}, Event{Kind: EventTurnComplete})
		time.Sleep(time.Second)
		second.says(Event{Kind: EventReady})
		st.up.ended <- io.ErrUnexpectedEOF
		time.Sleep(time.Second)
		if got := texts(second.got()); !slices.Equal(got, []string{"and then"}) {
			t.Errorf("the second upstream got %v", got)
		}
		want := []HistoryTurn{{"user", "question"}, {"model", "ans"}}
		if got := st.dialer.asked()[1].History; !slices.Equal(got, want) {
			t.Errorf("the second upstream was seeded with %v", got)
		}
		st.end()
	})
}

// The first handle of a connection that was seeded knows what the transcript knows, whatever of the audio before it is given again.
func TestRenew_theFirstHandleOfASeededConnectionKnowsItsTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second, third := newMemUpstream(), newMemUpstream()
		st := begin(t, func(_ *Config, d *memDialer) { d.later = []later{{up: second}, {up: third}} })
		synctest.Wait()
		st.speak(0, 400)
		st.browser.say(`{"type":"text","text":"question"}`)
		time.Sleep(time.Second)
		st.up.says(Event{Kind: EventInputTranscript, Text: "question"}, Event{Kind: EventOutputTranscript, Text: "answer"}, speech(40), Event{Kind: EventGenerationComplete}, Event{Kind: EventTurnComplete})
		synctest.Wait()
		second.says(Event{Kind: EventReady}, resumable("H2", 4)) // behind the audio
		st.up.ended <- io.ErrUnexpectedEOF
		time.Sleep(time.Second)
		if asked := st.dialer.asked(); len(asked) != 2 || len(asked[1].History) != 2 || len(texts(second.got())) != 0 || len(second.pcm()) == 0 {
			t.Fatalf("%d dials; the second upstream got %v", len(asked), kinds(second.got()))
		}
		third.says(Event{Kind: EventReady})
		second.ended <- io.ErrUnexpectedEOF
		time.Sleep(time.Second)
		if asked := st.dialer.asked(); len(asked) != 3 || asked[2].Handle != "H2" || len(texts(third.got())) != 0 {
			t.Errorf("%d dials; the third upstream got %v", len(asked), kinds(third.got()))
		}
		st.end()
	})
}
