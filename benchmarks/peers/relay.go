package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// relay is one that can be measured.
type relay struct {
	name  string
	what  string // for people
	path  string // of its WebSocket
	raw   bool   // it passes bytes on; the others translate
	start string // the browser's first message; empty: startSession
	acks  bool   // browsers acknowledge
	ours  bool
	// command says how to run it. The error says in a sentence why it cannot be run here.
	command func(p place) (*exec.Cmd, error)
}

// place is where a relay runs.
type place struct {
	root     string // of the repository
	dir      string // its own, empty
	port     int
	upstream string // http:// or https://
	caFile   string // whom it trusts with https://
	files    string // static ones
	fast     bool   // the run is faster than real time: benchmarks/config.yaml
	sessions int    // that it must have room for
	stonepot string // our binary
	goPeers  string // the directory of those that were compiled
}

const (
	startSession     = `{"type":"start_session"}`
	startResumable   = `{"type":"start_session","config":{"resumable":true}}`
	pathOfOurs       = "/api/gemini-live-stream"
	pathOfTranslator = "/live"
	pathOfRaw        = "/raw"
)

// The names that the scenarios use.
const (
	ours          = "stonepot"
	oursResumable = "stonepot-resumable"
	floor         = "forwarder"
	nginxName     = "nginx"
	bunName       = "bun"
	bunFiles      = "bun-files"
)

// relays are all of them, ours first.
func relays() []relay {
	return []relay{
		{name: ours, what: "the binary", path: pathOfOurs, ours: true, command: stonepot},
		{name: oursResumable, what: "the binary; sessions that can be resumed, browsers that acknowledge", path: pathOfOurs, start: startResumable, acks: true, ours: true, command: stonepot},
		{name: floor, what: "Go, bytes from socket to socket: the floor", path: pathOfRaw, raw: true, command: compiled("forwarder")},
		{name: nginxName, what: "nginx as WebSocket proxy, no translation", path: pathOfRaw, raw: true, command: nginx},
		{name: bunName, what: "Bun.serve, WebSocket, JSON", path: pathOfTranslator, command: script("bun", "bun/ws.mjs")},
		{name: "bun-genai", what: "Bun.serve, @google/genai", path: pathOfTranslator, command: script("bun", "bun/genai.mjs")},
		{name: "node-ws", what: "Node, ws, JSON", path: pathOfTranslator, command: script("node", "node/ws.mjs")},
		{name: "node-genai", what: "Node, ws, @google/genai", path: pathOfTranslator, command: script("node", "node/genai.mjs")},
		{name: "fiber-genai", what: "Fiber, the Live session of google.golang.org/genai", path: pathOfTranslator, command: compiled("fibergenai")},
		{name: bunFiles, what: "Bun.file with exists()", command: script("bun", "bun/static.mjs")},
	}
}

// folder holds the peers.
const folder = "benchmarks/peers"

// environment is what the peers are told. Some languages name those whom they trust in their own variable.
func (p place) environment() []string {
	return append(os.Environ(),
		fmt.Sprintf("PORT=%d", p.port), "UPSTREAM="+p.upstream, "FILES="+p.files,
		"SSL_CERT_FILE="+p.caFile, "NODE_EXTRA_CA_CERTS="+p.caFile, "NODE_ENV=production")
}

// stonepot runs our binary as users run it: with what ships, but for where the model is, and for room for the sessions.
// In an empty directory it finds no configuration of its own.
func stonepot(p place) (*exec.Cmd, error) {
	if _, err := os.Stat(p.stonepot); err != nil {
		return nil, fmt.Errorf("there is no binary: build it with make build, or name it with --stonepot (%w)", err)
	}
	cmd := exec.Command(p.stonepot) //nolint:gosec // the binary that the person names
	if p.fast {
		cmd.Args = append(cmd.Args, "serve", "--config", filepath.Join(p.root, "benchmarks/config.yaml"))
	}
	cmd.Env = append(p.environment(),
		"NODE_ENV=test", "GOOGLE_API_KEY=benchmark", "STONEPOT_SERVER_HOST=127.0.0.1", "STONEPOT_GEMINI_BASE_URL="+p.upstream,
		fmt.Sprintf("STONEPOT_LIVE_MAX_SESSIONS=%d", max(500, p.sessions+p.sessions/10)))
	if p.files != "" {
		cmd.Env = append(cmd.Env, "STONEPOT_STATIC_DIR="+p.files)
	}
	return cmd, nil
}

// changed are the names of settings that the environment gives to our binary. Their values may be secrets.
func changed(environ []string) (names []string) {
	for _, e := range environ {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "STONEPOT_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// compiled runs a peer that compile has built.
func compiled(name string) func(place) (*exec.Cmd, error) {
	return func(p place) (*exec.Cmd, error) {
		cmd := exec.Command(filepath.Join(p.goPeers, name)) //nolint:gosec // ours
		cmd.Env = p.environment()
		return cmd, nil
	}
}

// compile builds the peers in Go into dir.
func compile(root, dir string) error {
	cmd := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./"+folder+"/forwarder", "./"+folder+"/fibergenai") //nolint:gosec // fixed but for the directory
	cmd.Dir = root
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, said)
	}
	return nil
}

// script runs a peer in JavaScript.
func script(runtime, file string) func(place) (*exec.Cmd, error) {
	return func(p place) (*exec.Cmd, error) {
		modules := filepath.Join(p.root, folder, "node_modules")
		if _, err := os.Stat(modules); err != nil {
			return nil, errors.New("the packages are not installed: run npm ci --prefix " + folder)
		}
		program := filepath.Join(modules, ".bin", runtime) // bun comes as a package
		if runtime == "node" {
			var err error
			if program, err = exec.LookPath(runtime); err != nil {
				return nil, errors.New("Node.js 20 or newer is not installed: https://nodejs.org") //nolint:staticcheck // a name
			}
		} else if _, err := os.Stat(program); err != nil {
			return nil, fmt.Errorf("the package %s holds no program for this machine (%w)", runtime, err)
		}
		cmd := exec.Command(program, filepath.Join(p.root, folder, file)) //nolint:gosec // ours
		cmd.Env = p.environment()
		return cmd, nil
	}
}

// nginx runs the system's nginx with a configuration of its own.
func nginx(p place) (*exec.Cmd, error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program = "/usr/sbin/nginx"; !exists(program) {
			return nil, errors.New("nginx is not installed: sudo apt-get install -y nginx-light")
		}
	}
	text, err := os.ReadFile(filepath.Join(p.root, folder, "nginx/nginx.conf"))
	if err != nil {
		return nil, err
	}
	files := p.files
	if files == "" {
		files = p.dir // it holds nothing that anybody asks for
	}
	conf := strings.NewReplacer("DIRECTORY", p.dir, "PORT", fmt.Sprint(p.port), "UPSTREAM", p.upstream,
		"FILES", files, "TYPES", "/etc/nginx/mime.types").Replace(string(text))
	if os.Getuid() == 0 {
		conf = "user root;\n" + conf // the directories are this user's
	}
	file := filepath.Join(p.dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	return exec.Command(program, "-p", p.dir, "-e", "stderr", "-c", file), nil //nolint:gosec // the system's
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
