package gemini

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stonepot/stonepot/live"
)

var (
	onGemini = &endpoint{model: geminiModel}
	onVertex = &endpoint{vertex: true, model: func(id string) string { return vertexModel("p", "eu", id) }}
)

// sorted is JSON with its members in the order of their names.
func sorted(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err, text)
	}
	p, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

func TestBuildSetup_sendsWhatTheModelTakesAndNothingElse(t *testing.T) {
	temperature, budget := float32(0.5), int32(0)
	full := live.Setup{
		Model:    live.Model{ID: "m", LanguageCode: true, ThinkingLevel: "LOW", Compression: true, HistorySeeding: true},
		Modality: "audio", Voice: "Kore", Language: "de-DE", SystemInstruction: "Be brief.", Temperature: &temperature, MaxOutputTokens: 100,
		InputTranscript: true, OutputTranscript: true, InputRate: 16000,
		VAD: live.VAD{StartSensitivity: "high", EndSensitivity: "low", PrefixPadding: 20 * time.Millisecond, SilenceDuration: 500 * time.Millisecond, Uninterruptible: true},
		Tools: []json.RawMessage{
			json.RawMessage(`{"name":"f","parameters":{"type":"OBJECT","properties":{"n":{"type":"INTEGER","minimum":1,"newKeyword":[1]}}},"behavior":"BLOCKING"}`),
		},
		GoogleSearch: true,
	}
	plain := live.Setup{Model: live.Model{ID: "m"}, Modality: "audio", Language: "de-DE", VAD: live.VAD{PrefixPadding: -1, SilenceDuration: -1}}
	history := []live.HistoryTurn{{Role: "user", Text: "Hi"}, {Role: "model", Text: "Hello"}}
	for _, c := range []struct {
		name  string
		at    *endpoint
		setup func() live.Setup
		want  string
	}{
		{
			"as little as possible", onGemini, func() live.Setup { return plain },
			`{"setup":{"model":"models/m","generationConfig":{"responseModalities":["AUDIO"]},"sessionResumption":{}}}`,
		},
		{
			"the same on Vertex", onVertex, func() live.Setup { return plain },
			`{"setup":{"model":"projects/p/locations/eu/publishers/google/models/m","generationConfig":{"responseModalities":["AUDIO"]},"sessionResumption":{"transparent":true}}}`,
		},
		{
			"everything", onGemini, func() live.Setup { return full },
			`{"setup":{"model":"models/m","generationConfig":{"responseModalities":["AUDIO"],"temperature":0.5,"maxOutputTokens":100,
			"speechConfig":{"languageCode":"de-DE","voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"Kore"}}},"thinkingConfig":{"thinkingLevel":"LOW"}},
			"systemInstruction":{"parts":[{"text":"Be brief."}]},
			"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"n":{"type":"INTEGER","minimum":1,"newKeyword":[1]}}},"behavior":"BLOCKING"}]},{"googleSearch":{}}],
			"realtimeInputConfig":{"automaticActivityDetection":{"startOfSpeechSensitivity":"START_SENSITIVITY_HIGH","endOfSpeechSensitivity":"END_SENSITIVITY_LOW","prefixPaddingMs":20,"silenceDurationMs":500},"activityHandling":"NO_INTERRUPTION"},
			"sessionResumption":{},"contextWindowCompression":{"slidingWindow":{}},"inputAudioTranscription":{},"outputAudioTranscription":{}}}`,
		},
		{
			"text is answered without a voice", onGemini, func() live.Setup {
				s := plain
				s.Modality, s.Voice, s.OutputTranscript = "text", "Kore", true
				return s
			},
			`{"setup":{"model":"models/m","generationConfig":{"responseModalities":["TEXT"]},"sessionResumption":{}}}`,
		},
		{
			"push to talk", onGemini, func() live.Setup { s := plain; s.VAD = full.VAD; s.VAD.Manual = true; return s },
			`{"setup":{"model":"models/m","generationConfig":{"responseModalities":["AUDIO"]},"realtimeInputConfig":{"automaticActivityDetection":{"disabled":true},"activityHandling":"NO_INTERRUPTION"},"sessionResumption":{}}}`,
		},
		{
			"a budget of no thinking", onGemini, func() live.Setup { s := plain; s.Model.ThinkingBudget = &budget; return s },
			`{"setup":{"model":"models/m","generationConfig":{"responseModalities":["AUDIO"],"thinkingConfig":{"thinkingBudget":0}},"sessionResumption":{}}}`,
		},
		{
			"a handle, which has its history", onVertex, func() live.Setup {
				s := plain
				s.Handle, s.History = "at:eu:H:1", history
				s.Model.HistorySeeding = true
				return s
			},
			`{"setup":{"model":"projects/p/locations/eu/publishers/google/models/m","generationConfig":{"responseModalities":["AUDIO"]},"sessionResumption":{"handle":"H:1","transparent":true}}}`,
		},
		{
			"a history as content", onGemini, func() live.Setup { s := plain; s.History = history; s.Model.HistorySeeding = true; return s },
			`{"setup":{"model":"models/m","generationConfig":{"responseModalities":["AUDIO"]},"sessionResumption":{},"historyConfig":{"initialHistoryInClientContent":true}}}`,
		},
		{
			"a history in the instruction", onGemini, func() live.Setup { s := plain; s.History, s.SystemInstruction = history, "Be brief."; return s },
			`{"setup":{"model":"models/m","generationConfig":{"responseModalities":["AUDIO"]},"sessionResumption":{},"systemInstruction":{"parts":[{"text":"Be brief."},
			{"text":"The conversation was interrupted by a technical problem. This is what was said so far; go on from there, without greeting again:\nuser: Hi\nmodel: Hello\n"}]}}}`,
		},
	} {
		s := c.setup()
		p, err := buildSetup(&s, c.at)
		if err != nil {
			t.Fatal(c.name, err)
		}
		if got, want := sorted(t, string(p)), sorted(t, c.want); got != want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, want)
		}
	}
}

func TestBuildSetup_refusesAToolThatIsNotJSON(t *testing.T) {
	s := testSetup()
	s.Tools = []json.RawMessage{json.RawMessage(`{"name":`)}
	_, err := buildSetup(&s, onGemini)
	var e *live.UpstreamError
	if !errors.As(err, &e) || e.Fault != live.FaultRejected {
		t.Fatal(err)
	}
}

func TestHandles_areTaggedReversibly(t *testing.T) {
	for _, handle := range []string{"H", "a:b:c", "at:x:y", "CihqLTk="} {
		if tag, got := untagHandle(tagHandle("us-central1", handle)); tag != "us-central1" || got != handle {
			t.Error(tag, got)
		}
	}
	for _, plain := range []string{"", "H", "a:b", "at:nothing"} {
		if tag, got := untagHandle(plain); tag != "" || got != plain {
			t.Error(plain, tag, got)
		}
	}
	if tagHandle("x", "") != "" {
		t.Error("no handle is still none")
	}
}
