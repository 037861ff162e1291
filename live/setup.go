package live

import (
	"encoding/json"
	"time"
)

// Setup is everything a Dialer needs to open one upstream connection for a session: the merged result of the
// assistant, the model's entry in the configuration and what the browser was allowed to set.
type Setup struct {
	Model             Model
	Modality          string // "audio" or "text"
	Voice             string // empty: the model's own choice
	Language          string // BCP-47, or empty: the model's own choice
	SystemInstruction string
	Temperature       *float32
	MaxOutputTokens   int32
	InputTranscript   bool
	OutputTranscript  bool
	VAD               VAD
	InputRate         int               // Hz of the PCM given to Send
	Tools             []json.RawMessage // function declarations in Google's JSON form, answered by the browser
	GoogleSearch      bool

	// Handle resumes an earlier connection's conversation; History seeds a fresh one. Both empty: a new conversation.
	Handle  string
	History []HistoryTurn
}

// HistoryTurn is one finished turn of a conversation, as text.
type HistoryTurn struct {
	Role string // "user" or "model"
	Text string
}

// VAD is how the upstream finds the beginning and the end of the person's speech. Empty strings and negative
// durations leave the model's default.
type VAD struct {
	Manual           bool          // the browser marks activity itself (push-to-talk)
	StartSensitivity string        // "high", "low" or empty
	EndSensitivity   string        // "high", "low" or empty
	PrefixPadding    time.Duration // negative: the model's default
	SilenceDuration  time.Duration // negative: the model's default
	Uninterruptible  bool          // speech does not cut the answer short
}

// Model is one row of the configuration's models table: what the name stands for, and what this model takes.
// Model names and what they accept change every month, so all of it is data.
type Model struct {
	ID         string   `mapstructure:"id"`         // bare model id, for example as ai.google.dev lists it
	Label      string   `mapstructure:"label"`      // what people read
	Backends   []string `mapstructure:"backends"`   // gemini, vertex
	Modalities []string `mapstructure:"modalities"` // audio, text
	Voices     []string `mapstructure:"voices"`     // empty: live.voices

	OutputSampleRate int           `mapstructure:"output_sample_rate"` // Hz; 0 means 24000
	ConnectionLimit  time.Duration `mapstructure:"connection_limit"`   // life of one connection; 0: not known
	VideoLimit       time.Duration `mapstructure:"video_limit"`        // of a conversation with pictures, for pages to tell; 0: none
	Usage            string        `mapstructure:"usage"`              // per_message (each message counts its own tokens) or cumulative

	LanguageCode        bool   `mapstructure:"language_code"`          // takes speechConfig.languageCode
	TextInput           string `mapstructure:"text_input"`             // realtime (realtimeInput.text) or content (clientContent)
	HistorySeeding      bool   `mapstructure:"history_seeding"`        // takes historyConfig.initialHistoryInClientContent
	ContextUpdate       bool   `mapstructure:"context_update"`         // takes contextUpdate in mid-session
	HoldAudioDuringTool bool   `mapstructure:"hold_audio_during_tool"` // closes 1008 on audio while a tool call is open

	ThinkingLevel  string `mapstructure:"thinking_level"`  // sent as it is; empty: the field is left out
	ThinkingBudget *int32 `mapstructure:"thinking_budget"` // sent as it is; unset: the field is left out

	// Compression asks for contextWindowCompression, which lifts the limit of 15 minutes on a conversation.
	Compression bool `mapstructure:"compression"`
}

// OutputRate is the sample rate of the model's voice in Hz.
func (m Model) OutputRate() int {
	if m.OutputSampleRate == 0 {
		return 24000
	}
	return m.OutputSampleRate
}
