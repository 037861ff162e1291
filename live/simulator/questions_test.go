package simulator

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// What is asked must be answered, whatever else is asked before the answer has begun.
func TestQuestions_noneIsDropped(t *testing.T) {
	const noInterruption = `"realtimeInputConfig":{"activityHandling":"NO_INTERRUPTION"}`
	slow := func(c *Config) { c.ThinkingDelay = time.Second }
	for _, c := range []struct {
		name   string
		change func(*Config)
		more   string // of the setup
		story  func(p *peer, l *ledger)
		want   [][]int64 // the questions of each answer
	}{
		{"a text before the answer to another", slow, "", func(p *peer, _ *ledger) {
			p.say(question40ms("one"))
			p.say(question40ms("two"))
			p.until(complete)
		}, [][]int64{{1, 2}}},
		{"speech before the answer to a text", slow, "", func(p *peer, _ *ledger) {
			p.say(question40ms("one"))
			p.speak(200, 0.3)
			p.speak(200, 0)
			p.until(complete)
		}, [][]int64{{1, 2}}},
		{"a text before the answer to speech", slow, "", func(p *peer, _ *ledger) {
			p.speak(200, 0.3)
			p.speak(200, 0)
			p.say(question40ms("two"))
			p.until(complete)
		}, [][]int64{{1, 2}}},
		{"content before the answer to a text", slow, "", func(p *peer, _ *ledger) {
			p.say(question40ms("one"))
			p.say(`{"clientContent":{"turns":[{"role":"user","parts":[{"text":"two"}]}]}}`)
			p.say(`{"clientContent":{"turns":[{"role":"user","parts":[{"text":"[[answer: 40ms]]"}]}],"turnComplete":true}}`)
			p.until(complete)
		}, [][]int64{{1, 2}}},
		{"two texts while an interrupted answer ends", func(c *Config) { c.Pace, c.PieceMax, c.ThinkingDelay = 1, 50*time.Millisecond, time.Second }, "", func(p *peer, _ *ledger) {
			p.say(`{"realtimeInput":{"text":"a long answer, please"}}`)
			p.until(speaking)
			p.say(question40ms("two"))
			p.say(question40ms("three"))
			p.until(complete)
			p.until(complete)
		}, [][]int64{{1}, {2, 3}}},
		{"speech while an interrupted answer ends and a text waits", func(c *Config) { c.Pace, c.PieceMax, c.ThinkingDelay = 1, 50*time.Millisecond, time.Second }, "", func(p *peer, l *ledger) {
			p.say(`{"realtimeInput":{"text":"a long answer, please"}}`)
			p.until(speaking)
			p.say(question40ms("two"))
			p.speak(200, 0.3)
			p.until(complete)
			p.speak(200, 0)
			p.until(complete)
		}, [][]int64{{1}, {2, 3}}},
		{"texts and speech that must not interrupt", func(c *Config) { c.Pace, c.PieceMax = 5, 50*time.Millisecond }, noInterruption, func(p *peer, _ *ledger) {
			p.say(`{"realtimeInput":{"text":"[[answer: 500ms]]"}}`)
			p.until(speaking)
			p.say(question40ms("two"))
			p.speak(200, 0.3)
			p.speak(200, 0)
			p.until(complete)
			p.until(complete)
		}, [][]int64{{1}, {2, 3}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := quickConfig()
			if c.change != nil {
				c.change(&cfg)
			}
			s, l := observed(t, cfg)
			p := dial(t, s, geminiPath, nil)
			p.say(onModel("models/gemini-3.8-live", c.more))
			p.until(ready)
			c.story(p, l)
			var got [][]int64
			for _, e := range l.all(EventAnswer) {
				got = append(got, e.Questions)
			}
			if !slices.EqualFunc(got, c.want, slices.Equal[[]int64]) {
				t.Errorf("answers to %v, want %v", got, c.want)
			}
			if strings.Contains(c.more, "NO_INTERRUPTION") != (s.Stats().Interruptions == 0) && len(c.want) > 1 {
				t.Errorf("%d interruptions", s.Stats().Interruptions)
			}
		})
	}
}

func TestQuestions_bothAreInTheAnswer(t *testing.T) {
	t.Parallel()
	cfg := quickConfig()
	cfg.ThinkingDelay = time.Second
	s := startServer(t, cfg)
	p := dial(t, s, geminiPath, nil)
	p.say(plainSetup)
	p.until(ready)
	p.speak(200, 0.3)
	p.speak(200, 0)
	p.say(question40ms("and this"))
	if _, out := captions(p.until(complete)); out != `Simulated answer 1: your own 0.2 s of speech, played back. you wrote 4 words: "and this [[answer: 40ms]]".` {
		t.Error(out)
	}
}

func TestQuestions_anAnswerToAToolThatIsInterruptedIsGivenWithTheNext(t *testing.T) {
	t.Parallel()
	cfg := quickConfig()
	cfg.ThinkingDelay = time.Second
	s, l := observed(t, cfg)
	p := dial(t, s, geminiPath, nil)
	p.say(onModel("models/gemini-3.8-live", `"tools":[{"functionDeclarations":[{"name":"look_up","behavior":"BLOCKING"}]}]`))
	p.until(ready)
	p.say(`{"realtimeInput":{"text":"look_up"}}`)
	all := p.until(func(h heard) bool { return h.ToolCall != nil })
	p.say(`{"toolResponse":{"functionResponses":[{"id":"` + all[len(all)-1].ToolCall.FunctionCalls[0].ID + `","name":"look_up","response":{"output":1}}]}}`)
	p.say(question40ms("and"))
	p.until(complete)
	if a := l.all(EventAnswer); len(a) != 1 || !slices.Equal(a[0].Questions, []int64{1, 2, 3}) {
		t.Errorf("answers %+v, want one to the call, its answer and the text", a)
	}
}

func TestEars_anotherRateInTheMiddleOfASentence(t *testing.T) {
	t.Parallel()
	s := startServer(t, quickConfig())
	p := dial(t, s, geminiPath, nil)
	p.say(plainSetup)
	p.until(ready)
	p.speak(400, 0.3)
	wide := resample(slices.Concat(tone(400*time.Millisecond), silence(200*time.Millisecond)), inputRate, 48000)
	p.say(strings.Replace(audioInput(wide), "16000", "48000", 1))
	if in, _ := captions(p.until(complete)); in != "simulated: heard 0.8 s of speech" {
		t.Error(in)
	}
}

func TestSession_endsAtItsLimitWhereNothingIsCompressed(t *testing.T) {
	for name, c := range map[string]struct {
		more   string
		code   int
		reason string
	}{
		"nothing compressed": {"", 1007, reasonArgument},
		"compressed":         {`,"contextWindowCompression":{"slidingWindow":{}}`, 1008, goneAway},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := quickConfig()
			cfg.ClockScale, cfg.StarveAfter = 40, 24*time.Hour
			cfg.SessionLimit, cfg.GoAwayAfter, cfg.GoAwayLeft = 60*time.Second, 150*time.Second, time.Second
			s := startServer(t, cfg)
			p := dial(t, s, geminiPath, nil)
			p.say(onModel("models/gemini-3.8-live", `"sessionResumption":{}`+c.more))
			h := handleOf(p)
			hangUp(t, s, p)
			p = dial(t, s, geminiPath, nil) // the limit is the conversation's
			p.say(onModel("models/gemini-3.8-live", `"sessionResumption":{"handle":"`+h+`"}`+c.more))
			if _, code, reason := p.end(); code != c.code || reason != c.reason {
				t.Errorf("closed with %d %q", code, reason)
			}
		})
	}
}
