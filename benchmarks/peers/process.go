package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	startWait  = 20 * time.Second
	answerWait = 5 * time.Second
	stopWait   = 15 * time.Second
	pollEvery  = 200 * time.Microsecond
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
	x := &process{cmd: cmd, host: "127.0.0.1:" + strconv.Itoa(port), said: &tail{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = x.said, x.said
	began := time.Now()
	if err := startOn(cpu, cmd); err != nil {
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

// ready waits for the first 200. It asks as cheaply as it can: what it takes is measured with the start.
func (x *process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for {
		err := x.health()
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

// kept asks our binary for the bytes of speech that its sessions keep. It answers whoever sits at its machine.
func (x *process) kept(ctx context.Context) (float64, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+x.host+"/api/session/stats", nil)
	if err != nil {
		return 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	var stats struct{ KeptBytes *float64 }
	if err = json.NewDecoder(res.Body).Decode(&stats); err == nil && stats.KeptBytes == nil {
		err = fmt.Errorf("the statistics were answered with %s, without keptBytes", res.Status)
	}
	if err != nil {
		return 0, err
	}
	return *stats.KeptBytes, nil
}

// health wants a 200 on a connection of its own.
func (x *process) health() error {
	conn, err := net.DialTimeout("tcp", x.host, answerWait)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // the answer was read
	if err := conn.SetDeadline(time.Now().Add(answerWait)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "GET /health HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", x.host); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it is not wanted
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET /health: %s", res.Status)
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
