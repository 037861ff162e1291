package handlers

import (
	"slices"

	"github.com/gofiber/fiber/v2"

	"github.com/stonepot/stonepot/live"
)

// backendOffer says what one backend has for a page.
type backendOffer struct {
	Available    bool         `json:"available"`
	Simulated    bool         `json:"simulated"`
	Path         string       `json:"path"`
	DefaultModel string       `json:"defaultModel,omitempty"`
	Models       []modelOffer `json:"models,omitempty"`
	Voices       []string     `json:"voices,omitempty"` // of its models, together
}

type modelOffer struct {
	ID         string   `json:"id"`
	Label      string   `json:"label"`
	Modalities []string `json:"modalities"`
	Voices     []string `json:"voices"`
	Languages  []string `json:"languages"` // none: it follows the person, and takes no wish
	// VideoLimitMs is how long a conversation with pictures may last; 0: as long as any other.
	VideoLimitMs int64 `json:"videoLimitMs"`
}

type assistantOffer struct {
	Name  string `json:"name"`
	Label string `json:"label"`
}

// limitsOffer are the limits that a client should know before it runs into them.
type limitsOffer struct {
	MaxDurationMs  int64 `json:"maxDurationMs"`
	IdleTimeoutMs  int64 `json:"idleTimeoutMs"`
	FirstMessageMs int64 `json:"firstMessageMs"`
	MaxFrameBytes  int   `json:"maxFrameBytes"`
	MaxTextBytes   int   `json:"maxTextBytes"`
	MaxVideoBytes  int   `json:"maxVideoBytes"`
}

func limitsOf(l live.Limits) limitsOffer {
	return limitsOffer{
		MaxDurationMs:  l.MaxDuration.Milliseconds(),
		IdleTimeoutMs:  l.IdleTimeout.Milliseconds(),
		FirstMessageMs: l.FirstMessage.Milliseconds(),
		MaxFrameBytes:  l.MaxFrameBytes,
		MaxTextBytes:   l.MaxTextBytes,
		MaxVideoBytes:  l.MaxVideoBytes,
	}
}

// availability is what everybody may know of the backends.
func (a *API) availability() map[string]backendOffer {
	offers := make(map[string]backendOffer, len(voicePaths))
	for _, v := range voicePaths {
		b, ok := a.gateway.Backend(v.backend)
		offers[v.backend] = backendOffer{Available: ok, Simulated: ok && b.Simulated, Path: v.path}
	}
	return offers
}

// Config answers GET /api/config: what a page may offer to a person.
func (a *API) Config(c *fiber.Ctx) error {
	cfg := a.gateway.Config()
	offers := a.availability()
	for name, offer := range offers {
		offer.DefaultModel = cfg.Live.DefaultModels.For(name)
		offer.Models, offer.Voices = []modelOffer{}, []string{}
		for _, m := range cfg.Models {
			if !slices.Contains(m.Backends, name) {
				continue
			}
			voices := m.Voices
			if len(voices) == 0 {
				voices = cfg.Live.Voices
			}
			languages := []string{}
			if m.LanguageCode {
				languages = orEmpty(cfg.Live.Languages)
			}
			label := m.Label
			if label == "" {
				label = m.ID
			}
			offer.Models = append(offer.Models, modelOffer{
				m.ID, label, m.Modalities, orEmpty(voices), languages, m.VideoLimit.Milliseconds(),
			})
			for _, voice := range voices {
				if !slices.Contains(offer.Voices, voice) {
					offer.Voices = append(offer.Voices, voice)
				}
			}
		}
		offers[name] = offer
	}
	assistants := make([]assistantOffer, len(cfg.Assistants))
	for i, assistant := range cfg.Assistants {
		assistants[i] = assistantOffer{assistant.Name, assistant.Label}
		if assistant.Label == "" {
			assistants[i].Label = assistant.Name
		}
	}
	notes := make(map[string]string, len(cfg.Live.VoiceNotes))
	for _, n := range cfg.Live.VoiceNotes {
		notes[n.Voice] = n.Note
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return c.JSON(struct {
		Success          bool                    `json:"success"`
		DefaultBackend   string                  `json:"defaultBackend"`
		Backends         map[string]backendOffer `json:"backends"`
		VoiceNotes       map[string]string       `json:"voiceNotes"` // how voices sound, in a word or two
		Assistants       []assistantOffer        `json:"assistants"`
		DefaultAssistant string                  `json:"defaultAssistant"`
		Limits           limitsOffer             `json:"limits"`
		ClientMaySet     []string                `json:"clientMaySet"`
	}{true, a.defaultBackend(), offers, notes, assistants, cfg.Live.DefaultAssistant, limitsOf(cfg.Limits), orEmpty(cfg.Live.ClientMaySet)})
}

// Status answers GET /api/status: what this server is and how it is doing, without secrets or anybody's data.
func (a *API) Status(c *fiber.Ctx) error {
	cfg := a.gateway.Config()
	status := "ok"
	if p := a.check(a.defaultBackend()); p != nil {
		status = p.code
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.JSON(struct {
		Success        bool                    `json:"success"`
		Status         string                  `json:"status"` // ok, or the code that new sessions are refused with
		Version        string                  `json:"version"`
		UptimeMs       int64                   `json:"uptimeMs"`
		Protocol       string                  `json:"protocol"`
		DefaultBackend string                  `json:"defaultBackend"`
		Backends       map[string]backendOffer `json:"backends"`
		Limits         limitsOffer             `json:"limits"`
		MaxSessions    int                     `json:"maxSessions"`
		Endpoints      []endpoint              `json:"endpoints"`
	}{
		true, status, a.version, a.uptimeMs(), subprotocol, a.defaultBackend(), a.availability(), limitsOf(cfg.Limits),
		cfg.Live.MaxSessions, a.docs().endpoints,
	})
}

// orEmpty makes a list that JSON shows as [] where there is none.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
