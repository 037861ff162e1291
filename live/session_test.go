package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// tone is n ms of a loud tone at rate Hz, each sample telling its place.
func tone(ms, rate int) []byte {
	pcm := make([]byte, ms*rate/1000*2)
	for i := 0; i < len(pcm); i += 2 {
		pcm[i], pcm[i+1] = byte(i), byte(i>>8)
	}
	return pcm
}

func speech(ms int) Event { return Event{Kind: EventAudio, PCM: tone(ms, 24000)} }

func wantTypes(t *testing.T, all []message, want ...string) {
	t.Helper()
	if got := types(all); !slices.Equal(got, want) {
		t.Errorf("the browser heard\n  %v\nwant\n  %v", got, want)
	}
}

func TestSession_fromStartToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		synctest.Wait()
		st.browser.speak(tone(20, 16000))
		st.up.says(
			Event{Kind: EventInputTranscript, Text: "Hello"},
			speech(40),
			Event{Kind: EventOutputTranscript, Text: "Hi."},
			Event{Kind: EventGenerationComplete},
			Event{Kind: EventTurnComplete},
			Event{Kind: EventUsage, Usage: Usage{Input: 10, Output: 5}},
		)
		synctest.Wait()
		st.end()
		all := st.browser.heard()
		wantTypes(t, all, "session_started", "session_ready", "input_transcript", "audio", "output_transcript",
			"generation_complete", "turn_complete", "usage", "session_ended")
		if got := find(all, "session_started").JSON; got["protocol"] != 1.0 || got["workflow"] != "gemini-live" || got["sessionId"] == "" {
			t.Errorf("session_started: %v", got)
		}
		if got := find(all, "session_ready").JSON; got["simulated"] != true || got["voice"] != "Kore" || got["language"] != "auto" {
			t.Errorf("session_ready: %v", got)
		}
		if got := find(all, "session_ended").JSON; got["reason"] != "ended" || got["turns"] != 1.0 {
			t.Errorf("session_ended: %v", got)
		}
		if st.browser.closed == nil || *st.browser.closed != ReasonEnded {
			t.Errorf("closed with %v", st.browser.closed)
		}
		if got := st.up.pcm(); !bytes.Equal(got, tone(20, 16000)) {
			t.Errorf("the upstream got %d bytes of audio", len(got))
		}
		stats := st.gateway.Stats()
		if stats.Active != 0 || stats.Total != 1 || stats.ByReason["ended"] != 1 || stats.Usage.InputTokens != 10 || stats.Counters.Turns != 1 {
			t.Errorf("stats: %+v", stats)
		}
	})
}

func TestSession_keepsEarlyAudioAndSendsItFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := play(t, nil)
		st.browser.say(`{"type":"start_session"}`)
		early := tone(1000, 16000)
		for f := range slices.Chunk(early, 640) {
			st.browser.speak(f)
		}
		st.browser.say(`{"type":"text","text":"typed"}`)
		synctest.Wait()
		time.Sleep(100 * time.Millisecond)
		if n := len(st.up.got()); n != 0 {
			t.Fatalf("%d messages went up before the setup was accepted", n)
		}
		st.up.says(Event{Kind: EventReady})
		synctest.Wait()
		st.browser.speak([]byte{1, 2})
		time.Sleep(time.Second)
		st.end()
		got := st.up.got()
		if !bytes.Equal(st.up.pcm(), append(bytes.Clone(early), 1, 2)) {
			t.Errorf("the upstream got %d bytes of audio, want %d in order", len(st.up.pcm()), len(early)+2)
		}
		if n := len(got); n < 3 || got[n-2].Kind != CommandText || got[n-2].Text != "typed" {
			t.Errorf("the text lost its place behind the early audio: %d messages", n)
		}
		for _, c := range got[:len(got)-2] {
			if len(c.PCM) > 3200 {
				t.Errorf("%d bytes were joined, more than audio.max_upstream_chunk", len(c.PCM))
			}
		}
	})
}

func TestSession_aFrameThatCameWholeGoesUpWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		synctest.Wait()
		long, short, longest := tone(937, 16000), tone(20, 16000), tone(2500, 16000)
		for _, f := range [][]byte{short, long, short, longest, long} {
			st.browser.speak(f)
			synctest.Wait()
		}
		st.end()
		var sizes []int
		for _, c := range st.up.got() {
			sizes = append(sizes, len(c.PCM))
		}
		// The longest one is cut, in whole pieces of the memory that kept it, none longer than a second.
		if len(sizes) < 7 || sizes[0] != len(short) || sizes[1] != len(long) || sizes[2] != len(short) || sizes[len(sizes)-1] != len(long) ||
			len(sizes) > 8 || slices.Max(sizes) > 32_000 {
			t.Errorf("messages of %v bytes", sizes)
		}
		if want := slices.Concat(short, long, short, longest, long); !bytes.Equal(st.up.pcm(), want) {
			t.Errorf("%d bytes of audio went up, want %d in order", len(st.up.pcm()), len(want))
		}
	})
}

func TestSession_joinsShortFramesAndKeepsNoneWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		synctest.Wait()
		for range 9 { // a raw 128-sample worklet: 8 ms each
			st.browser.speak(tone(8, 16000))
			time.Sleep(8 * time.Millisecond)
		}
		synctest.Wait()
		sizes := func() (s []int) {
			for _, c := range st.up.got() {
				s = append(s, len(c.PCM))
			}
			return s
		}
		if got := sizes(); !slices.Equal(got, []int{768, 768, 768}) {
			t.Errorf("nine frames of 8 ms went up as %v bytes, want three of 768", got)
		}
		st.browser.speak(tone(4, 16000))
		time.Sleep(19 * time.Millisecond)
		synctest.Wait()
		if n := len(sizes()); n != 3 {
			t.Errorf("a lone short frame went up before it had waited 20 ms")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if got := sizes(); len(got) != 4 || got[3] != 128 {
			t.Errorf("a lone short frame waited longer than 20 ms: %v", got)
		}
		st.end()
	})
}

func TestSession_sendsSpeechAtThePaceItIsPlayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		synctest.Wait()
		const total = 20_000
		for range total / 500 {
			st.up.says(speech(500))
		}
		st.up.says(Event{Kind: EventGenerationComplete})
		synctest.Wait()
		lead := int(DefaultConfig().Audio.PlaybackLead / time.Millisecond)
		for ms := 0; ms <= total; ms += 100 {
			sent := audioBytes(st.browser.heard()) / 48
			if sent > ms+lead {
				t.Fatalf("after %d ms %d ms of speech were sent: more than the lead of %d ms", ms, sent, lead)
			}
			if want := min(ms+lead-700, total); sent < want {
				t.Fatalf("after %d ms only %d ms of speech were sent, want at least %d", ms, sent, want)
			}
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
		}
		all := st.browser.heard()
		wantTypes(t, all, "session_started", "session_ready", "audio", "generation_complete")
		if n := audioBytes(all); n != total*48 {
			t.Errorf("%d bytes of speech arrived, want %d", n, total*48)
		}
		st.end()
	})
}

func TestSession_interruptedOvertakesSpeechAndDropsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		synctest.Wait()
		for range 20 {
			st.up.says(speech(500))
		}
		st.up.says(Event{Kind: EventOutputTranscript, Text: "never heard"}, Event{Kind: EventInterrupted}, Event{Kind: EventTurnComplete})
		synctest.Wait()
		sent := audioBytes(st.browser.heard()) / 48
		time.Sleep(30 * time.Second)
		all := st.browser.heard()
		wantTypes(t, all, "session_started", "session_ready", "audio", "interrupted", "turn_complete")
		if got := audioBytes(all) / 48; got != sent {
			t.Errorf("%d ms of speech were sent after the interruption", got-sent)
		}
		if turn := find(all, "turn_complete").JSON["turn"].(map[string]any); turn["interrupted"] != true || turn["index"] != 1.0 {
			t.Errorf("turn: %v", turn)
		}
		st.end()
	})
}

func TestSession_interruptDropsTheRestOfTheAnswerAsItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		st.up.says(speech(500), speech(500))
		synctest.Wait()
		st.browser.say(`{"type":"interrupt"}`)
		synctest.Wait()
		before := audioBytes(st.browser.heard())
		st.up.says(speech(500), Event{Kind: EventOutputTranscript, Text: "late"}, Event{Kind: EventGenerationComplete})
		st.up.says(Event{Kind: EventTurnComplete}, speech(40), Event{Kind: EventTurnComplete})
		synctest.Wait()
		all := st.browser.heard()
		wantTypes(t, all, "session_started", "session_ready", "audio", "interrupted", "turn_complete", "audio", "turn_complete")
		if got := audioBytes(all) - before; got != 40*48 {
			t.Errorf("%d bytes of speech came after the interruption, want only the next answer's %d", got, 40*48)
		}
		st.end()
		if got := st.gateway.Stats().Counters; got.DownlinkDroppedMs != 500 || got.Interruptions != 1 {
			t.Errorf("counters: %+v", got)
		}
	})
}

func TestSession_interruptedWhileDiscardingIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		st.up.says(speech(500))
		synctest.Wait()
		st.browser.say(`{"type":"interrupt"}`)
		synctest.Wait()
		st.up.says(Event{Kind: EventInterrupted}, Event{Kind: EventTurnComplete}, speech(40))
		synctest.Wait()
		wantTypes(t, st.browser.heard(), "session_started", "session_ready", "audio", "interrupted", "turn_complete", "audio")
		st.end()
	})
}

func TestSession_anUpstreamThatOmitsTurnComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		st.up.says(speech(100))
		synctest.Wait()
		st.browser.say(`{"type":"interrupt"}`)
		synctest.Wait()
		st.up.says(Event{Kind: EventGenerationComplete}, speech(60), Event{Kind: EventTurnComplete})
		synctest.Wait()
		all := st.browser.heard()
		if turn := find(all, "turn_complete").JSON["turn"].(map[string]any); turn["index"] != 2.0 || turn["audioMs"] != 60.0 || turn["interrupted"] != false {
			t.Errorf("turn: %v", turn)
		}
		st.end()
	})
}

func TestSession_aSocketThatTakesBytesOneByOneGetsWholeFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := play(t, nil)
		st.browser.mu.Lock()
		st.browser.room = 0
		st.browser.mu.Unlock()
		st.browser.say(`{"type":"start_session"}`)
		st.up.says(Event{Kind: EventReady}, speech(20), Event{Kind: EventInputTranscript, Text: "x"}, speech(20), Event{Kind: EventTurnComplete})
		for range 6000 {
			synctest.Wait()
			st.browser.takes(1)
		}
		synctest.Wait()
		all := st.browser.heard()
		if n := audioBytes(all); n != 2*20*48 || find(all, "turn_complete") == nil || find(all, "input_transcript") == nil {
			t.Errorf("%d bytes of speech and %v", n, types(all))
		}
		st.browser.takes(1 << 20)
		st.end()
	})
}

// TestSession_speechIsWrittenWhereItLies: as it was given, whatever becomes of the memory that it lay in, and however little of it the
// socket takes at once.
func TestSession_speechIsWrittenWhereItLies(t *testing.T) {
	for _, room := range []int{-1, 0, 1, frame.Room, 700} {
		synctest.Test(t, func(t *testing.T) {
			st := begin(t, nil)
			synctest.Wait()
			st.browser.mu.Lock()
			st.browser.room = room
			st.browser.mu.Unlock()
			one, two := speech(40), Event{Kind: EventAudio, PCM: tone(20, 8000)}
			st.up.says(one)
			synctest.Wait()
			st.up.says(two)
			synctest.Wait()
			if room >= 0 {
				st.browser.takes(1 << 20)
			}
			synctest.Wait()
			var got []byte
			for _, m := range st.browser.heard() {
				got = append(got, m.Audio...)
			}
			if want := append(bytes.Clone(one.PCM), two.PCM...); !bytes.Equal(got, want) {
				t.Errorf("room for %d bytes: %d bytes came that are not the %d that were given", room, len(got), len(want))
			}
			st.end()
		})
	}
}

func TestSession_aBrowserThatStopsReadingIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		synctest.Wait()
		st.browser.mu.Lock()
		st.browser.room = 100
		st.browser.mu.Unlock()
		st.up.says(speech(500), Event{Kind: EventInputTranscript, Text: "x"})
		time.Sleep(9 * time.Second)
		select {
		case <-st.done:
			t.Fatal("the session ended before the write timeout")
		default:
		}
		<-st.done
		if got := st.gateway.Stats().ByReason; got["slow_client"] != 1 {
			t.Errorf("reasons: %v", got)
		}
	})
}

func TestSession_aVoiceLaneBeyondTheOutboxEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, func(c *Config, _ *memDialer) { c.Audio.Outbox = 10 * time.Second })
		for range 30 {
			st.up.says(speech(500))
		}
		<-st.done
		if got := st.gateway.Stats().ByReason; got["slow_client"] != 1 {
			t.Errorf("reasons: %v", got)
		}
	})
}

func TestSession_aMutedMicrophoneDoesNotStarveTheUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		synctest.Wait()
		st.browser.speak(tone(20, 16000))
		time.Sleep(101 * time.Second)
		got := st.up.got()
		if len(got) != 6 {
			t.Fatalf("%d messages in 101 s, want the frame and 5 silences", len(got))
		}
		for _, c := range got[1:] {
			if c.Kind != CommandAudio || !bytes.Equal(c.PCM, make([]byte, 3200)) {
				t.Errorf("not 100 ms of silence: %v %d bytes", c.Kind, len(c.PCM))
			}
		}
		st.end()
	})
}

func TestSession_deadlines(t *testing.T) {
	cases := []struct {
		name   string
		change func(*Config, *memDialer)
		play   func(*stage)
		after  time.Duration
		reason Reason
	}{
		{"no first message", nil, func(st *stage) { st.browser.say(`{"type":"ping"}`) }, 10 * time.Second, ReasonIdleTimeout},
		{"idle in spite of microphone frames", nil, func(st *stage) {
			st.browser.say(`{"type":"start_session"}`)
			st.up.says(Event{Kind: EventReady})
			for range 300 {
				time.Sleep(time.Second)
				st.browser.speak(make([]byte, 640))
			}
		}, 5 * time.Minute, ReasonIdleTimeout},
		{"maximum duration", func(c *Config, _ *memDialer) { c.Limits.MaxDuration = 3 * time.Minute }, func(st *stage) {
			st.browser.say(`{"type":"start_session"}`)
			st.up.says(Event{Kind: EventReady})
		}, 3 * time.Minute, ReasonMaxDuration},
		{"silence after the setup", nil, func(st *stage) { st.browser.say(`{"type":"start_session"}`) }, 15 * time.Second, ReasonUpstreamUnavailable},
		{"a dial that hangs", func(_ *Config, d *memDialer) { d.hangs = true }, func(st *stage) { st.browser.say(`{"type":"start_session"}`) }, 15 * time.Second, ReasonUpstreamUnavailable},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := play(t, c.change)
				begun := time.Now()
				c.play(st)
				<-st.done
				if took := time.Since(begun); took < c.after || took > c.after+time.Second {
					t.Errorf("ended after %v, want %v", took, c.after)
				}
				if st.browser.closed == nil || *st.browser.closed != c.reason {
					t.Errorf("closed with %v, want %v", st.browser.closed, c.reason)
				}
				if m := find(st.browser.heard(), "error"); m == nil || m.JSON["code"] != c.reason.Code || m.JSON["error"] == "" {
					t.Errorf("told %v", m)
				}
			})
		})
	}
}

func TestSession_tellsThatItsLimitIsNear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, func(c *Config, _ *memDialer) { c.Limits.MaxDuration = 3 * time.Minute })
		time.Sleep(119 * time.Second)
		if find(st.browser.heard(), "session_expiring") != nil {
			t.Error("told too early")
		}
		time.Sleep(2 * time.Second)
		if m := find(st.browser.heard(), "session_expiring"); m == nil || m.JSON["timeLeftMs"] != 60000.0 {
			t.Errorf("session_expiring: %v", m)
		}
		<-st.done
	})
}

func TestSession_upstreamTroubleIsToldApart(t *testing.T) {
	secret := errors.New("key=AIza")
	cases := []struct {
		name   string
		err    error
		live   bool // after the setup was accepted
		reason Reason
		told   string
	}{
		{"refused connection", &UpstreamError{Fault: FaultBroken, Detail: "The model cannot be reached.", Err: secret}, false, ReasonUpstreamUnavailable, "The model cannot be reached."},
		{"quota after the setup", &UpstreamError{Fault: FaultQuota, Detail: "The model's quota is used up.", Close: 1011}, true, ReasonUpstreamQuota, "The model's quota is used up."},
		{"content refused", &UpstreamError{Fault: FaultRejected, Detail: "The model refused: unknown voice.", Close: 1007}, true, ReasonUpstreamRejected, "The model refused: unknown voice."},
		{"credentials refused", &UpstreamError{Fault: FaultAuth, Detail: "API key not valid", Close: 1007}, false, ReasonUpstreamAuth, ReasonUpstreamAuth.Text},
		{"no close frame", io.ErrUnexpectedEOF, true, ReasonUpstreamUnavailable, "The connection to the model broke and could not be renewed within 15s."},
		{"orderly end", &UpstreamError{Fault: FaultEnded, Detail: "The model ended the connection.", Close: 1000}, true, ReasonUpstreamUnavailable, "The connection to the model broke and could not be renewed within 15s."},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := play(t, func(_ *Config, d *memDialer) {
					if !c.live {
						d.err = c.err
					}
				})
				st.browser.say(`{"type":"start_session"}`)
				if c.live {
					st.up.says(Event{Kind: EventReady})
					synctest.Wait()
					st.up.ended <- c.err
				}
				<-st.done
				m := find(st.browser.heard(), "error")
				if m == nil || m.JSON["code"] != c.reason.Code || m.JSON["error"] != c.told || *st.browser.closed != c.reason {
					t.Errorf("told %v and closed with %v", m, st.browser.closed)
				}
			})
		})
	}
}

func TestSession_aFailedSendEndsWithWhatTheUpstreamSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		synctest.Wait()
		st.up.mu.Lock()
		st.up.fail = io.ErrClosedPipe
		st.up.mu.Unlock()
		st.browser.speak(tone(20, 16000))
		synctest.Wait()
		time.Sleep(100 * time.Millisecond)
		st.up.ended <- &UpstreamError{Fault: FaultQuota, Detail: "quota", Close: 1011}
		<-st.done
		if *st.browser.closed != ReasonUpstreamQuota {
			t.Errorf("closed with %v", st.browser.closed)
		}
	})
}

func TestSession_aFailedSendWithoutLastWordsEndsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		synctest.Wait()
		st.up.mu.Lock()
		st.up.fail = io.ErrClosedPipe
		st.up.mu.Unlock()
		st.browser.speak(tone(20, 16000))
		<-st.done
		if *st.browser.closed != ReasonUpstreamUnavailable {
			t.Errorf("closed with %v", st.browser.closed)
		}
	})
}

func TestSession_aLostBrowserEndsItAndTheUpstream(t *testing.T) {
	for name, failure := range map[string]error{
		"ended":        &frame.CloseError{Code: 1000},
		"browser_gone": io.ErrUnexpectedEOF,
	} {
		synctest.Test(t, func(t *testing.T) {
			st := begin(t, nil)
			synctest.Wait()
			st.browser.failure <- failure
			<-st.done
			<-st.up.closed
			if got := st.gateway.Stats().ByReason; got[name] != 1 {
				t.Errorf("reasons: %v, want %s", got, name)
			}
		})
	}
}

func TestSession_browserHangsUpDuringSetup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := play(t, func(_ *Config, d *memDialer) { d.hangs = true })
		st.browser.say(`{"type":"start_session"}`)
		synctest.Wait()
		st.browser.failure <- io.EOF
		<-st.done
	})
}

func TestSession_violationsAreToldBeforeTheClose(t *testing.T) {
	for code, reason := range map[int]Reason{1002: ReasonProtocolError, 1007: ReasonBadUTF8, 1009: ReasonFrameTooLarge} {
		synctest.Test(t, func(t *testing.T) {
			st := begin(t, nil)
			synctest.Wait()
			st.browser.failure <- &frame.Error{Code: code, Text: "x"}
			<-st.done
			wantTypes(t, st.browser.heard(), "session_started", "session_ready", "error", "session_ended")
			if *st.browser.closed != reason {
				t.Errorf("closed with %v", st.browser.closed)
			}
		})
	}
}

func TestSession_badMessages(t *testing.T) {
	cases := []struct {
		name    string
		frames  []Frame
		before  bool // before start_session
		warning string
		reason  *Reason
		field   string
	}{
		{"binary before the start", []Frame{{Binary: true, Data: make([]byte, 640)}}, true, "", &ReasonBadAudio, ""},
		{"text before the start", []Frame{{Data: []byte(`{"type":"text","text":"x"}`)}}, true, "not_started", nil, ""},
		{"malformed", []Frame{{Data: []byte(`{`)}}, false, "bad_message", nil, ""},
		{"unknown type", []Frame{{Data: []byte(`{"type":"dance"}`)}}, false, "unknown_message", nil, ""},
		{"ten malformed in a row", slices.Repeat([]Frame{{Data: []byte(`nonsense`)}}, 10), false, "bad_message", &ReasonBadMessage, ""},
		{"second start", []Frame{{Data: []byte(`{"type":"start_session"}`)}}, false, "already_started", nil, ""},
		{"odd audio", []Frame{{Binary: true, Data: make([]byte, 641)}}, false, "", &ReasonBadAudio, ""},
		{"large audio", []Frame{{Binary: true, Data: make([]byte, 256<<10+2)}}, false, "", &ReasonFrameTooLarge, ""},
		{"large text", []Frame{{Data: fmt.Appendf(nil, `{"type":"text","text":"%s"}`, strings.Repeat("x", 1<<20))}}, false, "", &ReasonFrameTooLarge, ""},
		{"large picture", []Frame{{Data: fmt.Appendf(nil, `{"type":"video_frame","mimeType":"image/jpeg","data":"%s"}`, strings.Repeat("AAAA", 1<<18))}}, false, "", &ReasonFrameTooLarge, ""},
		{"update", []Frame{{Data: []byte(`{"type":"update_session","config":{"tools":[]}}`)}}, false, "not_allowed", nil, ""},
		{"activity without manual", []Frame{{Data: []byte(`{"type":"activity_start"}`)}}, false, "not_allowed", nil, "vad.mode"},
		{"answer to no call", []Frame{{Data: []byte(`{"type":"tool_response","responses":[{"id":"1","name":"f","response":{}}]}`)}}, false, "unknown_tool_call", nil, ""},
		{"resume of nothing", []Frame{{Data: []byte(`{"type":"start_session","resume":{"sessionId":"x","resumeTicket":"y","received":3}}`)}}, true, "", &ReasonUnauthorized, ""},
		{"unknown voice", []Frame{{Data: []byte(`{"type":"start_session","config":{"voice":"Nobody"}}`)}}, true, "", &ReasonBadConfig, "voice"},
		{"unknown model", []Frame{{Data: []byte(`{"type":"start_session","config":{"model":"gpt"}}`)}}, true, "", &ReasonBadConfig, "model"},
		{"unknown assistant", []Frame{{Data: []byte(`{"type":"start_session","config":{"assistant":"x"}}`)}}, true, "", &ReasonBadConfig, "assistant"},
		{"wrong type", []Frame{{Data: []byte(`{"type":"start_session","config":{"voice":7}}`)}}, true, "", &ReasonBadConfig, "voice"},
		{"not allowed", []Frame{{Data: []byte(`{"type":"start_session","config":{"systemInstruction":"x"}}`)}}, true, "", &ReasonNotAllowed, "systemInstruction"},
		{"text of an audio model", []Frame{{Data: []byte(`{"type":"start_session","config":{"modality":"text"}}`)}}, true, "", &ReasonBadConfig, "modality"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := play(t, nil)
				if !c.before {
					st.browser.say(`{"type":"start_session"}`)
					st.up.says(Event{Kind: EventReady})
					synctest.Wait()
				}
				for _, f := range c.frames {
					st.browser.in <- f
				}
				synctest.Wait()
				all := st.browser.heard()
				if c.warning != "" {
					m := find(all, "warning")
					if m == nil || m.JSON["code"] != c.warning || m.JSON["message"] == "" || c.field != "" && m.JSON["field"] != c.field {
						t.Errorf("warning: %v", m)
					}
				}
				if c.reason == nil {
					st.end()
					if *st.browser.closed != ReasonEnded {
						t.Error("the connection did not go on")
					}
					return
				}
				<-st.done
				m := find(st.browser.heard(), "error")
				if m == nil || m.JSON["code"] != c.reason.Code || *st.browser.closed != *c.reason || c.field != "" && m.JSON["field"] != c.field {
					t.Errorf("told %v and closed with %v, want %v", m, st.browser.closed, c.reason)
				}
			})
		})
	}
}

func TestSession_nineMalformedAndAGoodOneGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		for range 3 {
			for range 9 {
				st.browser.say("nonsense")
			}
			st.browser.say(`{"type":"ping","t":12.5}`)
		}
		synctest.Wait()
		if m := find(st.browser.heard(), "pong"); m == nil || m.JSON["t"] != 12.5 {
			t.Errorf("pong: %v", m)
		}
		st.end()
	})
}

func TestSession_drainTellsTheBrowserAndFlushesSpeech(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		for range 20 {
			st.up.says(speech(500))
		}
		synctest.Wait()
		if err := st.gateway.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		<-st.done
		all := st.browser.heard()
		wantTypes(t, all, "session_started", "session_ready", "audio", "error", "session_ended")
		if n := audioBytes(all); n != 10_000*48 {
			t.Errorf("%d bytes of speech, want all %d", n, 10_000*48)
		}
		if m := find(all, "error").JSON; m["code"] != "server_draining" || m["retryable"] != true || *st.browser.closed != ReasonServerDraining {
			t.Errorf("told %v, closed with %v", m, st.browser.closed)
		}
		_, err := st.gateway.Admit(BackendGemini, false)
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Reason != ReasonServerDraining || refusal.RetryAfter == 0 {
			t.Errorf("admission after the drain: %v", err)
		}
	})
}

func TestSession_drainDropsABrowserThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		synctest.Wait()
		st.browser.mu.Lock()
		st.browser.room = 0
		st.browser.mu.Unlock()
		st.up.says(speech(500))
		synctest.Wait()
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := st.gateway.Drain(ctx); err == nil {
			t.Error("a drain that had to drop a session did not say so")
		}
		if took := time.Since(begun); took > 4*time.Second {
			t.Errorf("the drain took %v", took)
		}
		<-st.done
	})
}

func TestSession_theOperatorEndsIt(t *testing.T) {
	for _, now := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			st := begin(t, nil)
			synctest.Wait()
			id := st.gateway.Sessions()[0].ID
			if st.gateway.End("nobody", now) || !st.gateway.End(id, now) {
				t.Error("End found the wrong session")
			}
			<-st.done
			if st.gateway.Stats().ByReason["ended_by_operator"] != 1 {
				t.Errorf("reasons: %v", st.gateway.Stats().ByReason)
			}
			if told := find(st.browser.heard(), "error") != nil; !now && !told {
				t.Error("a graceful end was not told")
			}
		})
	}
}

func TestSession_toolCalls(t *testing.T) {
	holding := func(c *Config, _ *memDialer) {
		c.Live.DefaultModels.Gemini = "gemini-2.5-flash-native-audio-latest"
	}
	call := Event{Kind: EventToolCall, Calls: []ToolCall{{ID: "1", Name: "f", Args: json.RawMessage(`{"a":1}`)}}}
	t.Run("audio waits for the answer and does not overtake it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			st := begin(t, holding)
			st.up.says(call)
			synctest.Wait()
			for range 10 {
				st.browser.speak(tone(20, 16000))
			}
			time.Sleep(time.Second)
			if n := len(st.up.got()); n != 0 {
				t.Fatalf("%d messages went up during the call", n)
			}
			st.browser.say(`{"type":"tool_response","responses":[{"id":"1","response":{"output":2}}]}`)
			synctest.Wait()
			got := st.up.got()
			if len(got) < 2 || got[0].Kind != CommandToolResponse || got[0].Responses[0].Name != "f" || len(st.up.pcm()) != 6400 {
				t.Errorf("%d messages, %d bytes of audio", len(got), len(st.up.pcm()))
			}
			st.end()
		})
	})
	t.Run("a cancelled call lets the audio go", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			st := begin(t, holding)
			st.up.says(call)
			synctest.Wait()
			st.browser.speak(tone(20, 16000))
			synctest.Wait()
			st.up.says(Event{Kind: EventToolCallCancelled, IDs: []string{"1"}})
			synctest.Wait()
			if len(st.up.pcm()) != 640 {
				t.Errorf("%d bytes of audio", len(st.up.pcm()))
			}
			wantTypes(t, st.browser.heard(), "session_started", "session_ready", "tool_call", "tool_call_cancelled")
			st.end()
		})
	})
	t.Run("an unanswered call is answered with an error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			st := begin(t, holding)
			st.up.says(call)
			time.Sleep(31 * time.Second)
			got := st.up.got()
			if len(got) == 0 || got[0].Kind != CommandToolResponse || !strings.Contains(string(got[0].Responses[0].Response), "error") {
				t.Errorf("went up: %v", got)
			}
			st.browser.say(`{"type":"tool_response","responses":[{"id":"1","response":{}}]}`)
			synctest.Wait()
			if m := find(st.browser.heard(), "warning"); m == nil || m.JSON["code"] != "tool_timeout" {
				t.Errorf("warning: %v", m)
			}
			st.end()
		})
	})
}

func TestSession_pushToTalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := play(t, nil)
		st.browser.say(`{"type":"start_session","config":{"vad":{"mode":"manual"}}}`)
		st.up.says(Event{Kind: EventReady})
		st.browser.speak(tone(20, 16000)) // outside an activity
		st.browser.say(`{"type":"activity_start"}`)
		st.browser.say(`{"type":"activity_start"}`)
		st.browser.speak(tone(30, 16000))
		st.browser.say(`{"type":"activity_end"}`)
		st.browser.say(`{"type":"activity_end"}`)
		st.browser.say(`{"type":"activity_start"}`)
		st.browser.say(`{"type":"turn_complete"}`) // an empty activity
		synctest.Wait()
		var got []string
		for _, c := range st.up.got() {
			got = append(got, fmt.Sprintf("%d:%d", c.Kind, len(c.PCM)))
		}
		want := []string{
			fmt.Sprintf("%d:0", CommandActivityStart), fmt.Sprintf("%d:960", CommandAudio), fmt.Sprintf("%d:0", CommandActivityEnd),
			fmt.Sprintf("%d:0", CommandActivityStart), fmt.Sprintf("%d:3200", CommandAudio), fmt.Sprintf("%d:0", CommandActivityEnd),
		}
		if !slices.Equal(got, want) {
			t.Errorf("went up %v, want %v", got, want)
		}
		st.end()
	})
}

func TestSession_audioFasterThanAllowedIsHeldBackAndThenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		synctest.Wait()
		begun := time.Now()
		for range 34 { // 34 s at once: 30 s of burst, then 4 s at 4 times real time
			st.browser.speak(make([]byte, 32000))
		}
		synctest.Wait()
		time.Sleep(1100 * time.Millisecond)
		if n := len(st.up.pcm()); n != 34*32000 {
			t.Errorf("%d of %d bytes went up", n, 34*32000)
		}
		for range 100 {
			st.browser.speak(make([]byte, 32000))
		}
		<-st.done
		if *st.browser.closed != ReasonRateLimited || time.Since(begun) < 10*time.Second {
			t.Errorf("closed with %v after %v", st.browser.closed, time.Since(begun))
		}
	})
}

func TestSession_anUpstreamThatStallsCostsTheOldestSpeechOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := play(t, func(c *Config, _ *memDialer) { c.Audio.Inbox = time.Second })
		st.browser.say(`{"type":"start_session"}`)
		for i := range 150 {
			pcm := make([]byte, 640)
			pcm[0] = byte(i)
			st.browser.speak(pcm)
		}
		st.browser.say(`{"type":"video_frame","mimeType":"image/png","data":"AAAA"}`)
		st.browser.say(`{"type":"video_frame","mimeType":"image/png","data":"BBBB"}`)
		synctest.Wait()
		st.up.says(Event{Kind: EventReady})
		synctest.Wait()
		pcm := st.up.pcm()
		if len(pcm) > 32000 || len(pcm) < 28000 || pcm[len(pcm)-640] != 149 {
			t.Errorf("%d bytes of speech were kept, want the newest second", len(pcm))
		}
		got := st.up.got()
		if last := got[len(got)-1]; string(last.Data) != "BBBB" || got[len(got)-2].Kind == CommandVideo {
			t.Error("an unsent picture was not superseded by the next")
		}
		time.Sleep(2 * time.Second)
		st.browser.speak(tone(20, 16000))
		synctest.Wait()
		told := 0.0
		for _, m := range st.browser.heard() {
			if m.JSON["code"] == "audio_dropped" {
				told += m.JSON["audioMs"].(float64)
			}
		}
		st.end()
		c := st.gateway.Stats().Counters
		if int64(told) != c.UplinkDroppedMs {
			t.Errorf("the client was told that %v ms were dropped, the counters say %d", told, c.UplinkDroppedMs)
		}
		if c.UplinkDroppedMs < 2000 || c.VideoSuperseded != 1 {
			t.Errorf("counters: %+v", c)
		}
	})
}

func TestGateway_refusesBeyondItsCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, func(c *Config, _ *memDialer) { c.Live.MaxSessions = 1 })
		synctest.Wait()
		_, err := st.gateway.Admit(BackendGemini, false)
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Reason != ReasonAtCapacity {
			t.Errorf("a second session: %v", err)
		}
		if _, err = st.gateway.Admit(BackendVertex, false); !errors.As(err, &refusal) || refusal.Reason.Code != "upstream_not_configured" {
			t.Errorf("a backend without credentials: %v", err)
		}
		st.end()
		synctest.Wait()
		slot, err := st.gateway.Admit(BackendGemini, false)
		if err != nil {
			t.Fatal(err)
		}
		slot.Release()
		slot.Release()
		if err := st.gateway.Check(BackendGemini); err != nil {
			t.Error(err)
		}
	})
}

func TestSession_whatStillComesOfAnInterruptedAnswerIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		st.up.says(speech(40), Event{Kind: EventInterrupted}, speech(60), Event{Kind: EventOutputTranscript, Text: "late"}, Event{Kind: EventTurnComplete})
		synctest.Wait()
		st.up.says(speech(40)) // the next answer may follow at once
		synctest.Wait()
		wantTypes(t, st.browser.heard(), "session_started", "session_ready", "audio", "interrupted", "turn_complete", "audio")
		if n := audioBytes(st.browser.heard()); n != 80*48 {
			t.Errorf("%d ms of speech were heard, want 80", n/48)
		}
		st.end()
	})
}

func TestSession_anAnswerAfterAnInterruptionWithoutTurnComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, nil)
		st.up.says(speech(40), Event{Kind: EventInterrupted})
		time.Sleep(time.Second)
		st.up.says(speech(60), Event{Kind: EventTurnComplete})
		synctest.Wait()
		all := st.browser.heard()
		wantTypes(t, all, "session_started", "session_ready", "audio", "interrupted", "audio", "turn_complete")
		if turn := find(all, "turn_complete").JSON["turn"].(map[string]any); turn["index"] != 2.0 || turn["interrupted"] != false || turn["audioMs"] != 60.0 {
			t.Errorf("turn %v", turn)
		}
		st.end()
	})
}
