package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

func kinds(cs []Command) (k []string) {
	for _, c := range cs {
		switch c.Kind {
		case CommandAudio:
			k = append(k, fmt.Sprintf("audio:%d", len(c.PCM)))
		case CommandText:
			k = append(k, "text:"+c.Text)
		case CommandActivityStart:
			k = append(k, "start")
		case CommandActivityEnd:
			k = append(k, "end")
		case CommandToolResponse:
			k = append(k, "tool:"+c.Responses[0].ID)
		default:
			k = append(k, fmt.Sprint(c.Kind))
		}
	}
	return k
}

func texts(cs []Command) (k []string) {
	for _, c := range cs {
		if c.Kind == CommandText {
			k = append(k, c.Text)
		}
	}
	return k
}

const holdModel = "gemini-2.5-flash-native-audio-latest"

func holdingCfg(c *Config) { c.Live.DefaultModels.Gemini = holdModel }

var toolCall = Event{Kind: EventToolCall, Calls: []ToolCall{{ID: "c1", Name: "f", Args: json.RawMessage(`{}`)}}}

// Never loud, nothing told
func TestSession_responseOfAnUnaskedAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		st.up.says(speech(40), Event{Kind: EventTurnComplete})
		synctest.Wait()
		turn := find(st.browser.heard(), "turn_complete").JSON["turn"].(map[string]any)
		if turn["responseMs"] != 0.0 {
			t.Errorf("responseMs %v, want 0: nobody had spoken", turn["responseMs"])
		}
		st.end()
		if l := st.gateway.Stats().Response; l.Count != 0 {
			t.Errorf("latency counted: %+v", l)
		}
	})
}

// Stale waking timer
func TestSession_aFailedSendAfterARenewalWakesTheOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second, third := newMemUpstream(), newMemUpstream()
		st := play(t, func(_ *Config, d *memDialer) { d.later = []later{{up: second}, {up: third}} })
		st.up.stall = make(chan struct{}) // sends hang until the connection is closed
		st.browser.say(`{"type":"start_session"}`)
		st.up.says(Event{Kind: EventReady})
		synctest.Wait()
		st.browser.speak(tone(20, 16000))
		synctest.Wait()
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		third.says(Event{Kind: EventReady})
		time.Sleep(10 * time.Second)
		if n := len(st.dialer.asked()); n != 2 {
			t.Fatalf("%d dials", n)
		}
		second.mu.Lock()
		second.fail = io.ErrClosedPipe
		second.mu.Unlock()
		st.browser.speak(tone(20, 16000))
		time.Sleep(30 * time.Second)
		if n := len(st.dialer.asked()); n != 3 {
			t.Errorf("30 s after a send to the second upstream failed it was not given up: %d dials", n)
		}
		st.end()
	})
}

// Text that went ahead of held audio is lost
func TestSession_aTextThatWentAheadOfHeldAudioIsGivenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, holdingCfg)
		st.up.says(resumable("H1", -1), toolCall)
		synctest.Wait()
		st.browser.speak(words(0, 20)) // held
		st.browser.say(`{"type":"text","text":"typed"}`)
		synctest.Wait()
		if got := kinds(st.up.got()); !slices.Equal(got, []string{"text:typed"}) {
			t.Fatalf("first got %v", got)
		}
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		if got := texts(second.got()); !slices.Equal(got, []string{"typed"}) {
			t.Errorf("the second upstream got %v: the text is lost", kinds(second.got()))
		}
		st.end()
	})
}

// Marks overtake the audio they enclose
func TestSession_marksDoNotOvertakeHeldAudio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := play(t, func(c *Config, _ *memDialer) { holdingCfg(c) })
		st.browser.say(`{"type":"start_session","config":{"vad":{"mode":"manual"}}}`)
		st.up.says(Event{Kind: EventReady}, toolCall)
		synctest.Wait()
		st.browser.say(`{"type":"activity_start"}`)
		st.browser.speak(words(0, 100))
		st.browser.say(`{"type":"activity_end"}`)
		synctest.Wait()
		st.browser.say(`{"type":"tool_response","responses":[{"id":"c1","response":{}}]}`)
		time.Sleep(time.Second)
		got := kinds(st.up.got())
		s, a, e := slices.Index(got, "start"), slices.Index(got, "audio:3200"), slices.Index(got, "end")
		if s >= a || a >= e {
			t.Errorf("went up %v: an empty activity closes the upstream (1007)", got)
		}
		st.end()
	})
}

// Dead handle found on the dial: what the transcript holds is given again
func TestSession_aDeadHandleDoesNotAskAgainWhatTheTranscriptHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		third := newMemUpstream()
		st := begin(t, func(_ *Config, d *memDialer) {
			d.later = []later{{err: &UpstreamError{Fault: FaultDeadHandle}}, {up: third}}
		})
		st.up.says(resumable("H1", -1))
		synctest.Wait()
		st.browser.say(`{"type":"text","text":"What is this?"}`)
		time.Sleep(time.Second) // longer than inFlight
		synctest.Wait()
		st.up.says(Event{Kind: EventInputTranscript, Text: "What is this?"}, speech(40), Event{Kind: EventOutputTranscript, Text: "A stone."}, Event{Kind: EventTurnComplete})
		synctest.Wait()
		st.up.ended <- io.ErrUnexpectedEOF
		third.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		asked := st.dialer.asked()
		if got := texts(third.got()); len(got) != 0 {
			t.Errorf("seeded with %v, and asked again %v", asked[len(asked)-1].History, got)
		}
		st.end()
	})
}

// Tight loop
func TestSession_deadHandleWithoutAHandleIsNoTightLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, func(_ *Config, d *memDialer) {
			for range 5000 {
				d.later = append(d.later, later{err: &UpstreamError{Fault: FaultDeadHandle}})
			}
		})
		synctest.Wait()
		begun := time.Now()
		st.up.ended <- io.ErrUnexpectedEOF
		synctest.Wait()
		if n := len(st.dialer.asked()); n > 10 {
			t.Errorf("%d dials within %v", n, time.Since(begun))
		}
		<-st.done
	})
}

// A finished turn newer than the handle
func TestSession_aFinishedTurnIsNotAnsweredTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.up.says(resumable("H1", -1))
		synctest.Wait()
		st.browser.say(`{"type":"text","text":"What is this?"}`)
		time.Sleep(time.Second) // longer than inFlight
		synctest.Wait()
		st.up.says(speech(40), Event{Kind: EventOutputTranscript, Text: "A stone."}, Event{Kind: EventGenerationComplete}, Event{Kind: EventTurnComplete})
		synctest.Wait()
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		if got := texts(second.got()); len(got) != 0 {
			t.Errorf("a question whose answer was complete is asked again: %v", got)
		}
		st.end()
	})
}

// Stopped, then the connection breaks
func TestSession_aStoppedAnswerIsNotSpokenAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.up.says(resumable("H1", -1))
		synctest.Wait()
		st.speak(0, 100)
		st.browser.say(`{"type":"text","text":"Tell me a story"}`)
		time.Sleep(time.Second) // longer than inFlight
		synctest.Wait()
		st.up.says(speech(500))
		synctest.Wait()
		st.browser.say(`{"type":"interrupt"}`)
		synctest.Wait()
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		if find(st.browser.heard(), "turn_restarted") != nil || len(texts(second.got())) != 0 {
			t.Errorf("heard %v; asked again: %v", types(st.browser.heard()), kinds(second.got()))
		}
		if m := find(st.browser.heard(), "reconnected"); m == nil || m.JSON["lostAudioMs"] != 100.0 {
			t.Errorf("told %v of 100 ms that the model has forgotten", m)
		}
		st.end()
	})
}

// Interrupted, then the connection breaks: the person talks on about what was said, so the model must know what that was about.
func TestSession_anInterruptedAnswerIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, nil)
		st.up.says(resumable("H1", -1))
		synctest.Wait()
		st.browser.say(`{"type":"text","text":"Tell me a story"}`)
		time.Sleep(time.Second) // longer than inFlight
		synctest.Wait()
		st.up.says(speech(500))
		synctest.Wait()
		st.speak(0, 100) // the person interrupts
		st.up.says(Event{Kind: EventInterrupted})
		synctest.Wait()
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		if find(st.browser.heard(), "turn_restarted") == nil || !slices.Equal(texts(second.got()), []string{"Tell me a story"}) {
			t.Errorf("heard %v; asked again: %v", types(st.browser.heard()), kinds(second.got()))
		}
		st.end()
	})
}

// Turn_complete lost
func TestSession_interruptKeepsTheEndOfAFinishedTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		for range 20 {
			st.up.says(speech(500))
		}
		st.up.says(Event{Kind: EventGenerationComplete}, Event{Kind: EventTurnComplete})
		synctest.Wait()
		st.browser.say(`{"type":"interrupt"}`)
		time.Sleep(30 * time.Second)
		if find(st.browser.heard(), "turn_complete") == nil {
			t.Errorf("heard %v: the turn never ends for the browser", types(st.browser.heard()))
		}
		st.end()
	})
}

// Lead
func TestSession_oneLongEventDoesNotExceedTheLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		synctest.Wait()
		st.up.says(speech(10_000))
		synctest.Wait()
		if ms := audioBytes(st.browser.heard()) / 48; ms > 2000 {
			t.Errorf("%d ms of speech went out at once, the lead is 2000", ms)
		}
		st.end()
	})
}

// Real time at an odd rate, audio_rate 1
func TestSession_realTimeIsNotTooFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := play(t, func(c *Config, _ *memDialer) { c.Limits.AudioRate, c.Limits.AudioBurst = 1, time.Second })
		st.browser.say(`{"type":"start_session","config":{"audio":{"inputSampleRate":8450}}}`)
		st.up.says(Event{Kind: EventReady})
		synctest.Wait()
		for range 100 { // 4.5 minutes
			select {
			case <-st.done:
			default:
				for range 10 {
					st.browser.speak(make([]byte, 8450/5*2)) // 200 ms
					time.Sleep(200 * time.Millisecond)
				}
			}
		}
		select {
		case <-st.done:
			t.Errorf("ended: %v", *st.browser.closed)
		default:
			st.end()
		}
	})
}

// Unknown messages are not limited
func TestSession_unknownMessagesAreLimited(t *testing.T) {
	for _, text := range []string{`{"type":"dance"}`} {
		synctest.Test(t, func(t *testing.T) {
			st := begin(t, nil)
			synctest.Wait()
			begun := time.Now()
			for range 4000 {
				st.browser.say(text)
			}
			synctest.Wait()
			n := 0
			for _, m := range st.browser.heard() {
				if m.Type == "warning" {
					n++
				}
			}
			if n > 300 {
				t.Errorf("%d answered within %v", n, time.Since(begun))
			}
			st.end()
		})
	}
}

// A picture that is allowed
func TestSession_aPictureWithinTheLimitIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, func(c *Config, _ *memDialer) { c.Limits.MaxVideoBytes = 4 << 20 })
		synctest.Wait()
		st.browser.say(`{"type":"video_frame","mimeType":"image/png","data":"` + strings.Repeat("AAAA", 3<<18) + `"}`)
		synctest.Wait()
		if len(st.up.got()) != 1 {
			t.Errorf("a picture of 3 MB, below limits.max_video_bytes, ended the session: %v", st.browser.closed)
		}
		select {
		case <-st.done:
		default:
			st.end()
		}
	})
}

// Memory of what costs nothing by count of bytes
func TestSession_whatIsKeptIsBoundedInItems(t *testing.T) {
	in := &inbox{maxKept: 30 * 32000, maxUnsent: 30 * 32000}
	now := time.Now()
	for range 200_000 { // an hour at limits.message_rate
		in.addCommand(&Command{Kind: CommandAudioStreamEnd})
		_, _, at := in.take(nil, takeRule{})
		in.mark(0, at, time.Now().UnixNano())
	}
	if n := in.items.len(); n > 10_000 {
		t.Errorf("%d commands are kept, about %d bytes", n, n*int(unsafe.Sizeof(Command{}))+in.items.size()*int(unsafe.Sizeof(item{}))+in.marks.size()*int(unsafe.Sizeof(mark{})))
	}
	in = &inbox{maxKept: 30 * 32000, maxUnsent: 30 * 32000}
	for range 480_000 { // 30 s of audio, a sample a message
		in.addAudio([]byte{1, 2}, now)
	}
	if b := in.items.size() * int(unsafe.Sizeof(item{})); b > 10<<20 {
		t.Errorf("960000 bytes of audio cost %d bytes of items", b)
	}
}

// History
func TestSession_theHistoryOfATurnIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *Session
		st := begin(t, func(c *Config, _ *memDialer) { holdingCfg(c) })
		synctest.Wait()
		s = st.gateway.all()[0]
		text := strings.Repeat("x", 60<<10)
		for range 400 {
			st.browser.say(`{"type":"text","turnComplete":false,"text":"` + text + `"}`)
		}
		time.Sleep(10 * time.Second)
		s.history.mu.Lock()
		n := s.history.now().spoken.Len()
		s.history.mu.Unlock()
		if n > 1<<20 {
			t.Errorf("%d bytes of history are held", n)
		}
		st.end()
	})
}

// Lost audio
func TestSession_lostIsCountedFromTheHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		third := newMemUpstream()
		second := newMemUpstream()
		st := begin(t, func(c *Config, d *memDialer) {
			c.Resume.ReplayAudio = time.Second
			d.later = []later{{up: second}, {up: third}}
		})
		synctest.Wait()
		st.speak(0, 10000)
		st.up.says(resumable("H1", 500))
		synctest.Wait()
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady}, resumable("H2", 0))
		time.Sleep(10 * time.Second)
		st.speak(0, 2000)
		st.up = second
		second.ended <- io.ErrUnexpectedEOF
		third.says(Event{Kind: EventReady})
		time.Sleep(10 * time.Second)
		st.end()
		if c := st.gateway.Stats().Counters; c.LostAudioMs > 1100 {
			t.Errorf("%d ms told lost, about 1000 are", c.LostAudioMs)
		}
	})
}

// Replayed commands count against the queue
func TestSession_whatIsGivenAgainDoesNotFillTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, func(c *Config) { c.Resume.Watchdog = 0 }) // it transcribes, and never answers
		for range 300 {
			st.browser.say(`{"type":"turn_complete"}`)
			time.Sleep(time.Second)
			st.up.says(Event{Kind: EventInputTranscript, Text: "x"}) // not idle
		}
		synctest.Wait()
		st.up.ended <- io.ErrUnexpectedEOF
		synctest.Wait()
		st.browser.say(`{"type":"text","text":"typed while renewing"}`)
		synctest.Wait()
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		select {
		case <-st.done:
			t.Errorf("ended: %v", *st.browser.closed)
		default:
			st.end()
		}
	})
}

// Stable_after beyond connect_timeout
func TestSession_aConnectionThatLivedAMinuteIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		third := newMemUpstream()
		second := newMemUpstream()
		st := begin(t, func(c *Config, d *memDialer) {
			c.Resume.StableAfter = 2 * time.Minute
			d.later = []later{{up: second}, {up: third}}
		})
		synctest.Wait()
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		third.says(Event{Kind: EventReady})
		time.Sleep(time.Minute)
		second.ended <- io.ErrUnexpectedEOF
		time.Sleep(time.Second)
		select {
		case <-st.done:
			t.Errorf("ended with %v after %d dials", st.browser.closed.Code, len(st.dialer.asked()))
		default:
			st.end()
		}
	})
}

// Stray generation_complete
func TestSession_aGenerationCompleteWithoutContent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		st.up.says(Event{Kind: EventGenerationComplete}, speech(40), speech(60), Event{Kind: EventTurnComplete})
		synctest.Wait()
		turn := find(st.browser.heard(), "turn_complete").JSON["turn"].(map[string]any)
		if turn["index"] != 1.0 || turn["audioMs"] != 100.0 {
			t.Errorf("turn %v", turn)
		}
		st.end()
	})
}

// An answer accepted while the calls are forgotten (the steps of the two goroutines, interleaved by hand)
func TestSession_anAnswerThatRacesWithARenewalIsNotGiven(t *testing.T) {
	s, done := hop(t, false)
	defer done()
	s.event(&toolCall, time.Now())
	known, _ := s.tools.answer([]ToolResponse{{ID: "c1", Response: json.RawMessage(`{}`)}}) // reader: toolResponse
	s.retire(io.EOF, "upstream_lost")                                                       // owner: renew
	s.prepare("upstream_lost")
	s.forward(&Command{Kind: CommandToolResponse, Responses: known}) // reader goes on
	s.sendUp(false)
	second := newMemUpstream()
	s.up.own(second)
	s.reopen(second)
	if got := kinds(second.got()); len(got) != 0 {
		t.Errorf("the second upstream got %v: it never made that call", got)
	}
}

// Two unanswered activities before a handle
func TestSession_noEmptyActivityIsGivenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := newMemUpstream()
		st := play(t, func(_ *Config, d *memDialer) { d.later = []later{{up: second}} })
		st.browser.say(`{"type":"start_session","config":{"vad":{"mode":"manual"}}}`)
		st.up.says(Event{Kind: EventReady})
		synctest.Wait()
		for i := range 2 {
			st.browser.say(`{"type":"activity_start"}`)
			st.speak(i*1000, 1000)
			st.browser.say(`{"type":"activity_end"}`)
			synctest.Wait()
			st.up.says(Event{Kind: EventTurnComplete}) // nothing to answer
			synctest.Wait()
		}
		st.up.says(resumable("H1", -1))
		synctest.Wait()
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		got := kinds(second.got())
		for i := range len(got) - 1 {
			if got[i] == "start" && got[i+1] == "end" {
				t.Errorf("given again: %v: an empty activity closes the upstream (1007)", got)
				break
			}
		}
		st.end()
	})
}

// A typed question vanishes from the history
func TestSession_aTypedQuestionStaysInTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second, third := newMemUpstream(), newMemUpstream()
		st := begin(t, func(c *Config, d *memDialer) {
			holdingCfg(c)
			d.later = []later{{up: second}, {up: third}}
		})
		synctest.Wait()
		st.browser.say(`{"type":"text","text":"What is this?"}`)
		time.Sleep(time.Second) // longer than inFlight
		synctest.Wait()
		st.up.says(speech(40), Event{Kind: EventOutputTranscript, Text: "A st"})
		synctest.Wait()
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		synctest.Wait()
		if !slices.Equal(texts(second.got()), []string{"What is this?"}) {
			t.Fatalf("got %v", kinds(second.got()))
		}
		time.Sleep(time.Second) // longer than inFlight
		second.says(speech(40), Event{Kind: EventOutputTranscript, Text: "A stone."}, Event{Kind: EventTurnComplete})
		time.Sleep(10 * time.Second)
		second.ended <- io.ErrUnexpectedEOF
		third.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		asked := st.dialer.asked()
		want := []HistoryTurn{{"user", "What is this?"}, {"model", "A stone."}}
		if h := asked[len(asked)-1].History; !slices.Equal(h, want) {
			t.Errorf("seeded with %v, want %v", h, want)
		}
		st.end()
	})
}

// Unanswered text with replay_audio 0
func TestSession_withoutReplayedAudioATextIsStillGivenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, func(c *Config) { c.Resume.ReplayAudio = 0 })
		st.up.says(resumable("H1", -1))
		synctest.Wait()
		st.browser.say(`{"type":"text","text":"unanswered"}`)
		synctest.Wait()
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		if got := texts(second.got()); !slices.Equal(got, []string{"unanswered"}) {
			t.Errorf("got %v", got)
		}
		st.end()
	})
}

// Sample positions with an exact upstream and replay_audio 0
func TestSession_lostWithoutReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, second := beginTwice(t, func(c *Config) { c.Resume.ReplayAudio = 0 })
		st.speak(0, 10000)
		st.up.says(resumable("H1", 500)) // covers everything
		synctest.Wait()
		st.speak(10000, 100)
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		st.end()
		if c := st.gateway.Stats().Counters; c.LostAudioMs != 100 {
			t.Errorf("%d ms told lost, 100 are", c.LostAudioMs)
		}
	})
}

// Playback lead at its minimum: no gap
func TestSession_theSmallestLeadLeavesNoGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, func(c *Config, _ *memDialer) { c.Audio.PlaybackLead = 100 * time.Millisecond })
		synctest.Wait()
		for range 20 {
			st.up.says(speech(100))
		}
		synctest.Wait()
		begun := time.Now()
		for range 18 {
			ms := int(time.Since(begun) / time.Millisecond)
			if sent := audioBytes(st.browser.heard()) / 48; sent > ms+100 || sent <= ms {
				t.Fatalf("after %d ms: %d ms sent", ms, sent)
			}
			time.Sleep(100 * time.Millisecond)
			// just before the pump's own wake-up would be too strict; just after is fair
			synctest.Wait()
		}
		st.end()
	})
}

// Last: burns a core until the process ends
func TestSession_noMinimumChunk(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Audio.MinUpstreamChunk = 0
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	p, _ := resolve(&cfg, BackendGemini, &StartConfig{})
	s := newSession(NewGateway(cfg, nil, slog.New(slog.DiscardHandler)), &Backend{Name: BackendGemini}, &cfg, Client{}, &p)
	b, up := nullBrowser{newMemBrowser(t)}, nullUpstream{newMemUpstream()}
	if _, err := s.attach(b, nil); err != nil {
		t.Fatal(err)
	}
	s.up.own(up)
	returned := make(chan struct{})
	go func() { s.ready(up); close(returned) }()
	select {
	case <-returned:
	case <-time.After(2 * time.Second):
		s.up.close() // ends the loop: sendAll then finds no upstream
		t.Error("sendUp never returns with audio.min_upstream_chunk: 0")
		<-returned
	}
	s.end(ReasonEnded, "")
	s.finish()
	s.in.clear()
	s.out.release()
}

var _ = bytes.Equal

// An outbox that is full is told, where the browser takes everything
func TestSession_aFullOutboxIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, func(c *Config, _ *memDialer) { c.Audio.Outbox = 10 * time.Second })
		for range 30 {
			st.up.says(speech(500))
		}
		<-st.done
		if st.browser.closed == nil || *st.browser.closed != ReasonSlowClient || find(st.browser.heard(), "session_ended") == nil {
			t.Errorf("closed with %v, aborted %v, heard %v", st.browser.closed, st.browser.aborted, types(st.browser.heard()))
		}
	})
}

// After prepare: a person's captions are doubled in the history when unfinished speech is given again
func TestSession_theHistoryHoldsSpeechOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second, third := newMemUpstream(), newMemUpstream()
		st := begin(t, func(_ *Config, d *memDialer) { d.later = []later{{up: second}, {up: third}} })
		synctest.Wait()
		st.speak(0, 400)
		st.up.says(Event{Kind: EventInputTranscript, Text: "What is this?"})
		synctest.Wait()
		st.up.ended <- io.ErrUnexpectedEOF                                                             // before the answer
		second.says(Event{Kind: EventReady}, Event{Kind: EventInputTranscript, Text: "What is this?"}, // given again, heard again
			speech(40), Event{Kind: EventOutputTranscript, Text: "A stone."}, Event{Kind: EventTurnComplete})
		time.Sleep(10 * time.Second)
		second.ended <- io.ErrUnexpectedEOF
		third.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		asked := st.dialer.asked()
		want := []HistoryTurn{{"user", "What is this?"}, {"model", "A stone."}}
		if h := asked[len(asked)-1].History; !slices.Equal(h, want) {
			t.Errorf("seeded with %v, want %v", h, want)
		}
		st.end()
	})
}

// A steadily reading browser on a slow line and one long event
func TestSession_droppedSpeechLeavesOverdueTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		synctest.Wait()
		s := st.gateway.all()[0]
		st.end()
		s.timerMu.Lock()
		armed := s.timer.Stop()
		s.timerMu.Unlock()
		if armed {
			t.Error("the session's timer is still armed")
		}
	})
}

// A typed question, answered, and its handle seen only after more was typed while audio was held
func TestSession_twoTextsInOneTurnAreTwoSentences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := newMemUpstream()
		st := begin(t, func(c *Config, d *memDialer) { holdingCfg(c); d.later = []later{{up: second}} })
		synctest.Wait()
		st.browser.say(`{"type":"text","text":"One.","turnComplete":false}`)
		st.browser.say(`{"type":"text","text":"Two."}`)
		time.Sleep(time.Second)
		synctest.Wait()
		st.up.says(speech(40), Event{Kind: EventTurnComplete})
		synctest.Wait()
		st.up.ended <- io.ErrUnexpectedEOF
		second.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		asked := st.dialer.asked()
		if h := asked[len(asked)-1].History; len(h) == 0 || strings.Contains(h[0].Text, "One.Two.") {
			t.Errorf("seeded with %v", h)
		}
		st.end()
	})
}
