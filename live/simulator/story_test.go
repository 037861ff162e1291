package simulator

import (
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// quick is a configuration whose waits are short.
func quick() Config {
	c := DefaultConfig()
	c.SetupDelay, c.SetupJitter, c.RefusalDelay = 2*time.Millisecond, 0, time.Millisecond
	c.ThinkingDelay, c.ThinkingExtra = 5*time.Millisecond, 0
	c.SilenceDuration = 200 * time.Millisecond
	c.Pace = 200
	return c
}

func start(t *testing.T, change func(*Config)) *Server {
	t.Helper()
	cfg := quick()
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// peer is a client that knows nothing but JSON.
type peer struct {
	t  *testing.T
	ws *websocket.Conn
}

const (
	geminiPath = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=k"
	plainSetup = `{"setup":{"model":"models/gemini-3.8-live","inputAudioTranscription":{},"outputAudioTranscription":{},"sessionResumption":{}}}`
)

func connect(t *testing.T, s *Server, path string) *peer {
	t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+s.Addr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.Close() })
	return &peer{t, ws}
}

func (p *peer) say(text string) {
	if err := p.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

// audioInput is a piece of the microphone's stream as a client sends it.
func audioInput(pcm []byte) string {
	data, _ := json.Marshal(pcm)
	return `{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":` + string(data) + `}}}`
}

func (p *peer) speak(ms int, volume float64) {
	for range ms / 20 {
		pcm := make([]byte, 640)
		for i := range 320 {
			v := math.Sin(float64(i)/320*2*math.Pi*6) * volume * math.MaxInt16
			binary.LittleEndian.PutUint16(pcm[2*i:], uint16(int16(v)))
		}
		p.say(audioInput(pcm))
	}
}

type heard struct {
	SetupComplete *struct{}
	ServerContent *struct {
		ModelTurn *struct {
			Parts []struct {
				Text       string
				InlineData *struct{ Data []byte }
			}
		}
		TurnComplete, GenerationComplete, Interrupted bool
		InputTranscription, OutputTranscription       *struct{ Text string }
	}
	ToolCall *struct {
		FunctionCalls []struct {
			ID, Name string
			Args     map[string]any
		}
	}
	ToolCallCancellation    *struct{ IDs []string }
	SessionResumptionUpdate *struct {
		NewHandle                      string
		Resumable                      bool
		LastConsumedClientMessageIndex string
	}
	GoAway        *struct{ TimeLeft string }
	UsageMetadata *struct{ PromptTokenCount, ResponseTokenCount int }
}

// until takes messages until one satisfies done, and returns them all.
func (p *peer) until(done func(heard) bool) (all []heard) {
	p.t.Helper()
	_ = p.ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		kind, data, err := p.ws.ReadMessage()
		if err != nil {
			p.t.Fatalf("after %d messages: %v", len(all), err)
		}
		if kind != websocket.BinaryMessage || !strings.HasPrefix(string(data), "{\n  \"") || !strings.HasSuffix(string(data), "}\n") {
			p.t.Errorf("a message is not framed as Google's: %d %.60q", kind, data)
		}
		var h heard
		if err := json.Unmarshal(data, &h); err != nil {
			p.t.Fatalf("%v in %.200q", err, data)
		}
		all = append(all, h)
		if done(h) {
			return all
		}
	}
}

func ready(h heard) bool    { return h.SetupComplete != nil }
func complete(h heard) bool { return h.ServerContent != nil && h.ServerContent.TurnComplete }
func speaking(h heard) bool { return h.ServerContent != nil && h.ServerContent.ModelTurn != nil }
func handle(h heard) bool {
	return h.SessionResumptionUpdate != nil && h.SessionResumptionUpdate.NewHandle != ""
}

func audioOf(all []heard) (n int) {
	for _, h := range all {
		if speaking(h) {
			for _, p := range h.ServerContent.ModelTurn.Parts {
				if p.InlineData != nil {
					n += len(p.InlineData.Data)
				}
			}
		}
	}
	return n
}

func captions(all []heard) (in, out string) {
	for _, h := range all {
		if c := h.ServerContent; c != nil {
			if c.InputTranscription != nil {
				in += c.InputTranscription.Text
			}
			if c.OutputTranscription != nil {
				out += c.OutputTranscription.Text
			}
		}
	}
	return in, out
}

func TestSimulator_closesRightAfterItListens(t *testing.T) {
	for range 50 { // it hung where the server had not got as far as serving
		s := newServer(t, quick())
		if err := s.Listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSimulator_playsThePersonsOwnWordsBack(t *testing.T) {
	s := start(t, nil)
	p := connect(t, s, geminiPath)
	p.say(plainSetup)
	p.until(ready)
	p.until(handle)
	p.speak(300, 0.003)
	p.speak(1000, 0.3)
	p.speak(400, 0.003)
	all := p.until(complete)
	in, out := captions(all)
	if in != "simulated: heard 1.0 s of speech" || out != "Simulated answer 1: your own 1.0 s of speech, played back." {
		t.Errorf("captions %q and %q", in, out)
	}
	if d := lasting(audioOf(all)); d < 1300*time.Millisecond || d > 1900*time.Millisecond {
		t.Errorf("%v were played back, want about 1.2 s and the chime", d)
	}
	last := all[len(all)-1]
	if last.UsageMetadata == nil || last.UsageMetadata.PromptTokenCount != 25 || last.UsageMetadata.ResponseTokenCount == 0 {
		t.Errorf("usage %+v", last.UsageMetadata)
	}
	if !slices.ContainsFunc(all, func(h heard) bool { return h.ServerContent != nil && h.ServerContent.GenerationComplete }) {
		t.Error("generationComplete is missing")
	}
	p.until(handle)
	if st := s.Stats(); st.Turns != 1 || st.AudioIn != 1700*time.Millisecond || st.HandlesIssued != 2 {
		t.Errorf("stats %+v", st)
	}
}

func TestSimulator_sameSeedSameAnswer(t *testing.T) {
	hear := func() (sizes []int) {
		s := start(t, nil)
		p := connect(t, s, geminiPath)
		p.say(plainSetup)
		p.until(ready)
		p.until(handle) // it comes at a moment of its own
		p.speak(600, 0.3)
		p.speak(300, 0)
		for _, h := range p.until(complete) {
			sizes = append(sizes, audioOf([]heard{h}))
		}
		return sizes
	}
	if a, b := hear(), hear(); !slices.Equal(a, b) || len(a) < 3 {
		t.Errorf("pieces %v and %v", a, b)
	}
}

func TestSimulator_speechInterruptsTheAnswer(t *testing.T) {
	s := start(t, func(c *Config) { c.Pace = 2; c.PieceMax = 50 * time.Millisecond })
	p := connect(t, s, geminiPath)
	p.say(plainSetup)
	p.until(ready)
	p.say(`{"realtimeInput":{"text":"tell me a story that is long enough to be cut short by somebody who speaks"}}`)
	p.until(speaking)
	p.speak(400, 0.3)
	all := p.until(complete)
	interrupted := slices.IndexFunc(all, func(h heard) bool { return h.ServerContent != nil && h.ServerContent.Interrupted })
	if interrupted < 0 {
		t.Fatal("interrupted is missing")
	}
	if n := audioOf(all[interrupted:]); n != 0 {
		t.Errorf("%d bytes of audio came after interrupted", n)
	}
	if slices.ContainsFunc(all, func(h heard) bool { return h.ServerContent != nil && h.ServerContent.GenerationComplete }) {
		t.Error("an interrupted answer was told to be complete")
	}
	p.speak(300, 0)
	if in, out := captions(p.until(complete)); in == "" || !strings.Contains(out, "played back") {
		t.Errorf("the speech that interrupted was not answered: %q %q", in, out)
	}
}

func TestSimulator_quotaOfALaterTurnWaitsForIt(t *testing.T) {
	s := start(t, func(c *Config) { c.Faults = []Fault{{Kind: FaultQuota, Turn: 2}} })
	p := connect(t, s, geminiPath)
	p.say(plainSetup)
	p.until(ready)
	p.say(`{"realtimeInput":{"text":"one"}}`)
	p.until(complete)
	p.say(`{"realtimeInput":{"text":"two"}}`)
	if _, code, reason := p.end(); code != 1011 || !strings.Contains(reason, "quota") {
		t.Errorf("closed with %d %q", code, reason)
	}
}

func TestSimulator_refusesTheSetupWithTheCodeOfTheScript(t *testing.T) {
	s := start(t, func(c *Config) { c.Faults = []Fault{{Kind: FaultRefuseSetup, Code: 1008, Reason: "no"}} })
	p := connect(t, s, geminiPath)
	p.say(plainSetup)
	if _, code, reason := p.end(); code != 1008 || reason != "no" {
		t.Errorf("closed with %d %q", code, reason)
	}
}
