package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// child is a server that was started for the run.
type child struct {
	cmd    *exec.Cmd
	url    string
	errors *tail
	read   sync.WaitGroup
}

// How long a server may take to start, and to end.
const (
	childStart = 30 * time.Second
	childEnd   = 20 * time.Second
)

// startChild runs a stonepot binary with what is configured around it, but on a free port of this machine, with its model at
// upstream, and with room for the sessions that may be asked for.
func startChild(binary, upstream string, sessions int) (*child, error) {
	c := &child{cmd: exec.Command(binary), errors: &tail{}} //nolint:gosec // the binary that the person names
	c.cmd.Env = append(os.Environ(),
		"PORT=0", "STONEPOT_SERVER_HOST=127.0.0.1", "STONEPOT_OBSERVABILITY_LOG_FORMAT=text",
		"STONEPOT_GEMINI_BASE_URL="+upstream, "GOOGLE_API_KEY=load-test")
	if os.Getenv("STONEPOT_LIVE_MAX_SESSIONS") == "" {
		c.cmd.Env = append(c.cmd.Env, fmt.Sprintf("STONEPOT_LIVE_MAX_SESSIONS=%d", 2*sessions+10))
	}
	c.cmd.Stderr = c.errors
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("--start: %w", err)
	}
	lines := make(chan string, 1)
	c.read.Go(func() { firstAddress(out, lines) })
	select {
	case c.url = <-lines:
	case <-time.After(childStart):
	}
	if c.url == "" {
		_ = c.cmd.Process.Kill()
		c.read.Wait()
		_ = c.cmd.Wait()
		return nil, fmt.Errorf("--start: %s did not say where it listens; it said: %s", binary, c.errors)
	}
	return c, nil
}

// firstAddress sends the first http:// address that is said, or nothing at the end, and reads on to the end.
func firstAddress(out io.Reader, found chan<- string) {
	defer close(found)
	said := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if at := strings.Index(lines.Text(), "http://"); at >= 0 && !said {
			address, _, _ := strings.Cut(lines.Text()[at:], " ")
			found <- address
			said = true
		}
	}
}

// stop asks the server to end and waits for it.
func (c *child) stop() error {
	_ = c.cmd.Process.Signal(os.Interrupt)
	kill := time.AfterFunc(childEnd, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	c.read.Wait()
	if err := c.cmd.Wait(); err != nil {
		return errors.Join(fmt.Errorf("the server that --start started did not end well: %w", err), errors.New(c.errors.String()))
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	last []byte
}

const tailBytes = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, p...)
	t.last = t.last[max(0, len(t.last)-tailBytes):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.last))
}
