package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stonepot/stonepot/benchmarks/peers/upstream"
	"github.com/stonepot/stonepot/live/frame"
)

// patience is how long a test waits for what must come. Nothing is asserted about how soon it comes.
const patience = 30 * time.Second

// built is what TestMain has compiled, for all tests.
var built struct{ root, stonepot, peers string }

// build compiles our binary and the peers in Go.
func build() (err error) {
	if built.root, err = findRoot(); err != nil {
		return err
	}
	if err := look(built.root); err != nil {
		return err
	}
	if built.peers, err = os.MkdirTemp("", "stonepot-peers-test-"); err != nil {
		return err
	}
	built.stonepot = filepath.Join(built.peers, "stonepot")
	cmd := exec.Command("go", "build", "-o", built.stonepot, ".")
	cmd.Dir = built.root
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, said)
	}
	return compile(built.root, built.peers)
}

// look reads every source that the relays are made of. What a child process is made of is unknown to go test's cache: a
// changed source must not pass for tested.
func look(root string) error {
	return filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", "bin", "client", "node_modules", "results"}, entry.Name()):
			return fs.SkipDir
		case slices.Contains([]string{".go", ".mod", ".mjs", ".json", ".conf", ".yaml"}, filepath.Ext(name)) && !strings.HasSuffix(name, "_test.go"):
			_, err = os.ReadFile(name)
		}
		return err
	})
}

// here is where a relay of a test runs.
func here(t *testing.T, model *upstream.Server, secure bool) place {
	return place{
		root: built.root, dir: t.TempDir(), upstream: model.URL(secure), caFile: model.CAFile(), fast: true,
		sessions: 10, stonepot: built.stonepot, goPeers: built.peers,
	}
}

// runnable are the relays whose voice can be tested here. Only the system's nginx may be missing; the rest is installed by
// `make test-go`, and a test that is left out proves nothing.
func runnable(t *testing.T) (all []relay) {
	t.Helper()
	for _, r := range relays() {
		if r.name == bunFiles {
			continue
		}
		_, err := r.command(place{root: built.root, dir: t.TempDir(), stonepot: built.stonepot, goPeers: built.peers})
		switch {
		case err == nil:
			all = append(all, r)
		case r.name == nginxName:
			t.Run(r.name, func(t *testing.T) { t.Skipf("not tested: %v", err) })
		default:
			t.Fatalf("%s: %v", r.name, err)
		}
	}
	return all
}

// known are frames of all the sizes that are measured, and of the smallest one, of which no part is like another.
func known() (frames [][]byte) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{640, 1280, 3200, 30000, 642, 3202, 640} {
		pcm := make([]byte, n)
		for i := range pcm {
			pcm[i] = byte(random.Uint32())
		}
		frames = append(frames, pcm)
	}
	return frames
}

func TestEveryRelay_carriesBothWaysByteForByte(t *testing.T) {
	for _, r := range runnable(t) {
		for _, secure := range []bool{false, true} {
			name := r.name
			if secure {
				name += ", TLS"
			}
			t.Run(name, func(t *testing.T) { carry(t, r, secure) })
		}
	}
}

// carry sends known frames through a relay to a model that echoes. What the model heard, and what came back, must be
// what was sent, however it was cut.
func carry(t *testing.T, r relay, secure bool) {
	var heard stream
	model := startModel(t, upstream.Config{Heard: heard.add})
	s := converse(t, r, model, secure)
	sent := known()
	var back []byte
	for _, pcm := range sent {
		buf := append(make([]byte, frame.Room), pcm...)
		if err := s.WriteFrame(buf); err != nil {
			t.Fatal(err)
		}
		back = read(t, s, back, len(back)+len(pcm))
	}
	want := bytes.Join(sent, nil)
	same(t, "the model heard", heard.bytes(), want)
	same(t, "the browser got back", back, want)
	// Many at once: a relay may join them, and must not lose or turn any.
	var burst []byte
	for range 20 {
		for _, pcm := range sent[:3] {
			burst = append(burst, pcm...)
			if err := s.WriteFrame(append(make([]byte, frame.Room), pcm...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	same(t, "the browser got back of many frames at once", read(t, s, nil, len(burst)), burst)
	if err := model.Err(); err != nil {
		t.Error(err)
	}
}

func TestEveryFileServer_sendsTheFile(t *testing.T) {
	b := &bench{dir: t.TempDir()}
	const size = 50 << 10
	files, err := b.publish(size)
	if err != nil {
		t.Fatal(err)
	}
	_, want := frameBuffer(size)
	model := startModel(t, upstream.Config{})
	for _, r := range append(runnable(t), relays()[len(relays())-1]) {
		if !slices.Contains([]string{ours, nginxName, bunFiles}, r.name) {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			p := here(t, model, false)
			p.files = files
			x, err := launch(t.Context(), r, p, "")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(x.stop)
			ctx, stop := context.WithCancel(t.Context())
			var done atomic.Int64
			failed := make(chan error, 1)
			go func() { failed <- fetchAll(ctx, x.host, want, &done) }()
			for done.Load() < 3 && len(failed) == 0 {
				runtime.Gosched()
			}
			stop()
			if err := <-failed; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEveryRelay_carriesWhatTheModelSaysByItself(t *testing.T) {
	for _, r := range runnable(t) {
		t.Run(r.name, func(t *testing.T) {
			var heard, said stream
			model := startModel(t, upstream.Config{TalkBytes: talkBytes, Every: 2 * time.Millisecond, Heard: heard.add, Said: said.add})
			s := converse(t, r, model, false)
			var sent []byte
			for _, pcm := range known() {
				sent = append(sent, pcm...)
				if err := s.WriteFrame(append(make([]byte, frame.Room), pcm...)); err != nil {
					t.Fatal(err)
				}
			}
			got := read(t, s, nil, 20*talkBytes)
			until(t, func() bool { return len(heard.bytes()) >= len(sent) && len(said.bytes()) >= len(got) })
			same(t, "the model heard", heard.bytes(), sent)
			same(t, "the browser heard", got, said.bytes()[:len(got)])
		})
	}
}

// converse starts a relay and a session with it. Both end with the test.
func converse(t *testing.T, r relay, model *upstream.Server, secure bool) *session {
	t.Helper()
	x, err := launch(t.Context(), r, here(t, model, secure), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.stop)
	s, err := begin(t.Context(), r, x.host)
	if err != nil {
		t.Fatalf("%v; it said: %s; %v", err, x.said, model.Err())
	}
	t.Cleanup(s.close)
	return s
}

func startModel(t *testing.T, cfg upstream.Config) *upstream.Server {
	t.Helper()
	model, err := upstream.Start(cfg, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := model.Close(); err != nil {
			t.Error(err)
		}
	})
	return model
}

// read appends the PCM that comes to pcm until there are n bytes.
func read(t *testing.T, s *session, pcm []byte, n int) []byte {
	t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for len(pcm) < n {
		op, payload, err := s.next()
		switch {
		case err != nil:
			t.Fatalf("after %d of %d bytes: %v", len(pcm), n, err)
		case op == frame.Binary:
			pcm = append(pcm, payload...)
		case strings.Contains(string(payload), `"warning"`) || strings.Contains(string(payload), `"error"`):
			t.Fatalf("it said %s", payload)
		}
	}
	return pcm
}

func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	t.Errorf("%s %d bytes instead of %d; they differ from byte %d on", what, len(got), len(want), at)
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !done() {
		if wait(ctx, time.Millisecond) != nil {
			t.Fatal("it did not come")
		}
	}
}

// stream is bytes that one goroutine appends and another one looks at.
type stream struct {
	mu  sync.Mutex
	all []byte
}

func (s *stream) add(p []byte) {
	s.mu.Lock()
	s.all = append(s.all, p...)
	s.mu.Unlock()
}

func (s *stream) bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.all)
}
