package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// process is a relay that runs. It is used by one goroutine.
type process struct {
	cmd     *exec.Cmd
	host    string        // host:port
	startup time.Duration // from exec to the first 200
	said    *tail
	ended   chan struct{} // closed when it has
}

// How long a relay may take.
const (
	startWait = 20 * time.Second
	stopWait  = 15 * time.Second
	pollEvery = 200 * time.Microsecond
)

// launch starts a relay on cpu (empty: anywhere) and waits until it answers GET /health with 200.
func launch(ctx context.Context, r relay, p place, cpu string) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p.port = port
	cmd, err := r.command(p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	cmd.Dir = p.dir
	pin(cmd, cpu)
	x := &process{cmd: cmd, host: "127.0.0.1:" + strconv.Itoa(port), said: &tail{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = x.said, x.said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	go func() {
		_ = cmd.Wait() // how it ended does not matter
		close(x.ended)
	}()
	if err := x.ready(ctx); err != nil {
		x.stop()
		return nil, fmt.Errorf("%s did not start: %w; it said: %s", r.name, err, x.said)
	}
	x.startup = time.Since(began)
	return x, nil
}

// freePort is one that nobody listens on now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// pin makes cmd run on one processor, where taskset(1) is there.
func pin(cmd *exec.Cmd, cpu string) {
	if cpu == "" {
		return
	}
	program, err := exec.LookPath("taskset")
	if err != nil {
		return // main says so
	}
	cmd.Args = append([]string{program, "-c", cpu, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = program
}

// ready waits for the first 200.
func (x *process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	for {
		err := get(ctx, client, "http://"+x.host+"/health")
		if err == nil {
			return nil
		}
		select {
		case <-x.ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pollEvery):
		}
	}
}

// get wants a 200.
func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, res.Status)
	}
	return nil
}

// stop ends the relay and waits for it.
func (x *process) stop() {
	_ = x.cmd.Process.Signal(os.Interrupt)
	select {
	case <-x.ended:
		return
	case <-time.After(stopWait):
	}
	_ = x.cmd.Process.Kill()
	<-x.ended
}

// usage is what a relay's processes have used, and hold.
func (x *process) usage() (usage, error) { return usageOf(x.cmd.Process.Pid) }

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	last []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const most = 2 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, p...)
	t.last = t.last[max(0, len(t.last)-most):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.last))
}
