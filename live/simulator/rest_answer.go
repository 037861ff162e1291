package simulator

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
	"unicode"

	"github.com/valyala/fasthttp"
)

const (
	// quotedRunes is how much of the person's text an answer repeats.
	quotedRunes = 400
	// pieceWords is how many words a streamed piece has, as long as Google's are.
	pieceWords = 3
)

// generate answers a text with a text that says what it is, whole or in pieces.
func (s *Server) generate(ctx *fasthttp.RequestCtx, c *restCall) {
	refuse := func(e *restError) { e.write(ctx, c.array()) }
	if c.method != "generateContent" && c.method != "streamGenerateContent" {
		refuse(&restError{Code: fasthttp.StatusNotFound, Message: "Simulator: the method " + c.method + " is not served here."})
		return
	}
	if strings.Contains(c.model, quotaMarker) {
		refuse(errQuota(c))
		return
	}
	if !s.cfg.known(c.model) {
		refuse(errNoModel(c))
		return
	}
	if len(ctx.Request.Body()) > maxRESTBody {
		refuse(badRequest(tooLarge))
		return
	}
	r, refused := parseTextRequest(ctx.Request.Body())
	if refused != nil {
		refuse(refused)
		return
	}
	if strings.Contains(r.text, quotaMarker) {
		refuse(errQuota(c))
		return
	}
	a := newTextAnswer(c, &r)
	if c.method == "generateContent" {
		writeREST(ctx, fasthttp.StatusOK, a.message(strings.Join(a.pieces, ""), len(a.pieces)))
		return
	}
	a.stream(ctx)
}

// textAnswer is an answer in the pieces that it is streamed in. It holds nothing of the request's memory, because
// it outlives the handler.
type textAnswer struct {
	call     restCall
	request  textRequest
	pieces   []string
	finish   string
	id       string
	created  time.Time
	outputTo []int // tokens up to and including each piece
}

func newTextAnswer(c *restCall, r *textRequest) *textAnswer {
	a := &textAnswer{call: *c, request: *r, finish: "STOP", id: newResponseID(), created: time.Now()}
	text := composeAnswer(r)
	if r.json {
		p, _ := json.Marshal(map[string]string{"simulated": text}) // a map of strings always marshals
		text = string(p)
	}
	total := 0
	for _, piece := range splitWords(text, pieceWords) {
		n := textTokens(piece)
		if r.maxTokens > 0 && total+n > r.maxTokens {
			a.finish = "MAX_TOKENS"
			break
		}
		total += n
		a.pieces, a.outputTo = append(a.pieces, piece), append(a.outputTo, total)
	}
	if len(a.pieces) == 0 {
		// Even an answer that was cut before its first word has a message, with the reason in it.
		a.pieces, a.outputTo = []string{""}, []int{0}
	}
	return a
}

// composeAnswer says honestly what answers, and what it received.
func composeAnswer(r *textRequest) string {
	var b strings.Builder
	words := len(strings.Fields(r.text))
	quoted := []rune(strings.TrimSpace(r.text))
	if len(quoted) > quotedRunes {
		quoted = append(quoted[:quotedRunes], '…')
	}
	fmt.Fprintf(&b, "Simulated answer: you wrote %s", plural(words, "word"))
	if words > 0 {
		fmt.Fprintf(&b, ": “%s”", string(quoted))
	}
	b.WriteString(".")
	if r.attachments > 0 {
		fmt.Fprintf(&b, " With them came %s that I did not look at.", plural(r.attachments, "attachment"))
	}
	fmt.Fprintf(&b, " Before that there were %s.", plural(r.turns, "turn"))
	if n := len(strings.Fields(r.instruction)); n > 0 {
		fmt.Fprintf(&b, " My instruction has %s.", plural(n, "word"))
	}
	b.WriteString(" No model was asked.")
	return b.String()
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// splitWords cuts text behind every n-th word; joined, the pieces are the text.
func splitWords(text string, n int) []string {
	var pieces []string
	start, words, inWord := 0, 0, false
	for i, r := range text {
		space := unicode.IsSpace(r)
		if inWord && space {
			if words++; words == n {
				pieces, start, words = append(pieces, text[start:i]), i, 0
			}
		}
		inWord = !space
	}
	return append(pieces, text[start:])
}

// stream sends the pieces one by one: as server-sent events, or as the elements of an array.
func (a *textAnswer) stream(ctx *fasthttp.RequestCtx) {
	open, between, end := "", "", ""
	if a.call.sse {
		ctx.SetContentType("text/event-stream")
	} else {
		ctx.SetContentType("application/json; charset=UTF-8")
		open, between, end = "[", ",\r\n", "]\n"
	}
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		// The writer keeps the first error, and Flush tells it: then nobody listens any more.
		_, _ = w.WriteString(open)
		for i, piece := range a.pieces {
			if i > 0 {
				_, _ = w.WriteString(between)
			}
			p, err := json.Marshal(a.message(piece, i+1))
			if err != nil {
				return
			}
			if a.call.sse {
				_, _ = fmt.Fprintf(w, "data: %s\r\n\r\n", p)
			} else {
				_, _ = fmt.Fprintf(w, "%s\n", p)
			}
			if w.Flush() != nil {
				return
			}
		}
		_, _ = w.WriteString(end)
	})
}

// message is a GenerateContentResponse that holds text; it is the last one when all pieces are done.
func (a *textAnswer) message(text string, done int) any {
	last := done == len(a.pieces)
	candidate := map[string]any{
		"content": map[string]any{"role": "model", "parts": []any{map[string]string{"text": text}}},
	}
	if !a.call.vertex {
		candidate["index"] = 0
	}
	if last {
		candidate["finishReason"] = a.enum(a.finish)
	}
	m := map[string]any{
		"candidates":    []any{candidate},
		"usageMetadata": a.usage(a.outputTo[done-1], last),
		"modelVersion":  a.call.model,
		"responseId":    a.id,
	}
	if a.call.vertex {
		m["createTime"] = a.created.UTC().Format(time.RFC3339Nano)
	}
	return m
}

// usage counts tokens. The Gemini API repeats the sums with every message of a stream, Vertex AI tells them with the
// last one only.
func (a *textAnswer) usage(output int, last bool) any {
	u := map[string]any{}
	if a.call.vertex {
		u["trafficType"] = a.enum("ON_DEMAND")
	}
	if a.call.vertex && !last {
		return u
	}
	r := &a.request
	prompt := r.textTokens + r.imageTokens
	details := []any{map[string]any{"modality": a.enum("TEXT"), "tokenCount": r.textTokens}}
	if r.imageTokens > 0 {
		details = append(details, map[string]any{"modality": a.enum("IMAGE"), "tokenCount": r.imageTokens})
	}
	u["promptTokenCount"], u["promptTokensDetails"] = prompt, details
	u["candidatesTokenCount"], u["totalTokenCount"] = output, prompt+output
	if a.call.vertex {
		u["candidatesTokensDetails"] = []any{map[string]any{"modality": a.enum("TEXT"), "tokenCount": output}}
	}
	return u
}

// enumNumbers are the numbers of the enum values in google.cloud.aiplatform.v1beta1, for callers that ask for them.
var enumNumbers = map[string]int{"STOP": 1, "MAX_TOKENS": 2, "TEXT": 1, "IMAGE": 2, "ON_DEMAND": 1}

func (a *textAnswer) enum(name string) any {
	if a.call.ints {
		return enumNumbers[name]
	}
	return name
}

// newResponseID makes an id like Google's: opaque, and safe in a URL.
func newResponseID() string {
	return base64.RawURLEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, rand.Uint64()))
}
