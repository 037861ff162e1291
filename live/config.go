package live

import (
	"errors"
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

// Validate reports every value that is out of range, each in a sentence that names its key.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	between := func(key string, v, low, high time.Duration) {
		check(v >= low && v <= high, "%s must be between %v and %v, got %v", key, low, high, v)
	}
	l := c.Limits
	check(l.MaxFrameBytes >= 640 && l.MaxFrameBytes <= 4<<20, "limits.max_frame_bytes must be between 640 and %d, got %d", 4<<20, l.MaxFrameBytes)
	check(l.MaxTextBytes >= 1024 && l.MaxTextBytes <= 4<<20, "limits.max_text_bytes must be between 1024 and %d, got %d", 4<<20, l.MaxTextBytes)
	check(l.MaxVideoBytes >= 1024 && l.MaxVideoBytes <= 16<<20, "limits.max_video_bytes must be between 1024 and %d, got %d", 16<<20, l.MaxVideoBytes)
	between("limits.first_message", l.FirstMessage, 100*time.Millisecond, 5*time.Minute)
	between("limits.idle_timeout", l.IdleTimeout, time.Second, 24*time.Hour)
	between("limits.max_duration", l.MaxDuration, time.Second, 24*time.Hour)
	between("limits.expiry_notice", l.ExpiryNotice, 0, time.Hour)
	between("limits.write_timeout", l.WriteTimeout, 100*time.Millisecond, 5*time.Minute)
	check(l.AudioRate >= 1 && l.AudioRate <= 1e6, "limits.audio_rate must be between 1 and 1000000 times real time, got %v", l.AudioRate)
	between("limits.audio_burst", l.AudioBurst, time.Second, time.Hour)
	check(l.MessageRate >= 1 && l.MessageRate <= 1e6, "limits.message_rate must be between 1 and 1000000 a second, got %v", l.MessageRate)
	check(l.MessageBurst >= 1 && l.MessageBurst <= 1e6, "limits.message_burst must be between 1 and 1000000, got %d", l.MessageBurst)
	a := c.Audio
	between("audio.min_upstream_chunk", a.MinUpstreamChunk, 0, 200*time.Millisecond)
	between("audio.max_upstream_chunk", a.MaxUpstreamChunk, max(a.MinUpstreamChunk, 10*time.Millisecond), time.Second)
	between("audio.inbox", a.Inbox, time.Second, 10*time.Minute)
	between("audio.playback_lead", a.PlaybackLead, 100*time.Millisecond, 24*time.Hour)
	between("audio.outbox", a.Outbox, 10*time.Second, time.Hour)
	check(a.Window >= 8<<10 && a.Window <= 16<<20, "audio.window must be between %d and %d bytes, got %d", 8<<10, 16<<20, a.Window)
	s := c.Live
	check(s.MaxSessions >= 1 && s.MaxSessions <= 1_000_000, "live.max_sessions must be between 1 and 1000000, got %d", s.MaxSessions)
	between("live.connect_timeout", s.ConnectTimeout, 100*time.Millisecond, 5*time.Minute)
	between("live.silence_interval", s.SilenceInterval, 100*time.Millisecond, 2*time.Minute)
	for _, f := range s.ClientMaySet {
		check(slices.Contains(ClientFields(), f), "live.client_may_set must list fields of start_session.config (%v), got %q", ClientFields(), f)
	}
	errs = append(errs, c.Resume.validate())
	between("tools.timeout", c.Tools.Timeout, time.Second, 10*time.Minute)
	errs = append(errs, c.validateModels()...)
	errs = append(errs, c.validateAssistants()...)
	return errors.Join(errs...)
}

func (r Resumption) validate() error {
	_, keys := checkResumeKeys(r.Keys)
	errs := []error{keys}
	for _, d := range []struct {
		key          string
		v, low, high time.Duration
	}{
		{"resume.window", r.Window, 0, maxResumeWindow},
		{"resume.ticket_life", r.TicketLife, time.Minute, 24 * time.Hour},
		{"resume.replay_audio", r.ReplayAudio, 0, 5 * time.Minute},
		{"resume.overlap", r.Overlap, 0, 10 * time.Second},
		{"resume.stable_after", r.StableAfter, 0, 5 * time.Minute},
	} {
		if d.v < d.low || d.v > d.high {
			errs = append(errs, fmt.Errorf("%s must be between %v and %v, got %v", d.key, d.low, d.high, d.v))
		}
	}
	if r.Memory < 1<<20 || r.Memory > 1<<40 {
		errs = append(errs, fmt.Errorf("resume.memory must be between %d and %d bytes, got %d", 1<<20, int64(1)<<40, r.Memory))
	}
	if r.Watchdog != 0 && (r.Watchdog < 2*time.Second || r.Watchdog > 5*time.Minute) {
		errs = append(errs, fmt.Errorf("resume.watchdog must be 0 or between 2s and 5m, got %v", r.Watchdog))
	}
	errs = append(errs, oneOf("resume.mid_turn", []string{r.MidTurn}, midTurnRestart, midTurnKeep)...)
	return errors.Join(errs...)
}

func (c Config) validateModels() (errs []error) {
	for i, tag := range c.Live.Languages {
		if !languageTag.MatchString(tag) {
			errs = append(errs, fmt.Errorf("live.languages[%d] must be a language tag such as de-DE, got %q", i, tag))
		}
	}
	for i, n := range c.Live.VoiceNotes {
		if n.Voice == "" || n.Note == "" || len(n.Note) > 80 {
			errs = append(errs, fmt.Errorf("live.voice_notes[%d] must have a voice and a note of at most 80 bytes, got %q and %q", i, n.Voice, n.Note))
		}
	}
	seen := map[string]bool{}
	for i, m := range c.Models {
		key := fmt.Sprintf("models[%d]", i)
		if m.ID == "" {
			errs = append(errs, fmt.Errorf("%s.id must not be empty", key))
		}
		if seen[m.ID] {
			errs = append(errs, fmt.Errorf("%s.id must be unique, %q is there twice", key, m.ID))
		}
		if m.VideoLimit < 0 {
			errs = append(errs, fmt.Errorf("%s.video_limit must not be negative, got %v", key, m.VideoLimit))
		}
		seen[m.ID] = true
		errs = append(errs, oneOf(key+".backends", m.Backends, BackendGemini, BackendVertex)...)
		errs = append(errs, oneOf(key+".modalities", m.Modalities, "audio", "text")...)
		errs = append(errs, oneOf(key+".usage", []string{m.Usage}, "per_message", "cumulative")...)
		errs = append(errs, oneOf(key+".text_input", []string{m.TextInput}, "realtime", "content")...)
		if m.OutputSampleRate != 0 && (m.OutputSampleRate < 8000 || m.OutputSampleRate > 48000) {
			errs = append(errs, fmt.Errorf("%s.output_sample_rate must be 0 or between 8000 and 48000 Hz, got %d", key, m.OutputSampleRate))
		}
	}
	for _, backend := range []string{BackendGemini, BackendVertex} {
		id := c.Live.DefaultModels.For(backend)
		if _, ok := c.model(id, backend); !ok {
			errs = append(errs, fmt.Errorf("live.default_models.%s must name an entry of models that lists the backend %s, got %q", backend, backend, id))
		}
	}
	return errs
}

func (c Config) validateAssistants() (errs []error) {
	seen := map[string]bool{}
	for i, a := range c.Assistants {
		key := fmt.Sprintf("assistants[%d]", i)
		if a.Name == "" || seen[a.Name] {
			errs = append(errs, fmt.Errorf("%s.name must be unique and not empty, got %q", key, a.Name))
		}
		seen[a.Name] = true
		if a.Model != "" && !slices.ContainsFunc(c.Models, func(m Model) bool { return m.ID == a.Model }) {
			errs = append(errs, fmt.Errorf("%s.model must name an entry of models, got %q", key, a.Model))
		}
		if a.Voice != "" && !slices.Contains(c.Live.Voices, a.Voice) {
			errs = append(errs, fmt.Errorf("%s.voice must be one of live.voices, got %q", key, a.Voice))
		}
	}
	if !seen[c.Live.DefaultAssistant] {
		errs = append(errs, fmt.Errorf("live.default_assistant must name an entry of assistants, got %q", c.Live.DefaultAssistant))
	}
	return errs
}

func oneOf(key string, values []string, allowed ...string) (errs []error) {
	if len(values) == 0 {
		errs = append(errs, fmt.Errorf("%s must name at least one of %v", key, allowed))
	}
	for _, v := range values {
		if !slices.Contains(allowed, v) {
			errs = append(errs, fmt.Errorf("%s must be one of %v, got %q", key, allowed, v))
		}
	}
	return errs
}

// model finds the row of a model that a backend serves.
func (c Config) model(id, backend string) (Model, bool) {
	i := slices.IndexFunc(c.Models, func(m Model) bool { return m.ID == id && slices.Contains(m.Backends, backend) })
	if i < 0 {
		return Model{}, false
	}
	return c.Models[i], true
}
