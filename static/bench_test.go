package static

import (
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// request is a context that the handler can answer again and again.
func request(target string, headers ...string) *fasthttp.RequestCtx {
	ctx := &fasthttp.RequestCtx{}
	ctx.Request.Header.SetMethod("GET")
	ctx.Request.SetRequestURI(target)
	ctx.Request.Header.SetHost("stonepot.test")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		ctx.Request.Header.Set(name, value)
	}
	return ctx
}

// hot are the requests that a visitor makes most.
var hot = map[string][]string{
	"asset brotli": {"/" + chunk, "Accept-Encoding: gzip, deflate, br, zstd"},
	"asset plain":  {"/" + chunk},
	"page":         {"/", "Accept-Encoding: gzip, deflate, br, zstd"},
	"unchanged":    {"/", "If-None-Match: *"},
	"range":        {"/" + chunk, "Range: bytes=100-199"},
	"missing":      {"/nothing"},
}

func hotHandler(t testing.TB) fasthttp.RequestHandler { return fiberHandler(site(t, export(), nil)) }

func fiberHandler(s *Site) fasthttp.RequestHandler {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Use(s.Handler())
	return app.Handler()
}

// TestHandler_allocatesNothing holds through Fiber: everything that is sent is prepared. Under the race detector pools
// forget at random, which is not our allocation.
func TestHandler_allocatesNothing(t *testing.T) {
	handler := hotHandler(t)
	for name, r := range hot {
		ctx := request(r[0], r[1:]...)
		answer := func() {
			ctx.Response.Reset()
			handler(ctx)
		}
		answer() // headers get their room
		allowed := 0.0
		if raceDetector {
			allowed = 2
		}
		if n := testing.AllocsPerRun(100, answer); n > allowed {
			t.Errorf("%s: %g allocations per request, want none", name, n)
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	handler := hotHandler(b)
	for name, r := range hot {
		b.Run(name, func(b *testing.B) {
			ctx := request(r[0], r[1:]...)
			handler(ctx)
			b.ReportAllocs()
			b.SetBytes(int64(len(ctx.Response.Body())))
			for b.Loop() {
				ctx.Response.Reset()
				handler(ctx)
			}
		})
	}
}
