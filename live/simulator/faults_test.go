package simulator

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// scene is a server on which a fault is scripted in one of three ways.
type scene struct {
	t      *testing.T
	s      *Server
	l      *ledger
	path   string
	marker string
}

// ways are the places where a fault can be written, with the same words.
var ways = map[string]func(sc *scene, cfg *Config, script string){
	"config": func(sc *scene, cfg *Config, script string) {
		f, err := parseFault(script)
		if err != nil {
			sc.t.Fatal(err)
		}
		cfg.Faults = []Fault{f}
	},
	"marker": func(sc *scene, _ *Config, script string) {
		sc.marker = "[[simulate: " + strings.ReplaceAll(script, `"`, `\"`) + "]]"
	},
	"query": func(sc *scene, _ *Config, script string) {
		sc.path += "&simulate=" + strings.NewReplacer(" ", "%20", `"`, "%22").Replace(script)
	},
}

// open begins a conversation, or resumes one where a handle is given.
func (sc *scene) open(handle string) *peer {
	p := dial(sc.t, sc.s, sc.path, nil)
	p.say(onModel("models/gemini-3.8-live", `"inputAudioTranscription":{},"sessionResumption":{"handle":"`+handle+`"},"systemInstruction":{"parts":[{"text":"`+sc.marker+`"}]},"tools":[{"functionDeclarations":[{"name":"look_up"}]}]`))
	return p
}

// started is open, and waits until the conversation may begin.
func (sc *scene) started(handle string) *peer {
	p := sc.open(handle)
	p.until(ready)
	return p
}

// short is a question with a short answer.
const short = `{"realtimeInput":{"text":"[[answer: 40ms]]"}}`

func question40ms(s string) string { return `{"realtimeInput":{"text":"` + s + ` [[answer: 40ms]]"}}` }

// handleOf waits for a handle.
func handleOf(p *peer) string {
	all := p.until(handle)
	return all[len(all)-1].SessionResumptionUpdate.NewHandle
}

func wantEnd(p *peer, before string, code int, reason string) {
	p.t.Helper()
	members, gotCode, gotReason := p.end()
	members = slices.DeleteFunc(members, func(m string) bool { return m == "sessionResumptionUpdate" })
	if got := strings.Join(slices.Compact(members), " "); got != before || gotCode != code || gotReason != reason {
		p.t.Errorf("\n got %q, then %d %q\nwant %q, then %d %q", got, gotCode, gotReason, before, code, reason)
	}
}

const goneAway = "Connection aborted because the client failed to close the connection after receiving a GoAway signal once the session durat"

// faultCase is a fault and what a client sees of it.
type faultCase struct {
	script string
	change func(*Config)
	story  func(sc *scene)
}

var faultCases = []faultCase{
	{script: "go_away after=1ms length=7s", story: func(sc *scene) {
		all := sc.started("").until(func(h heard) bool { return h.GoAway != nil })
		if left := all[len(all)-1].GoAway.TimeLeft; left != "7s" {
			sc.t.Errorf("%s are left", left)
		}
	}},
	{script: "go_away turn=1 length=30ms", story: func(sc *scene) { // while it generates
		p := sc.started("")
		p.say(`{"realtimeInput":{"text":"[[answer: 20s]]"}}`)
		all := p.until(func(h heard) bool { return h.GoAway != nil })
		if n := audioOf(all); n == 0 || n == 2*samplesFor(20*time.Second) {
			sc.t.Errorf("goAway came after %d bytes of the answer", n)
		}
		if _, code, reason := p.end(); code != 1008 || reason != goneAway {
			sc.t.Error(code, reason)
		}
	}, change: func(c *Config) { c.Pace = 1 }},
	{script: "close code=1011 reason=sorry turn=1 at=before", story: func(sc *scene) {
		p := sc.started("")
		p.say(short)
		wantEnd(p, "inputTranscription", 1011, "sorry")
	}},
	{script: `close code=1011 reason="so sorry" turn=2`, story: func(sc *scene) {
		p := sc.started("")
		p.say(short)
		p.until(complete)
		p.say(`{"realtimeInput":{"text":"a long one"}}`)
		wantEnd(p, "inputTranscription modelTurn", 1011, "so sorry")
	}, change: func(c *Config) { c.Pace = 1 }},
	{script: "close code=4321 reason=bye turn=1 at=after", story: func(sc *scene) {
		p := sc.started("")
		p.say(short)
		wantEnd(p, "inputTranscription modelTurn generationComplete turnComplete", 4321, "bye")
	}},
	{script: "close code=1006 turn=1 at=before", story: func(sc *scene) {
		p := sc.started("")
		p.say(short)
		wantEnd(p, "inputTranscription", 1006, "")
	}},
	{script: "drop turn=1 at=after", story: func(sc *scene) {
		p := sc.started("")
		p.say(short)
		wantEnd(p, "inputTranscription modelTurn generationComplete turnComplete", 1006, "")
	}},
	{script: "internal_error turn=1", story: func(sc *scene) {
		p := sc.started("")
		p.say(`{"realtimeInput":{"text":"a long one"}}`)
		wantEnd(p, "inputTranscription modelTurn", 1011, "Internal error encountered.")
	}, change: func(c *Config) { c.Pace = 1 }},
	{script: "quota after=1ms", story: func(sc *scene) {
		wantEnd(sc.open(""), "setupComplete", 1011, reasonQuota[:123])
	}},
	{script: "not_json turn=1 at=before", story: func(sc *scene) {
		p := sc.started("")
		p.say(short)
		for what := p.next(); what != "not JSON"; what = p.next() {
			if what == "modelTurn" {
				sc.t.Fatal("the answer came first")
			}
		}
	}},
	{script: "refuse_setup code=1008 reason=no connection=2", story: func(sc *scene) {
		p := sc.started("")
		h := handleOf(p)
		hangUp(sc.t, sc.s, p)
		wantEnd(sc.open(h), "", 1008, "no")
	}},
	{script: "silent_setup", story: neverReady},
	{script: "slow_setup length=5m", story: neverReady},
	{script: "dead_handles", story: func(sc *scene) { deadHandle(sc, 1008, "BidiGenerateContent session not found") }},
	{script: `dead_handles code=1007 reason="Invalid session handle"`, story: func(sc *scene) { deadHandle(sc, 1007, "Invalid session handle") }},
	{script: "dead_handles turn=1", story: func(sc *scene) {
		p := sc.started("")
		good := handleOf(p)
		p.say(short)
		p.until(complete)
		bad := handleOf(p)
		hangUp(sc.t, sc.s, p)
		wantEnd(sc.open(bad), "", 1008, "BidiGenerateContent session not found")
		sc.started(good)
	}},
	{script: "stall turn=1", story: func(sc *scene) {
		p := sc.started("")
		p.say(short)
		p.until(speaking)
		p.say(question40ms("are you there?"))
		eventually(sc.t, "the question is taken", func() bool { return len(sc.l.all(EventText)) == 2 })
		wantEnd(p, "", 1008, goneAway) // but goAway is not said
	}, change: func(c *Config) { c.ClockScale, c.GoAwayAfter, c.GoAwayLeft = 20, 100*time.Second, time.Second }}, // 5 s for the question, on a busy machine
	{script: "poisoned_resume", story: func(sc *scene) {
		p := sc.started("")
		p.say(short)
		p.until(complete)
		h := handleOf(p)
		hangUp(sc.t, sc.s, p)
		p = sc.started(h)
		p.say(question40ms("poisoned"))
		p.say(question40ms("again"))
		wantEnd(p, "inputTranscription goAway", 1008, goneAway)
		p = sc.started("")
		p.say(short)
		p.until(complete)
	}, change: func(c *Config) { c.ClockScale, c.GoAwayAfter, c.GoAwayLeft = 20, 100*time.Second, time.Second }},
	{script: "silent_turn turn=1", story: func(sc *scene) {
		p := sc.started("")
		p.say(question40ms("unheard of"))
		eventually(sc.t, "the fault", func() bool { return len(sc.l.all(EventFault)) == 1 })
		p.say(question40ms("second"))
		p.until(complete)
		if a := sc.l.all(EventAnswer); len(a) != 1 || !slices.Equal(a[0].Questions, []int64{2}) {
			sc.t.Errorf("answers %+v, want one to the second question", a)
		}
	}},
	{script: "omit_turn_complete turn=1", story: func(sc *scene) {
		p := sc.started("")
		handleOf(p)
		p.say(short)
		for _, h := range p.until(handle) {
			if complete(h) {
				sc.t.Error("turnComplete was not left out")
			}
		}
		p.say(short)
		p.until(complete)
	}},
	{script: "tool_call turn=2", story: func(sc *scene) {
		p := sc.started("")
		p.say(short)
		for _, h := range p.until(complete) {
			if h.ToolCall != nil {
				sc.t.Error("the call came in the first turn")
			}
		}
		p.say(short)
		p.until(func(h heard) bool { return h.ToolCall != nil })
	}},
	{script: "long_answer length=3s turn=1", story: func(sc *scene) {
		p := sc.started("")
		p.say(`{"realtimeInput":{"text":"x"}}`)
		var n int
		for n < 2*samplesFor(3*time.Second) {
			n += audioOf(p.until(speaking))
		}
		if n != 2*samplesFor(3*time.Second) {
			sc.t.Errorf("%d bytes are no 3 s", n)
		}
	}},
	{script: "odd_pieces", story: func(sc *scene) {
		p := sc.started("")
		p.say(`{"realtimeInput":{"text":"[[answer: 2s]]"}}`)
		all := p.until(func(h heard) bool { return h.ServerContent != nil && h.ServerContent.GenerationComplete })
		if !slices.ContainsFunc(all, func(h heard) bool { return audioOf([]heard{h})%2 == 1 }) || audioOf(all) != 2*samplesFor(2*time.Second) {
			sc.t.Errorf("%d bytes, no piece of which is odd", audioOf(all))
		}
	}},
	{script: "burst", story: func(sc *scene) {
		p := sc.started("")
		p.say(`{"realtimeInput":{"text":"[[answer: 20s]]"}}`)
		all := p.until(func(h heard) bool { return h.ServerContent != nil && h.ServerContent.GenerationComplete })
		if n := audioOf(all); n != 2*samplesFor(20*time.Second) {
			sc.t.Errorf("%d bytes are no 20 s", n)
		}
	}, change: func(c *Config) { c.Pace = 0.1 }}, // without the fault it would take minutes
	{script: "handle_in_speech length=100ms", story: func(sc *scene) {
		p := sc.started("")
		handleOf(p)
		p.speak(200, 0.3)
		handleOf(p)
		if h := sc.l.all(EventHandle); len(h) != 2 || !h[1].InSpeech || h[1].Sample < 1600 {
			sc.t.Errorf("handles %+v", h)
		}
	}},
	{script: "handle_lag length=50ms", story: func(sc *scene) {
		handleOf(sc.started(""))
		if h := sc.l.all(EventHandle); len(h) != 1 || h[0].Lag == 0 || h[0].Lag > 50*time.Millisecond {
			sc.t.Errorf("handles %+v", h)
		}
	}},
	{script: "slow_pongs length=5m", story: func(sc *scene) {
		if pongs(sc) != 0 {
			sc.t.Error("the pong came at once")
		}
	}},
	{script: "slow_pongs length=5m turn=2", story: func(sc *scene) {
		if pongs(sc) != 1 {
			sc.t.Error("the pong of the first turn did not come")
		}
	}},
	{script: "stall_reading after=0s", story: func(sc *scene) {
		p := sc.started("")
		eventually(sc.t, "the fault", func() bool { return len(sc.l.all(EventFault)) == 1 })
		p.say(audioMessageJSON) // one may be on its way into the reader
		p.say(short)
		if _, code, _ := p.end(); code != 1008 || len(sc.l.all(EventText)) != 0 {
			sc.t.Errorf("closed with %d, texts %+v", code, sc.l.all(EventText))
		}
	}, change: func(c *Config) { c.ClockScale, c.GoAwayAfter, c.GoAwayLeft = 20, 100*time.Second, time.Second }}, // 5 s for the question, on a busy machine
}

// neverReady waits for the starvation of a connection whose setup is not answered.
func neverReady(sc *scene) {
	wantEnd(sc.open(""), "", 1008, "The operation was aborted.")
}

func deadHandle(sc *scene, code int, reason string) {
	p := sc.started("")
	h := handleOf(p)
	hangUp(sc.t, sc.s, p)
	wantEnd(sc.open(h), "", code, reason)
}

// pongs sends a ping in front of a question, and counts the pongs in front of the answer's end.
func pongs(sc *scene) int64 {
	p := sc.started("")
	var n atomic.Int64
	p.ws.SetPongHandler(func(string) error { n.Add(1); return nil })
	if err := p.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(patience)); err != nil {
		sc.t.Fatal(err)
	}
	p.say(short)
	p.until(complete)
	return n.Load()
}

func TestFaults_byConfigMarkerAndQuery(t *testing.T) {
	for _, c := range faultCases {
		for way, arrange := range ways {
			t.Run(c.script+" by "+way, func(t *testing.T) {
				t.Parallel()
				cfg := quickConfig()
				if c.change != nil {
					c.change(&cfg)
				}
				if kind, _, _ := strings.Cut(c.script, " "); kind == "silent_setup" || kind == "slow_setup" {
					cfg.StarveAfter = time.Second
				}
				sc := &scene{t: t, path: geminiPath}
				arrange(sc, &cfg, c.script)
				sc.s, sc.l = observed(t, cfg)
				c.story(sc)
			})
		}
	}
}

func TestFaults_eachKindHasAStory(t *testing.T) {
	for _, kind := range faultKinds {
		if !slices.ContainsFunc(faultCases, func(c faultCase) bool { return strings.HasPrefix(c.script+" ", kind+" ") }) {
			t.Errorf("the fault %s has no story", kind)
		}
	}
}
