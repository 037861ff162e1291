package live

import (
	"strings"
	"sync"
)

// The bounds of a transcript: a fresh connection is seeded with the end of a long conversation.
const (
	maxHistoryTurns = 100
	maxHistoryBytes = 32 << 10
)

// history is the conversation as text, as far as its transcripts tell. A connection that cannot be resumed by a handle
// is seeded with it.
type history struct {
	mu    sync.Mutex
	turns []HistoryTurn
	bytes int
	user  strings.Builder // of the turn that is going on
	model strings.Builder
}

func (h *history) heard(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.user.WriteString(text)
}

func (h *history) said(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.model.WriteString(text)
}

// turn ends a turn. What was cut short is remembered as far as it was told.
func (h *history) turn() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add("user", &h.user)
	h.add("model", &h.model)
}

// restart forgets what the model has said of the turn that is going on, and what the person has: it will be heard again.
func (h *history) restart() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.user.Reset()
	h.model.Reset()
}

func (h *history) add(role string, text *strings.Builder) {
	if said := strings.TrimSpace(text.String()); said != "" {
		h.turns = append(h.turns, HistoryTurn{Role: role, Text: said})
		h.bytes += len(said)
	}
	text.Reset()
	for len(h.turns) > maxHistoryTurns || h.bytes > maxHistoryBytes && len(h.turns) > 1 {
		h.bytes -= len(h.turns[0].Text)
		h.turns = h.turns[1:]
	}
}

// all is a copy of the finished turns.
func (h *history) all() []HistoryTurn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]HistoryTurn(nil), h.turns...)
}
