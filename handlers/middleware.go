package handlers

import (
	"bytes"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/cors"
)

// panicError is a panic of a handler; the error handler logs it and tells the client no more than that.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// RecoverPanics makes a panic behind it an error.
func (a *API) RecoverPanics(c *fiber.Ctx) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
	}()
	return c.Next()
}

// LogRequests writes one line per request, at debug level only: voice sessions and chats have lines of their own.
func (a *API) LogRequests(c *fiber.Ctx) error {
	if !a.log.Enabled(c.Context(), slog.LevelDebug) {
		return c.Next()
	}
	began := time.Now()
	err := c.Next()
	if err != nil {
		// Answered here, so that the line tells the status that the client gets.
		err = c.App().ErrorHandler(c, err)
	}
	attrs := append(requestAttrs(c),
		slog.Int("status", c.Response().StatusCode()),
		slog.Int64("durationMs", time.Since(began).Milliseconds()))
	if len(c.Context().QueryArgs().QueryString()) > 0 {
		attrs = append(attrs, slog.String("query", "redacted"))
	}
	a.log.LogAttrs(c.Context(), slog.LevelDebug, "request", attrs...)
	return err
}

// CrossOrigin answers preflights and tells browsers which pages may read the answers. There are no cookies and so
// no credentials.
func (a *API) CrossOrigin() fiber.Handler {
	if len(a.cors.AllowedOrigins) == 0 { // Fiber's middleware would read an empty list as "all"
		return func(c *fiber.Ctx) error { return c.Next() }
	}
	return cors.New(cors.Config{
		AllowOrigins:  strings.Join(a.cors.AllowedOrigins, ","),
		AllowMethods:  "GET,POST,PUT,DELETE,OPTIONS",
		AllowHeaders:  "Content-Type,Authorization",
		ExposeHeaders: "Retry-After,X-Request-Id",
		MaxAge:        int(a.cors.MaxAge / time.Second),
	})
}

// apiPolicy is for answers that are no pages: should a browser ever take one for a page, nothing in it runs.
const apiPolicy = "default-src 'none'; frame-ancestors 'none'"

// SecurityHeaders sets what keeps browsers from doing more than the page needs. pagePolicy gives the
// Content-Security-Policy of HTML answers that bring none of their own; empty: none.
func (a *API) SecurityHeaders(pagePolicy func() string) fiber.Handler {
	if !a.server.SecurityHeaders {
		return func(c *fiber.Ctx) error { return c.Next() }
	}
	// In the spelling that fasthttp gives to names, and as bytes: to spell them out for each answer is most of what they cost.
	type header struct{ name, value []byte }
	var headers []header
	for _, h := range [][2]string{
		{fiber.HeaderXContentTypeOptions, "nosniff"},
		{fiber.HeaderXFrameOptions, "SAMEORIGIN"}, // for browsers without frame-ancestors
		{fiber.HeaderReferrerPolicy, "strict-origin-when-cross-origin"},
		{fiber.HeaderPermissionsPolicy, "camera=(self), microphone=(self), display-capture=(self), geolocation=(), payment=(), usb=()"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
		{fiber.HeaderContentSecurityPolicy, apiPolicy},
	} {
		headers = append(headers, header{[]byte(h[0]), []byte(h[1])})
	}
	return func(c *fiber.Ctx) error {
		answer := &c.Response().Header
		for _, h := range headers {
			answer.SetCanonical(h.name, h.value)
		}
		if a.proxies.secure(c) {
			c.Set(fiber.HeaderStrictTransportSecurity, "max-age=31536000")
		}
		err := c.Next()
		if bytes.HasPrefix(answer.ContentType(), []byte(fiber.MIMETextHTML)) &&
			string(answer.Peek(fiber.HeaderContentSecurityPolicy)) == apiPolicy {
			answer.Del(fiber.HeaderContentSecurityPolicy)
			if policy := pagePolicy(); policy != "" {
				answer.Set(fiber.HeaderContentSecurityPolicy, policy)
			}
		}
		return err
	}
}
