package simulator

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/genai"
)

// Google's Go SDK, unmodified, holds conversations with the simulator on both backends.

const conformanceModel = "gemini-3.8-live"

var bothBackends = []genai.Backend{genai.BackendGeminiAPI, genai.BackendVertexAI}

// liveClient is genai's client for the Live API of one backend. base is a ws:// URL: the SDK makes wss:// of all else.
func liveClient(t *testing.T, base string, backend genai.Backend) *genai.Client {
	t.Helper()
	cfg := &genai.ClientConfig{Backend: backend, HTTPOptions: genai.HTTPOptions{BaseURL: base}}
	if backend == genai.BackendVertexAI {
		cfg.Project, cfg.Location, cfg.Credentials = "p", "europe-west4", staticCredentials("good")
	} else {
		cfg.APIKey = "good"
	}
	client, err := genai.NewClient(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// voiceConfig asks for speech, both transcripts and resumption handles.
func voiceConfig() *genai.LiveConnectConfig {
	return &genai.LiveConnectConfig{
		ResponseModalities: []genai.Modality{genai.ModalityAudio},
		SpeechConfig: &genai.SpeechConfig{VoiceConfig: &genai.VoiceConfig{
			PrebuiltVoiceConfig: &genai.PrebuiltVoiceConfig{VoiceName: "Kore"},
		}},
		SystemInstruction:        genai.NewContentFromText("Answer briefly.", genai.RoleUser),
		InputAudioTranscription:  &genai.AudioTranscriptionConfig{},
		OutputAudioTranscription: &genai.AudioTranscriptionConfig{},
		SessionResumption:        &genai.SessionResumptionConfig{},
		ContextWindowCompression: &genai.ContextWindowCompressionConfig{SlidingWindow: &genai.SlidingWindow{}},
	}
}

// caller is a session of the SDK, with what a test wants to say and hear.
type caller struct {
	*genai.Session
	t *testing.T
}

func phone(t *testing.T, s *Server, backend genai.Backend, cfg *genai.LiveConnectConfig) *caller {
	t.Helper()
	session, err := liveClient(t, wsURL(s), backend).Live.Connect(context.Background(), conformanceModel, cfg)
	if err != nil {
		t.Fatal(err)
	}
	// The SDK has no deadlines: what never comes would hold the test for ever.
	guard := time.AfterFunc(patience, func() { _ = session.Close() })
	t.Cleanup(func() { guard.Stop(); _ = session.Close() })
	return &caller{session, t}
}

// speak sends microphone audio in pieces of 20 ms, as fast as it goes.
func (c *caller) speak(pcm ...[]byte) {
	c.t.Helper()
	for _, p := range chunks(slices.Concat(pcm...)) {
		if err := c.SendRealtimeInput(genai.LiveRealtimeInput{Audio: &genai.Blob{MIMEType: "audio/pcm;rate=16000", Data: p}}); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *caller) write(text string) {
	c.t.Helper()
	if err := c.SendRealtimeInput(genai.LiveRealtimeInput{Text: text}); err != nil {
		c.t.Fatal(err)
	}
}

// until receives until a message satisfies done, and gives what came.
func (c *caller) until(done func(*genai.LiveServerMessage) bool) *transcript {
	c.t.Helper()
	h := &transcript{}
	for {
		m, err := c.Receive()
		if err != nil {
			c.t.Fatalf("after %s: %v", strings.Join(h.order, " "), err)
		}
		h.take(m)
		if done(m) {
			return h
		}
	}
}

// transcript is what came in one stretch of a conversation.
type transcript struct {
	order   []string // what came, repetitions once
	in, out string
	pcm     []byte
	mime    string
	calls   []*genai.FunctionCall
	gone    []string // calls that were cancelled
	handle  string
	usage   *genai.UsageMetadata
}

func (h *transcript) note(what string) {
	if n := len(h.order); n == 0 || h.order[n-1] != what {
		h.order = append(h.order, what)
	}
}

func (h *transcript) take(m *genai.LiveServerMessage) {
	if c := m.ServerContent; c != nil {
		if c.Interrupted {
			h.note("interrupted")
		}
		if c.InputTranscription != nil {
			h.in += c.InputTranscription.Text
			h.note("heard")
		}
		if c.ModelTurn != nil {
			for _, p := range c.ModelTurn.Parts {
				if p.InlineData != nil {
					h.pcm, h.mime = append(h.pcm, p.InlineData.Data...), p.InlineData.MIMEType
					h.note("audio")
				}
			}
		}
		if c.OutputTranscription != nil {
			h.out += c.OutputTranscription.Text
		}
		if c.GenerationComplete {
			h.note("generationComplete")
		}
		if c.TurnComplete {
			h.note("turnComplete")
		}
	}
	if m.ToolCall != nil {
		h.calls = append(h.calls, m.ToolCall.FunctionCalls...)
		h.note("toolCall")
	}
	if m.ToolCallCancellation != nil {
		h.gone = append(h.gone, m.ToolCallCancellation.IDs...)
		h.note("toolCallCancellation")
	}
	if r := m.SessionResumptionUpdate; r != nil && r.Resumable {
		h.handle = r.NewHandle
	}
	if m.UsageMetadata != nil {
		h.usage = m.UsageMetadata
	}
}

func turnOver(m *genai.LiveServerMessage) bool {
	return m.ServerContent != nil && m.ServerContent.TurnComplete
}

func firstAudio(m *genai.LiveServerMessage) bool {
	return m.ServerContent != nil && m.ServerContent.ModelTurn != nil
}

func calling(m *genai.LiveServerMessage) bool { return m.ToolCall != nil }

func handleGiven(m *genai.LiveServerMessage) bool {
	return m.SessionResumptionUpdate != nil && m.SessionResumptionUpdate.NewHandle != ""
}

func TestConformance_aTurn(t *testing.T) {
	t.Parallel()
	for _, backend := range bothBackends {
		t.Run(backend.String(), func(t *testing.T) {
			t.Parallel()
			c := phone(t, startServer(t, quickConfig()), backend, voiceConfig())
			if (c.SetupComplete.SessionID != "") != (backend == genai.BackendVertexAI) {
				t.Errorf("setupComplete %+v", c.SetupComplete)
			}
			c.speak(tone(300*time.Millisecond), silence(300*time.Millisecond))
			h := c.until(turnOver)
			if got := strings.Join(h.order, " "); got != "heard audio generationComplete turnComplete" {
				t.Error(got)
			}
			if h.in != "simulated: heard 0.3 s of speech" || h.out != "Simulated answer 1: your own 0.3 s of speech, played back." {
				t.Errorf("%q, %q", h.in, h.out)
			}
			if d := lasting(len(h.pcm)); h.mime != "audio/pcm;rate=24000" || len(h.pcm)%2 != 0 || d < 300*time.Millisecond || d > 2*time.Second {
				t.Error(h.mime, d)
			}
			u := h.usage
			if u == nil || u.PromptTokenCount == 0 || u.ResponseTokenCount == 0 || u.TotalTokenCount != u.PromptTokenCount+u.ResponseTokenCount {
				t.Fatalf("usage %+v", u)
			}
			if int64(u.ResponseTokenCount) != audioTokens(lasting(len(h.pcm))) {
				t.Errorf("%d tokens for %v of audio", u.ResponseTokenCount, lasting(len(h.pcm)))
			}
			if d := u.ResponseTokensDetails; len(d) != 1 || d[0].Modality != genai.MediaModalityAudio || d[0].TokenCount != u.ResponseTokenCount {
				t.Errorf("%+v", d)
			}
			if (u.TrafficType == genai.TrafficTypeOnDemand) != (backend == genai.BackendVertexAI) {
				t.Errorf("traffic type %q", u.TrafficType)
			}
			if next := c.until(handleGiven); next.handle == "" {
				t.Error("no handle after the turn")
			}
		})
	}
}

// leisurely is a configuration whose answers take as long to come as to play, so that they can be interrupted.
func leisurely() Config {
	cfg := quickConfig()
	cfg.Pace, cfg.PieceMin, cfg.PieceMax = 1, 20*time.Millisecond, 40*time.Millisecond
	return cfg
}

func TestConformance_aBargeIn(t *testing.T) {
	t.Parallel()
	for _, backend := range bothBackends {
		t.Run(backend.String(), func(t *testing.T) {
			t.Parallel()
			c := phone(t, startServer(t, leisurely()), backend, voiceConfig())
			c.write("tell me something long that takes its time to be said, because I am about to interrupt it")
			c.until(firstAudio)
			c.speak(tone(200 * time.Millisecond))
			h := c.until(turnOver)
			if i := slices.Index(h.order, "interrupted"); i < 0 || strings.Join(h.order[i:], " ") != "interrupted turnComplete" || slices.Contains(h.order, "generationComplete") {
				t.Error(h.order)
			}
			c.speak(silence(300 * time.Millisecond))
			h = c.until(turnOver)
			if got := strings.Join(h.order, " "); got != "heard audio generationComplete turnComplete" || h.in != "simulated: heard 0.2 s of speech" {
				t.Error(got, h.in)
			}
		})
	}
}

// weatherTool is a function that the model must wait for.
func weatherTool() []*genai.Tool {
	return []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{{
		Name:        "get_weather",
		Description: "The weather in a city.",
		Behavior:    genai.BehaviorBlocking,
		Parameters: &genai.Schema{
			Type:       genai.TypeObject,
			Properties: map[string]*genai.Schema{"city": {Type: genai.TypeString}},
			Required:   []string{"city"},
		},
	}}}}
}

func TestConformance_aToolCall(t *testing.T) {
	t.Parallel()
	for _, backend := range bothBackends {
		t.Run(backend.String(), func(t *testing.T) {
			t.Parallel()
			cfg := voiceConfig()
			cfg.Tools = weatherTool()
			c := phone(t, startServer(t, quickConfig()), backend, cfg)
			c.write(`get_weather {"city":"Oslo"}`)
			h := c.until(calling)
			if len(h.calls) != 1 || h.calls[0].Name != "get_weather" || h.calls[0].ID == "" || h.calls[0].Args["city"] != "Oslo" || len(h.pcm) != 0 {
				t.Fatalf("%v %+v", h.order, h.calls)
			}
			if err := c.SendToolResponse(genai.LiveToolResponseInput{FunctionResponses: []*genai.FunctionResponse{{
				ID: h.calls[0].ID, Name: "get_weather", Response: map[string]any{"output": map[string]any{"tempC": 4}},
			}}}); err != nil {
				t.Fatal(err)
			}
			h = c.until(turnOver)
			if got := strings.Join(h.order, " "); got != "audio generationComplete turnComplete" || !strings.Contains(h.out, `the tool get_weather answered {"output":{"tempC":4}}`) {
				t.Error(got, h.out)
			}

			c.write("get_weather")
			h = c.until(calling)
			id := h.calls[0].ID
			c.speak(tone(200 * time.Millisecond))
			h = c.until(turnOver)
			if got := strings.Join(h.order, " "); got != "interrupted toolCallCancellation turnComplete" || !slices.Equal(h.gone, []string{id}) {
				t.Error(got, h.gone, id)
			}
		})
	}
}

func TestConformance_aResumption(t *testing.T) {
	t.Parallel()
	for _, backend := range bothBackends {
		t.Run(backend.String(), func(t *testing.T) {
			t.Parallel()
			s := startServer(t, quickConfig())
			first := phone(t, s, backend, voiceConfig())
			first.write("hello there")
			first.until(turnOver)
			handle := first.until(handleGiven).handle

			resumed := voiceConfig()
			resumed.SessionResumption.Handle = handle
			expectClose(t, s, backend, resumed, 1011, "Internal error encountered.") // the old socket is still open

			_ = first.Close()
			eventually(t, "the old socket is closed", func() bool { return s.Stats().Active == 0 })
			second := phone(t, s, backend, resumed)
			second.write("and on")
			if h := second.until(turnOver); !strings.HasPrefix(h.out, "Simulated answer 2: you wrote 2 words") {
				t.Errorf("the conversation did not go on: %q", h.out)
			}

			dead := voiceConfig()
			dead.SessionResumption.Handle = "of-nobody"
			expectClose(t, s, backend, dead, 1008, "BidiGenerateContent session not found")
		})
	}
}

// expectClose connects and expects the SDK to tell of a close.
func expectClose(t *testing.T, s *Server, backend genai.Backend, cfg *genai.LiveConnectConfig, code int, reason string) {
	t.Helper()
	session, err := liveClient(t, wsURL(s), backend).Live.Connect(context.Background(), conformanceModel, cfg)
	if err == nil {
		_ = session.Close()
	}
	var goodbye *websocket.CloseError
	if !errors.As(err, &goodbye) || goodbye.Code != code || goodbye.Text != reason {
		t.Errorf("want %d %q, got %v", code, reason, err)
	}
}

func TestConformance_transparentResumptionCountsMessages(t *testing.T) {
	t.Parallel()
	cfg := voiceConfig()
	cfg.SessionResumption.Transparent = true
	c := phone(t, startServer(t, quickConfig()), genai.BackendVertexAI, cfg)
	c.until(handleGiven)
	c.write("one")
	c.until(turnOver)
	var index int64
	c.until(func(m *genai.LiveServerMessage) bool {
		if handleGiven(m) {
			index = m.SessionResumptionUpdate.LastConsumedClientMessageIndex
		}
		return handleGiven(m)
	})
	if index != 1 {
		t.Errorf("the handle contains message %d, want 1", index)
	}
}
