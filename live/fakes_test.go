package live

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stonepot/stonepot/live/frame"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memBrowser is a browser in memory. Like a socket it takes only so much without waiting; unlike one it fails
// the test when it is touched after the session has returned.
type memBrowser struct {
	t       testing.TB
	timeout time.Duration
	in      chan Frame
	failure chan error
	gone    chan struct{}

	mu       sync.Mutex
	room     int // bytes TryWrite and Write take before they have to wait; negative: no bound
	freed    chan struct{}
	wire     []byte
	closed   *Reason
	aborted  bool
	returned bool
}

func newMemBrowser(t testing.TB) *memBrowser {
	return &memBrowser{
		t: t, timeout: 10 * time.Second, in: make(chan Frame, 4096), failure: make(chan error, 1), gone: make(chan struct{}),
		room: -1, freed: make(chan struct{}, 1),
	}
}

func (b *memBrowser) Read(f *Frame) error {
	select {
	case *f = <-b.in:
		return nil
	case err := <-b.failure:
		return err
	case <-b.gone:
		return io.ErrClosedPipe
	}
}

func (b *memBrowser) TryWrite(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.check()
	if b.aborted {
		return 0, io.ErrClosedPipe
	}
	n := len(p)
	if b.room >= 0 {
		n = min(n, b.room)
		b.room -= n
	}
	b.wire = append(b.wire, p[:n]...)
	return n, nil
}

func (b *memBrowser) Write(p []byte) error {
	deadline := time.After(b.timeout)
	for {
		n, err := b.TryWrite(p)
		if err != nil {
			return err
		}
		if p = p[n:]; len(p) == 0 {
			return nil
		}
		select {
		case <-b.freed:
		case <-b.gone:
			return io.ErrClosedPipe
		case <-deadline:
			return os.ErrDeadlineExceeded
		}
	}
}

func (b *memBrowser) Abort() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.check()
	b.leave()
	b.aborted = true
}

func (b *memBrowser) Close(r Reason) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.check()
	b.closed = &r
	b.leave()
}

func (b *memBrowser) leave() {
	select {
	case <-b.gone:
	default:
		close(b.gone)
	}
}

func (b *memBrowser) check() {
	if b.returned {
		b.t.Error("the browser was touched after the session had returned")
	}
}

// takes lets the socket take n bytes more.
func (b *memBrowser) takes(n int) {
	b.mu.Lock()
	b.room += n
	b.mu.Unlock()
	select {
	case b.freed <- struct{}{}:
	default:
	}
}

func (b *memBrowser) say(text string)  { b.in <- Frame{Data: []byte(text)} }
func (b *memBrowser) speak(pcm []byte) { b.in <- Frame{Binary: true, Data: pcm} }

// message is one message that the browser has received.
type message struct {
	Type  string
	Audio []byte
	JSON  map[string]any
}

// heard takes everything that was received so far.
func (b *memBrowser) heard() (all []message) {
	b.mu.Lock()
	wire := bytes.Clone(b.wire)
	b.mu.Unlock()
	r := frame.NewReader(bytes.NewReader(wire), frame.Client, 64<<20)
	for {
		op, p, err := r.Next()
		if err != nil {
			break
		}
		if op == frame.Binary {
			all = append(all, message{Type: "audio", Audio: bytes.Clone(p)})
			continue
		}
		m := message{JSON: map[string]any{}}
		if err := json.Unmarshal(p, &m.JSON); err != nil {
			b.t.Errorf("the server wrote %q: %v", p, err)
		}
		m.Type, _ = m.JSON["type"].(string)
		all = append(all, m)
	}
	return all
}

// types are the kinds of messages received, runs of audio told once.
func types(all []message) (kinds []string) {
	for _, m := range all {
		if m.Type != "audio" || len(kinds) == 0 || kinds[len(kinds)-1] != "audio" {
			kinds = append(kinds, m.Type)
		}
	}
	return kinds
}

func find(all []message, kind string) *message {
	for i := range all {
		if all[i].Type == kind {
			return &all[i]
		}
	}
	return nil
}

func audioBytes(all []message) (n int) {
	for _, m := range all {
		n += len(m.Audio)
	}
	return n
}

// memUpstream is an upstream in memory that keeps what it is sent.
type memUpstream struct {
	events chan Event
	ended  chan error
	woken  chan struct{}
	closed chan struct{}
	once   sync.Once
	wake   sync.Once
	stall  chan struct{} // not nil: Send waits until it is closed
	lent   []byte        // what the last event has borrowed

	mu   sync.Mutex
	sent []Command
	n    int64
	fail error
}

func newMemUpstream() *memUpstream {
	return &memUpstream{
		events: make(chan Event, 4096), ended: make(chan error, 1), woken: make(chan struct{}), closed: make(chan struct{}),
	}
}

func (u *memUpstream) Send(c *Command) (int64, error) {
	if u.stall != nil {
		select {
		case <-u.stall:
		case <-u.closed:
			return 0, io.ErrClosedPipe
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.fail != nil {
		return 0, u.fail
	}
	kept := *c
	kept.PCM = bytes.Clone(c.PCM)
	u.sent = append(u.sent, kept)
	u.n++
	return u.n, nil
}

// Receive lends speech as real upstreams do: with room for a frame's header, and until the next call.
func (u *memUpstream) Receive(e *Event) error {
	for i := range u.lent {
		u.lent[i] = 0xEE
	}
	err := u.receive(e)
	if u.lent = nil; err == nil && e.Kind == EventAudio {
		u.lent = append(make([]byte, frame.Room), e.PCM...)
		e.Framed, e.PCM = u.lent, u.lent[frame.Room:]
	}
	return err
}

func (u *memUpstream) receive(e *Event) error {
	select { // what was said before the end comes before it
	case *e = <-u.events:
		return nil
	default:
	}
	select {
	case *e = <-u.events:
		return nil
	case err := <-u.ended:
		return err
	case <-u.woken:
		return os.ErrDeadlineExceeded
	case <-u.closed:
		return io.ErrClosedPipe
	}
}

func (u *memUpstream) Wake()  { u.wake.Do(func() { close(u.woken) }) }
func (u *memUpstream) Close() { u.once.Do(func() { close(u.closed) }) }

func (u *memUpstream) says(events ...Event) {
	for _, e := range events {
		u.events <- e
	}
}

// got takes what was sent so far.
func (u *memUpstream) got() []Command {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]Command(nil), u.sent...)
}

func (u *memUpstream) pcm() (all []byte) {
	for _, c := range u.got() {
		all = append(all, c.PCM...)
	}
	return all
}

// memDialer gives its upstreams one after the other, or errors.
type memDialer struct {
	up    *memUpstream
	err   error // of the first dial
	hangs bool
	later []later // what the dials after the first give; when there are none left, connections are refused

	mu     sync.Mutex
	setups []Setup
}

// later is one more dial: an upstream, or an error.
type later struct {
	up  *memUpstream
	err error
}

func (d *memDialer) Dial(ctx context.Context, s Setup) (Upstream, error) {
	d.mu.Lock()
	d.setups = append(d.setups, s)
	n := len(d.setups)
	d.mu.Unlock()
	if n > 1 {
		if n-2 >= len(d.later) {
			return nil, &UpstreamError{Fault: FaultBroken, Detail: "refused"}
		}
		l := d.later[n-2]
		if l.err != nil {
			return nil, l.err
		}
		return l.up, nil
	}
	if d.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if d.err != nil {
		return nil, d.err
	}
	return d.up, nil
}

// asked are the setups of all dials so far.
func (d *memDialer) asked() []Setup {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Setup(nil), d.setups...)
}

// stage is a session between two ends in memory.
type stage struct {
	gateway *Gateway
	browser *memBrowser
	up      *memUpstream
	dialer  *memDialer
	done    chan struct{}
}

// play starts a session under cfg (nil: the defaults) without a first message.
func play(t testing.TB, change func(*Config, *memDialer)) *stage {
	t.Helper()
	cfg := DefaultConfig()
	st := &stage{browser: newMemBrowser(t), up: newMemUpstream(), done: make(chan struct{})}
	st.dialer = &memDialer{up: st.up}
	if change != nil {
		change(&cfg, st.dialer)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	backends := []Backend{{Name: BackendGemini, Workflow: "gemini-live", Dialer: st.dialer, Simulated: true}}
	st.gateway = NewGateway(cfg, backends, slog.New(slog.DiscardHandler))
	slot, err := st.gateway.Admit(BackendGemini, false)
	if err != nil {
		t.Fatal(err)
	}
	st.browser.timeout = cfg.Limits.WriteTimeout
	go func() {
		defer close(st.done)
		slot.Serve(st.browser, Client{})
		st.browser.mu.Lock()
		st.browser.returned = true
		st.browser.mu.Unlock()
	}()
	return st
}

// begin is play with start_session sent and the upstream ready.
func begin(t testing.TB, change func(*Config, *memDialer)) *stage {
	st := play(t, change)
	st.browser.say(`{"type":"start_session"}`)
	st.up.says(Event{Kind: EventReady})
	return st
}

func (st *stage) end() {
	st.browser.say(`{"type":"end_session"}`)
	<-st.done
}
