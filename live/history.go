package live

import (
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
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
	open  *exchanges // what is going on; nil: nothing has been said so far

	cut   bool // the answer was interrupted: what is heard from now on belongs to the next turn
	known bool // the last finished turn left a text

	filed     int    // how many of turns came since the mark
	typedLast string // what was written in them
}

// exchanges are the halves of the turn that is going on. Most idle sessions have none.
type exchanges struct {
	person [2]exchange // the person's half, and what was said into the answer
	at     int         // which of them is which
	model  strings.Builder
}

// both are they. Called with mu held.
func (h *history) both() *exchanges {
	if h.open == nil {
		h.open = new(exchanges)
	}
	return h.open
}

// now is the person's half of the turn that is going on. Called with mu held.
func (h *history) now() *exchange { return &h.both().person[h.open.at] }

// next is what the person has said into the answer: the model has yet to answer it. Called with mu held.
func (h *history) next() *exchange { return &h.both().person[1-h.open.at] }

// model is the model's half. Called with mu held.
func (h *history) model() *strings.Builder { return &h.both().model }

// exchange is the person's half of a turn.
type exchange struct {
	spoken  strings.Builder
	written strings.Builder // given again as it was when a turn is restarted, but not heard again
}

func (h *history) heard(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cut {
		write(&h.next().spoken, text)
	} else {
		write(&h.now().spoken, text)
	}
}

// interrupted notes that the person has cut the answer short.
func (h *history) interrupted() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cut = true
}

func (h *history) said(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	write(h.model(), text)
}

// typed notes a text of the person that does not come back as a transcript. answering says that it came into an answer, to
// which it is no question.
func (h *history) typed(text string, answering bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	to := &h.now().written
	if answering || h.cut {
		to = &h.next().written
	}
	if to.Len() > 0 {
		text = "\n" + text
	}
	write(to, text)
}

// write appends to the text of a turn. Of one that is too long to be remembered only the end is kept.
func write(b *strings.Builder, text string) {
	if b.Len()+len(text) <= 2*maxHistoryBytes {
		b.WriteString(text)
		return
	}
	all := b.String() + text
	b.Reset()
	b.WriteString(strings.ToValidUTF8(all[len(all)-maxHistoryBytes:], ""))
}

// turn ends a turn. What was cut short is remembered as far as it was told. unanswered are the newest texts of the person's, to
// which it is no answer: they belong to the next one.
func (h *history) turn(unanswered []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.putOff(unanswered)
	h.known = h.model().Len() > 0
	h.typedLast = strings.TrimSpace(h.typedLast + "\n" + h.now().written.String())
	if more := len(h.typedLast) - maxHistoryBytes; more > 0 {
		h.typedLast = strings.ToValidUTF8(h.typedLast[more:], "")
	}
	h.add("user", &h.now().written)
	h.add("user", &h.now().spoken)
	h.add("model", h.model())
	h.open.at, h.cut = 1-h.open.at, false
}

// unhear forgets how a model that takes texts as speech has written some down: it will be given them again, and do so once more.
func (h *history) unhear(texts []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, half := range []*strings.Builder{&h.now().spoken, &h.next().spoken} {
		if rest, found := without(half.String(), texts); len(found) > 0 {
			half.Reset()
			write(half, rest)
		}
	}
}

// without is what is left of a transcript when texts are taken out that it ends with, more or less, and which of them it had.
func without(transcript string, texts []string) (rest string, found []string) {
	for _, text := range texts {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		at := placeOf(transcript, text)
		if at < 0 {
			continue
		}
		transcript = transcript[:at] + transcript[at+len(text):]
		found = append(found, text)
	}
	return transcript, found
}

// placeOf is where a text stands last in a transcript: as words of their own, or else, because models leave spaces out, anywhere.
func placeOf(transcript, text string) int {
	for end := len(transcript); ; {
		at := strings.LastIndex(transcript[:end], text)
		if at < 0 {
			return strings.LastIndex(transcript, text)
		}
		before, _ := utf8.DecodeLastRuneInString(transcript[:at])
		after, _ := utf8.DecodeRuneInString(transcript[at+len(text):])
		if !ofWord(before) && !ofWord(after) {
			return at
		}
		end = at + len(text) - 1
	}
}

func ofWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// putOff moves texts to the next turn, where they are: as they were written, or as a model writes them down that takes them as speech.
// Called with mu held.
func (h *history) putOff(texts []string) {
	now, next := h.now(), h.next()
	for _, half := range [...][2]*strings.Builder{{&now.written, &next.written}, {&now.spoken, &next.spoken}} {
		rest, found := without(half[0].String(), texts)
		if len(found) == 0 {
			continue
		}
		later := strings.Join(found, "\n") + "\n" + half[1].String()
		half[0].Reset()
		write(half[0], rest)
		half[1].Reset()
		write(half[1], later)
	}
}

// mark notes that a handle, or the transcript that a connection was seeded with, knows all turns so far.
func (h *history) mark() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.filed, h.typedLast = 0, ""
}

// takeBack takes the turns since the mark out again: they are given once more, and will be heard and answered anew.
func (h *history) takeBack() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for range min(h.filed, len(h.turns)) {
		last := len(h.turns) - 1
		h.bytes -= len(h.turns[last].Text)
		h.turns = h.turns[:last]
	}
	later := h.now().written.String()
	h.now().written.Reset()
	write(&h.now().written, strings.TrimSpace(h.typedLast+"\n"+later))
	h.filed, h.typedLast = 0, ""
}

// told reports whether the transcript knows what was answered in the last finished turn.
func (h *history) told() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.known
}

// restart forgets what the model has said of the turn that is going on, and what the person has: it will be heard again.
// It reports whether there was something of the person's.
func (h *history) restart() (heard bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	heard = h.now().spoken.Len() > 0 || h.next().spoken.Len() > 0
	h.now().spoken.Reset()
	h.next().spoken.Reset()
	h.model().Reset()
	return heard
}

func (h *history) add(role string, text *strings.Builder) {
	if said := strings.TrimSpace(text.String()); said != "" {
		h.turns = append(h.turns, HistoryTurn{Role: role, Text: said})
		h.bytes += len(said)
		h.filed++
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
	return slices.Clone(h.turns)
}
