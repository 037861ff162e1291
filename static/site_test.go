package static

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/gofiber/fiber/v2"
	"go.uber.org/goleak"

	"github.com/stonepot/stonepot/live/wire"
)

// fasthttp keeps one goroutine per process, which writes the Date header's text, and one per server that is asleep
// when the server stops and finds out up to ten seconds later.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

const (
	inlineScript = `self.__next_f=self.__next_f||[]`
	// The hash of inlineScript as `printf %s … | openssl dgst -sha256 -binary | base64` prints it.
	inlineHash = "sha256-sXjGqJ00dxxEvsgy0wz4SHVW5xv3gsSh03kmxXNPOKo="
	chunk      = "_next/static/chunks/app-0a1b2c3d.js"
)

var (
	page    = "<!doctype html><html lang=\"en\"><title>Home</title><script>" + inlineScript + "</script>" + strings.Repeat("<p>hello</p>", 100)
	script  = strings.Repeat("export const greeting = 'hello';\n", 200)
	missing = "<!doctype html><html lang=\"en\"><title>Missing</title><p>Nothing here"
)

// export is a small Next.js export, as files by slash-separated name.
func export() map[string]string {
	return map[string]string{
		"index.html":                 page,
		"index.txt":                  "router payload of the home page",
		"__next._tree.txt":           "router tree",
		"404.html":                   missing,
		"404/index.html":             missing,
		"sessions/index.html":        "<!doctype html><title>Sessions</title>",
		"sessions/__next._tree.txt":  "router tree",
		"a b/index.html":             "<!doctype html><title>With a blank</title>",
		"about.html":                 "<!doctype html><title>About</title>",
		"data.json":                  `{"a":1}`,
		"data/index.html":            "<!doctype html><title>Data</title>",
		"sw.js":                      "self.addEventListener('fetch', () => {})",
		"icon.svg":                   "<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
		"empty.txt":                  "",
		"strange.xyz":                "<script>alert(1)</script>",
		"ünïcode.txt":                "grüezi",
		".env":                       "SECRET=1",
		".git/config":                "[core]",
		".well-known/security.txt":   "Contact: mailto:security@example.com",
		"health":                     "not this one",
		"api/status":                 "nor this",
		chunk:                        script,
		chunk + ".br":                pack("br", script),
		chunk + ".gz":                pack("gzip", script),
		"_next/static/media/f.woff2": "wOF2",
		"_next/static/stonepot/_buildManifest.js": "self.__BUILD_MANIFEST={}",
		"_next/static/stonepot/_ssgManifest.js":   "self.__SSG_MANIFEST=new Set",
	}
}

func pack(coding, text string) string {
	var buf bytes.Buffer
	var w io.WriteCloser
	if coding == "br" {
		w = brotli.NewWriter(&buf)
	} else {
		w = gzip.NewWriter(&buf)
	}
	_, _ = io.WriteString(w, text) // to memory
	_ = w.Close()
	return buf.String()
}

func directory(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// site serves the files as an operator's directory.
func site(t testing.TB, files map[string]string, change func(*Config)) *Site {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Dir = directory(t, files)
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// server is a Fiber app on a port of its own that answers from a Site, as the real one mounts it.
type server struct {
	t    testing.TB
	addr string
}

func serve(t testing.TB, s *Site) *server {
	t.Helper()
	return serveOn(t, s, func(l *net.TCPListener) net.Listener { return wire.Listener{TCPListener: l} })
}

// servePlainly is serve on connections that know of no shelf.
func servePlainly(t testing.TB, s *Site) *server {
	t.Helper()
	return serveOn(t, s, func(l *net.TCPListener) net.Listener { return l })
}

func serveOn(t testing.TB, s *Site, on func(*net.TCPListener) net.Listener) *server {
	t.Helper()
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Use(func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'") // what the API's middleware does
		return c.Next()
	})
	app.Get("/health", func(c *fiber.Ctx) error { return c.SendString("healthy") })
	app.Use(s.Handler())
	app.Use(func(c *fiber.Ctx) error { return c.Status(http.StatusTeapot).SendString("behind the page") })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- app.Listener(on(listener.(*net.TCPListener))) }()
	t.Cleanup(func() {
		if err := app.ShutdownWithTimeout(5 * time.Second); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return &server{t, listener.Addr().String()}
}

// answer is a response whose body has been read.
type answer struct {
	*http.Response
	body string
}

// do sends exactly this target, whatever a client would make of it, with headers given as "Name: value".
func (s *server) do(method, target string, headers ...string) answer {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the answer has been read
	if err = conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	request := method + " " + target + " HTTP/1.1\r\nHost: stonepot.test\r\nConnection: close\r\n"
	for _, h := range headers {
		request += h + "\r\n"
	}
	if _, err = io.WriteString(conn, request+"\r\n"); err != nil {
		s.t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer response.Body.Close() //nolint:errcheck // read to the end below
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatalf("%s %s: read the body: %v", method, target, err)
	}
	return answer{response, string(body)}
}

func (s *server) get(target string, headers ...string) answer {
	s.t.Helper()
	return s.do(http.MethodGet, target, headers...)
}

// header fails the test unless the answer has exactly this value; "" means that the header must be absent.
func (a answer) header(t testing.TB, name, want string) {
	t.Helper()
	if got := strings.Join(a.Header.Values(name), " | "); got != want {
		t.Errorf("%s is %q, want %q", name, got, want)
	}
}

func (a answer) status(t testing.TB, want int) {
	t.Helper()
	if a.StatusCode != want {
		t.Errorf("status is %d, want %d (%.60q)", a.StatusCode, want, a.body)
	}
}

// length fails the test unless the answer announces this many bytes.
func (a answer) length(t testing.TB, want int) {
	t.Helper()
	if a.ContentLength != int64(want) {
		t.Errorf("Content-Length is %d, want %d", a.ContentLength, want)
	}
}
