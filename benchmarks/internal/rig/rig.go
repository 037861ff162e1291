// Package rig is a whole Stonepot server in this process, for the tests of the tools that load servers.
package rig

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/gemini"
	"github.com/stonepot/stonepot/live/simulator"
	"github.com/stonepot/stonepot/routes"
)

// Server is a server without configuration files on a free port of this machine.
type Server struct {
	// Addr is its host and port.
	Addr string

	core   *live.Gateway
	api    *handlers.API
	app    *fiber.App
	dialer *gemini.Dialer
	served chan error
}

// Start runs a server whose model is at upstream, the base URL of a Live API. change, which may be nil, changes its
// settings. The caller stops it.
func Start(upstream string, change func(*live.Config)) (*Server, error) {
	log := slog.New(slog.DiscardHandler)
	cfg := live.DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	google := gemini.DefaultGeminiConfig()
	google.BaseURL, google.APIKeys = upstream, []string{"test"}
	dialer, err := gemini.NewGemini(google, gemini.DefaultDialConfig(), log)
	if err != nil {
		return nil, err
	}
	s := &Server{dialer: dialer, served: make(chan error, 1)}
	s.core = live.NewGateway(cfg, []live.Backend{{Name: live.BackendGemini, Workflow: "gemini-live", Dialer: dialer, Simulated: true}}, log)
	server := handlers.DefaultServerConfig()
	s.api = handlers.New(handlers.Deps{
		Gateway: s.core, Server: server, CORS: handlers.DefaultCORSConfig(), Auth: handlers.DefaultAuthConfig(),
		Chat: handlers.DefaultChatConfig(), Version: "test", Log: log,
	})
	s.app = handlers.NewApp(server, log)
	routes.Mount(s.app, routes.Deps{API: s.api})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, dialer.Close())
	}
	s.Addr = l.Addr().String()
	go func() { s.served <- s.app.Listener(l) }()
	return s, nil
}

// stopWait bounds a stop.
const stopWait = 20 * time.Second

// Stop ends the server in its own order, and waits for it.
func (s *Server) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	return errors.Join(s.core.Drain(ctx), s.api.Shutdown(ctx), s.app.ShutdownWithContext(ctx), s.dialer.Close(), <-s.served)
}

// Model starts a simulator that accepts setups at once, with what change changes. The caller closes it.
func Model(change func(*simulator.Config)) (*simulator.Server, error) {
	cfg := simulator.DefaultConfig()
	cfg.SetupDelay, cfg.SetupJitter = 0, 0
	change(&cfg)
	sim, err := simulator.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return sim, sim.Listen("127.0.0.1:0")
}
