package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/stonepot/stonepot/live"
)

// problem is an error that a client is told about: it becomes {"success": false, "error": message, "code": code}.
type problem struct {
	status     int
	code       string
	message    string        // a sentence for people
	field      string        // of the request's body or query; empty: none in particular
	retryAfter time.Duration // 0: do not say when
	cause      error         // for the log; nil: the client's own doing
}

func (p *problem) Error() string {
	if p.cause != nil {
		return fmt.Sprintf("%s: %v", p.message, p.cause)
	}
	return p.message
}

func (p *problem) Unwrap() error { return p.cause }

// The codes that REST adds to those of live.Reasons.
const (
	codeBadRequest       = "bad_request"
	codeNotFound         = "not_found"
	codeMethodNotAllowed = "method_not_allowed"
	codeTooLarge         = "body_too_large"
	codeHeadersTooLarge  = "headers_too_large"
	codeRequestTimeout   = "request_timeout"
	codeUpgradeRequired  = "upgrade_required"
	codeOriginNotAllowed = "origin_not_allowed"
)

func badRequest(field, format string, args ...any) *problem {
	return &problem{status: fiber.StatusBadRequest, code: codeBadRequest, field: field, message: fmt.Sprintf(format, args...)}
}

// statusOf is the table from the codes of the core to HTTP statuses; what is not in it is a defect (500).
func statusOf(code string) int {
	switch code {
	case live.ReasonServerDraining.Code, live.ReasonAtCapacity.Code, "upstream_not_configured", live.ReasonUpstreamQuota.Code:
		return fiber.StatusServiceUnavailable
	case live.ReasonRateLimited.Code:
		return fiber.StatusTooManyRequests
	case live.ReasonUnauthorized.Code:
		return fiber.StatusUnauthorized
	case live.ReasonNotAllowed.Code:
		return fiber.StatusForbidden
	case live.ReasonBadConfig.Code:
		return fiber.StatusBadRequest
	case live.ReasonSessionNotFound.Code:
		return fiber.StatusNotFound
	case live.ReasonUpstreamUnavailable.Code, live.ReasonUpstreamAuth.Code:
		return fiber.StatusBadGateway
	case live.ReasonUpstreamRejected.Code:
		return fiber.StatusUnprocessableEntity
	default:
		return fiber.StatusInternalServerError
	}
}

// asProblem makes every error one that can be told.
func asProblem(err error) *problem {
	var (
		p        *problem
		refusal  *live.Refusal
		upstream *live.UpstreamError
		status   *fiber.Error
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refusal):
		return &problem{
			status: statusOf(refusal.Reason.Code), code: refusal.Reason.Code, message: refusal.Message,
			retryAfter: refusal.RetryAfter,
		}
	case errors.As(err, &upstream):
		return upstreamProblem(upstream)
	case errors.As(err, &status):
		return statusProblem(status)
	default:
		return &problem{
			status: fiber.StatusInternalServerError, code: live.ReasonInternal.Code, message: live.ReasonInternal.Text,
			cause: err,
		}
	}
}

// upstreamProblem tells what went wrong with a model; that the server's own credentials were refused is told as no
// more than that.
func upstreamProblem(err *live.UpstreamError) *problem {
	reason := err.Reason()
	p := &problem{status: statusOf(reason.Code), code: reason.Code, message: err.Detail, cause: err}
	if err.Fault == live.FaultAuth || p.message == "" {
		p.message = reason.Text
	}
	if reason == live.ReasonUpstreamQuota {
		p.retryAfter = time.Minute // quotas of the Gemini API are per minute
	}
	return p
}

// statusProblem gives words and a code to what Fiber and fasthttp say with a status. Their own texts are not passed on:
// some repeat what was sent.
func statusProblem(e *fiber.Error) *problem {
	p := &problem{status: e.Code, code: codeBadRequest, message: "The request could not be understood."}
	switch e.Code {
	case fiber.StatusNotFound:
		p.code, p.message = codeNotFound, "There is nothing at this address."
	case fiber.StatusMethodNotAllowed:
		p.code, p.message = codeMethodNotAllowed, "This address does not take this method; the header Allow lists those it takes."
	case fiber.StatusRequestEntityTooLarge:
		p.code, p.message = codeTooLarge, "The request's body is too large."
	case fiber.StatusRequestHeaderFieldsTooLarge:
		p.code, p.message = codeHeadersTooLarge, "The request's headers are too large."
	case fiber.StatusRequestTimeout:
		p.code, p.message = codeRequestTimeout, "The request did not arrive in time."
	case fiber.StatusUpgradeRequired:
		p.code, p.message = codeUpgradeRequired, "This address speaks WebSocket only."
	default:
		if e.Code >= fiber.StatusInternalServerError {
			p.code, p.message, p.cause = live.ReasonInternal.Code, live.ReasonInternal.Text, e
		}
	}
	return p
}

// failure is the JSON of every error.
type failure struct {
	Success bool   `json:"success"`
	Error   string `json:"error"`
	Code    string `json:"code"`
	Field   string `json:"field,omitempty"`
}

// errorHandler answers every error that a handler returns, and those that fasthttp finds before any handler runs. What
// is the server's own fault is logged, once, here.
func errorHandler(log *slog.Logger) fiber.ErrorHandler {
	return func(c *fiber.Ctx, err error) error {
		p := asProblem(err)
		logProblem(c.Context(), log, requestAttrs(c), p)
		setRetryAfter(c, p.retryAfter)
		c.Set(fiber.HeaderCacheControl, "no-store")
		return c.Status(p.status).JSON(failure{Error: p.message, Code: p.code, Field: p.field})
	}
}

// logProblem writes what is not the client's own doing into the log.
func logProblem(ctx context.Context, log *slog.Logger, attrs []slog.Attr, p *problem) {
	if p.cause == nil {
		return
	}
	level := slog.LevelError
	switch p.status {
	case fiber.StatusServiceUnavailable, fiber.StatusUnprocessableEntity, fiber.StatusGatewayTimeout:
		level = slog.LevelWarn
	}
	attrs = append(attrs, slog.String("code", p.code), slog.Any("err", p.cause))
	var crash *panicError
	if errors.As(p.cause, &crash) {
		attrs = append(attrs, slog.String("stack", string(crash.stack)))
	}
	log.LogAttrs(ctx, level, "request failed", attrs...)
}

// setRetryAfter tells a wait in whole seconds, rounded up; 0 tells nothing.
func setRetryAfter(c *fiber.Ctx, wait time.Duration) {
	if wait > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
}
