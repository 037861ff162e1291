package routes_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/routes"
)

// golden is every URL of Stonepot. Whoever changes it changes what clients can rely on.
var golden = []string{
	"DELETE /api/session/:id",
	"GET /api/config",
	"GET /api/docs",
	"GET /api/gemini-live-stream",
	"GET /api/openapi.json",
	"GET /api/session",
	"GET /api/session/:id",
	"GET /api/session/stats",
	"GET /api/status",
	"GET /api/vertex-ai-live",
	"GET /health",
	"GET /ready",
	"POST /api/chat",
	"POST /api/session/create",
	"PUT /api/session/:id/end",
}

func mount(t *testing.T, pages fiber.Handler) *fiber.App {
	t.Helper()
	server := handlers.DefaultServerConfig()
	gateway := live.NewGateway(live.DefaultConfig(), []live.Backend{{Name: live.BackendGemini, Simulated: true}}, handlersLog)
	api := handlers.New(handlers.Deps{
		Gateway: gateway, Server: server, CORS: handlers.DefaultCORSConfig(), Auth: handlers.DefaultAuthConfig(),
		Chat: handlers.DefaultChatConfig(), Version: "test", Log: handlersLog,
	})
	t.Cleanup(func() { _ = api.Shutdown(t.Context()) })
	app := handlers.NewApp(server, handlersLog)
	routes.Mount(app, routes.Deps{API: api, Pages: pages})
	return app
}

func TestRoutes_areTheGoldenList(t *testing.T) {
	var got []string
	for _, r := range mount(t, nil).GetRoutes(true) {
		if r.Method != fiber.MethodHead {
			got = append(got, r.Method+" "+r.Path)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, golden) {
		t.Errorf("the routes are\n%s\nthe list is\n%s", strings.Join(got, "\n"), strings.Join(golden, "\n"))
	}
}

func TestRoutes_noPageTakesTheServersOwnPathsOver(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"health", "ready", "metrics", "index.html", "api/status", "api/extra.html", "health.html", "apiary.html"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("page"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := http.FileServer(http.Dir(dir)) // serves whatever lies there
	app := mount(t, func(c *fiber.Ctx) error {
		request := httptest.NewRequest(c.Method(), c.Path(), nil)
		w := httptest.NewRecorder()
		files.ServeHTTP(w, request)
		return c.Status(w.Code).Send(w.Body.Bytes())
	})
	for _, c := range []struct {
		path   string
		status int
		page   bool
	}{
		{"/", 200, true},
		{"/health.html", 200, true},
		{"/apiary.html", 200, true},
		{"/health", 200, false},
		{"/health/", 200, false},
		{"/ready", 200, false},
		{"/api/status", 200, false},
		{"/api/extra.html", 404, false},
		{"/api", 404, false},
		{"/metrics", 404, false},
	} {
		for _, method := range []string{fiber.MethodGet, fiber.MethodHead} {
			response, err := app.Test(httptest.NewRequest(method, c.path, nil), -1)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if response.StatusCode != c.status || method == fiber.MethodGet && (string(body) == "page") != c.page {
				t.Errorf("%s %s: %d %q", method, c.path, response.StatusCode, body)
			}
		}
	}
}
