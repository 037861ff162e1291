// Package routes holds every URL of Stonepot, and the order in which a request passes what stands before its handler.
package routes

import (
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
)

// Deps are what the routes lead to.
type Deps struct {
	API *handlers.API
	// Pages answers every other GET and HEAD: the exported web page. Nil: there is none.
	Pages fiber.Handler
	// PagePolicy gives the Content-Security-Policy of pages that bring none of their own; empty: none is sent.
	PagePolicy func() string
}

// route is one line of the table. Handlers run from left to right until one answers.
type route struct {
	method, path string
	handlers     []fiber.Handler
}

// table is the whole HTTP interface besides the pages; openapi.json describes it. The order matters where a name
// could be taken for a parameter.
func table(a *handlers.API) []route {
	to := func(h ...fiber.Handler) []fiber.Handler { return h }
	return []route{
		{"GET", "/health", to(a.Health)},
		{"GET", "/ready", to(a.Ready)},

		{"GET", "/api/status", to(a.Status)},
		{"GET", "/api/config", to(a.Config)},
		{"GET", "/api/openapi.json", to(a.OpenAPI)},
		{"GET", "/api/docs", to(a.Docs)},

		{"GET", handlers.PathGemini, to(a.Voice(live.BackendGemini))},
		{"GET", handlers.PathVertex, to(a.Voice(live.BackendVertex))},
		{"POST", "/api/chat", to(a.Chat)},

		{"POST", "/api/session/create", to(a.CreateSession)},
		{"GET", "/api/session/stats", to(a.StatsReader, a.Stats)},
		{"GET", "/api/session", to(a.Operator, a.ListSessions)},
		{"GET", "/api/session/:id", to(a.Operator, a.GetSession)},
		{"PUT", "/api/session/:id/end", to(a.Operator, a.EndSession)},
		{"DELETE", "/api/session/:id", to(a.Operator, a.DeleteSession)},
	}
}

// Mount gives app every route. What is not found, or does not take the method, is left to the app's error handler,
// which answers in JSON.
func Mount(app *fiber.App, d Deps) {
	a := d.API
	a.Watch(app)
	app.Use(
		a.RecoverPanics, // first: a panic anywhere would end every conversation of this instance
		a.Identify,
		a.SecurityHeaders(d.PagePolicy),
		a.LogRequests,
	)
	app.Use("/api", a.CrossOrigin())
	for _, r := range table(a) {
		app.Add(r.method, r.path, r.handlers...)
		if r.method == fiber.MethodGet { // RFC 9110 §9.1: whoever takes GET takes HEAD
			app.Add(fiber.MethodHead, r.path, r.handlers...)
		}
	}
	if d.Pages != nil {
		app.Use(func(c *fiber.Ctx) error {
			if reserved(c.Path()) {
				return c.Next()
			}
			return d.Pages(c)
		})
	}
}

// reserved paths are the server's own: no page, and no file that somebody exports, can take them over.
func reserved(path string) bool {
	top, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return slices.Contains([]string{"api", "health", "ready", "metrics"}, top)
}
