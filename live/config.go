package live

import (
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Config is what the core takes from config.yaml; each field is a section of its own there. Construct it with
// DefaultConfig, change it, Validate it, and do not change it afterwards.
type Config struct {
	Limits     Limits      `mapstructure:"limits"`
	Audio      Audio       `mapstructure:"audio"`
	Live       Settings    `mapstructure:"live"`
	Resume     Resumption  `mapstructure:"resume"`
	Tools      Tools       `mapstructure:"tools"`
	Models     []Model     `mapstructure:"models"`
	Assistants []Assistant `mapstructure:"assistants"`
}

// Limits bound what one browser may cost.
type Limits struct {
	MaxFrameBytes int           `mapstructure:"max_frame_bytes"` // a binary message
	MaxTextBytes  int           `mapstructure:"max_text_bytes"`  // a text message that holds no picture
	MaxVideoBytes int           `mapstructure:"max_video_bytes"` // a video_frame message, base64 included
	FirstMessage  time.Duration `mapstructure:"first_message"`   // from the upgrade to start_session
	IdleTimeout   time.Duration `mapstructure:"idle_timeout"`    // without speech, text or an answer
	MaxDuration   time.Duration `mapstructure:"max_duration"`    // of a session
	ExpiryNotice  time.Duration `mapstructure:"expiry_notice"`   // session_expiring comes this long before max_duration
	WriteTimeout  time.Duration `mapstructure:"write_timeout"`   // for a browser to take a message
	AudioRate     float64       `mapstructure:"audio_rate"`      // microphone audio, times real time
	AudioBurst    time.Duration `mapstructure:"audio_burst"`     // that may come at once
	MessageRate   float64       `mapstructure:"message_rate"`    // text messages a second
	MessageBurst  int           `mapstructure:"message_burst"`   // that may come at once
}

// MaxMessageBytes is the largest message of any kind that a browser may send: the bound for its socket. A little
// above the limits, so that a message just over one of them is refused in words.
func (l Limits) MaxMessageBytes() int {
	return max(l.MaxFrameBytes/3*4+l.MaxTextBytes, l.MaxVideoBytes) + 64<<10
}

// Audio says how speech travels.
type Audio struct {
	MinUpstreamChunk time.Duration `mapstructure:"min_upstream_chunk"` // shorter frames wait for each other, never longer than this
	MaxUpstreamChunk time.Duration `mapstructure:"max_upstream_chunk"` // queued frames are joined up to this
	Inbox            time.Duration `mapstructure:"inbox"`              // speech kept while the upstream cannot take it
	PlaybackLead     time.Duration `mapstructure:"playback_lead"`      // how far ahead of real time speech is sent to the browser
	Outbox           time.Duration `mapstructure:"outbox"`             // speech kept for a browser that plays in real time
	Window           int           `mapstructure:"window"`             // bytes of speech sent and not yet acknowledged, where the client acknowledges
}

// Settings are the session core's own.
type Settings struct {
	DefaultAssistant string        `mapstructure:"default_assistant"`
	DefaultModels    DefaultModels `mapstructure:"default_models"`
	MaxSessions      int           `mapstructure:"max_sessions"`
	ConnectTimeout   time.Duration `mapstructure:"connect_timeout"`  // to dial the upstream and have the setup accepted
	SilenceInterval  time.Duration `mapstructure:"silence_interval"` // without input, 100 ms of silence keep the upstream alive
	ClientMaySet     []string      `mapstructure:"client_may_set"`   // fields of start_session.config
	Voices           []string      `mapstructure:"voices"`           // of models that list none of their own
	VoiceNotes       []VoiceNote   `mapstructure:"voice_notes"`      // that pages show beside the names
	Languages        []string      `mapstructure:"languages"`        // that pages offer with models that take one
}

// DefaultModels names the model of each backend for assistants that name none.
type DefaultModels struct {
	Gemini string `mapstructure:"gemini"`
	Vertex string `mapstructure:"vertex"`
}

// For gives the default model of a backend.
func (d DefaultModels) For(backend string) string {
	if backend == BackendVertex {
		return d.Vertex
	}
	return d.Gemini
}

// Resumption says how a conversation outlives its connections: to the browser, to the model, and the instance itself.
type Resumption struct {
	Window      time.Duration `mapstructure:"window"`       // a session waits this long for its browser to come back
	TicketLife  time.Duration `mapstructure:"ticket_life"`  // a resume ticket is good for this long
	Memory      int64         `mapstructure:"memory"`       // bytes kept for resuming and renewing, by all sessions of the process
	ReplayAudio time.Duration `mapstructure:"replay_audio"` // speech kept to be given to the next connection
	Overlap     time.Duration `mapstructure:"overlap"`      // given again from before the handle, where the model does not tell what it holds
	MidTurn     string        `mapstructure:"mid_turn"`     // what becomes of an answer that its connection's end cut: restart or keep
	Watchdog    time.Duration `mapstructure:"watchdog"`     // a model that owes an answer and says nothing at all for this long is gone; 0: wait
	StableAfter time.Duration `mapstructure:"stable_after"` // a connection counts as healthy once it has lived this long

	// Keys seal resume tickets: the first one makes them, all of them open them. They come from STONEPOT_RESUME_KEYS only and are
	// never printed. Without one a gateway makes a random key, and what it seals is good on that instance only.
	Keys []string `mapstructure:"-" json:"-"`
}

// String prints no key.
func (r Resumption) String() string {
	keys := "unset"
	if len(r.Keys) > 0 {
		keys = "set"
	}
	return fmt.Sprintf("{window: %v, ticket_life: %v, memory: %d, replay_audio: %v, overlap: %v, mid_turn: %s, watchdog: %v, stable_after: %v, keys: %s}",
		r.Window, r.TicketLife, r.Memory, r.ReplayAudio, r.Overlap, r.MidTurn, r.Watchdog, r.StableAfter, keys)
}

// GoString prints no key either, for %#v.
func (r Resumption) GoString() string { return "live.Resumption" + r.String() }

// LogValue prints no key either, for slog.
func (r Resumption) LogValue() slog.Value { return slog.StringValue(r.String()) }

// maxResumeWindow keeps the window under the 150 s or so after which an upstream without input closes: nothing is sent to it
// while nobody is attached.
const maxResumeWindow = 2 * time.Minute

// What becomes of an answer whose connection breaks while it is spoken.
const (
	midTurnRestart = "restart" // the person's words are given again, and the model answers anew
	midTurnKeep    = "keep"    // what was heard of it is all
)

// Tools bounds the tool calls that are left to the browser.
type Tools struct {
	Timeout time.Duration `mapstructure:"timeout"` // an unanswered call is answered with an error
}

// VoiceNote says how a voice sounds, in a word or two.
type VoiceNote struct {
	Voice string `mapstructure:"voice"`
	Note  string `mapstructure:"note"`
}

// Assistant is a named preset that clients pick by name.
type Assistant struct {
	Name              string   `mapstructure:"name"`
	Label             string   `mapstructure:"label"`
	SystemInstruction string   `mapstructure:"system_instruction"`
	Model             string   `mapstructure:"model"` // empty: live.default_models
	Voice             string   `mapstructure:"voice"`
	Language          string   `mapstructure:"language"`
	Temperature       *float32 `mapstructure:"temperature"`
	MaxOutputTokens   int32    `mapstructure:"max_output_tokens"`
	GoogleSearch      bool     `mapstructure:"google_search"`
}

// The backends that a session can have; which of them the simulator stands in for is the gateway's knowledge.
const (
	BackendGemini = "gemini"
	BackendVertex = "vertex"
)

// ClientFields are the fields of start_session.config that live.client_may_set can list.
func ClientFields() []string {
	return []string{
		"assistant", "model", "voice", "language", "systemInstruction", "userId", "modality", "transcription",
		"vad", "audio", "tools", "resumable",
	}
}

// DefaultConfig is what config.yaml ships with.
func DefaultConfig() Config {
	return Config{
		Limits: Limits{
			MaxFrameBytes: 256 << 10,
			MaxTextBytes:  64 << 10,
			MaxVideoBytes: 1 << 20,
			FirstMessage:  10 * time.Second,
			IdleTimeout:   5 * time.Minute,
			MaxDuration:   time.Hour - 2*time.Minute,
			ExpiryNotice:  time.Minute,
			WriteTimeout:  10 * time.Second,
			AudioRate:     4,
			AudioBurst:    30 * time.Second,
			MessageRate:   50,
			MessageBurst:  200,
		},
		Audio: Audio{
			MinUpstreamChunk: 20 * time.Millisecond,
			MaxUpstreamChunk: 100 * time.Millisecond,
			Inbox:            30 * time.Second,
			PlaybackLead:     2 * time.Second,
			Outbox:           5 * time.Minute,
			Window:           24 << 10,
		},
		Live: Settings{
			DefaultAssistant: "default",
			DefaultModels:    DefaultModels{Gemini: "gemini-3.8-live", Vertex: "gemini-live-2.5-flash-native-audio"},
			MaxSessions:      500,
			ConnectTimeout:   15 * time.Second,
			SilenceInterval:  20 * time.Second,
			ClientMaySet:     []string{"assistant", "model", "voice", "language", "userId", "modality", "transcription", "vad", "audio", "resumable"},
			Voices: []string{
				"Zephyr", "Puck", "Charon", "Kore", "Fenrir", "Leda", "Orus", "Aoede", "Callirrhoe", "Autonoe",
				"Enceladus", "Iapetus", "Umbriel", "Algieba", "Despina", "Erinome", "Algenib", "Rasalgethi",
				"Laomedeia", "Achernar", "Alnilam", "Schedar", "Gacrux", "Pulcherrima", "Achird", "Zubenelgenubi",
				"Vindemiatrix", "Sadachbia", "Sadaltager", "Sulafat",
			},
			VoiceNotes: []VoiceNote{
				{"Zephyr", "bright"},
				{"Puck", "upbeat"},
				{"Charon", "informative"},
				{"Kore", "firm"},
				{"Fenrir", "excitable"},
				{"Leda", "youthful"},
				{"Orus", "firm"},
				{"Aoede", "breezy"},
				{"Callirrhoe", "easy-going"},
				{"Autonoe", "bright"},
				{"Enceladus", "breathy"},
				{"Iapetus", "clear"},
				{"Umbriel", "easy-going"},
				{"Algieba", "smooth"},
				{"Despina", "smooth"},
				{"Erinome", "clear"},
				{"Algenib", "gravelly"},
				{"Rasalgethi", "informative"},
				{"Laomedeia", "upbeat"},
				{"Achernar", "soft"},
				{"Alnilam", "firm"},
				{"Schedar", "even"},
				{"Gacrux", "mature"},
				{"Pulcherrima", "forward"},
				{"Achird", "friendly"},
				{"Zubenelgenubi", "casual"},
				{"Vindemiatrix", "gentle"},
				{"Sadachbia", "lively"},
				{"Sadaltager", "knowledgeable"},
				{"Sulafat", "warm"},
			},
			Languages: []string{
				"ar-EG", "bn-BD", "de-DE", "en-IN", "en-US", "es-US", "fr-FR", "hi-IN", "id-ID", "it-IT", "ja-JP", "ko-KR",
				"mr-IN", "nl-NL", "pl-PL", "pt-BR", "ro-RO", "ru-RU", "ta-IN", "te-IN", "th-TH", "tr-TR", "uk-UA", "vi-VN",
			},
		},
		Resume: Resumption{
			Window:      time.Minute,
			TicketLife:  time.Hour,
			Memory:      256 << 20,
			ReplayAudio: 30 * time.Second,
			Overlap:     500 * time.Millisecond,
			MidTurn:     midTurnRestart,
			Watchdog:    15 * time.Second,
			StableAfter: 5 * time.Second,
		},
		Tools:  Tools{Timeout: 30 * time.Second},
		Models: defaultModels(),
		Assistants: []Assistant{{
			Name:              "default",
			Label:             "Assistant",
			SystemInstruction: "You are a friendly voice assistant. Answer briefly, in the language of the person who speaks.",
			Voice:             "Kore",
		}},
	}
}

// defaultModels are the models of November 2026; see docs in config.yaml.
func defaultModels() []Model {
	both := []string{BackendGemini, BackendVertex}
	budget := int32(0)
	return []Model{
		{
			ID: "gemini-3.8-live", Label: "Gemini 3.8 Live", Backends: both, Modalities: []string{"audio"},
			ConnectionLimit: 590 * time.Second, Usage: "per_message", LanguageCode: true, TextInput: "realtime",
			HistorySeeding: true, ContextUpdate: true, Compression: true,
		},
		{
			ID: "gemini-3.1-flash-live-preview", Label: "Gemini 3.1 Flash Live", Backends: []string{BackendGemini},
			Modalities: []string{"audio"}, ConnectionLimit: 590 * time.Second, Usage: "per_message", LanguageCode: true,
			TextInput: "realtime", HistorySeeding: true, ThinkingLevel: "MINIMAL", Compression: true,
		},
		{
			ID: "gemini-2.5-flash-native-audio-latest", Label: "Gemini 2.5 Flash native audio",
			Backends: []string{BackendGemini}, Modalities: []string{"audio"}, ConnectionLimit: 590 * time.Second,
			Usage: "per_message", TextInput: "content", HoldAudioDuringTool: true, ThinkingBudget: &budget, Compression: true,
		},
		{
			ID: "gemini-live-2.5-flash-native-audio", Label: "Gemini Live 2.5 Flash native audio",
			Backends: []string{BackendVertex}, Modalities: []string{"audio"}, ConnectionLimit: 590 * time.Second,
			Usage: "per_message", TextInput: "content", HoldAudioDuringTool: true, Compression: true,
		},
		{
			ID: "gemini-live-2.5-flash", Label: "Gemini Live 2.5 Flash", Backends: []string{BackendVertex},
			Modalities: []string{"audio", "text"}, Voices: []string{"Puck", "Charon", "Kore", "Fenrir", "Aoede", "Leda", "Orus", "Zephyr"},
			ConnectionLimit: 590 * time.Second, Usage: "per_message", LanguageCode: true, TextInput: "content",
			HoldAudioDuringTool: true, Compression: true,
		},
	}
}

// model finds the row of a model that a backend serves.
func (c Config) model(id, backend string) (Model, bool) {
	i := slices.IndexFunc(c.Models, func(m Model) bool { return m.ID == id && slices.Contains(m.Backends, backend) })
	if i < 0 {
		return Model{}, false
	}
	return c.Models[i], true
}
