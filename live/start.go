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
}

// StartConfig is start_session.config as docs/protocol.md describes it. A nil pointer means "not set".
type StartConfig struct {
	Assistant         *string              `json:"assistant"`
	Model             *string              `json:"model"`
	Voice             *string              `json:"voice"`
	Language          *string              `json:"language"`
	SystemInstruction *string              `json:"systemInstruction"`
	UserID            *string              `json:"userId"`
	Modality          *string              `json:"modality"`
	Transcription     *TranscriptionConfig `json:"transcription"`
	VAD               *VADConfig           `json:"vad"`
	Audio             *AudioConfig         `json:"audio"`
	Tools             []json.RawMessage    `json:"tools"`
	Resumable         *bool                `json:"resumable"`
}

// TranscriptionConfig switches the captions of either side.
type TranscriptionConfig struct {
	Input  *bool `json:"input"`
	Output *bool `json:"output"`
}

// VADConfig is the voice activity detection that a client asks for; durations are milliseconds.
type VADConfig struct {
	Mode              *string `json:"mode"`
	StartSensitivity  *string `json:"startSensitivity"`
	EndSensitivity    *string `json:"endSensitivity"`
	PrefixPaddingMs   *int    `json:"prefixPaddingMs"`
	SilenceDurationMs *int    `json:"silenceDurationMs"`
	Interruptible     *bool   `json:"interruptible"`
}

// AudioConfig is the format of the client's microphone frames.
type AudioConfig struct {
	InputSampleRate *int `json:"inputSampleRate"`
}
