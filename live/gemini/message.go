package gemini

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/asm/base64"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
)

// message is one message of the model, taken apart. Two decoders fill it: scan, which is fast and knows what the
// models send day by day, and parse, which knows all of JSON. What it holds points into the frame that it came
// in, and is valid as long as that.
type message struct {
	ready              bool
	interrupted        bool
	generationComplete bool
	turnComplete       bool
	working            bool   // interactionStatus IN_PROGRESS: the model goes on by itself after this turn
	waiting            bool   // waitingForInput
	cause              string // turnCompleteReason

	pieces []piece // of the model's turn, in order

	input, output transcript

	calls     []live.ToolCall
	cancelled []string

	usage    live.Usage
	hasUsage bool

	voice   bool // speech began or ended
	started bool

	resumption bool
	handle     string
	resumable  bool
	consumed   int64
	goAway     bool
	timeLeft   time.Duration
	failure    *statusError

	shape *shape // of a message before this one; nil: none is remembered

	step int // of next
	part int // of next: how many pieces are done
}

// piece is a part of the model's turn: text, or audio in base64.
type piece struct {
	text string
	// audio is base64 behind one free byte: decoding happens in place, and the byte takes what was left over from
	// the piece before. Empty: this is text.
	audio   []byte
	escaped bool // holds \/ for /
	decoded int  // characters of it that decodeFront has taken
	// front is audio with what stands before it in the message, frame.Room bytes; nil: it has nothing like that.
	front []byte
	at    int // where audio begins in the message, if it has a front
	rate  int // of the audio in Hz; 0: not told
}

type transcript struct {
	set   bool
	text  string
	final bool
}

// statusError is the top-level "error" member: google.rpc.Status.
type statusError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
}

// messages are for connections on which something comes: they are empty.
var messages = sync.Pool{New: func() any { return &message{consumed: -1} }}

func (m *message) reset() {
	clear(m.pieces[:cap(m.pieces)])
	pieces := m.pieces[:0]
	*m = message{pieces: pieces, shape: m.shape, consumed: -1}
}

// more reports whether next may have more to give than EventReady.
func (m *message) more() bool {
	return m.interrupted || m.voice || len(m.pieces) > 0 || m.input.set || m.output.set || m.calls != nil || m.cancelled != nil ||
		m.generationComplete || m.waiting || m.turnComplete || m.hasUsage || m.resumption || m.goAway || m.failure != nil
}

// The order of events within one message. The interruption goes first, whatever else is there.
const (
	stepInterrupted = iota
	stepReady
	stepVoice
	stepPieces
	stepInput
	stepOutput
	stepCalls
	stepCancelled
	stepGenerationComplete
	stepWaiting
	stepTurnComplete
	stepUsage
	stepResumption
	stepGoAway
	stepDone
)

// next takes the next event out of the message; false: there is none left. e is empty.
func (m *message) next(e *live.Event, c *carry) (bool, error) {
	for m.step < stepDone {
		step := m.step
		if step == stepPieces && m.part < len(m.pieces) {
			p := &m.pieces[m.part]
			m.part++
			if found, err := p.event(e, c); found || err != nil {
				return found, err
			}
			continue
		}
		m.step++
		if m.event(step, e) {
			switch e.Kind {
			case live.EventInterrupted, live.EventTurnComplete:
				c.drop()
			}
			return true, nil
		}
	}
	return false, nil
}

// event makes the event of one step, if the message holds it.
func (m *message) event(step int, e *live.Event) bool {
	switch {
	case step == stepInterrupted && m.interrupted:
		e.Kind = live.EventInterrupted
	case step == stepReady && m.ready:
		e.Kind = live.EventReady
	case step == stepVoice && m.voice:
		e.Kind, e.Started = live.EventVoiceActivity, m.started
	case step == stepInput && m.input.set:
		e.Kind, e.Text, e.Final = live.EventInputTranscript, m.input.text, m.input.final
	case step == stepOutput && m.output.set:
		e.Kind, e.Text, e.Final = live.EventOutputTranscript, m.output.text, m.output.final
	case step == stepCalls && len(m.calls) > 0:
		e.Kind, e.Calls = live.EventToolCall, m.calls
	case step == stepCancelled && len(m.cancelled) > 0:
		e.Kind, e.IDs = live.EventToolCallCancelled, m.cancelled
	case step == stepGenerationComplete && m.generationComplete:
		e.Kind = live.EventGenerationComplete
	case step == stepWaiting && m.waiting:
		e.Kind = live.EventWaiting
	case step == stepTurnComplete && m.turnComplete:
		e.Kind, e.Cause, e.Final = live.EventTurnComplete, m.cause, !m.working
	case step == stepUsage && m.hasUsage && m.usage != (live.Usage{}):
		e.Kind, e.Usage = live.EventUsage, m.usage
	case step == stepResumption && m.resumption:
		e.Kind, e.Handle, e.Resumable, e.Consumed = live.EventResumption, m.handle, m.resumable, m.consumed
	case step == stepGoAway && m.goAway:
		e.Kind, e.TimeLeft = live.EventGoAway, m.timeLeft
	default:
		return false
	}
	return true
}

// finish applies what holds for a message as a whole, after either decoder: audio that stands beside an
// interruption belongs to what was interrupted.
func (m *message) finish() {
	if m.interrupted {
		m.pieces = m.pieces[:0]
	}
}

// event decodes the piece. A piece of nothing, or of less than a sample, is no event.
func (p *piece) event(e *live.Event, c *carry) (bool, error) {
	if len(p.audio) == 0 {
		e.Kind, e.Text = live.EventText, p.text
		return p.text != "", nil
	}
	if p.escaped {
		p.audio = unescapeSlashes(p.audio)
	}
	from, pcm, err := c.decode(p.audio, p.decoded)
	if err != nil {
		return false, err
	}
	e.Kind, e.PCM = live.EventAudio, pcm
	if p.front != nil {
		e.Framed = p.front[from : from+frame.Room+len(pcm)]
	}
	return len(pcm) > 0, nil
}

// carry is half a sample that is left over when a piece of audio has an odd length (seen from real models).
type carry struct {
	odd bool
	low byte
}

func (c *carry) drop() { c.odd = false }

var errBadBase64 = errors.New("the audio is not standard base64 with padding")

// decode decodes p[1:] in place, of which decodeFront may have taken characters already, and gives whole samples, beginning with
// what the piece before left over. p[0] is free to be overwritten. They begin at p[from].
func (c *carry) decode(p []byte, taken int) (from int, pcm []byte, err error) {
	text := p[1:]
	want := len(text) / 4 * 3
	for i := len(text) - 1; i >= 0 && i >= len(text)-2 && text[i] == '='; i-- {
		want--
	}
	if taken == 0 {
		taken = decodeFront(text)
	}
	n, err := base64.StdEncoding.Decode(text[taken/4*3:], text[taken:])
	n += taken / 4 * 3
	// The library skips line breaks, as the standard library does; in JSON they are not even valid.
	if err != nil || n != want || len(text)%4 != 0 {
		return 0, nil, errBadBase64
	}
	from, out := 1, text[:n]
	if c.odd {
		p[0] = c.low
		from, out = 0, p[:1+n]
	}
	if c.odd = len(out)%2 == 1; c.odd {
		c.low = out[len(out)-1]
		out = out[:len(out)-1]
	}
	return from, out, nil
}

// unescapeSlashes replaces \/ by / in place behind the free first byte.
func unescapeSlashes(p []byte) []byte {
	n := 1
	for i := 1; i < len(p); i++ {
		if p[i] == '\\' {
			i++
		}
		p[n] = p[i]
		n++
	}
	return p[:n]
}

// audioRate reads the type of inline data: whether it is PCM, and its rate where it is told.
func audioRate(mime string) (rate int, pcm bool) {
	kind, rest, _ := strings.Cut(mime, ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "audio/pcm") {
		return 0, false
	}
	for param := range strings.SplitSeq(rest, ";") {
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(name), "rate") {
			rate, _ = strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return rate, true
}

// duration reads proto3's JSON form: seconds with a decimal point and an s. What is none is 0.
func duration(s string) time.Duration {
	if !strings.HasSuffix(s, "s") {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0
	}
	return d
}

// voiceSignal reads the three spellings of "speech began" and "speech ended": voiceActivity.type on the wire,
// voiceActivityType in Google's SDKs, and voiceActivityDetectionSignal.vadSignalType.
func voiceSignal(s string) (started, known bool) {
	switch s {
	case "ACTIVITY_START", "VAD_SIGNAL_TYPE_SOS":
		return true, true
	case "ACTIVITY_END", "VAD_SIGNAL_TYPE_EOS":
		return false, true
	default:
		return false, false
	}
}

const interactionInProgress = "IN_PROGRESS"

// modalityOf is the kind of content under the name that Google gives it; those that it does not know count in
// the sums only.
func modalityOf(name []byte) (m live.Modality, known bool) {
	switch string(name) {
	case "TEXT":
		return live.ModalityText, true
	case "AUDIO":
		return live.ModalityAudio, true
	case "IMAGE":
		return live.ModalityImage, true
	case "VIDEO":
		return live.ModalityVideo, true
	case "DOCUMENT":
		return live.ModalityDocument, true
	default:
		return 0, false
	}
}

// countTokens adds n tokens of one kind to the input's or the output's.
func countTokens(u *live.Usage, output bool, name []byte, n int64) {
	m, known := modalityOf(name)
	switch {
	case !known:
	case output:
		u.OutputBy[m] += n
	default:
		u.InputBy[m] += n
	}
}

// toolCalls reads toolCall; both decoders use it. A call without arguments has the empty object.
func toolCalls(raw []byte) ([]live.ToolCall, error) {
	var call struct {
		FunctionCalls []live.ToolCall `json:"functionCalls"`
	}
	if err := json.Unmarshal(raw, &call); err != nil {
		return nil, err
	}
	for i := range call.FunctionCalls {
		if c := &call.FunctionCalls[i]; len(c.Args) == 0 || c.Args[0] != '{' {
			c.Args = json.RawMessage("{}")
		}
	}
	return call.FunctionCalls, nil
}

// cancelledCalls reads toolCallCancellation; both decoders use it.
func cancelledCalls(raw []byte) ([]string, error) {
	var c struct {
		IDs []string `json:"ids"`
	}
	err := json.Unmarshal(raw, &c)
	return c.IDs, err
}

// failure reads a top-level error, which Google's Go SDK expects; both decoders use it.
func failure(raw []byte) *statusError {
	e := new(statusError)
	if json.Unmarshal(raw, e) != nil {
		// Not in the form of a status: what it says is all there is.
		*e = statusError{Message: string(raw)}
	}
	return e
}
