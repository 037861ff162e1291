package live

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// utter speaks for a second and then leaves the microphone open for more than a pause.
func (st *stage) utter(from int) {
	st.speak(from, 1000)
	st.hush(1200)
}

// hush is a microphone in a quiet room.
func (st *stage) hush(ms int) {
	for range ms / 20 {
		st.browser.speak(make([]byte, 640))
		time.Sleep(20 * time.Millisecond)
	}
	synctest.Wait()
}

// several is a session that is live, with upstreams that are ready at once when the one before is gone.
func several(t *testing.T, n int, change func(*Config)) (st *stage, ups []*memUpstream) {
	st = begin(t, func(c *Config, d *memDialer) {
		ups = append(ups, d.up)
		for range n - 1 {
			up := newMemUpstream()
			up.says(Event{Kind: EventReady})
			ups = append(ups, up)
			d.later = append(d.later, later{up: up})
		}
		if change != nil {
			change(c)
		}
	})
	synctest.Wait()
	return st, ups
}

// handles are the handles that the dials asked with.
func (st *stage) handles() (all []string) {
	for _, s := range st.dialer.asked() {
		all = append(all, s.Handle)
	}
	return all
}

func (st *stage) wantHandles(t *testing.T, want ...string) {
	t.Helper()
	if got := st.handles(); !slices.Equal(got, want) {
		t.Errorf("dialled with the handles %q, want %q", got, want)
	}
}

func TestWatchdog_aSilentUpstreamIsRenewedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 3, nil)
		ups[0].says(resumable("H1", 0))
		st.utter(0)
		st.wantHandles(t, "")
		time.Sleep(13 * time.Second)
		st.wantHandles(t, "")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		st.wantHandles(t, "", "H1")
		select {
		case <-ups[0].closed:
		default:
			t.Error("the silent connection is still open")
		}
		if pcm := ups[1].pcm(); !bytes.HasPrefix(pcm, words(0, 1000)) {
			t.Error("what the person said was not given again")
		}
		time.Sleep(3 * time.Minute) // nothing comes of it: it may have been a door
		st.utter(5000)              // or two
		time.Sleep(time.Minute)
		st.wantHandles(t, "", "H1")
		st.end()
		if c := st.gateway.Stats().Counters; c.WatchdogRenewals != 1 || c.Renewals != 1 || c.FreshConnections != 0 {
			t.Errorf("counters: %+v", c)
		}
	})
}

func TestWatchdog_itWatchesAgainOnceTheModelHasAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 3, nil)
		ups[0].says(resumable("H1", 0))
		st.utter(0)
		time.Sleep(time.Minute)
		st.wantHandles(t, "", "H1")
		ups[1].says(speech(40), Event{Kind: EventOutputTranscript, Text: "Yes?"}, Event{Kind: EventTurnComplete}, resumable("H2", 50))
		synctest.Wait()
		st.utter(2000)
		time.Sleep(time.Minute)
		st.wantHandles(t, "", "H1", "H2")
		st.end()
	})
}

func TestWatchdog_leavesAloneWhoOwesNothing(t *testing.T) {
	for name, story := range map[string]func(st *stage, up *memUpstream){
		"a person who is quiet":       func(st *stage, _ *memUpstream) { st.hush(30_000) },
		"a muted microphone":          func(*stage, *memUpstream) {},
		"a click":                     func(st *stage, _ *memUpstream) { st.browser.speak(tone(100, 16000)); st.hush(2000) },
		"half a sentence, then muted": func(st *stage, _ *memUpstream) { st.speak(0, 1000) },
		"a text that goes on": func(st *stage, _ *memUpstream) {
			st.browser.say(`{"type":"text","text":"and","turnComplete":false}`)
		},
		"a mute without a word": func(st *stage, _ *memUpstream) { st.hush(500); st.browser.say(`{"type":"turn_complete"}`) },
		"a model that thinks": func(st *stage, up *memUpstream) {
			st.browser.say(`{"type":"text","text":"why?"}`)
			time.Sleep(10 * time.Second)
			up.says(Event{Kind: EventResumption}) // not resumable: it has begun
		},
		"an answer that is over": func(st *stage, up *memUpstream) {
			st.utter(0)
			up.says(speech(40), Event{Kind: EventGenerationComplete})
		},
		"a model that waits": func(st *stage, up *memUpstream) {
			st.browser.say(`{"type":"text","text":"well"}`)
			synctest.Wait()
			time.Sleep(time.Second)
			up.says(Event{Kind: EventWaiting})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st, ups := several(t, 2, nil)
				ups[0].says(resumable("H1", 0))
				synctest.Wait()
				story(st, ups[0])
				time.Sleep(3 * time.Minute)
				st.wantHandles(t, "")
				st.end()
			})
		})
	}
}

func TestWatchdog_whatMustBeAnsweredGetsAFreshConnectionToo(t *testing.T) {
	for name, ask := range map[string]string{
		"text":     `{"type":"text","text":"Is anybody there?"}`,
		"activity": `{"type":"activity_end"}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ups := []*memUpstream{newMemUpstream(), newMemUpstream(), newMemUpstream(), newMemUpstream()}
				st := play(t, func(_ *Config, d *memDialer) {
					d.up = ups[0]
					d.later = []later{{up: ups[1]}, {up: ups[2]}, {up: ups[3]}}
				})
				for _, up := range ups {
					up.says(Event{Kind: EventReady})
				}
				mode := "auto"
				if name == "activity" {
					mode = "manual"
				}
				st.browser.say(fmt.Sprintf(`{"type":"start_session","config":{"vad":{"mode":%q}}}`, mode))
				synctest.Wait()
				ups[0].says(Event{Kind: EventInputTranscript, Text: "Hello."}, speech(40), Event{Kind: EventOutputTranscript, Text: "Hello!"},
					Event{Kind: EventTurnComplete}, resumable("H1", 0))
				time.Sleep(time.Second)
				if name == "activity" {
					st.browser.say(`{"type":"activity_start"}`)
					st.speak(0, 1000)
				}
				st.browser.say(ask)
				begun := time.Now()
				for len(st.handles()) < 3 && time.Since(begun) < time.Minute {
					time.Sleep(100 * time.Millisecond)
				}
				if took := time.Since(begun); took < 30*time.Second || took > 31*time.Second {
					t.Errorf("three connections after %v, want twice 15 s", took)
				}
				time.Sleep(2 * time.Minute)
				st.wantHandles(t, "", "H1", "")
				if len(st.handles()) < 3 {
					t.FailNow()
				}
				if h := st.dialer.asked()[2].History; !slices.Equal(h, []HistoryTurn{{"user", "Hello."}, {"model", "Hello!"}}) {
					t.Errorf("the fresh connection was seeded with %v", h)
				}
				if got := kinds(ups[2].got()); len(got) == 0 {
					t.Error("the fresh connection was not asked again")
				}
				st.end()
				if c := st.gateway.Stats().Counters; c.WatchdogRenewals != 2 || c.FreshConnections != 1 {
					t.Errorf("counters: %+v", c)
				}
			})
		})
	}
}

// It may have been meant for somebody else; but a renewal is hardly noticed, and a person who waits for ever is.
func TestWatchdog_whatWasHeardAndNotAnsweredGetsOneRenewal(t *testing.T) {
	for name, story := range map[string]func(st *stage, up *memUpstream){
		"a model that heard and keeps silent": func(st *stage, up *memUpstream) {
			st.utter(0)
			up.says(Event{Kind: EventInputTranscript, Text: "not for the model"})
		},
		"an answer that was interrupted": func(st *stage, up *memUpstream) {
			up.says(speech(40))
			st.utter(0)
			up.says(Event{Kind: EventInterrupted})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st, ups := several(t, 3, nil)
				ups[0].says(resumable("H1", 0))
				synctest.Wait()
				story(st, ups[0])
				time.Sleep(3 * time.Minute)
				st.wantHandles(t, "", "H1")
				st.end()
			})
		})
	}
}

// A renewal of any kind can give a connection that hears and never answers.
func TestWatchdog_aPoisonedResumeIsFollowedByOneFreshConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 4, nil)
		st.utter(0)
		ups[0].says(Event{Kind: EventInputTranscript, Text: "One."}, speech(40), Event{Kind: EventOutputTranscript, Text: "1."},
			Event{Kind: EventTurnComplete}, resumable("H1", 110), Event{Kind: EventGoAway, TimeLeft: time.Minute})
		synctest.Wait()
		st.wantHandles(t, "", "H1")
		st.utter(2000)
		ups[1].says(Event{Kind: EventInputTranscript, Text: "Two."}, resumable("poisoned", 20))
		time.Sleep(time.Minute)
		st.wantHandles(t, "", "H1", "")
		if len(st.handles()) < 3 {
			t.FailNow()
		}
		if h := st.dialer.asked()[2].History; !slices.Equal(h, []HistoryTurn{{"user", "One."}, {"model", "1."}}) {
			t.Errorf("seeded with %v", h)
		}
		if !bytes.Contains(ups[2].pcm(), words(2000, 1000)) {
			t.Error("what was not answered was not given again")
		}
		ups[2].says(Event{Kind: EventInputTranscript, Text: "Two."})
		time.Sleep(2 * time.Minute) // once
		st.wantHandles(t, "", "H1", "")
		all := st.browser.heard()
		if m := find(all, "reconnected"); m == nil || m.JSON["lostAudioMs"] != 0.0 {
			t.Errorf("that a transcript comes twice was not told: %v", types(all))
		}
		st.end()
	})
}

func TestWatchdog_anAnswerThatBreaksOffIsSpokenAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 4, nil)
		ups[0].says(resumable("H1", 0))
		st.utter(0)
		ups[0].says(speech(40), speech(40))
		time.Sleep(20 * time.Second)
		st.wantHandles(t, "", "H1")
		ups[1].says(speech(40)) // and again, at the same place
		time.Sleep(40 * time.Second)
		st.wantHandles(t, "", "H1", "")
		ups[2].says(speech(40)) // then that is what there is
		time.Sleep(3 * time.Minute)
		st.wantHandles(t, "", "H1", "")
		wantTypes(t, st.browser.heard(), "session_started", "session_ready", "audio", "turn_restarted", "audio", "turn_restarted", "audio")
		if m := find(st.browser.heard(), "turn_restarted"); m.JSON["reason"] != "upstream_silent" {
			t.Errorf("%v", m.JSON)
		}
		st.end()
	})
}

func TestWatchdog_waitsForTheToolAndThenForTheModel(t *testing.T) {
	for _, scheduling := range []string{"", "SILENT"} {
		synctest.Test(t, func(t *testing.T) {
			st, ups := several(t, 2, nil)
			ups[0].says(resumable("H1", 0))
			st.utter(0)
			ups[0].says(speech(40), toolCall)
			time.Sleep(25 * time.Second)
			st.wantHandles(t, "")
			st.browser.say(fmt.Sprintf(`{"type":"tool_response","responses":[{"id":"c1","response":{},"scheduling":%q}]}`, scheduling))
			synctest.Wait()
			ups[0].says(Event{Kind: EventTurnComplete})
			st.utter(2000)
			ups[0].says(toolCall)
			time.Sleep(time.Second)
			st.browser.say(fmt.Sprintf(`{"type":"tool_response","responses":[{"id":"c1","response":{},"scheduling":%q}]}`, scheduling))
			time.Sleep(14 * time.Second)
			st.wantHandles(t, "")
			time.Sleep(5 * time.Second)
			if scheduling == "SILENT" {
				st.wantHandles(t, "")
			} else {
				st.wantHandles(t, "", "H1")
			}
			st.end()
		})
	}
}

// Whoever asks again, because nobody answers, does not make the silence young.
func TestWatchdog_asksAgainDoNotPutItOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 2, nil)
		ups[0].says(resumable("H1", 0))
		begun := time.Now()
		for len(st.handles()) < 2 && time.Since(begun) < time.Minute {
			st.speak(0, 600)
			st.hush(6000)
		}
		if took := time.Since(begun); took > 25*time.Second {
			t.Errorf("renewed after %v", took)
		}
		st.end()
	})
}

func TestWatchdog_doesNotCutIntoWhatThePersonSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 2, nil)
		ups[0].says(resumable("H1", 0))
		st.utter(0)
		for range 30 {
			st.browser.speak(tone(1000, 16000))
			time.Sleep(time.Second)
		}
		st.wantHandles(t, "")
		st.hush(7000)
		st.wantHandles(t, "", "H1")
		st.end()
	})
}

func TestWatchdog_withNothingToRememberItTakesAQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // no transcripts, no handle, but a conversation
		st, ups := several(t, 2, nil)
		st.utter(0)
		ups[0].says(speech(40), Event{Kind: EventTurnComplete})
		synctest.Wait()
		st.utter(2000)
		time.Sleep(time.Minute)
		st.wantHandles(t, "")
		st.browser.say(`{"type":"text","text":"Hello?"}`)
		time.Sleep(time.Minute)
		st.wantHandles(t, "", "")
		st.end()
	})
}

func TestWatchdog_off(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 2, func(c *Config) { c.Resume.Watchdog = 0 })
		ups[0].says(speech(40))
		st.browser.say(`{"type":"text","text":"Hello?"}`)
		time.Sleep(4 * time.Minute)
		st.wantHandles(t, "")
		st.end()
	})
}

func TestWatchdog_waitsForSomebodyToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var second *memUpstream
		p, up, d := talk(t, func(_ *Config, d *memDialer) {
			second = newMemUpstream()
			second.says(Event{Kind: EventReady})
			d.later = []later{{up: second}}
		})
		up.says(resumable("H1", 0))
		synctest.Wait()
		time.Sleep(time.Second)
		p.say(`{"type":"text","text":"Hello?"}`)
		synctest.Wait()
		p.cut(1 << 20)
		time.Sleep(50 * time.Second)
		if n := len(d.asked()); n != 1 {
			t.Errorf("%d connections while nobody was there", n)
		}
		p.resume()
		time.Sleep(time.Second)
		if n := len(d.asked()); n != 2 {
			t.Errorf("%d connections after the person came back to a silent one", n)
		}
		if got := texts(second.got()); !slices.Equal(got, []string{"Hello?"}) {
			t.Errorf("asked again: %v", got)
		}
		p.say(`{"type":"end_session"}`)
		<-p.done
	})
}

func TestWatchdog_judges(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		sight sight
		want  verdict
		wait  time.Duration
	}{
		"before it is due":                                 {sight{now: 20 * s, since: s, first: 10 * s, last: 10 * s}, verdictNone, 5 * s},
		"silent":                                           {sight{now: 25 * s, since: s, first: 10 * s, last: 10 * s, told: true}, verdictSilent, 15 * s},
		"heard something since":                            {sight{now: 60 * s, since: s, first: 10 * s, last: 10 * s, heard: 11 * s, told: true}, verdictNone, 1<<63 - 1},
		"heard something before":                           {sight{now: 60 * s, since: s, first: 10 * s, last: 10 * s, heard: 9 * s, told: true}, verdictSilent, 15 * s},
		"asked before it was open":                         {sight{now: 24 * s, since: 10 * s, first: s, last: s, told: true}, verdictNone, s},
		"asked again":                                      {sight{now: 25 * s, since: s, first: 10 * s, last: 23 * s, told: true}, verdictNone, 3 * s},
		"excused":                                          {sight{now: 60 * s, since: s, first: 10 * s, last: 10 * s, excused: true}, verdictNone, lookAgain},
		"resumed, hears":                                   {sight{now: 60 * s, since: s, first: 10 * s, last: 20 * s, heard: 11 * s, noticed: 11 * s, unproven: true, told: true}, verdictPoisoned, 15 * s},
		"resumed, hears once":                              {sight{now: 60 * s, since: s, first: 10 * s, last: 10 * s, heard: 11 * s, noticed: 11 * s, unproven: true, told: true}, verdictPoisoned, 15 * s},
		"resumed, hears once, nobody knows":                {sight{now: 60 * s, since: s, first: 10 * s, last: 10 * s, heard: 11 * s, noticed: 11 * s, unproven: true}, verdictSilent, 15 * s},
		"resumed, hears, must answer":                      {sight{now: 60 * s, since: s, first: 10 * s, last: 10 * s, heard: 11 * s, noticed: 11 * s, sure: true, unproven: true, told: true}, verdictPoisoned, 15 * s},
		"resumed, hears nothing":                           {sight{now: 60 * s, since: s, first: 10 * s, last: 10 * s, heard: 11 * s, unproven: true, told: true}, verdictSilent, 15 * s},
		"resumed, answers":                                 {sight{now: 60 * s, since: s, first: 10 * s, last: 10 * s, heard: 11 * s, answered: 11 * s, told: true}, verdictNone, 1<<63 - 1},
		"renewed, a guess":                                 {sight{now: 60 * s, since: 20 * s, first: 10 * s, last: 10 * s, unproven: true, rebukes: 1, told: true}, verdictAccepted, 15 * s},
		"renewed, hears":                                   {sight{now: 60 * s, since: 20 * s, first: 10 * s, last: 10 * s, noticed: 21 * s, unproven: true, resumable: true, rebukes: 1, told: true}, verdictPoisoned, 15 * s},
		"renewed, must answer":                             {sight{now: 60 * s, since: 20 * s, first: 10 * s, last: 10 * s, sure: true, unproven: true, resumable: true, rebukes: 1}, verdictPoisoned, 15 * s},
		"renewed, would forget":                            {sight{now: 60 * s, since: 20 * s, first: 10 * s, last: 10 * s, noticed: 21 * s, unproven: true, rebukes: 1}, verdictAccepted, 15 * s},
		"renewed freshly, must answer":                     {sight{now: 60 * s, since: 20 * s, first: 10 * s, last: 10 * s, sure: true, rebukes: 1, told: true}, verdictAccepted, 15 * s},
		"renewed twice":                                    {sight{now: 60 * s, since: 20 * s, first: 10 * s, last: 10 * s, sure: true, rebukes: 2, told: true}, verdictAccepted, 15 * s},
		"would forget":                                     {sight{now: 60 * s, since: s, first: 10 * s, last: 10 * s}, verdictAccepted, 15 * s},
		"would forget, must answer":                        {sight{now: 60 * s, since: s, first: 10 * s, last: 10 * s, sure: true}, verdictSilent, 15 * s},
		"has a handle":                                     {sight{now: 60 * s, since: s, first: 10 * s, last: 10 * s, resumable: true}, verdictSilent, 15 * s},
		"in mid-answer":                                    {sight{now: 26 * s, since: s, heard: 11 * s, answered: 11 * s, midAnswer: true, told: true}, verdictSilent, 15 * s},
		"in mid-answer, not yet":                           {sight{now: 25 * s, since: s, heard: 11 * s, answered: 11 * s, midAnswer: true, told: true}, verdictNone, s},
		"in mid-answer, asked since":                       {sight{now: 26 * s, since: s, first: 20 * s, last: 20 * s, heard: 11 * s, answered: 11 * s, midAnswer: true, told: true}, verdictSilent, 15 * s},
		"in mid-answer, for the 3rd time":                  {sight{now: 60 * s, since: s, heard: 11 * s, answered: 11 * s, midAnswer: true, rebukes: 2, told: true}, verdictAccepted, 15 * s},
		"renewed, would forget, heard again":               {sight{now: 60 * s, since: 20 * s, first: 10 * s, last: 10 * s, noticed: 21 * s, unproven: true, rebukes: 1, accepted: 1}, verdictPoisoned, 15 * s},
		"renewed, would forget, nothing heard again":       {sight{now: 60 * s, since: 20 * s, first: 10 * s, last: 10 * s, unproven: true, resumable: true, rebukes: 1, accepted: 9}, verdictAccepted, 15 * s},
		"renewed, a guess for the 2nd time":                {sight{now: 60 * s, since: 20 * s, first: 30 * s, last: 30 * s, unproven: true, resumable: true, rebukes: 1, accepted: 1, told: true}, verdictAccepted, 15 * s},
		"renewed, a guess for the 3rd time":                {sight{now: 60 * s, since: 20 * s, first: 30 * s, last: 30 * s, unproven: true, resumable: true, rebukes: 1, accepted: 2, told: true}, verdictPoisoned, 15 * s},
		"renewed freshly, a guess for the 3rd time":        {sight{now: 60 * s, since: 20 * s, first: 30 * s, last: 30 * s, rebukes: 1, accepted: 2, told: true}, verdictPoisoned, 15 * s},
		"renewed twice, a guess for the 9th time":          {sight{now: 60 * s, since: 20 * s, first: 30 * s, last: 30 * s, noticed: 31 * s, unproven: true, rebukes: 2, accepted: 9, told: true}, verdictAccepted, 15 * s},
		"would forget, heard again":                        {sight{now: 60 * s, since: s, first: 10 * s, last: 20 * s, noticed: 11 * s}, verdictSilent, 15 * s},
		"heard while it was spoken":                        {sight{now: 60 * s, since: s, first: 10 * s, began: 5 * s, last: 10 * s, heard: 6 * s, noticed: 6 * s, unproven: true, told: true}, verdictPoisoned, 15 * s},
		"heard while it was spoken, by another connection": {sight{now: 60 * s, since: 8 * s, first: 10 * s, began: 5 * s, last: 10 * s, heard: 6 * s, noticed: 6 * s, unproven: true, told: true}, verdictSilent, 15 * s},
		"heard before it was spoken":                       {sight{now: 60 * s, since: s, first: 10 * s, began: 7 * s, last: 10 * s, heard: 6 * s, noticed: 6 * s, unproven: true, told: true}, verdictSilent, 15 * s},
		"the person speaks":                                {sight{now: 54 * s, since: s, first: 10 * s, last: 10 * s, speaking: true, told: true}, verdictNone, lookAgain},
		"the person speaks for a minute":                   {sight{now: 85 * s, since: s, first: 10 * s, last: 10 * s, speaking: true, told: true}, verdictSilent, 15 * s},
		"in mid-answer, asked just now":                    {sight{now: 26 * s, since: s, first: 24 * s, last: 24 * s, heard: 11 * s, answered: 11 * s, midAnswer: true, told: true}, verdictNone, 3 * s},
		"in mid-answer, hears":                             {sight{now: 26 * s, since: s, heard: 20 * s, noticed: 20 * s, answered: 11 * s, midAnswer: true, told: true}, verdictSilent, 15 * s},
		"in mid-answer, lives":                             {sight{now: 26 * s, since: s, heard: 20 * s, noticed: 11 * s, answered: 11 * s, midAnswer: true, told: true}, verdictNone, 9 * s},
		"asked again and again":                            {sight{now: 55 * s, since: s, first: 10 * s, last: 53 * s, told: true}, verdictSilent, 15 * s},
		"being transcribed":                                {sight{now: 30 * s, since: s, first: 10 * s, last: 10 * s, noticed: 29 * s, told: true}, verdictNone, 4 * s},
		"nothing asked":                                    {sight{now: 60 * s, since: s}, verdictNone, 1<<63 - 1},
	} {
		if c.sight.began == 0 {
			c.sight.began = c.sight.first
		}
		if got, wait := c.sight.judge(15 * s); got != c.want || wait != c.wait {
			t.Errorf("%s: verdict %v, look again in %v; want %v, %v", name, got, wait, c.want, c.wait)
		}
	}
}

// Connections with a handle that end at once, again and again: one attempt is made without it, then it is believed again.
func TestRenew_aSuspectedHandleIsSparedOnce(t *testing.T) {
	for _, heals := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			st := begin(t, func(c *Config, d *memDialer) {
				c.Resume.Watchdog = 0
				for i := range 100 {
					up := newMemUpstream()
					switch {
					case heals && i == 3:
						up.says(Event{Kind: EventReady})
					case i%2 == 0:
						up.says(Event{Kind: EventReady})
						fallthrough
					default:
						up.ended <- &UpstreamError{Fault: FaultBroken, Detail: "Internal error encountered.", Close: 1011}
					}
					d.later = append(d.later, later{up: up})
				}
			})
			synctest.Wait()
			st.up.says(Event{Kind: EventInputTranscript, Text: "One."}, speech(40), Event{Kind: EventOutputTranscript, Text: "1."},
				Event{Kind: EventTurnComplete}, resumable("H1", -1))
			st.utter(0)
			begun := time.Now()
			st.up.ended <- io.ErrUnexpectedEOF
			if heals {
				time.Sleep(time.Minute)
				st.wantHandles(t, "", "H1", "H1", "H1", "")
				if up := st.dialer.later[3].up; !bytes.Contains(up.pcm(), words(0, 1000)) {
					t.Error("what was not answered was not given to the fresh connection")
				}
				st.end()
				if c := st.gateway.Stats().Counters; c.FreshConnections != 1 || c.LostAudioMs != 0 {
					t.Errorf("counters: %+v", c)
				}
				return
			}
			<-st.done
			got := st.handles()
			if len(got) < 6 || len(got) > 15 || !slices.Equal(got[:6], []string{"", "H1", "H1", "H1", "", "H1"}) || slices.Contains(got[6:], "") {
				t.Errorf("dialled with the handles %q", got)
			}
			if took := time.Since(begun); *st.browser.closed != ReasonUpstreamUnavailable || took > 16*time.Second {
				t.Errorf("closed with %v after %v", st.browser.closed, took)
			}
		})
	}
}

// A connection that says goAway as soon as it is ready, and leaves no time, is no better than one that breaks.
func TestRenew_connectionsThatGoAwayAtOnceEndTheSessionInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, func(_ *Config, d *memDialer) {
			for range 1000 {
				up := newMemUpstream()
				up.says(Event{Kind: EventReady}, resumable("H", -1), Event{Kind: EventGoAway})
				d.later = append(d.later, later{up: up})
			}
		})
		synctest.Wait()
		begun := time.Now()
		st.up.ended <- io.ErrUnexpectedEOF
		<-st.done
		if n := len(st.handles()); *st.browser.closed != ReasonUpstreamUnavailable || n > 15 || time.Since(begun) > 16*time.Second {
			t.Errorf("closed with %v after %d dials in %v", st.browser.closed, n, time.Since(begun))
		}
	})
}

// What fails for want of quota is not tried in a loop, though each connection gets ready first.
func TestRenew_quotaAfterReadyIsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := several(t, 3, nil)
		ups[1].ended <- &UpstreamError{Fault: FaultQuota, Detail: "You exceeded your current quota."}
		ups[0].ended <- io.ErrUnexpectedEOF
		<-st.done
		if n := len(st.handles()); *st.browser.closed != ReasonUpstreamQuota || n != 2 {
			t.Errorf("closed with %v after %d dials", st.browser.closed, n)
		}
	})
}
