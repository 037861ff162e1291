package handlers

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/wire"
)

// Where the voice WebSockets are.
const (
	PathGemini = "/api/gemini-live-stream"
	PathVertex = "/api/vertex-ai-live"
)

// voicePaths are the backends in the order in which they are offered.
var voicePaths = []struct{ backend, path string }{
	{live.BackendGemini, PathGemini},
	{live.BackendVertex, PathVertex},
}

// Deps are what the handlers stand on. The configurations must be valid.
type Deps struct {
	Gateway *live.Gateway
	Chats   map[string]Chat // by backend; one that is missing is refused as not configured
	Server  ServerConfig
	CORS    CORSConfig
	Auth    AuthConfig
	Chat    ChatConfig
	Version string
	Log     *slog.Logger
}

// API is everything that Stonepot answers under /api, /health and /ready. Its methods are Fiber handlers, or make them.
type API struct {
	// Static after New.
	gateway *live.Gateway
	chats   map[string]Chat
	server  ServerConfig
	cors    CORSConfig
	auth    AuthConfig
	chat    ChatConfig
	proxies proxies
	version string
	log     *slog.Logger
	began   time.Time
	docs    func() *document

	arriving  sync.Map      // net.Conn to *visit: connections whose upgrade is being answered
	chatSlots chan struct{} // one for each chat that is being answered

	alive  context.Context // ends when Shutdown begins
	end    context.CancelCauseFunc
	mu     sync.Mutex     // makes sure that nothing is added to work once Shutdown waits for it
	closed bool           // guarded by mu
	work   sync.WaitGroup // voice connections, and chats
}

// New makes the handlers. Whoever calls it calls Shutdown at the end.
func New(d Deps) *API {
	alive, end := context.WithCancelCause(context.Background())
	return &API{
		gateway: d.Gateway, chats: d.Chats, server: d.Server, cors: d.CORS, auth: d.Auth, chat: d.Chat,
		proxies: newProxies(d.Server.TrustedProxies), version: d.Version, log: d.Log, began: time.Now(),
		docs: sync.OnceValue(mustDocument), chatSlots: make(chan struct{}, d.Chat.MaxConcurrent), alive: alive, end: end,
	}
}

var errShuttingDown = &problem{
	status: fiber.StatusServiceUnavailable, code: live.ReasonServerDraining.Code,
	message: "This server is restarting: try again in a moment.", retryAfter: 2 * time.Second,
}

// Shutdown ends chats and waits until they, and the goodbyes of voice connections, are over, or ctx ends. It is called
// after Gateway.Drain and before the app's own shutdown: fasthttp does not wait for WebSockets.
func (a *API) Shutdown(ctx context.Context) error {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.end(errShuttingDown)
	over := make(chan struct{})
	go func() { // ends with the work, which has deadlines of its own
		a.work.Wait()
		close(over)
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("some connections did not end in time: %w", context.Cause(ctx))
	}
}

// enter registers work that Shutdown waits for; false means that Shutdown has begun.
func (a *API) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.work.Add(1)
	}
	return !a.closed
}

// writeBuffer is what each HTTP connection holds besides server.read_buffer_size once it has answered. A file that fits with
// its headers, as most of a page do, goes out in one write.
const writeBuffer = 8 << 10

// NewApp makes the Fiber app that the routes are mounted on. Timeouts are those of requests: a WebSocket is hijacked,
// and fasthttp takes every deadline off it.
func NewApp(cfg ServerConfig, log *slog.Logger) *fiber.App {
	app := fiber.New(fiber.Config{
		AppName:                 "Stonepot",
		ServerHeader:            "", // none: it would only help whoever looks for known holes
		CaseSensitive:           true,
		BodyLimit:               cfg.BodyLimit,
		Concurrency:             cfg.Concurrency,
		ReadTimeout:             cfg.ReadTimeout,
		WriteTimeout:            cfg.WriteTimeout,
		IdleTimeout:             cfg.IdleTimeout,
		ReadBufferSize:          cfg.ReadBufferSize,
		WriteBufferSize:         writeBuffer,
		ErrorHandler:            errorHandler(log),
		DisableStartupMessage:   true,
		EnableTrustedProxyCheck: true, // and no trusted proxies: proxies knows better how to read their headers
	})
	app.Server().KeepHijackedConns = true // voice connections leave their handlers: see takeOver
	return app
}

// Listen opens the server's socket. It gives out wire's connections: a request costs less on them, and a voice connection
// becomes one of them. Connections whose other side has vanished are found by the kernel's keep-alive
// within about twice server.tcp_keep_alive.
func Listen(ctx context.Context, cfg ServerConfig) (net.Listener, error) {
	const probes = 4
	lc := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: cfg.TCPKeepAlive, Interval: max(cfg.TCPKeepAlive/probes, time.Second), Count: probes,
	}}
	ln, err := lc.Listen(ctx, "tcp", net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)))
	if err != nil {
		return nil, fmt.Errorf("listen on server.host %q, server.port %d: %w", cfg.Host, cfg.Port, err)
	}
	if tcp, ok := ln.(*net.TCPListener); ok && wire.CanTry {
		return wire.Listener{TCPListener: tcp}, nil
	}
	return ln, nil
}

// check reports why a session on the backend could not start now, or nil.
func (a *API) check(backend string) *problem {
	err := a.gateway.Check(backend)
	if err == nil {
		return nil
	}
	return asProblem(err)
}

// defaultBackend is the one for clients that name none: a real model rather than the simulator, otherwise the first
// that is there.
func (a *API) defaultBackend() string {
	first := ""
	for _, v := range voicePaths {
		b, ok := a.gateway.Backend(v.backend)
		switch {
		case ok && !b.Simulated:
			return v.backend
		case ok && first == "":
			first = v.backend
		}
	}
	if first == "" {
		return voicePaths[0].backend
	}
	return first
}
