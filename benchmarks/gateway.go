package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/gemini"
	"github.com/stonepot/stonepot/routes"
)

// The child's role and its settings come in the environment.
const (
	roleVariable     = "STONEPOT_BENCH_ROLE"
	roleGateway      = "gateway"
	settingsVariable = "STONEPOT_BENCH_SETTINGS"
)

// settings are where the gateway differs from the configuration that ships. A zero means that it does not.
type settings struct {
	Upstream string // base URL; required
	Window   int    // audio.window
	Memory   int64  // resume.memory
	WarmPool int    // live.warm_pool.size; 0: none, because its refilling would be measured
	Patient  bool   // nobody is too quiet for too long

	ReplayAudio time.Duration // resume.replay_audio

	program string // whose process it is; empty: this one
}

// spent is what the gateway's process has used since its start, and what it holds.
type spent struct {
	CPU        time.Duration `json:"cpu"`
	Mallocs    uint64        `json:"mallocs"`
	ResidentKB float64       `json:"residentKb"`
	HeapKB     float64       `json:"heapKb"`   // of live objects, when the garbage was collected first
	StacksKB   float64       `json:"stacksKb"` // of goroutines
	Stats      live.Stats    `json:"stats"`

	Pool live.PoolStats `json:"pool"`
}

// gateway is the child: it serves until in ends, and answers each line of in with what it has spent. Before it answers
// "collected" it collects its garbage.
func gateway(in io.Reader, out io.Writer) error {
	log := slog.New(slog.DiscardHandler)
	cfg := live.DefaultConfig()
	cfg.Live.MaxSessions = 2 * maxSessions
	var s settings
	if err := json.Unmarshal([]byte(os.Getenv(settingsVariable)), &s); err != nil {
		return fmt.Errorf("%s: %w", settingsVariable, err)
	}
	s.apply(&cfg)
	google, dial := gemini.DefaultGeminiConfig(), gemini.DefaultDialConfig()
	google.BaseURL, google.APIKeys = s.Upstream, []string{"benchmark"}
	if s.WarmPool > 0 {
		dial.WarmPool = gemini.DefaultPoolConfig()
		dial.WarmPool.Size = s.WarmPool
	}
	dialer, err := gemini.NewGemini(google, dial, log)
	if err != nil {
		return err
	}
	core := live.NewGateway(cfg, []live.Backend{{Name: live.BackendGemini, Workflow: "gemini-live", Dialer: dialer, Simulated: true}}, log)
	server := handlers.DefaultServerConfig()
	api := handlers.New(handlers.Deps{
		Gateway: core, Server: server, CORS: handlers.DefaultCORSConfig(), Auth: handlers.DefaultAuthConfig(),
		Chat: handlers.DefaultChatConfig(), Version: "benchmark", Log: log,
	})
	app := handlers.NewApp(server, log)
	routes.Mount(app, routes.Deps{API: api})
	server.Host, server.Port = "127.0.0.1", 0
	l, err := handlers.Listen(context.Background(), server)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- app.Listener(l) }()
	fmt.Fprintln(out, l.Addr())

	lines := bufio.NewScanner(in)
	var answering uint64 // allocations for the answers, which are not the conversations'
	for lines.Scan() {
		if lines.Text() == collected {
			runtime.GC()
			runtime.GC() // what pools held goes with the second
		}
		now := spending()
		began := now.Mallocs
		now.Mallocs -= answering
		now.Stats, now.Pool = core.Stats(), dialer.PoolStats()
		if err := json.NewEncoder(out).Encode(now); err != nil {
			return err
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		answering += m.Mallocs - began
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	drained := core.Drain(ctx)
	_ = api.Shutdown(ctx)
	_ = app.ShutdownWithContext(ctx)
	_ = dialer.Close()
	return errors.Join(drained, <-served)
}

// apply makes the configuration that ships the one that is measured.
func (s settings) apply(cfg *live.Config) {
	if s.Window > 0 {
		cfg.Audio.Window = s.Window
	}
	if s.Memory > 0 {
		cfg.Resume.Memory = s.Memory
	}
	if s.ReplayAudio > 0 {
		cfg.Resume.ReplayAudio = s.ReplayAudio
	}
	if s.Patient {
		cfg.Limits.IdleTimeout = cfg.Limits.MaxDuration
	}
}

func spending() spent {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for oneself
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return spent{
		CPU:        time.Duration(u.Utime.Nano() + u.Stime.Nano()),
		Mallocs:    m.Mallocs,
		ResidentKB: residentKB(),
		HeapKB:     float64(m.HeapAlloc) / 1024,
		StacksKB:   float64(m.StackInuse) / 1024,
	}
}

// residentKB reads what Linux says of this process; 0 elsewhere.
func residentKB() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			var kb float64
			_, _ = fmt.Sscan(rest, &kb)
			return kb
		}
	}
	return 0
}

// child is the gateway's process as the parent sees it.
type child struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	addr string
}

// startChild runs this program again in the gateway's role, with more in its environment.
func startChild(s settings, environment ...string) (*child, error) {
	program, err := s.program, error(nil)
	if program == "" {
		program, err = os.Executable()
	}
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(program)} //nolint:gosec // itself, or what a test has built
	c.cmd.Env = append(os.Environ(), roleVariable+"="+roleGateway, settingsVariable+"="+string(text))
	c.cmd.Env = append(c.cmd.Env, environment...)
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err = c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the gateway: %w", err)
	}
	line, err := c.out.ReadString('\n')
	if err != nil {
		_ = c.stop()
		return nil, fmt.Errorf("the gateway did not start: %w", err)
	}
	c.addr = strings.TrimSpace(line)
	return c, nil
}

// collected is the line that asks for figures without garbage.
const collected = "collected"

// spent asks the gateway what it has used.
func (c *child) spent() (s spent, err error) { return c.ask("spent") }

// collected asks it what it holds when its garbage is collected.
func (c *child) collected() (s spent, err error) { return c.ask(collected) }

func (c *child) ask(what string) (s spent, err error) {
	if _, err = io.WriteString(c.in, what+"\n"); err != nil {
		return s, err
	}
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(line, &s)
}

// stop ends the gateway and waits for it.
func (c *child) stop() error {
	_ = c.in.Close()
	return c.cmd.Wait()
}
