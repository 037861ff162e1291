package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/gemini"
	"github.com/stonepot/stonepot/routes"
)

// The child's role, and where its upstream is, come in the environment.
const (
	roleVariable     = "STONEPOT_BENCH_ROLE"
	roleGateway      = "gateway"
	upstreamVariable = "STONEPOT_BENCH_UPSTREAM"
	poolVariable     = "STONEPOT_BENCH_POOL" // live.warm_pool.size; unset: 0
)

// spent is what the gateway's process has used since its start.
type spent struct {
	CPU        time.Duration `json:"cpu"`
	Mallocs    uint64        `json:"mallocs"`
	ResidentKB float64       `json:"residentKb"`

	Pool live.PoolStats `json:"pool"`
}

// gateway is the child: it serves until in ends, and answers each line of in with what it has spent.
func gateway(in io.Reader, out io.Writer) error {
	log := slog.New(slog.DiscardHandler)
	cfg := live.DefaultConfig()
	cfg.Live.MaxSessions = 2 * maxSessions
	google := gemini.DefaultGeminiConfig()
	google.BaseURL, google.APIKeys = os.Getenv(upstreamVariable), []string{"benchmark"}
	dial := gemini.DefaultDialConfig()
	dial.WarmPool = gemini.DefaultPoolConfig()
	dial.WarmPool.Size, _ = strconv.Atoi(os.Getenv(poolVariable))
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- app.Listener(l) }()
	fmt.Fprintln(out, l.Addr())

	lines := bufio.NewScanner(in)
	for lines.Scan() {
		used := spending()
		used.Pool = dialer.PoolStats()
		if err := json.NewEncoder(out).Encode(used); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	drained := core.Drain(ctx)
	_ = api.Shutdown(ctx)
	_ = app.ShutdownWithContext(ctx)
	_ = dialer.Close()
	return errors.Join(drained, <-served)
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
func startChild(upstream string, environment ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(self)} //nolint:gosec // itself
	c.cmd.Env = append(os.Environ(), roleVariable+"="+roleGateway, upstreamVariable+"="+upstream)
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

// spent asks the gateway what it has used.
func (c *child) spent() (s spent, err error) {
	if _, err = io.WriteString(c.in, "spent\n"); err != nil {
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
