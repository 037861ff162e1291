package handlers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/gofiber/fiber/v2"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/routes"
)

// options are what a test may change about the server that it starts.
type options struct {
	live     live.Config
	deps     handlers.Deps
	backends []live.Backend
	pages    fiber.Handler
}

// server is a whole Stonepot without configuration files, on a free port.
type server struct {
	t       *testing.T // nil: calls are not checked
	tb      testing.TB
	addr    string
	gateway *live.Gateway
	api     *handlers.API
	app     *fiber.App
	client  *http.Client
}

// start runs a server with models in memory until the test ends.
func start(t *testing.T, change func(o *options)) *server {
	t.Helper()
	s := begin(t, change)
	s.t = t
	return s
}

// begin is start for whatever is no test: calls are not checked.
func begin(t testing.TB, change func(o *options)) *server {
	t.Helper()
	o := options{
		live: live.DefaultConfig(),
		deps: handlers.Deps{
			Server: handlers.DefaultServerConfig(), CORS: handlers.DefaultCORSConfig(), Auth: handlers.DefaultAuthConfig(),
			Chat: handlers.DefaultChatConfig(), Version: "test", Log: handlers.Quiet,
			Chats: map[string]handlers.Chat{live.BackendGemini: parrot{}},
		},
		backends: []live.Backend{{Name: live.BackendGemini, Workflow: "gemini-live", Dialer: silentModel{}, Simulated: true, Pool: silentModel{}}},
	}
	if change != nil {
		change(&o)
	}
	for _, section := range []interface{ Validate() error }{o.live, o.deps.Server, o.deps.CORS, o.deps.Auth, o.deps.Chat} {
		if err := section.Validate(); err != nil {
			t.Fatal(err)
		}
	}
	s := &server{tb: t, client: &http.Client{Timeout: handlers.Patience, Transport: &http.Transport{}}}
	s.gateway = live.NewGateway(o.live, o.backends, o.deps.Log)
	o.deps.Gateway = s.gateway
	s.api = handlers.New(o.deps)
	s.app = handlers.NewApp(o.deps.Server, o.deps.Log)
	routes.Mount(s.app, routes.Deps{API: s.api, Pages: o.pages, PagePolicy: func() string { return "default-src 'self'" }})
	s.addr = handlers.Serve(t, s.app)
	t.Cleanup(s.stop)
	return s
}

// stop is the order of a shutdown: conversations, then what is left of their connections, then HTTP.
func (s *server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), handlers.Patience)
	defer cancel()
	s.client.CloseIdleConnections()
	if !s.gateway.Draining() {
		if err := s.gateway.Drain(ctx); err != nil {
			s.tb.Errorf("drain: %v", err)
		}
	}
	if err := s.api.Shutdown(ctx); err != nil {
		s.tb.Errorf("shutdown: %v", err)
	}
}

// answer is a response that was read.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// call sends a request and checks the answer against the OpenAPI document. body is JSON text, or empty; headers are
// "Name: value".
func (s *server) call(method, path, body string, headers ...string) answer {
	s.t.Helper()
	a, request := s.raw(method, path, body, headers...)
	checkAgainstDocument(s.t, request, a)
	return a
}

// raw is call without the check, for what the document does not know.
func (s *server) raw(method, path, body string, headers ...string) (answer, *http.Request) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, "http://"+s.addr+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			request.Host = value
		}
		request.Header.Set(name, value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{s.t, response.StatusCode, response.Header, content}, request
}

// json decodes the body.
func (a answer) json() (m map[string]any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, &m); err != nil {
		a.t.Fatalf("%d %q: %v", a.status, a.body, err)
	}
	return m
}

// refused checks that the answer is an error of this status and code, in the form of all errors.
func (a answer) refused(status int, code string) map[string]any {
	a.t.Helper()
	m := a.json()
	sentence, _ := m["error"].(string)
	if a.status != status || m["code"] != code || m["success"] != false || !strings.HasSuffix(sentence, ".") {
		a.t.Errorf("got %d %s, want %d with code %s and a sentence", a.status, a.body, status, code)
	}
	return m
}

// succeeded checks for a success and decodes it.
func (a answer) succeeded(status int) map[string]any {
	a.t.Helper()
	m := a.json()
	if a.status != status || m["success"] != true {
		a.t.Errorf("got %d %s, want %d and success", a.status, a.body, status)
	}
	return m
}

// loadDocument reads the OpenAPI document and makes it strict: in a test an answer with a field that the document
// does not know is a mistake.
var loadDocument = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(handlers.OpenAPIDocument)
	if err != nil {
		return nil, err
	}
	for _, path := range doc.Paths.Map() {
		for _, operation := range path.Operations() {
			for _, response := range operation.Responses.Map() {
				for _, media := range response.Value.Content {
					strict(media.Schema.Value)
				}
			}
		}
	}
	return doc, nil
})

func strict(s *openapi3.Schema) {
	if s.Type.Is("object") && s.AdditionalProperties.Has == nil && s.AdditionalProperties.Schema == nil {
		no := false
		s.AdditionalProperties.Has = &no
	}
	for _, p := range s.Properties {
		strict(p.Value)
	}
	if s.AdditionalProperties.Schema != nil {
		strict(s.AdditionalProperties.Schema.Value)
	}
	if s.Items != nil {
		strict(s.Items.Value)
	}
}

func findOperation(t *testing.T, request *http.Request) (*routers.Route, map[string]string) {
	t.Helper()
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	asked := request.Clone(request.Context())
	asked.URL.Scheme, asked.URL.Host = "", ""
	route, params, err := router.FindRoute(asked)
	if err != nil {
		t.Fatalf("%s %s is not in openapi.json: %v", request.Method, request.URL.Path, err)
	}
	return route, params
}

func checkAgainstDocument(t *testing.T, request *http.Request, a answer) {
	t.Helper()
	route, params := findOperation(t, request)
	status := route.Operation.Responses.Status(a.status)
	if status == nil {
		t.Errorf("%s %s answered %d, which openapi.json does not tell", request.Method, request.URL.Path, a.status)
		return
	}
	media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if media == "text/html" || media == "text/event-stream" { // kin-openapi decodes neither
		if status.Value.Content.Get(media) == nil {
			t.Errorf("%s %s answered %s, which openapi.json does not tell", request.Method, request.URL.Path, media)
		}
		return
	}
	input := &openapi3filter.RequestValidationInput{Request: request, PathParams: params, Route: route}
	err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		t.Errorf("%s %s: %v\n%s", request.Method, request.URL.Path, err, a.body)
	}
}

// silentModel accepts every setup and then says nothing.
type silentModel struct{}

func (silentModel) PoolStats() live.PoolStats { return live.PoolStats{Hits: 1} }

func (silentModel) Dial(context.Context, live.Setup) (live.Upstream, error) {
	return &silence{over: make(chan struct{})}, nil
}

type silence struct {
	once  sync.Once
	over  chan struct{}
	ready bool
	sent  int64
}

func (u *silence) Send(*live.Command) (int64, error) { u.sent++; return u.sent, nil }

func (u *silence) Receive(e *live.Event) error {
	if !u.ready {
		u.ready = true
		e.Reset()
		e.Kind = live.EventReady
		return nil
	}
	<-u.over
	return errors.New("woken")
}

func (u *silence) Wake()  { u.Close() }
func (u *silence) Close() { u.once.Do(func() { close(u.over) }) }

// parrot is a Chat that repeats what it was told, word by word, and counts words as tokens.
type parrot struct {
	asked func(handlers.ChatRequest) // may be nil
	err   error                      // instead of an answer
	after error                      // after the answer
	hold  chan struct{}              // not nil: the first word waits for it
	stuck chan struct{}              // not nil: closed when the parrot was told to stop
}

func (p parrot) Stream(ctx context.Context, r handlers.ChatRequest, yield func(string) error) (live.Usage, error) {
	if p.asked != nil {
		p.asked(r)
	}
	if p.err != nil {
		return live.Usage{}, p.err
	}
	if p.hold != nil {
		select {
		case <-p.hold:
		case <-ctx.Done():
			if p.stuck != nil {
				close(p.stuck)
			}
			return live.Usage{}, ctx.Err()
		}
	}
	words := strings.SplitAfter(r.Text, " ")
	for _, w := range words {
		if err := yield(w); err != nil {
			return live.Usage{}, err
		}
	}
	return live.Usage{Input: int64(len(words)), Output: int64(len(words))}, p.after
}

// notes is a log that a test reads.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, string(p))
	return len(p), nil
}

func (n *notes) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(n, &slog.HandlerOptions{Level: level}))
}

// with gives the lines that hold all of the words.
func (n *notes) with(words ...string) (found []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, line := range n.lines {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			found = append(found, line)
		}
	}
	return found
}
