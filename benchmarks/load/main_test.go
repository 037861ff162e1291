package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/stonepot/stonepot/benchmarks/internal/rig"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/simulator"
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

// serveAsChild is a server as --start expects one: it says where it listens, and ends when it is told to.
func serveAsChild() error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	s, err := rig.Start(os.Getenv("STONEPOT_GEMINI_BASE_URL"), nil)
	if err != nil {
		return err
	}
	fmt.Printf("Stonepot listens on http://%s for a test\n", s.Addr)
	<-signals
	return s.Stop()
}

// start runs a server whose model is the simulator, until the test ends.
func start(t *testing.T, model func(*simulator.Config), server func(*live.Config)) *rig.Server {
	t.Helper()
	sim, err := rig.Model(model)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	s, err := rig.Start(sim.URL(), server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func echoes(c *simulator.Config) { c.Echo = true }
