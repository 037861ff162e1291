package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"go.uber.org/goleak"
)

// asMain in the environment makes the test binary be Stonepot, so that tests have a real process to send signals to.
const asMain = "STONEPOT_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
	}
	goleak.VerifyTestMain(m,
		// fasthttp keeps these for the process, or until a sleep of ten seconds is over; nobody can end them earlier.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// patience bounds waits for what should happen at once.
const patience = 20 * time.Second

// process is a running Stonepot, started as a person would, with a simulator and on a free port.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	errors *lines
}

func startProcess(t *testing.T, environ ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.CommandContext(t.Context(), self), errors: newLines()}
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = append([]string{asMain + "=1", "PORT=0", "STONEPOT_SERVER_HOST=127.0.0.1"}, environ...)
	p.cmd.Stderr = p.errors
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if p.url = regexp.MustCompile(`http://\S+`).FindString(line); p.url == "" {
		t.Fatalf("the first line does not say where the server is: %q\n%s", line, p.errors)
	}
	return p
}

func (p *process) signal() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// exit waits for the end of the process and gives its code.
func (p *process) exit() int {
	p.t.Helper()
	timer := time.AfterFunc(patience, func() { p.cmd.Process.Kill() }) //nolint:errcheck // it may just have ended
	defer timer.Stop()
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// lines collects what a log says and lets a test wait for a line.
type lines struct {
	mu   sync.Mutex
	cond *sync.Cond
	text bytes.Buffer
}

func newLines() *lines {
	l := &lines{}
	l.cond = sync.NewCond(&l.mu)
	return l
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cond.Broadcast()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await returns the first line that holds all of the words.
func (l *lines) await(t *testing.T, words ...string) string {
	t.Helper()
	over := false
	timer := time.AfterFunc(patience, func() { l.mu.Lock(); over = true; l.mu.Unlock(); l.cond.Broadcast() })
	defer timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for line := range strings.Lines(l.text.String()) {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				return line
			}
		}
		if over {
			t.Fatalf("no line of the log holds %q:\n%s", words, l.text.String())
		}
		l.cond.Wait()
	}
}

// talk opens a voice session and waits until it is ready.
func talk(t *testing.T, url, path string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(url, "http", "ws", 1)+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() }) //nolint:errcheck // a test's end
	if err := conn.WriteJSON(map[string]any{"type": "start_session"}); err != nil {
		t.Fatal(err)
	}
	ready := await(t, conn, "session_ready")
	if ready["simulated"] != true {
		t.Errorf("session_ready does not say that it is simulated: %v", ready)
	}
	return conn
}

// await reads until a message of this type comes.
func await(t *testing.T, conn *websocket.Conn, kind string) map[string]any {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience)) //nolint:errcheck // Read tells
	for {
		what, data, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("waiting for %s: %v", kind, err)
		}
		var m map[string]any
		if what != websocket.TextMessage {
			continue
		}
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		if m["type"] == kind {
			return m
		}
	}
}

// get asks for JSON.
func get(t *testing.T, method, url string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // only read from
	var m map[string]any
	if err := json.NewDecoder(res.Body).Decode(&m); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, m
}

func TestServe_aSignalEndsSessionsWithServerDrainingAndExitCode0(t *testing.T) {
	for _, path := range []string{"/api/gemini-live-stream", "/api/vertex-ai-live"} {
		t.Run(path, func(t *testing.T) {
			p := startProcess(t)
			if status, health := get(t, http.MethodGet, p.url+"/health"); status != 200 || health["status"] != "ok" {
				t.Fatalf("/health answers %d %v", status, health)
			}
			conn := talk(t, p.url, path)
			began := time.Now()
			p.signal()
			if m := await(t, conn, "error"); m["code"] != "server_draining" || m["retryable"] != true {
				t.Errorf("the error is %v", m)
			}
			if m := await(t, conn, "session_ended"); m["reason"] != "server_draining" {
				t.Errorf("the session ended with %v", m)
			}
			_, _, err := conn.ReadMessage()
			if !websocket.IsCloseError(err, websocket.CloseServiceRestart) {
				t.Errorf("the close is %v, want code 1012", err)
			}
			if code := p.exit(); code != 0 {
				t.Errorf("the exit code is %d\n%s", code, p.errors)
			}
			if took, grace := time.Since(began), defaultConfig().Server.ShutdownGrace; took > grace {
				t.Errorf("the end took %v, longer than the grace of %v", took, grace)
			}
			if p.errors.await(t, "session", "server_draining") == "" {
				t.Error("the log does not tell why the session ended")
			}
		})
	}
}

func TestServe_aSecondSignalEndsAtOnce(t *testing.T) {
	p := startProcess(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a test's end
	// A request whose body never comes keeps the orderly end waiting; 100 Continue says that the server waits for it.
	request := "POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("%q, %v", line, err)
	}
	p.signal()
	p.errors.await(t, "stonepot ends")
	p.signal()
	if code := p.exit(); code != 1 {
		t.Errorf("the exit code is %d, want 1", code)
	}
}

func TestServe_aTakenPortIsToldWithTheWayOut(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // a test's end
	port := taken.Addr().(*net.TCPAddr).Port
	var stdout, stderr bytes.Buffer
	code := run([]string{"serve"}, []string{"STONEPOT_SERVER_HOST=127.0.0.1", fmt.Sprintf("PORT=%d", port)}, &stdout, &stderr)
	want := fmt.Sprintf("stonepot: port %d is taken by another program: choose another one with PORT or server.port (0: any free one)\n", port)
	if code != 1 || stderr.String() != want || stdout.Len() > 0 {
		t.Errorf("exit code %d, stdout %q, stderr %q; want %q", code, &stdout, &stderr, want)
	}
}

// running is a server in this process, until the test ends.
func running(t *testing.T, file string, environ ...string) (*server, *lines) {
	t.Helper()
	log := newLines()
	s, err := newServer(file, append([]string{"PORT=0", "STONEPOT_SERVER_HOST=127.0.0.1"}, environ...), log)
	if err != nil {
		t.Fatal(err)
	}
	s.lookEach = 5 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-over; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s, log
}

func TestServe_saysHowFarResumingReaches(t *testing.T) {
	for _, test := range []struct{ environ, level string }{
		{"NODE_ENV=production", `"severity":"WARNING"`},
		{"NODE_ENV=development", "level=INFO"},
		{"STONEPOT_RESUME_KEYS=" + testResumeKey, ""},
	} {
		var log bytes.Buffer // nobody else writes to it: the server is not run
		s, err := newServer("", []string{"PORT=0", "STONEPOT_SERVER_HOST=127.0.0.1", test.environ}, &log)
		if err != nil {
			t.Fatal(err)
		}
		s.shutdown()
		var said []string
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "STONEPOT_RESUME_KEYS is not set") {
				said = append(said, line)
			}
		}
		if test.level == "" && said != nil || test.level != "" && (len(said) != 1 || !strings.Contains(said[0], test.level)) {
			t.Errorf("with %.24s it says %q", test.environ, said)
		}
		if strings.Contains(log.String(), testResumeKey) {
			t.Error("the key was logged")
		}
	}
}

func TestServe_aChangedFileHoldsForNewSessionsAndDropsNone(t *testing.T) {
	file := written(t, "live: {max_sessions: 9}")
	replace := func(content string) {
		t.Helper()
		if err := os.Rename(written(t, content), file); err != nil {
			t.Fatal(err)
		}
	}
	s, log := running(t, file)
	conn := talk(t, s.URL(), "/api/gemini-live-stream")
	create := s.URL() + "/api/session/create"
	if status, m := get(t, http.MethodPost, create); status != 200 {
		t.Fatalf("before the change: %d %v", status, m)
	}

	replace("live:\n  max_sessions: 1\n  warm_pool: {size: 1}\nserver:\n  body_limit: 4096\n")
	log.await(t, "holds for new sessions", "live.max_sessions")
	log.await(t, "need a restart", "server.body_limit", "live.warm_pool.size")
	if status, m := get(t, http.MethodPost, create); status != 503 || m["code"] != "at_capacity" {
		t.Errorf("after the change: %d %v", status, m)
	}

	replace("live:\n  max_sessions: 0\n\n")
	log.await(t, "not used", "config.yaml:2: live.max_sessions must be between 1 and 1000000, got 0")
	if got := s.gateway.Config().Live.MaxSessions; got != 1 {
		t.Errorf("a wrong file changed live.max_sessions to %d", got)
	}

	if err := conn.WriteJSON(map[string]any{"type": "ping", "t": 7}); err != nil {
		t.Fatal(err)
	}
	if m := await(t, conn, "pong"); m["t"] != 7.0 {
		t.Errorf("the session that went on answers %v", m)
	}
}

func TestServe_theSecondConversationFindsAConnectionReady(t *testing.T) {
	s, _ := running(t, "")
	figures := func(backend string) map[string]any {
		t.Helper()
		status, m := get(t, http.MethodGet, s.URL()+"/api/session/stats")
		pool, ok := m["warmPool"].(map[string]any)[backend].(map[string]any)
		if status != 200 || !ok {
			t.Fatalf("the figures are %d %v", status, m)
		}
		return pool
	}
	for path, backend := range map[string]string{"/api/gemini-live-stream": "gemini", "/api/vertex-ai-live": "vertex"} {
		talk(t, s.URL(), path)
		for end := time.Now().Add(patience); figures(backend)["idle"] != 2.0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("nothing is kept ready: %v", figures(backend))
			}
		}
		talk(t, s.URL(), path)
		if m := figures(backend); m["hits"] != 1.0 || m["misses"] != 1.0 || m["dead"] != 0.0 {
			t.Errorf("%s: %v", backend, m)
		}
	}
}

func TestServe_productionPretendsNothing(t *testing.T) {
	s, log := running(t, "", "NODE_ENV=production")
	for _, backend := range []string{"gemini", "vertex"} {
		if status, m := get(t, http.MethodGet, s.URL()+"/api/status"); status != 200 || m["backends"].(map[string]any)[backend].(map[string]any)["available"] != false {
			t.Errorf("/api/status: %d %v", status, m)
		}
	}
	if status, m := get(t, http.MethodPost, s.URL()+"/api/session/create"); status != 503 || m["code"] != "upstream_not_configured" {
		t.Errorf("create answers %d %v", status, m)
	}
	if status, m := get(t, http.MethodGet, s.URL()+"/api/gemini-live-stream"); status != 426 && status != 503 {
		t.Errorf("the voice endpoint answers %d %v", status, m)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(log.await(t, "no credentials")), &line); err != nil {
		t.Fatal(err)
	}
	if line["severity"] != "WARNING" || line["message"] == nil || line["time"] == nil {
		t.Errorf("Cloud Logging would not read %v", line)
	}
}

// With a key the server goes to where the key is good; here that is another simulator.
func TestServe_aKeyIsUsedAndNeverPrinted(t *testing.T) {
	const key = "AIzaSyTestTestTestTestTestTestTestTest1"
	model, _ := running(t, "")
	s, log := running(t, "", "GOOGLE_API_KEY="+key, "STONEPOT_GEMINI_BASE_URL="+model.standIn.URL(), "STONEPOT_OBSERVABILITY_LOG_LEVEL=debug")
	_, m := get(t, http.MethodGet, s.URL()+"/api/status")
	backends := m["backends"].(map[string]any)
	if backends["gemini"].(map[string]any)["simulated"] != false || backends["vertex"].(map[string]any)["simulated"] != true {
		t.Errorf("/api/status says %v", backends)
	}
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(s.URL(), "http", "ws", 1)+"/api/gemini-live-stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a test's end
	if err := conn.WriteJSON(map[string]any{"type": "start_session"}); err != nil {
		t.Fatal(err)
	}
	if m := await(t, conn, "session_ready"); m["simulated"] != false {
		t.Errorf("a model reached with a key is called simulated: %v", m)
	}
	if strings.Contains(log.String(), key) {
		t.Errorf("the key is in the log:\n%s", log)
	}
}

func TestCommands(t *testing.T) {
	s, _ := running(t, "")
	health := s.URL() + "/health"
	wrong := written(t, "live: {max_sessions: 0}\n")
	dir := t.TempDir()
	for _, test := range []struct {
		name      string
		args, env []string
		code      int
		out       string // in stdout or, where the code is not 0, in stderr
	}{
		{"version", []string{"version"}, nil, 0, "stonepot dev"},
		{"help", []string{"help"}, nil, 0, "checkconfig"},
		{"flag for help", []string{"serve", "-h"}, nil, 0, ""},
		{"no such command", []string{"dance"}, nil, 2, "there is no command dance"},
		{"no such flag", []string{"serve", "--colour"}, nil, 2, "flag provided but not defined: -colour"},
		{"too many words", []string{"serve", "now"}, nil, 2, "stonepot [serve]"},
		{"healthcheck", []string{"healthcheck", "--url", health}, nil, 0, ""},
		{"healthcheck by PORT", []string{"healthcheck"}, []string{"PORT=" + health[strings.LastIndex(health, ":")+1:len(health)-len("/health")]}, 0, ""},
		{"healthcheck of another answer", []string{"healthcheck", "--url", s.URL() + "/api/none"}, nil, 1, "404"},
		{"healthcheck of nobody", []string{"healthcheck"}, []string{"PORT=1"}, 1, "the server does not answer"},
		{"checkconfig", []string{"checkconfig"}, []string{"GOOGLE_API_KEY=my-secret-key"}, 0, "# GOOGLE_API_KEY: set\n# STONEPOT_OPERATOR_KEY: unset"},
		{"checkconfig with resume keys", []string{"checkconfig"}, []string{"STONEPOT_RESUME_KEYS=" + testResumeKey}, 0, "# STONEPOT_RESUME_KEYS: set"},
		{"checkconfig without them", []string{"checkconfig"}, nil, 0, "# STONEPOT_RESUME_KEYS: unset"},
		{"checkconfig of a wrong file", []string{"checkconfig", wrong}, nil, 1, wrong + ":1: live.max_sessions must be between"},
		{"checkconfig of no file", []string{"checkconfig", filepath.Join(dir, "none.yaml")}, nil, 1, "no such file"},
		{"checkconfig of a wrong variable", []string{"checkconfig"}, []string{"PORT=x"}, 1, "PORT must be a whole number"},
		{"serve with a wrong file", []string{"serve", "--config", wrong}, nil, 1, "live.max_sessions must be between"},
		{"serve with a wrong file by its variable", nil, []string{"STONEPOT_CONFIG=" + wrong}, 1, "live.max_sessions must be between"},
		{"serve with no directory", nil, []string{"STONEPOT_STATIC_DIR=" + filepath.Join(dir, "none"), "PORT=0", "STONEPOT_SERVER_HOST=127.0.0.1"}, 1, "static.dir"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(test.args, test.env, &stdout, &stderr)
			said := &stdout
			if test.code != 0 {
				said = &stderr
			}
			if code != test.code || !strings.Contains(said.String(), test.out) {
				t.Errorf("exit code %d, want %d; stdout\n%s\nstderr\n%s", code, test.code, &stdout, &stderr)
			}
			if said := stdout.String() + stderr.String(); strings.Contains(said, "my-secret") || strings.Contains(said, testResumeKey) {
				t.Error("a secret was printed")
			}
		})
	}
}

func TestSimulator_runsAlone(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "simulator", "--port", "0")
	cmd.Dir, cmd.Env = t.TempDir(), []string{asMain + "=1"}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	url := regexp.MustCompile(`http://\S+`).FindString(line)
	if url == "" {
		t.Fatalf("it says %q", line)
	}
	s, _ := running(t, "", "GOOGLE_API_KEY=any", "STONEPOT_GEMINI_BASE_URL="+url)
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(s.URL(), "http", "ws", 1)+"/api/gemini-live-stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // a test's end
	if err := conn.WriteJSON(map[string]any{"type": "start_session"}); err != nil {
		t.Fatal(err)
	}
	await(t, conn, "session_ready")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the simulator ended with %v", err)
	}
}
