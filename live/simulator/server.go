package simulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

// Server is a simulator. Its methods are safe for concurrent use.
type Server struct {
	cfg  Config
	log  *slog.Logger
	http *fasthttp.Server

	heard    func(pcm []byte, at time.Time)
	observer Observer     // nil where nobody wants to know
	audioIn  atomic.Int64 // nanoseconds received; apart from the other counts, because it changes with every frame

	listener net.Listener
	serving  sync.WaitGroup // the HTTP server
	open     sync.WaitGroup // WebSockets; added to with mu held while not closed

	mu      sync.Mutex
	closed  bool
	serial  uint64
	conns   map[*conn]struct{}
	active  map[credentials]int // sessions with an accepted setup
	handles *handles
	stats   Stats
}

// Stats count since New.
type Stats struct {
	Connections    int64            // accepted
	Active         int              // open now
	Turns          int64            // answers begun
	Interruptions  int64            // answers cut short
	AudioIn        time.Duration    // received
	AudioOut       time.Duration    // sent
	HandlesIssued  int64            // for resumption
	ClosesByReason map[string]int64 // closes by the simulator, "code reason"
}

// New makes a simulator that does not listen yet. cfg must be valid. log is told of starts and refusals, never of
// frames.
func New(cfg Config, log *slog.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg:     cfg,
		log:     log,
		conns:   make(map[*conn]struct{}),
		active:  make(map[credentials]int),
		handles: newHandles(cfg.scaled(cfg.HandleLife)),
		stats:   Stats{ClosesByReason: make(map[string]int64)},
	}
	s.http = &fasthttp.Server{
		Handler:               s.serve,
		Name:                  "Stonepot simulator",
		ReadTimeout:           30 * time.Second,
		MaxRequestBodySize:    maxRESTBody + bodyMargin,
		ErrorHandler:          unreadable,
		NoDefaultServerHeader: true,
		Logger:                quiet{log},
	}
	return s, nil
}

// quiet keeps fasthttp's complaints about strangers out of the log, but for debugging.
type quiet struct{ log *slog.Logger }

func (q quiet) Printf(format string, args ...any) { q.log.Debug(fmt.Sprintf(format, args...)) }

// OnAudio makes f see each piece of the microphone's audio as it arrives, before anything is done with it: for
// measurements. f is called by many goroutines, must be quick and must not keep pcm. It is set before Listen.
func (s *Server) OnAudio(f func(pcm []byte, at time.Time)) { s.heard = f }

// Listen begins to serve on a TCP address such as 127.0.0.1:0. It may be called once.
func (s *Server) Listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("simulator: listen on %s: %w", addr, err)
	}
	s.listener = l
	s.serving.Go(func() {
		if err := s.http.Serve(l); err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.Error("the simulator stopped serving", "error", err)
		}
	})
	return nil
}

// Addr is the host and port that Listen got.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is the base for REST; with ws:// in the place of http:// it is the base for WebSockets.
func (s *Server) URL() string { return "http://" + s.Addr() }

// Close drops every connection and waits for all that the server runs.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.drop()
	}
	s.mu.Unlock()
	var err error
	if s.listener != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err = s.http.ShutdownWithContext(ctx)
		_ = s.listener.Close() // shutting down closes it only if the server has got as far as serving
	}
	s.serving.Wait()
	s.open.Wait()
	return err
}

// Stats is a copy of the counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Active = len(s.conns)
	st.AudioIn = time.Duration(s.audioIn.Load())
	st.ClosesByReason = make(map[string]int64, len(s.stats.ClosesByReason))
	for k, v := range s.stats.ClosesByReason {
		st.ClosesByReason[k] = v
	}
	return st
}

// count changes the counts.
func (s *Server) count(change func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.stats)
}

var upgrader = websocket.FastHTTPUpgrader{
	ReadBufferSize:  4 << 10,
	WriteBufferSize: 4 << 10,
	WriteBufferPool: &sync.Pool{},
	// Google's service answers pages of any origin.
	CheckOrigin: func(*fasthttp.RequestCtx) bool { return true },
}

// serve tells WebSockets on the Live API's paths from REST.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	backend, version := livePath(string(ctx.Path()))
	if backend == "" || !websocket.FastHTTPIsWebSocketUpgrade(ctx) {
		s.rest(ctx)
		return
	}
	var faults []Fault
	for _, text := range ctx.QueryArgs().PeekMulti("simulate") {
		f, err := parseFault(string(text))
		if err != nil {
			ctx.Error(err.Error(), fasthttp.StatusBadRequest)
			return
		}
		faults = append(faults, f)
	}
	c := newConn(s, presented(ctx, backend), version, faults)
	if !s.register(c) {
		ctx.Error("The simulator holds as many connections as simulator.max_connections allows.", fasthttp.StatusServiceUnavailable)
		return
	}
	if err := upgrader.Upgrade(ctx, c.serve); err != nil {
		s.unregister(c)
		s.log.Debug("a WebSocket handshake failed", "error", err)
	}
}

// register counts a connection in. It is refused when the server is full or closed.
func (s *Server) register(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= s.cfg.MaxConnections {
		return false
	}
	s.serial++
	c.serial = s.serial
	s.conns[c] = struct{}{}
	s.stats.Connections++
	s.open.Add(1)
	return true
}

func (s *Server) unregister(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.open.Done()
}

// enter counts a session against its key's or project's limit and reports whether it is within.
func (s *Server) enter(who credentials) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active[who]++
	return s.cfg.MaxConcurrent == 0 || s.active[who] <= s.cfg.MaxConcurrent
}

func (s *Server) leave(who credentials) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active[who]--; s.active[who] <= 0 {
		delete(s.active, who)
	}
}

// livePath is the backend whose Live API a path belongs to, or empty, and the version of it. SDKs send a doubled
// slash in front.
func livePath(path string) (backend, version string) {
	path = "/" + strings.TrimLeft(path, "/")
	for backend, shape := range map[string][2]string{
		backendGemini: {"/ws/google.ai.generativelanguage.", ".GenerativeService.BidiGenerateContent"},
		backendVertex: {"/ws/google.cloud.aiplatform.", ".LlmBidiService/BidiGenerateContent"},
	} {
		version, ok := strings.CutPrefix(path, shape[0])
		if !ok {
			continue
		}
		version, ok = strings.CutSuffix(strings.TrimSuffix(version, "Constrained"), shape[1])
		if ok && strings.HasPrefix(version, "v1") && !strings.ContainsAny(version, "./") {
			return backend, version
		}
	}
	return "", ""
}

// presented finds the credentials of a request, in every form that the service takes.
func presented(ctx *fasthttp.RequestCtx, backend string) credentials {
	key := string(ctx.Request.Header.Peek("x-goog-api-key"))
	scheme, token, _ := strings.Cut(string(ctx.Request.Header.Peek("Authorization")), " ")
	switch {
	case key != "":
	case backend == backendVertex && strings.EqualFold(scheme, "Bearer"), backend == backendGemini && strings.EqualFold(scheme, "Token"):
		key = token
	case backend == backendGemini:
		if key = string(ctx.QueryArgs().Peek("key")); key == "" {
			key = string(ctx.QueryArgs().Peek("access_token"))
		}
	}
	return credentials{backend, key}
}
