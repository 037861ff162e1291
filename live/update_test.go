package live

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// everything lets a client set all that it may ever set.
func everything(c *Config) { c.Live.ClientMaySet = ClientFields() }

// update says update_session with a config.
func (st *stage) update(config string) {
	st.browser.say(`{"type":"update_session","config":` + config + `}`)
	synctest.Wait()
}

// voices are the voices of all dials so far.
func (st *stage) voices() (names []string) {
	for _, s := range st.dialer.asked() {
		names = append(names, s.Voice)
	}
	return names
}

func (st *stage) wantVoices(t *testing.T, want ...string) {
	t.Helper()
	if got := st.voices(); !slices.Equal(got, want) {
		t.Fatalf("connections were asked for with the voices %v, want %v", got, want)
	}
}

// updated are the session_updated that the browser heard, as "voice language".
func updated(all []message) (told []string) {
	for _, m := range all {
		if m.Type == "session_updated" {
			told = append(told, fmt.Sprint(m.JSON["voice"], " ", m.JSON["language"]))
		}
	}
	return told
}

func wantUpdated(t *testing.T, st *stage, want ...string) {
	t.Helper()
	if got := updated(st.browser.heard()); !slices.Equal(got, want) {
		t.Errorf("session_updated told %q, want %q", got, want)
	}
}

// settled waits until a connection has lived long enough to be given up for an update.
func settled() { time.Sleep(2 * updatePause); synctest.Wait() }

func TestUpdate_idleAtOnceAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.up.says(resumable("H1", -1))
		settled()
		st.speak(0, 300)
		st.update(`{"voice":"puck","language":"de-DE"}`)
		st.wantVoices(t, "Kore", "Puck")
		if asked := st.dialer.asked()[1]; asked.Handle != "H1" || asked.Language != "de-DE" || asked.SystemInstruction == "" {
			t.Errorf("the second connection was asked for %+v", asked)
		}
		<-st.up.closed
		st.speak(300, 100)
		wantUpdated(t, st) // not before the model has accepted it
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		wantUpdated(t, st, "Puck de-DE")
		st.speak(400, 100)
		st.end()
		wantPCM(t, "the second upstream", second.pcm(), words(0, 500))
		wantTypes(t, st.browser.heard(), "session_started", "session_ready", "session_updated", "session_ended")
	})
}

// The microphone is muted: nothing comes up or down that could set an update off.
func TestUpdate_withoutAHandleTheNextConnectionIsSeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.up.says(Event{Kind: EventInputTranscript, Text: "Who are you?"}, speech(40), Event{Kind: EventOutputTranscript, Text: "Kore."}, Event{Kind: EventTurnComplete})
		time.Sleep(time.Minute)
		begun := time.Now()
		st.browser.say(`{"type":"set_language","language":"fr-FR"}`)
		synctest.Wait()
		asked := st.dialer.asked()
		if len(asked) != 2 || asked[1].Language != "fr-FR" || asked[1].Handle != "" || len(asked[1].History) != 2 {
			t.Fatalf("asked for %+v after %v", asked, time.Since(begun))
		}
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		wantUpdated(t, st, "Kore fr-FR")
		st.end()
	})
}

func TestUpdate_waitsForTheAnswersEndAndItsHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.up.says(resumable("H1", -1), speech(100))
		settled()
		st.update(`{"voice":"Puck"}`)
		time.Sleep(10 * time.Second)
		st.up.says(speech(100), Event{Kind: EventGenerationComplete})
		time.Sleep(10 * time.Second) // it is being played
		st.wantVoices(t, "Kore")
		st.up.says(Event{Kind: EventTurnComplete})
		time.Sleep(handlePatience / 2)
		st.wantVoices(t, "Kore")
		st.up.says(resumable("H2", -1))
		synctest.Wait()
		st.wantVoices(t, "Kore", "Puck")
		if handle := st.dialer.asked()[1].Handle; handle != "H2" {
			t.Errorf("the handle is %s, want the newest", handle)
		}
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		wantUpdated(t, st, "Puck auto")
		if all := st.browser.heard(); find(all, "turn_restarted") != nil || find(all, "turn_complete") == nil {
			t.Errorf("the answer was cut: %v", types(all))
		}
		st.end()
	})
}

// Some models leave out what an update waits for.
func TestUpdate_doesNotWaitForever(t *testing.T) {
	for _, test := range []struct {
		name   string
		events []Event
		within time.Duration
	}{
		{"no handle after a turn", []Event{speech(40), {Kind: EventTurnComplete}}, handlePatience + updateLook},
		{"no turn_complete", []Event{speech(40), {Kind: EventGenerationComplete}}, turnPatience + updateLook},
		{"no turn_complete, but a handle", []Event{speech(40), {Kind: EventGenerationComplete}, resumable("H2", -1)}, updateLook},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st, second := beginTwice(t, nil)
				st.up.says(resumable("H1", -1))
				settled()
				st.up.says(test.events...)
				synctest.Wait()
				st.update(`{"voice":"Puck"}`)
				time.Sleep(test.within)
				synctest.Wait()
				st.wantVoices(t, "Kore", "Puck")
				second.says(Event{Kind: EventReady})
				synctest.Wait()
				wantUpdated(t, st, "Puck auto")
				if find(st.browser.heard(), "turn_restarted") != nil {
					t.Error("the answer was spoken anew")
				}
				st.end()
			})
		})
	}
}

// A model may fall silent in the middle of an answer, or never say that its turn is over.
func TestUpdate_doesNotWaitForAnAnswerThatFellSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := newMemUpstream()
		st := begin(t, func(c *Config, d *memDialer) {
			c.Resume.Watchdog = 0
			d.later = []later{{up: second}}
		})
		settled()
		st.up.says(speech(100))
		st.update(`{"voice":"Puck"}`)
		time.Sleep(turnPatience - time.Second)
		st.wantVoices(t, "Kore")
		second.says(Event{Kind: EventReady})
		time.Sleep(2 * time.Second)
		st.wantVoices(t, "Kore", "Puck")
		wantUpdated(t, st, "Puck auto")
		st.end()
	})
}

func TestUpdate_waitsForAToolCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.up.says(resumable("H1", -1))
		settled()
		st.up.says(Event{Kind: EventToolCall, Calls: []ToolCall{{ID: "1", Name: "f", Args: json.RawMessage(`{}`)}}})
		synctest.Wait()
		st.update(`{"voice":"Puck"}`)
		time.Sleep(10 * time.Second)
		st.wantVoices(t, "Kore")
		st.browser.say(`{"type":"tool_response","responses":[{"id":"1","name":"f","response":{"a":1}}]}`)
		synctest.Wait()
		st.up.says(speech(40), Event{Kind: EventTurnComplete}, resumable("H2", -1))
		synctest.Wait()
		st.wantVoices(t, "Kore", "Puck")
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		all := st.browser.heard()
		if find(all, "tool_call_cancelled") != nil || len(updated(all)) != 1 {
			t.Errorf("the browser heard %v", types(all))
		}
		st.end()
	})
}

func TestUpdate_severalJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.up.says(resumable("H1", -1), speech(40))
		settled()
		st.update(`{"voice":"Puck","vad":{"silenceDurationMs":700}}`)
		st.update(`{"language":"de-DE","vad":{"startSensitivity":"low"}}`)
		st.update(`{"voice":"Charon"}`)
		st.up.says(Event{Kind: EventTurnComplete}, resumable("H2", -1))
		synctest.Wait()
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		st.wantVoices(t, "Kore", "Charon")
		asked := st.dialer.asked()[1]
		if v := asked.VAD; asked.Language != "de-DE" || v.SilenceDuration != 700*time.Millisecond || v.StartSensitivity != "low" || v.PrefixPadding >= 0 {
			t.Errorf("asked for %+v", asked)
		}
		wantUpdated(t, st, "Charon de-DE")
		st.end()
	})
}

func TestUpdate_whileThereIsNoConnectionJoinsTheNext(t *testing.T) {
	t.Run("connecting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			second := newMemUpstream()
			st := play(t, func(_ *Config, d *memDialer) { d.later = []later{{up: second}} })
			st.browser.say(`{"type":"start_session"}`)
			synctest.Wait()
			st.speak(0, 100)
			st.update(`{"voice":"Puck"}`)
			wantUpdated(t, st)
			st.up.says(Event{Kind: EventReady})
			settled()
			st.wantVoices(t, "Kore", "Puck")
			if voice := find(st.browser.heard(), "session_ready").JSON["voice"]; voice != "Kore" {
				t.Errorf("session_ready told the voice %v, which the model did not have", voice)
			}
			second.says(Event{Kind: EventReady})
			synctest.Wait()
			wantUpdated(t, st, "Puck auto")
			st.end()
			wantPCM(t, "the second upstream", second.pcm(), words(0, 100))
		})
	})
	t.Run("renewing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			second := newMemUpstream()
			st := begin(t, func(_ *Config, d *memDialer) {
				d.later = []later{{err: &UpstreamError{Fault: FaultBroken}}, {up: second}}
			})
			st.up.says(resumable("H1", -1))
			settled()
			st.up.ended <- io.ErrUnexpectedEOF
			synctest.Wait()
			st.update(`{"voice":"Puck"}`)
			time.Sleep(time.Second)
			second.says(Event{Kind: EventReady})
			synctest.Wait()
			st.wantVoices(t, "Kore", "Kore", "Puck")
			wantUpdated(t, st, "Puck auto")
			st.end()
		})
	})
	t.Run("renewing, asked already", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			second, third := newMemUpstream(), newMemUpstream()
			st := begin(t, func(_ *Config, d *memDialer) { d.later = []later{{up: second}, {up: third}} })
			st.up.says(resumable("H1", -1))
			settled()
			st.up.ended <- io.ErrUnexpectedEOF
			synctest.Wait()
			st.update(`{"voice":"Puck"}`)
			second.says(Event{Kind: EventReady}, resumable("H2", -1))
			settled()
			third.says(Event{Kind: EventReady})
			synctest.Wait()
			st.wantVoices(t, "Kore", "Kore", "Puck")
			wantUpdated(t, st, "Puck auto")
			st.end()
		})
	})
}

// One after the other they must not use up the time that a connection which breaks may take.
func TestUpdate_manyInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ups := make([]*memUpstream, 40)
		st := begin(t, func(c *Config, d *memDialer) {
			for i := range ups {
				ups[i] = newMemUpstream()
				ups[i].says(Event{Kind: EventReady}, resumable(fmt.Sprint("H", i), -1))
				d.later = append(d.later, later{up: ups[i]})
			}
		})
		settled()
		for i := range ups {
			voice := []string{"Puck", "Kore"}[i%2]
			st.update(`{"voice":"` + voice + `"}`)
			st.update(`{"voice":"` + voice + `"}`)
			time.Sleep(updatePause + updateLook)
		}
		synctest.Wait()
		if n := len(st.voices()); n < 30 || n > 41 {
			t.Errorf("%d connections for 40 updates", n)
		}
		if told := updated(st.browser.heard()); told[len(told)-1] != "Kore auto" {
			t.Errorf("told last: %q", told)
		}
		if find(st.browser.heard(), "error") != nil {
			t.Error("the session ended")
		}
		st.end()
	})
}

// Whoever changes their mind all the time does not make the server connect all the time.
func TestUpdate_aConnectionLivesForASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, func(c *Config, d *memDialer) {
			for range 100 {
				up := newMemUpstream()
				up.says(Event{Kind: EventReady})
				d.later = append(d.later, later{up: up})
			}
		})
		synctest.Wait()
		for i := range 100 {
			st.update(`{"voice":"` + []string{"Puck", "Kore"}[i%2] + `"}`)
			time.Sleep(70 * time.Millisecond)
		}
		if n := len(st.voices()); n < 4 || n > 9 {
			t.Errorf("%d connections in 7 s", n)
		}
		settled()
		if told := updated(st.browser.heard()); told[len(told)-1] != "Kore auto" {
			t.Errorf("told last: %q", told)
		}
		st.end()
	})
}

// The timer may wake a connection in the moment in which it is being replaced for another reason. That must not excuse what
// becomes of the next one.
func TestUpdate_aLateWakeIsNotTheNextConnections(t *testing.T) {
	s := &Session{}
	var first, second Upstream = newMemUpstream(), newMemUpstream()
	s.updates.woken.Store(&first)
	s.up.own(second)
	if s.forUpdate(io.ErrUnexpectedEOF) {
		t.Error("the second connection was taken for the one that was woken")
	}
	s.up.own(first)
	s.updates.woken.Store(s.up.owned.Load())
	if !s.forUpdate(io.ErrUnexpectedEOF) || s.forUpdate(io.ErrUnexpectedEOF) {
		t.Error("a connection that was woken was given up for the update, once")
	}
}

func TestUpdate_thatChangesNothingIsAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		settled()
		st.update(`{"voice":"kore","language":"auto","transcription":{"input":true}}`)
		st.update(`{}`)
		wantUpdated(t, st, "Kore auto", "Kore auto")
		st.wantVoices(t, "Kore")
		st.up.says(speech(40)) // an update that is taken back before it was in effect is answered too
		synctest.Wait()
		st.update(`{"voice":"Puck"}`)
		wantUpdated(t, st, "Kore auto", "Kore auto")
		st.update(`{"voice":"Kore"}`)
		wantUpdated(t, st, "Kore auto", "Kore auto", "Kore auto")
		st.up.says(Event{Kind: EventTurnComplete}, resumable("H1", -1))
		settled()
		st.wantVoices(t, "Kore")
		st.end()
	})
}

func TestUpdate_ofTheInstructionAloneNeedsNoRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, everything)
		st.up.says(resumable("H1", -1), speech(40))
		synctest.Wait()
		st.speak(0, 100)
		st.update(`{"systemInstruction":"Speak slowly."}`)
		wantUpdated(t, st, "Kore auto")
		st.speak(100, 100)
		st.wantVoices(t, "Kore")
		instructions := func(u *memUpstream) (all []string) {
			for _, c := range u.got() {
				if c.Kind == CommandInstruction {
					all = append(all, c.Text)
				}
			}
			return all
		}
		if got := instructions(st.up); !slices.Equal(got, []string{"Speak slowly."}) {
			t.Fatalf("the model was told %q", got)
		}
		st.up.ended <- io.ErrUnexpectedEOF
		synctest.Wait()
		if asked := st.dialer.asked(); asked[1].SystemInstruction != "Speak slowly." {
			t.Errorf("the next connection was told %q", asked[1].SystemInstruction)
		}
		st.update(`{"systemInstruction":"Speak fast."}`) // too late for this one's setup
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		if got := instructions(second); !slices.Equal(got, []string{"Speak fast."}) {
			t.Errorf("the second connection was told %q: what the setup holds must not be repeated, what it lacks must be told", got)
		}
		wantUpdated(t, st, "Kore auto", "Kore auto")
		wantPCM(t, "the second upstream", second.pcm(), words(0, 200))
		st.end()
	})
}

func TestUpdate_ofTheInstructionByRenewal(t *testing.T) {
	for name, config := range map[string]string{
		"a model without contextUpdate": `{"systemInstruction":"Speak slowly."}`,
		"something else too":            `{"systemInstruction":"Speak slowly.","voice":"Puck"}`,
		"taken away":                    `{"systemInstruction":""}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st, second := beginTwice(t, func(c *Config) {
					everything(c)
					c.Models[0].ContextUpdate = name != "a model without contextUpdate"
				})
				settled()
				st.update(config)
				second.says(Event{Kind: EventReady})
				synctest.Wait()
				if asked := st.dialer.asked(); len(asked) != 2 || strings.Contains(asked[1].SystemInstruction, "friendly") {
					t.Errorf("asked for %+v", asked)
				}
				if n := len(updated(st.browser.heard())); n != 1 || len(second.got()) != 0 {
					t.Errorf("told %d times, sent %v", n, second.got())
				}
				st.end()
			})
		})
	}
}

func TestUpdate_thatTheModelRefusesIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		third := newMemUpstream()
		st := begin(t, func(c *Config, d *memDialer) {
			d.later = []later{{err: &UpstreamError{Fault: FaultRejected, Detail: "No matching speaker voice found."}}, {up: third}}
		})
		st.up.says(resumable("H1", -1))
		settled()
		st.speak(0, 100)
		st.update(`{"voice":"Puck"}`)
		third.says(Event{Kind: EventReady})
		synctest.Wait()
		st.wantVoices(t, "Kore", "Puck", "Kore")
		all := st.browser.heard()
		w := find(all, "warning")
		if w == nil || w.JSON["code"] != "bad_config" || !strings.Contains(fmt.Sprint(w.JSON["message"]), "No matching speaker") {
			t.Errorf("warning: %+v", w)
		}
		if handle := st.dialer.asked()[2].Handle; handle != "H1" {
			t.Errorf("the handle is %q", handle)
		}
		settled()
		wantUpdated(t, st)
		st.wantVoices(t, "Kore", "Puck", "Kore")
		wantPCM(t, "the third upstream", third.pcm(), words(0, 100))
		st.end()
		if reason := find(st.browser.heard(), "session_ended").JSON["reason"]; reason != "ended" {
			t.Errorf("the session ended with %v", reason)
		}
	})
}

func TestUpdate_refusals(t *testing.T) {
	for _, test := range []struct{ message, code, field string }{
		{`{"type":"update_session","config":{"model":"gemini-3.8-live"}}`, "not_allowed", "model"},
		{`{"type":"update_session","config":{"voice":"Puck","modality":"audio"}}`, "not_allowed", "modality"},
		{`{"type":"update_session","config":{"tools":[]}}`, "not_allowed", "tools"},
		{`{"type":"update_session","config":{"audio":{}}}`, "not_allowed", "audio"},
		{`{"type":"update_session","config":{"assistant":"default"}}`, "not_allowed", "assistant"},
		{`{"type":"update_session","config":{"userId":"x"}}`, "not_allowed", "userId"},
		{`{"type":"update_session","config":{"resumable":true}}`, "not_allowed", "resumable"},
		{`{"type":"update_session","config":{"systemInstruction":"x"}}`, "not_allowed", "systemInstruction"}, // not in live.client_may_set
		{`{"type":"update_session","config":{"voice":"Nobody"}}`, "bad_config", "voice"},
		{`{"type":"update_session","config":{"voice":5}}`, "bad_config", "voice"},
		{`{"type":"update_session","config":{"language":"Klingon!"}}`, "bad_config", "language"},
		{`{"type":"set_language","language":"Klingon!"}`, "bad_config", "language"},
		{`{"type":"update_session","config":{"vad":{"silenceDurationMs":-1}}}`, "bad_config", "vad.silenceDurationMs"},
		{`{"type":"update_session","config":{"vad":"manual"}}`, "bad_config", "vad"},
		{`{"type":"update_session","config":{"transcription":{"input":1}}}`, "bad_config", "transcription.input"},
		{`{"type":"update_session","config":[]}`, "bad_message", ""},
		{`{"type":"update_session","config":null}`, "bad_message", ""},
		{`{"type":"update_session"}`, "bad_message", ""},
		{`{"type":"set_language"}`, "bad_message", ""},
		{`{"type":"set_language","language":5}`, "bad_message", ""},
	} {
		t.Run(test.message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := begin(t, nil)
				settled()
				st.browser.say(test.message)
				settled()
				w := find(st.browser.heard(), "warning")
				if w == nil || w.JSON["code"] != test.code || fmt.Sprint(w.JSON["field"]) != cmp.Or(test.field, "<nil>") {
					t.Errorf("warning: %+v", w)
				}
				if w != nil && !strings.Contains(fmt.Sprint(w.JSON["message"]), "othing was changed.") {
					t.Errorf("it says %v", w.JSON["message"])
				}
				st.wantVoices(t, "Kore")
				wantUpdated(t, st)
				st.end()
			})
		})
	}
}

// A model that chooses the language itself says so, and the rest of the update happens.
func TestUpdate_ofWhatTheModelLacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, func(c *Config) { c.Models[0].LanguageCode = false })
		settled()
		st.update(`{"language":"de-DE","voice":"Puck"}`)
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		if w := find(st.browser.heard(), "warning"); w == nil || w.JSON["code"] != "not_supported" || w.JSON["field"] != "language" {
			t.Errorf("warning: %+v", w)
		}
		wantUpdated(t, st, "Puck auto")
		st.end()
	})
}

func TestStartConfig_with(t *testing.T) {
	parse := func(text string) (c StartConfig) {
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	old := `{"model":"m","voice":"a","vad":{"mode":"manual","prefixPaddingMs":5},"transcription":{"input":false}}`
	before := parse(old)
	got := before.with(ptr(parse(`{"language":"de","systemInstruction":"","vad":{"mode":"auto","interruptible":false},"transcription":{"output":false}}`)))
	want := parse(`{"model":"m","voice":"a","language":"de","systemInstruction":"","vad":{"mode":"auto","prefixPaddingMs":5,"interruptible":false},
		"transcription":{"input":false,"output":false}}`)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("merged %+v, want %+v", got, want)
	}
	if !reflect.DeepEqual(before, parse(old)) {
		t.Errorf("the one that was merged into has changed: %+v", before)
	}
}

func ptr[T any](v T) *T { return &v }

// Nobody is there to hear of it, and the model is given nothing meanwhile: the update waits for the browser.
func TestUpdate_waitsForTheBrowserToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := newMemUpstream()
		st := play(t, func(_ *Config, d *memDialer) { d.later = []later{{up: second}} })
		st.browser.say(`{"type":"start_session","config":{"resumable":true}}`)
		st.up.says(Event{Kind: EventReady}, resumable("H1", -1), speech(40))
		settled()
		st.update(`{"voice":"Puck"}`)
		time.Sleep(2 * ticketPause)
		synctest.Wait()
		id, secret := find(st.browser.heard(), "session_started").JSON["sessionId"], ""
		for _, m := range st.browser.heard() {
			if t, ok := m.JSON["resumeTicket"].(string); ok {
				secret = t
			}
		}
		known, err := st.gateway.sealer.open(secret, time.Now())
		if err != nil || or(known.Config.Voice, "") != "Puck" {
			t.Errorf("the newest ticket holds %v (%v), want what was asked for since the start", or(known.Config.Voice, "none"), err)
		}
		st.browser.failure <- io.ErrUnexpectedEOF
		<-st.done
		st.up.says(Event{Kind: EventTurnComplete}, resumable("H2", -1))
		settled()
		st.wantVoices(t, "Kore")

		slot, err := st.gateway.Admit(BackendGemini, true)
		if err != nil {
			t.Fatal(err)
		}
		st.browser, st.done = newMemBrowser(t), make(chan struct{})
		go func() {
			defer close(st.done)
			slot.Serve(st.browser, Client{})
		}()
		st.browser.say(fmt.Sprintf(`{"type":"start_session","resume":{"sessionId":%q,"resumeTicket":%q,"received":0}}`, id, secret))
		second.says(Event{Kind: EventReady})
		settled()
		st.wantVoices(t, "Kore", "Puck")
		if handle := st.dialer.asked()[1].Handle; handle != "H2" {
			t.Errorf("the handle is %q", handle)
		}
		wantUpdated(t, st, "Puck auto")
		st.end()
	})
}

func TestUpdate_beyondWhatATicketHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, d := talk(t, func(c *Config, _ *memDialer) { everything(c) })
		settled()
		p.say(`{"type":"update_session","config":` + instructed(t, noise(maxTicketText-ticketRoom/2)) + `}`)
		p.settle()
		if w := find(p.heard, "warning"); w == nil || w.JSON["code"] != "bad_config" || w.JSON["field"] != "systemInstruction" {
			t.Errorf("warning: %v", types(p.heard))
		}
		p.say(`{"type":"update_session","config":` + instructed(t, noise(maxTicketText/2)) + `}`)
		p.settle()
		if len(updated(p.heard)) != 1 || len(d.asked()) != 1 {
			t.Errorf("the browser heard %v", types(p.heard))
		}
		time.Sleep(2 * ticketPause)
		p.settle()
		if known, err := p.gateway.sealer.open(p.ticket, time.Now()); err != nil || len(or(known.Config.SystemInstruction, "")) != maxTicketText/2 {
			t.Errorf("the newest ticket lacks the instruction (%v)", err)
		}
		p.leave()
	})
}

// instructed is a configuration with a system instruction, as JSON.
func instructed(t *testing.T, text string) string {
	t.Helper()
	b, err := json.Marshal(StartConfig{SystemInstruction: &text})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The ticket knows of an update; and where it does not yet, because the instance died, the client repeats it.
func TestUpdate_survivesItsInstance(t *testing.T) {
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprintf("in the ticket %v", known), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, up, _ := talk(t, nil)
				one := p.gateway
				up.says(resumable("H1", 0), speech(40)) // it waits for the answer's end
				time.Sleep(2 * ticketPause)
				p.settle()
				p.say(`{"type":"update_session","config":{"voice":"Puck"}}`)
				synctest.Wait()
				if known {
					p.settle()
				}
				p.cut(0) // with all that was not looked at
				third := newMemUpstream()
				two, second, d := instance(t, func(_ *Config, d *memDialer) { d.later = []later{{up: third}} })
				p.gateway = two
				for range elsewhereTries {
					p.resume()
					<-p.done
				}
				p.ended = nil
				if !p.resume() {
					t.Fatalf("the conversation did not go on: %v", p.ended)
				}
				second.says(Event{Kind: EventReady}, resumable("H2", 0))
				third.says(Event{Kind: EventReady})
				settled()
				p.settle()
				asked := d.asked()
				if last := asked[len(asked)-1]; last.Voice != "Puck" || (len(asked) == 1) != known {
					t.Errorf("the second instance asked %d times, last for %s", len(asked), last.Voice)
				}
				if told := updated(p.heard); len(told) == 0 || told[len(told)-1] != "Puck auto" {
					t.Errorf("session_updated told %q", told)
				}
				p.leave()
				one.Drain(t.Context()) //nolint:errcheck // its session has nobody to wait for
			})
		})
	}
}
