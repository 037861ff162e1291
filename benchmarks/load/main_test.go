package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.uber.org/goleak"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/gemini"
	"github.com/stonepot/stonepot/live/simulator"
	"github.com/stonepot/stonepot/routes"
)

// roleVariable makes the test's own binary a server, as --start expects one.
const roleVariable = "STONEPOT_LOAD_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == "server" {
		if err := serveAsChild(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m,
		// fasthttp's clock, and the sweeper of a server that was shut down: it sleeps before it looks and ends.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// stonepot is a whole server without configuration files, with its model at upstream.
type stonepot struct {
	core   *live.Gateway
	api    *handlers.API
	app    *fiber.App
	dialer interface{ Close() error }
	addr   string
	served chan error
}

func newStonepot(upstream string, change func(*live.Config)) (*stonepot, error) {
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
	s := &stonepot{dialer: dialer, served: make(chan error, 1)}
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
		return nil, err
	}
	s.addr = l.Addr().String()
	go func() { s.served <- s.app.Listener(l) }()
	return s, nil
}

func (s *stonepot) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_ = s.core.Drain(ctx)
	_ = s.api.Shutdown(ctx)
	_ = s.app.ShutdownWithContext(ctx)
	_ = s.dialer.Close()
	<-s.served
}

// serveAsChild is a server as --start expects one: it says where it listens, and ends when it is told to.
func serveAsChild() error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	s, err := newStonepot(os.Getenv("STONEPOT_GEMINI_BASE_URL"), nil)
	if err != nil {
		return err
	}
	fmt.Printf("Stonepot listens on http://%s for a test\n", s.addr)
	<-signals
	s.stop()
	return nil
}

// start runs a server whose model is the simulator, until the test ends.
func start(t *testing.T, model func(*simulator.Config), server func(*live.Config)) *stonepot {
	t.Helper()
	cfg := simulator.DefaultConfig()
	cfg.SetupDelay, cfg.SetupJitter = 0, 0
	model(&cfg)
	sim, err := simulator.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	s, err := newStonepot(sim.URL(), server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

func echoes(c *simulator.Config) { c.Echo = true }
