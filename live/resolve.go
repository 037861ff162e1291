package live

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The range of microphone sample rates in Hz, and of the VAD's durations in milliseconds.
const (
	minInputRate, maxInputRate, defaultInputRate = 8000, 48000, 16000
	maxVADMs                                     = 10_000
	maxTools                                     = 128
	maxUserID                                    = 128
)

// languageTag is as much of BCP 47 as models take: de, en-US, zh-Hant-TW.
var languageTag = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$`)

// check refuses values that no configuration could allow. The error is a *MessageError.
func (c *StartConfig) check() error {
	bad := func(field, rule string, got any) error {
		return fatal(ReasonBadConfig, field, fmt.Sprintf("%s must be %s, got %.60v.", field, rule, got))
	}
	oneOf := func(field string, v *string, allowed ...string) error {
		if v == nil || slices.Contains(allowed, *v) {
			return nil
		}
		return bad(field, strings.Join(allowed, " or "), *v)
	}
	if err := oneOf("modality", c.Modality, "audio", "text"); err != nil {
		return err
	}
	if c.Language != nil && *c.Language != "auto" && !languageTag.MatchString(*c.Language) {
		return bad("language", `"auto" or a language tag such as en-US`, *c.Language)
	}
	if c.UserID != nil && len(*c.UserID) > maxUserID {
		return bad("userId", fmt.Sprintf("at most %d bytes", maxUserID), fmt.Sprintf("%d bytes", len(*c.UserID)))
	}
	if c.Audio != nil && c.Audio.InputSampleRate != nil {
		if r := *c.Audio.InputSampleRate; r < minInputRate || r > maxInputRate {
			return bad("audio.inputSampleRate", fmt.Sprintf("between %d and %d Hz", minInputRate, maxInputRate), r)
		}
	}
	if v := c.VAD; v != nil {
		for _, err := range []error{
			oneOf("vad.mode", v.Mode, "auto", "manual"),
			oneOf("vad.startSensitivity", v.StartSensitivity, "high", "low"),
			oneOf("vad.endSensitivity", v.EndSensitivity, "high", "low"),
		} {
			if err != nil {
				return err
			}
		}
		for _, d := range []struct {
			field string
			ms    *int
		}{{"vad.prefixPaddingMs", v.PrefixPaddingMs}, {"vad.silenceDurationMs", v.SilenceDurationMs}} {
			if d.ms != nil && (*d.ms < 0 || *d.ms > maxVADMs) {
				return bad(d.field, fmt.Sprintf("between 0 and %d", maxVADMs), *d.ms)
			}
		}
	}
	if len(c.Tools) > maxTools {
		return bad("tools", fmt.Sprintf("at most %d declarations", maxTools), len(c.Tools))
	}
	for i, t := range c.Tools {
		var d struct {
			Name string `json:"name"`
		}
		if err := json.Unmarshal(t, &d); err != nil || d.Name == "" {
			return bad(fmt.Sprintf("tools[%d]", i), "a function declaration with a name", string(t))
		}
	}
	return nil
}

// asked lists the fields that a client set.
func (c *StartConfig) asked() (fields []string) {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"assistant", c.Assistant != nil},
		{"model", c.Model != nil},
		{"voice", c.Voice != nil},
		{"language", c.Language != nil},
		{"systemInstruction", c.SystemInstruction != nil},
		{"userId", c.UserID != nil},
		{"modality", c.Modality != nil},
		{"transcription", c.Transcription != nil},
		{"vad", c.VAD != nil},
		{"audio", c.Audio != nil},
		{"tools", c.Tools != nil},
		{"resumable", c.Resumable != nil},
	} {
		if f.set {
			fields = append(fields, f.name)
		}
	}
	return fields
}

// plan is what a session will be: the setup of its upstream and what is told and logged about it.
type plan struct {
	setup     Setup
	assistant string
	userID    string
	resumable bool
	asked     StartConfig // what the client asked for, for tickets
	warnings  []WarningNotice
}

// resolve merges what the configuration's assistant says with what the client may set. The error is a
// *MessageError that ends the connection and names the field.
func resolve(cfg *Config, backend string, c *StartConfig) (plan, error) {
	for _, f := range c.asked() {
		if !slices.Contains(cfg.Live.ClientMaySet, f) {
			return plan{}, fatal(ReasonNotAllowed, f, fmt.Sprintf("This server does not let clients set %s.", f))
		}
	}
	name := or(c.Assistant, cfg.Live.DefaultAssistant)
	at := slices.IndexFunc(cfg.Assistants, func(a Assistant) bool { return a.Name == name })
	if at < 0 {
		return plan{}, fatal(ReasonBadConfig, "assistant", fmt.Sprintf("There is no assistant called %.60q here.", name))
	}
	assistant := cfg.Assistants[at]
	p := plan{assistant: name, userID: or(c.UserID, ""), asked: *c}

	model, err := resolveModel(cfg, backend, assistant, c.Model)
	if err != nil {
		return plan{}, err
	}
	voice, err := resolveVoice(cfg, model, assistant, c.Voice)
	if err != nil {
		return plan{}, err
	}
	modality := or(c.Modality, model.Modalities[0])
	if !slices.Contains(model.Modalities, modality) {
		return plan{}, fatal(ReasonBadConfig, "modality", fmt.Sprintf("The model %s answers in %s, not in %s.", model.ID, strings.Join(model.Modalities, " or "), modality))
	}
	language := or(c.Language, assistant.Language)
	if language == "auto" {
		language = ""
	}
	if c.Language != nil && language != "" && !model.LanguageCode {
		p.warn("language", fmt.Sprintf("The model %s chooses the language by itself; %s was not passed on.", model.ID, language))
		language = ""
	}
	if p.resumable = or(c.Resumable, false); p.resumable && cfg.Resume.Window == 0 {
		p.resumable = false
		p.warn("resumable", "This server does not resume conversations; this one ends with its connection.")
	}
	if p.resumable && !c.fitsTicket() {
		p.resumable = false
		p.warn("resumable", "This conversation is configured with more than a resume ticket can hold; it ends with its connection.")
	}
	p.setup = Setup{
		Model:             model,
		Modality:          modality,
		Voice:             voice,
		Language:          language,
		SystemInstruction: or(c.SystemInstruction, assistant.SystemInstruction),
		Temperature:       assistant.Temperature,
		MaxOutputTokens:   assistant.MaxOutputTokens,
		InputTranscript:   c.Transcription == nil || or(c.Transcription.Input, true),
		OutputTranscript:  c.Transcription == nil || or(c.Transcription.Output, true),
		VAD:               resolveVAD(c.VAD),
		InputRate:         defaultInputRate,
		Tools:             c.Tools,
		GoogleSearch:      assistant.GoogleSearch,
	}
	if c.Audio != nil {
		p.setup.InputRate = or(c.Audio.InputSampleRate, defaultInputRate)
	}
	return p, nil
}

func (p *plan) warn(field, text string) {
	p.warnings = append(p.warnings, WarningNotice{Code: "not_supported", Message: text, Field: field})
}

func resolveModel(cfg *Config, backend string, a Assistant, asked *string) (Model, error) {
	if asked != nil {
		m, ok := cfg.model(*asked, backend)
		if !ok {
			return m, fatal(ReasonBadConfig, "model", fmt.Sprintf("This server offers no model %.80q here.", *asked))
		}
		return m, nil
	}
	if m, ok := cfg.model(a.Model, backend); ok {
		return m, nil
	}
	m, _ := cfg.model(cfg.Live.DefaultModels.For(backend), backend) // Validate has seen it
	return m, nil
}

func resolveVoice(cfg *Config, m Model, a Assistant, asked *string) (string, error) {
	voices := m.Voices
	if len(voices) == 0 {
		voices = cfg.Live.Voices
	}
	if asked == nil {
		if slices.Contains(voices, a.Voice) {
			return a.Voice, nil
		}
		return "", nil // an assistant's voice that this model lacks: the model's own choice
	}
	at := slices.IndexFunc(voices, func(v string) bool { return strings.EqualFold(v, *asked) })
	if at < 0 {
		return "", fatal(ReasonBadConfig, "voice", fmt.Sprintf("The model %s has no voice %.60q.", m.ID, *asked))
	}
	return voices[at], nil
}

func resolveVAD(c *VADConfig) VAD {
	v := VAD{PrefixPadding: -1, SilenceDuration: -1}
	if c == nil {
		return v
	}
	v.Manual = or(c.Mode, "auto") == "manual"
	v.StartSensitivity, v.EndSensitivity = or(c.StartSensitivity, ""), or(c.EndSensitivity, "")
	v.Uninterruptible = !or(c.Interruptible, true)
	if c.PrefixPaddingMs != nil {
		v.PrefixPadding = time.Duration(*c.PrefixPaddingMs) * time.Millisecond
	}
	if c.SilenceDurationMs != nil {
		v.SilenceDuration = time.Duration(*c.SilenceDurationMs) * time.Millisecond
	}
	return v
}

// or is what p points to, or the fallback.
func or[T any](p *T, fallback T) T {
	if p == nil {
		return fallback
	}
	return *p
}
