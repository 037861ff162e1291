package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// instance is a Stonepot server in a process of its own, which can be stopped, killed and started again at one address. Its methods are
// used by one goroutine.
type instance struct {
	name   string
	binary string
	config string
	addr   string
	log    string
	env    []string

	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended
	err    error         // of its end; read after exited
	starts atomic.Int64
}

// startTimeout is for a server to answer; a machine that is busy with conversations takes a while.
const startTimeout = 30 * time.Second

// freePort finds a port that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close() //nolint:errcheck // it was only asked for its address
	return l.Addr().String(), nil
}

// start runs the server and waits until it is ready.
func (i *instance) start(ctx context.Context) error {
	how := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if i.starts.Load() == 0 {
		how |= os.O_TRUNC // of another run
	}
	f, err := os.OpenFile(i.log, how, 0o600)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // the process has its own
	host, port, _ := net.SplitHostPort(i.addr)
	cmd := exec.Command(i.binary, "--config", i.config) //nolint:gosec // built from this repository
	cmd.Env = append(append(os.Environ(), i.env...), "PORT="+port, "STONEPOT_SERVER_HOST="+host)
	cmd.Dir = filepath.Dir(i.config)
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", i.name, err)
	}
	i.starts.Add(1)
	exited := make(chan struct{})
	i.cmd, i.exited = cmd, exited
	go func() { // ends with the process; stop and kill wait for it
		i.err = cmd.Wait()
		close(exited)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for !i.ready(ctx) {
		select {
		case <-exited:
			return fmt.Errorf("%s has ended: %w; see %s", i.name, i.err, i.log)
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready within %v; see %s", i.name, startTimeout, i.log)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func (i *instance) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+i.addr+"/ready", nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// signal sends the process a signal and waits for its end.
func (i *instance) signal(s syscall.Signal, within time.Duration) error {
	if i.cmd == nil {
		return nil
	}
	_ = i.cmd.Process.Signal(s) // it may have ended by itself
	select {
	case <-i.exited:
	case <-time.After(within):
		_ = i.cmd.Process.Kill()
		<-i.exited
		return fmt.Errorf("%s did not end within %v of signal %v", i.name, within, s)
	}
	var exit *exec.ExitError
	if s == syscall.SIGTERM && errors.As(i.err, &exit) {
		return fmt.Errorf("%s ended with %d after SIGTERM; see %s", i.name, exit.ExitCode(), i.log)
	}
	return nil
}

// pair is the two instances, and which of them new connections come to.
type pair struct {
	mu     sync.Mutex
	all    [2]*instance
	active int
}

// addr is where connections go: to the active instance, or to the other one.
func (p *pair) addr(other bool) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.active
	if other {
		n = 1 - n
	}
	return p.all[n].addr
}

// swap makes the other instance the active one, and returns the one that was.
func (p *pair) swap() *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.all[p.active]
	p.active = 1 - p.active
	return was
}

// who names the process behind an address: the instance, and how often it was started.
func (p *pair) who(addr string) string {
	for _, i := range p.all {
		if i != nil && i.addr == addr {
			return fmt.Sprintf("%s, start %d", i.name, i.starts.Load())
		}
	}
	return ""
}
