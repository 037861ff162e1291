package gemini

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/stonepot/stonepot/live"
	"google.golang.org/genai"
)

// setupMessage is the first message of a connection. It is genai's, but for the tools: what a browser declares
// goes up as it is, because a declaration that passes through genai's types loses what they do not know.
type setupMessage struct {
	genai.LiveClientSetup
	Tools []setupTool `json:"tools,omitempty"`
}

type setupTool struct {
	FunctionDeclarations []json.RawMessage   `json:"functionDeclarations,omitempty"`
	GoogleSearch         *genai.GoogleSearch `json:"googleSearch,omitempty"`
}

// buildSetup is the setup for one endpoint: s.Model decides which fields go, because models refuse (close 1007)
// those that they do not take.
func buildSetup(s *live.Setup, e *endpoint) ([]byte, error) {
	_, handle := untagHandle(s.Handle)
	m := setupMessage{LiveClientSetup: genai.LiveClientSetup{
		Model:               e.model(s.Model.ID),
		GenerationConfig:    generationConfig(s),
		SystemInstruction:   instruction(s),
		RealtimeInputConfig: realtimeInput(s.VAD),
		// Asked for always: a renewal needs the handles. Vertex AI alone knows transparent, which tells with each
		// handle how much it includes; the Gemini API closes 1007 on it.
		SessionResumption: &genai.SessionResumptionConfig{Handle: handle, Transparent: e.vertex},
	}}
	if s.Model.Compression {
		m.ContextWindowCompression = &genai.ContextWindowCompressionConfig{SlidingWindow: &genai.SlidingWindow{}}
	}
	if s.InputTranscript {
		m.InputAudioTranscription = &genai.AudioTranscriptionConfig{}
	}
	if s.OutputTranscript && s.Modality != "text" {
		m.OutputAudioTranscription = &genai.AudioTranscriptionConfig{}
	}
	if seeds(s) {
		m.HistoryConfig = &genai.HistoryConfig{InitialHistoryInClientContent: true}
	}
	if len(s.Tools) > 0 {
		m.Tools = append(m.Tools, setupTool{FunctionDeclarations: s.Tools})
	}
	if s.GoogleSearch {
		m.Tools = append(m.Tools, setupTool{GoogleSearch: &genai.GoogleSearch{}})
	}
	p, err := json.Marshal(map[string]any{"setup": m})
	if err != nil {
		return nil, &live.UpstreamError{
			Fault:  live.FaultRejected,
			Detail: "The conversation could not be set up: a tool declaration is not valid JSON.",
			Err:    err,
		}
	}
	return p, nil
}

// seeds reports whether s.History goes up as content, after the setup was accepted. A conversation that is
// resumed by its handle has its history.
func seeds(s *live.Setup) bool {
	return s.Handle == "" && len(s.History) > 0 && s.Model.HistorySeeding
}

func generationConfig(s *live.Setup) *genai.GenerationConfig {
	g := &genai.GenerationConfig{
		ResponseModalities: []genai.Modality{genai.ModalityAudio},
		Temperature:        s.Temperature,
		MaxOutputTokens:    s.MaxOutputTokens,
	}
	if s.Modality == "text" {
		g.ResponseModalities[0] = genai.ModalityText
	} else {
		g.SpeechConfig = speech(s)
	}
	if s.Model.ThinkingLevel != "" || s.Model.ThinkingBudget != nil {
		g.ThinkingConfig = &genai.ThinkingConfig{
			ThinkingLevel:  genai.ThinkingLevel(s.Model.ThinkingLevel),
			ThinkingBudget: s.Model.ThinkingBudget,
		}
	}
	return g
}

func speech(s *live.Setup) *genai.SpeechConfig {
	c := &genai.SpeechConfig{}
	if s.Voice != "" {
		c.VoiceConfig = &genai.VoiceConfig{PrebuiltVoiceConfig: &genai.PrebuiltVoiceConfig{VoiceName: s.Voice}}
	}
	if s.Model.LanguageCode {
		c.LanguageCode = s.Language
	}
	if c.VoiceConfig == nil && c.LanguageCode == "" {
		return nil
	}
	return c
}

// instruction is the system instruction; where the model takes no seeded history, the conversation so far stands
// at its end.
func instruction(s *live.Setup) *genai.Content {
	var parts []*genai.Part
	if s.SystemInstruction != "" {
		parts = append(parts, &genai.Part{Text: s.SystemInstruction})
	}
	if s.Handle == "" && len(s.History) > 0 && !s.Model.HistorySeeding {
		var b strings.Builder
		b.WriteString("The conversation was interrupted by a technical problem. This is what was said so far; go on from there, without greeting again:\n")
		for _, t := range s.History {
			fmt.Fprintf(&b, "%s: %s\n", t.Role, t.Text)
		}
		parts = append(parts, &genai.Part{Text: b.String()})
	}
	if parts == nil {
		return nil
	}
	return &genai.Content{Parts: parts}
}

func realtimeInput(v live.VAD) *genai.RealtimeInputConfig {
	var c genai.RealtimeInputConfig
	if v.Uninterruptible {
		c.ActivityHandling = genai.ActivityHandlingNoInterruption
	}
	d := genai.AutomaticActivityDetection{Disabled: v.Manual}
	if !v.Manual {
		switch v.StartSensitivity {
		case "high":
			d.StartOfSpeechSensitivity = genai.StartSensitivityHigh
		case "low":
			d.StartOfSpeechSensitivity = genai.StartSensitivityLow
		}
		switch v.EndSensitivity {
		case "high":
			d.EndOfSpeechSensitivity = genai.EndSensitivityHigh
		case "low":
			d.EndOfSpeechSensitivity = genai.EndSensitivityLow
		}
		d.PrefixPaddingMs = milliseconds(v.PrefixPadding)
		d.SilenceDurationMs = milliseconds(v.SilenceDuration)
	}
	if d != (genai.AutomaticActivityDetection{}) {
		c.AutomaticActivityDetection = &d
	}
	if c == (genai.RealtimeInputConfig{}) {
		return nil
	}
	return &c
}

func milliseconds(d time.Duration) *int32 {
	if d < 0 {
		return nil
	}
	ms := int32(min(d.Milliseconds(), 1<<30))
	return &ms
}
