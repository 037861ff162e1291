package handlers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/stonepot/stonepot/live"
)

// ChatRequest is one message of a text conversation, with what came before it.
type ChatRequest struct {
	Model             string
	SystemInstruction string
	History           []live.HistoryTurn
	Text              string
	MaxOutputTokens   int32 // 0: the model's own limit
	Temperature       *float32
}

// Chat answers text with text. Implementations are safe for concurrent use.
type Chat interface {
	// Stream calls yield with each piece of the answer, in order, from the calling goroutine; it ends with ctx, or
	// with yield's error. What went wrong with the model is a *live.UpstreamError.
	Stream(ctx context.Context, r ChatRequest, yield func(text string) error) (live.Usage, error)
}

// chatBody is the JSON of POST /api/chat.
type chatBody struct {
	Message   string     `json:"message"`
	History   []chatTurn `json:"history"`
	Assistant *string    `json:"assistant"`
	Model     *string    `json:"model"`
	Backend   *string    `json:"backend"`
	Stream    *bool      `json:"stream"`
}

type chatTurn struct {
	Role string `json:"role"`
	Text string `json:"text"`
}

// chatAnswer is a whole answer: the last event of a stream, or all of it in one piece.
type chatAnswer struct {
	Success   bool      `json:"success"`
	Text      string    `json:"text"`
	Usage     chatUsage `json:"usage"`
	Model     string    `json:"model"`
	Backend   string    `json:"backend"`
	Simulated bool      `json:"simulated"`
}

type chatUsage struct {
	InputTokens  int64 `json:"inputTokens"`
	OutputTokens int64 `json:"outputTokens"`
}

// Chat answers POST /api/chat. Everything that can be refused before the model has said its first word gets a status;
// afterwards a stream ends with an error event.
func (a *API) Chat(c *fiber.Ctx) error {
	var body chatBody
	if err := decodeBody(c, &body, false); err != nil {
		return err
	}
	talk, err := a.prepareChat(body)
	if err != nil {
		return err
	}
	select {
	case a.chatSlots <- struct{}{}:
	default:
		return &problem{
			status: fiber.StatusServiceUnavailable, code: live.ReasonAtCapacity.Code,
			message: fmt.Sprintf("This server is already answering %d messages, as many as it may: try again soon.", cap(a.chatSlots)), retryAfter: 2 * time.Second,
		}
	}
	if !a.enter() {
		<-a.chatSlots
		return errShuttingDown
	}
	talk.begin(c)
	c.Set(fiber.HeaderCacheControl, "no-store")
	if body.Stream == nil || *body.Stream {
		return talk.stream(c)
	}
	return talk.whole(c)
}

// prepareChat merges the body with the assistant, as start_session does for voice, and checks it.
func (a *API) prepareChat(body chatBody) (*talk, error) {
	if a.gateway.Draining() {
		return nil, errShuttingDown
	}
	cfg := a.gateway.Config()
	if err := a.checkTexts(body); err != nil {
		return nil, err
	}
	backend, err := a.chatBackend(body.Backend)
	if err != nil {
		return nil, err
	}
	chat, ok := a.chats[backend]
	if !ok {
		return nil, &problem{
			status: fiber.StatusServiceUnavailable, code: "upstream_not_configured",
			message: "This model is not set up on this server: its operator must provide credentials.",
		}
	}
	name := cfg.Live.DefaultAssistant
	if body.Assistant != nil {
		name = *body.Assistant
		if name != cfg.Live.DefaultAssistant && !slices.Contains(cfg.Live.ClientMaySet, "assistant") {
			return nil, notAllowed("assistant")
		}
	}
	at := slices.IndexFunc(cfg.Assistants, func(x live.Assistant) bool { return x.Name == name })
	if at < 0 {
		return nil, badConfig("assistant", "There is no assistant of this name; GET /api/config lists them.")
	}
	assistant := cfg.Assistants[at]
	r := ChatRequest{
		Model: a.chat.DefaultModels.For(backend), SystemInstruction: assistant.SystemInstruction,
		History: make([]live.HistoryTurn, len(body.History)), Text: body.Message,
		MaxOutputTokens: assistant.MaxOutputTokens, Temperature: assistant.Temperature,
	}
	for i, turn := range body.History {
		r.History[i] = live.HistoryTurn(turn)
	}
	if r.MaxOutputTokens == 0 {
		r.MaxOutputTokens = int32(a.chat.MaxOutputTokens)
	}
	if body.Model != nil && *body.Model != r.Model {
		if !slices.Contains(cfg.Live.ClientMaySet, "model") {
			return nil, notAllowed("model")
		}
		if !slices.Contains(a.chat.Models, *body.Model) {
			return nil, badConfig("model", "This server does not offer a text model of this name.")
		}
		r.Model = *body.Model
	}
	b, _ := a.gateway.Backend(backend)
	return &talk{
		api: a, chat: chat, request: r,
		answer: chatAnswer{Success: true, Model: r.Model, Backend: backend, Simulated: b.Simulated},
	}, nil
}

// checkTexts bounds what is sent to a model.
func (a *API) checkTexts(body chatBody) error {
	if strings.TrimSpace(body.Message) == "" {
		return badRequest("message", "The field message must hold what to say to the assistant.")
	}
	if err := a.checkText("message", body.Message); err != nil {
		return err
	}
	if len(body.History) > a.chat.MaxHistory {
		return badRequest("history", "The field history must not hold more than %d turns.", a.chat.MaxHistory)
	}
	for i, turn := range body.History {
		field := fmt.Sprintf("history[%d]", i)
		if turn.Role != "user" && turn.Role != "model" {
			return badRequest(field+".role", "The field %s.role must be user or model.", field)
		}
		if turn.Text == "" {
			return badRequest(field+".text", "The field %s.text must not be empty.", field)
		}
		if err := a.checkText(field+".text", turn.Text); err != nil {
			return err
		}
	}
	return nil
}

func (a *API) checkText(field, text string) error {
	if len(text) > a.chat.MaxMessageBytes {
		return &problem{
			status: fiber.StatusRequestEntityTooLarge, code: codeTooLarge, field: field,
			message: fmt.Sprintf("The field %s must not be longer than %d bytes.", field, a.chat.MaxMessageBytes),
		}
	}
	if !utf8.ValidString(text) { // encoding/json has replaced what was not; this is for the reader
		return badRequest(field, "The field %s must be UTF-8.", field)
	}
	return nil
}

func (a *API) chatBackend(wanted *string) (string, error) {
	if wanted == nil {
		return a.defaultBackend(), nil
	}
	_, err := voicePath(*wanted)
	return *wanted, err
}

func notAllowed(field string) *problem {
	return &problem{
		status: fiber.StatusForbidden, code: live.ReasonNotAllowed.Code, field: field,
		message: fmt.Sprintf("This server does not let clients choose the field %s.", field),
	}
}

func badConfig(field, message string) *problem {
	return &problem{status: fiber.StatusBadRequest, code: live.ReasonBadConfig.Code, field: field, message: message}
}
