package live

import "encoding/json"

// Start is what the first message of a connection says: which conversation to begin, or to resume.
type Start struct {
	Config StartConfig
	Resume *Resume
}

// Resume names an earlier conversation. Received is the number of server messages that the client has; nil
// means that it has no history.
type Resume struct {
	SessionID    string `json:"sessionId"`
	ResumeTicket string `json:"resumeTicket"`
	Received     *int64 `json:"received"`

	recounts  int64 // what the ticket says
	elsewhere bool  // it is of another instance: the client has not heard of this one
}

// StartConfig is start_session.config as docs/protocol.md describes it. A nil pointer means "not set".
type StartConfig struct {
	Assistant         *string              `json:"assistant,omitzero"`
	Model             *string              `json:"model,omitzero"`
	Voice             *string              `json:"voice,omitzero"`
	Language          *string              `json:"language,omitzero"`
	SystemInstruction *string              `json:"systemInstruction,omitzero"`
	UserID            *string              `json:"userId,omitzero"`
	Modality          *string              `json:"modality,omitzero"`
	Transcription     *TranscriptionConfig `json:"transcription,omitzero"`
	VAD               *VADConfig           `json:"vad,omitzero"`
	Audio             *AudioConfig         `json:"audio,omitzero"`
	Tools             []json.RawMessage    `json:"tools,omitzero"`
	Resumable         *bool                `json:"resumable,omitzero"`
}

// TranscriptionConfig switches the captions of either side.
type TranscriptionConfig struct {
	Input  *bool `json:"input,omitzero"`
	Output *bool `json:"output,omitzero"`
}

// VADConfig is the voice activity detection that a client asks for; durations are milliseconds.
type VADConfig struct {
	Mode              *string `json:"mode,omitzero"`
	StartSensitivity  *string `json:"startSensitivity,omitzero"`
	EndSensitivity    *string `json:"endSensitivity,omitzero"`
	PrefixPaddingMs   *int    `json:"prefixPaddingMs,omitzero"`
	SilenceDurationMs *int    `json:"silenceDurationMs,omitzero"`
	Interruptible     *bool   `json:"interruptible,omitzero"`
}

// AudioConfig is the format of the client's microphone frames.
type AudioConfig struct {
	InputSampleRate *int `json:"inputSampleRate,omitzero"`
}
