package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stonepot/stonepot/benchmarks/torture/proxy"
	"github.com/stonepot/stonepot/live/simulator"
)

// world is everything around the conversations.
type world struct {
	o        options
	began    time.Time
	until    time.Time // nobody asks anything new after it
	calm     time.Time // nothing breaks after it
	report   *report
	ledger   *ledger
	sim      *simulator.Server
	pair     pair
	front    *proxy.Proxy // browsers to the active instance
	side     *proxy.Proxy // browsers to the other one
	upstream *proxy.Proxy // instances to the simulator
	tokens   *http.Server
	resuming bool
	tools    bool
	updates  bool            // update_session is served
	allowed  map[string]bool // warnings that a conversation may get

	mu            sync.Mutex
	conversations map[uint16]*conversation
	links         map[uint16]*proxy.Link // the newest connection to the model
	named         map[*proxy.Link]bool   // connections to the model that have begun a session
}

// newWorld starts everything but the conversations. close must follow.
func newWorld(ctx context.Context, o options) (_ *world, err error) {
	w := &world{
		o: o, began: time.Now(), report: newReport(o), resuming: true, tools: true, updates: true,
		allowed:       map[string]bool{"unknown_tool_call": true, "tool_timeout": true, "not_allowed": true, "not_supported": true},
		conversations: make(map[uint16]*conversation), links: make(map[uint16]*proxy.Link), named: make(map[*proxy.Link]bool),
	}
	w.ledger = newLedger(w)
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.sim, err = simulator.New(o.simulator(), slog.New(slog.DiscardHandler)); err != nil {
		return nil, err
	}
	w.sim.Observe(w.ledger)
	if err = w.sim.Listen("127.0.0.1:0"); err != nil {
		return nil, err
	}
	if w.upstream, err = proxy.Listen(proxy.Config{Target: w.sim.Addr, Tap: w.tap()}); err != nil {
		return nil, err
	}
	if err = w.serveTokens(); err != nil {
		return nil, err
	}
	if err = w.startInstances(ctx); err != nil {
		return nil, err
	}
	const smallBuffer = 32 << 10
	if w.front, err = proxy.Listen(proxy.Config{Target: func() string { return w.pair.addr(false) }, Buffer: smallBuffer}); err != nil {
		return nil, err
	}
	w.side, err = proxy.Listen(proxy.Config{Target: func() string { return w.pair.addr(true) }, Buffer: smallBuffer})
	return w, err
}

// close ends everything, and waits for it.
func (w *world) close() {
	for _, p := range []*proxy.Proxy{w.front, w.side} {
		if p != nil {
			_ = p.Close()
		}
	}
	for _, i := range w.pair.all {
		if i != nil && i.cmd != nil {
			if err := i.signal(syscall.SIGTERM, 20*time.Second); err != nil && w.report != nil {
				w.report.broken(err)
			}
		}
	}
	if w.upstream != nil {
		_ = w.upstream.Close()
	}
	if w.tokens != nil {
		_ = w.tokens.Close()
	}
	if w.sim != nil && w.sim.Addr() != "" {
		_ = w.sim.Close()
	}
}

// build makes the server's binary from the module that this program is of.
func build(ctx context.Context, dir string, race bool) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	name := filepath.Join(dir, "stonepot")
	args := []string{"build", "-o", name}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, ".")...) //nolint:gosec // the arguments are ours
	cmd.Dir = strings.TrimSpace(string(root))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return name, nil
}

// serveTokens stands in for Google's token endpoint, so that Vertex AI is reached with credentials as in production.
func (w *world) serveTokens() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.tokens = &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write([]byte(`{"access_token":"torture-token","token_type":"Bearer","expires_in":3600}`))
	})}
	go w.tokens.Serve(l) //nolint:errcheck // until close
	credentials, err := json.Marshal(map[string]string{
		"type": "authorized_user", "client_id": "torture", "client_secret": "torture", "refresh_token": "torture",
		"token_uri": "http://" + l.Addr().String() + "/token",
	})
	if err != nil {
		return err
	}
	return os.WriteFile(w.o.file("credentials.json"), credentials, 0o600)
}

// settings are what the instances' configuration differs in from the one that ships.
const settings = `environment: production
server: {shutdown_grace: 8s}
static: {max_age: 1h}
limits: {message_rate: 200, message_burst: 1000, audio_burst: 60s}
live:
  max_sessions: 2000
  client_may_set: [assistant, model, voice, language, userId, modality, transcription, vad, audio, resumable, systemInstruction, tools]
resume: {overlap: %s}
gemini: {base_url: "http://%s"}
vertex: {base_url: "http://%s", project_id: torture}
observability: {log_level: info, log_format: text}
`

func (w *world) startInstances(ctx context.Context) error {
	binary := w.o.Binary
	if binary == "" {
		var err error
		if binary, err = build(ctx, w.o.Out, w.o.Race); err != nil {
			return err
		}
	}
	config := w.o.file("config.yaml")
	at := w.upstream.Addr()
	if err := os.WriteFile(config, []byte(fmt.Sprintf(settings, w.o.Overlap, at, at)), 0o600); err != nil {
		return err
	}
	var key [32]byte
	_, _ = rand.Read(key[:])
	for i, name := range []string{"A", "B"} {
		addr, err := freePort()
		if err != nil {
			return err
		}
		w.pair.all[i] = &instance{
			name: "instance " + name, binary: binary, config: config, addr: addr, log: w.o.file("instance-" + name + ".log"),
			env: []string{
				"GOOGLE_API_KEY=torture-key", "GOOGLE_APPLICATION_CREDENTIALS=" + w.o.file("credentials.json"),
				"STONEPOT_RESUME_KEYS=" + base64.StdEncoding.EncodeToString(key[:]),
			},
		}
		if err := w.pair.all[i].start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// door is where browsers connect to.
func (w *world) door(other bool) string {
	if other {
		return w.side.Addr()
	}
	return w.front.Addr()
}

// link is the proxied connection of a client; nil when it has none.
func (w *world) link(s *socket) *proxy.Link {
	if s == nil {
		return nil
	}
	if l := w.front.Link(s.tcp.LocalAddr()); l != nil {
		return l
	}
	return w.side.Link(s.tcp.LocalAddr())
}

func (w *world) conversation(id uint16) *conversation {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conversations[id]
}

func (w *world) add(c *conversation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conversations[c.id] = c
}

// run holds the conversations, and breaks the instances, until all are over.
func (w *world) run(ctx context.Context) {
	w.until = time.Now().Add(w.o.Duration)
	w.calm = w.until.Add(-w.o.Duration / 8)
	ctx, cancel := context.WithTimeout(ctx, w.o.Duration+settleTime+goodbyeTime+10*time.Second)
	defer cancel()
	var wg, disasters sync.WaitGroup
	for i := range w.o.Conversations {
		c := newConversation(w, uint16(i+1))
		w.add(c)
		at := time.Duration(i) * w.o.Arrival / time.Duration(w.o.Conversations)
		wg.Go(func() {
			if wait(ctx, at) {
				c.run(ctx)
			}
		})
	}
	stop, stopDisasters := context.WithDeadline(ctx, w.calm)
	defer stopDisasters()
	if w.o.Faults {
		disasters.Go(func() { w.disasters(stop, ctx) })
		disasters.Go(func() { w.killIdle(stop) })
	}
	wg.Wait()
	stopDisasters()
	disasters.Wait()
	if err := ctx.Err(); errors.Is(err, context.DeadlineExceeded) {
		w.report.broken(errors.New("not every conversation came to its end in time"))
	}
}
