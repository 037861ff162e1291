package handlers

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/stonepot/stonepot/live"
)

// talk is one chat that is being answered. One goroutine asks the model (ask); the request's handler, and then the
// goroutine that fasthttp writes a stream with, take the pieces and call finish.
type talk struct {
	// Static after begin.
	api     *API
	chat    Chat
	request ChatRequest
	ctx     context.Context //nolint:containedctx // outlives the handler: the stream is written after it returned
	cancel  context.CancelFunc
	watch   func() // stops watching the connection
	attrs   []slog.Attr
	began   time.Time

	// pieces of the answer; closed by ask, which then leaves err and answer.Usage to whoever saw it closed.
	pieces chan string
	err    error

	// Owned by whoever takes the pieces.
	answer chatAnswer
	text   strings.Builder
}

// errGone is why a chat ends whose client has closed its connection.
var errGone = errors.New("the client has gone")

// begin starts asking. finish gives back what the caller took for it.
func (t *talk) begin(c *fiber.Ctx) {
	limit := t.api.chat.Timeout
	timeout := &problem{
		status: fiber.StatusGatewayTimeout, code: live.ReasonUpstreamUnavailable.Code,
		message: fmt.Sprintf("The model did not finish its answer within %v.", limit),
		cause:   context.DeadlineExceeded,
	}
	ctx, cancel := context.WithTimeoutCause(t.api.alive, limit, timeout)
	t.ctx, t.watch = watchGone(ctx, c.Context().Conn())
	t.cancel = cancel
	t.pieces = make(chan string)
	t.attrs, t.began = requestAttrs(c), time.Now()
	// Instead of server.write_timeout: an answer that its client does not take must not hold the room for longer than
	// the answer may take.
	_ = c.Context().SetWriteDeadline(t.began.Add(limit + goodbyeWait))
	go t.ask()
}

// ask runs until the model has said all, or nobody wants to hear it any more.
func (t *talk) ask() {
	defer close(t.pieces)
	defer func() {
		if v := recover(); v != nil {
			t.err = &panicError{v, debug.Stack()}
		}
	}()
	usage, err := t.chat.Stream(t.ctx, t.request, func(text string) error {
		if text == "" {
			return nil
		}
		select {
		case t.pieces <- text:
			return nil
		case <-t.ctx.Done():
			return context.Cause(t.ctx)
		}
	})
	t.err, t.answer.Usage = err, chatUsage{usage.Input, usage.Output}
}

// finish ends asking if it goes on, waits for it, and makes room for the next chat.
func (t *talk) finish(p *problem) {
	t.cancel()
	for range t.pieces { // until ask closes it
	}
	t.watch()
	<-t.api.chatSlots
	defer t.api.work.Done()

	code := "ok"
	if p != nil {
		code = p.code
	}
	t.api.log.LogAttrs(context.Background(), slog.LevelInfo, "chat ended", append(t.attrs,
		slog.String("result", code), slog.String("backend", t.answer.Backend), slog.String("model", t.answer.Model),
		slog.Bool("simulated", t.answer.Simulated), slog.Int64("durationMs", time.Since(t.began).Milliseconds()),
		slog.Int64("inputTokens", t.answer.Usage.InputTokens), slog.Int64("outputTokens", t.answer.Usage.OutputTokens))...)
}

// result is how asking ended, once pieces is closed: nil when the answer is complete.
func (t *talk) result() *problem {
	var p *problem
	switch cause := context.Cause(t.ctx); {
	case t.err == nil:
		return nil
	case errors.As(cause, &p): // the timeout, or the shutdown; what the backend made of it says less
		return p
	case errors.Is(cause, errGone):
		return &problem{status: 499, code: "client_gone", message: "The client has gone."} // nginx's status for it; nobody reads it
	default:
		return asProblem(t.err)
	}
}

// whole answers with all of it in one piece.
func (t *talk) whole(c *fiber.Ctx) error {
	for piece := range t.pieces {
		t.text.WriteString(piece)
	}
	p := t.result()
	t.finish(p)
	if p != nil {
		return p
	}
	t.answer.Text = t.text.String()
	return c.JSON(t.answer)
}

// stream answers with server-sent events as the pieces come. It waits for the first one, so that a model that cannot
// be reached is a status and not an event.
func (t *talk) stream(c *fiber.Ctx) error {
	first, ok := <-t.pieces
	if !ok {
		if p := t.result(); p != nil {
			t.finish(p)
			return p
		}
	}
	c.Set(fiber.HeaderContentType, "text/event-stream")
	c.Set("X-Accel-Buffering", "no") // nginx would keep the stream back
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		t.write(w, first)
	})
	return nil
}

// write is run by fasthttp, once, after the headers; the connection is gone when flushing fails.
func (t *talk) write(w *bufio.Writer, first string) {
	p := &problem{code: "client_gone"}
	defer func() { t.finish(p) }()
	if first != "" && !t.writeDelta(w, first) {
		return
	}
	silence := time.NewTicker(t.api.chat.KeepAlive)
	defer silence.Stop()
	for {
		select {
		case piece, ok := <-t.pieces:
			if !ok {
				p = t.writeEnd(w)
				return
			}
			if !t.writeDelta(w, piece) {
				return
			}
			silence.Reset(t.api.chat.KeepAlive)
		case <-silence.C:
			// A comment (HTML standard, "server-sent events"): keeps proxies from giving the connection up.
			if _, err := w.WriteString(": still here\n\n"); err != nil || w.Flush() != nil {
				return
			}
		}
	}
}

func (t *talk) writeDelta(w *bufio.Writer, piece string) bool {
	t.text.WriteString(piece)
	return writeEvent(w, "delta", struct {
		Text string `json:"text"`
	}{piece})
}

// writeEnd writes the last event and returns what went wrong, or nil.
func (t *talk) writeEnd(w *bufio.Writer) *problem {
	p := t.result()
	if p == nil {
		t.answer.Text = t.text.String()
		writeEvent(w, "done", t.answer)
		return nil
	}
	logProblem(context.Background(), t.api.log, t.attrs, p)
	writeEvent(w, "error", failure{Error: p.message, Code: p.code, Field: p.field})
	return p
}

// writeEvent reports whether the connection took the event.
func writeEvent(w *bufio.Writer, name string, data any) bool {
	encoded, err := json.Marshal(data) // one line, as an event's data must be
	if err != nil {
		return false // cannot fail: only strings, numbers and booleans
	}
	_, _ = w.WriteString("event: " + name + "\ndata: ")
	_, _ = w.Write(encoded)
	_, _ = w.WriteString("\n\n")
	return w.Flush() == nil // bufio keeps the first error
}
