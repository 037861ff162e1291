package live

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

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
