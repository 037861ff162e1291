package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/socket"
	"github.com/stonepot/stonepot/live/frame"
)

// parrot is a server that echoes as wrongly as a test wants.
type parrot struct {
	*httptest.Server
	t *testing.T

	// What it does wrong; nil: nothing. Set before it is called.
	copies func(m mark) int           // how often a frame comes back
	stall  func(m mark) time.Duration // how long it takes nothing else meanwhile
	change func(m mark, frame []byte) // what it makes of a frame
	create http.HandlerFunc           // POST /api/session/create
	most   int64                      // sessions at once; 0: any number
	ending func(m mark) []byte        // what it says in the place of an echo before it hangs up; nil: it echoes

	open atomic.Int64
	mu   sync.Mutex
	seen []http.Header // of the upgrades
	work sync.WaitGroup
}

func newParrot(t *testing.T, change func(*parrot)) *parrot {
	t.Helper()
	p := &parrot{t: t}
	change(p)
	p.Server = httptest.NewUnstartedServer(p)
	p.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that distrust it are part of the test
	t.Cleanup(func() { p.Close(); p.work.Wait() })
	return p
}

func (p *parrot) addr() string { return p.Listener.Addr().String() }

func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/api/session/create" && p.create != nil:
		p.create(w, r)
	case r.Header.Get("Upgrade") == "":
		http.NotFound(w, r)
	case p.most > 0 && p.open.Add(1) > p.most:
		p.open.Add(-1)
		http.Error(w, `{"code":"at_capacity","error":"Full."}`, http.StatusServiceUnavailable)
	default:
		p.mu.Lock()
		p.seen = append(p.seen, r.Header.Clone())
		p.mu.Unlock()
		p.work.Add(1)
		defer p.work.Done()
		p.serve(w, r)
		if p.most > 0 {
			p.open.Add(-1)
		}
	}
}

func (p *parrot) serve(w http.ResponseWriter, r *http.Request) {
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		p.t.Error(err)
		return
	}
	defer conn.Close() //nolint:errcheck // a test
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", socket.Accept(r.Header.Get("Sec-WebSocket-Key")))
	p.talk(conn, rw.Reader)
}

func (p *parrot) talk(conn net.Conn, from *bufio.Reader) {
	text := func(s string) { _, _ = conn.Write(frame.Append(nil, frame.Text, []byte(s))) }
	for in := frame.NewReader(from, frame.Server, 1<<20); ; {
		op, payload, err := in.Next()
		switch {
		case err != nil || op == frame.Close:
			return
		case op == frame.Text && strings.Contains(string(payload), "start_session"):
			text(`{"type":"session_started"}`)
			text(`{"type":"session_ready","model":"parrot","simulated":true}`)
		case op == frame.Text && strings.Contains(string(payload), "end_session"):
			text(`{"type":"session_ended"}`)
			_, _ = conn.Write(frame.Append(nil, frame.Close, frame.ClosePayload(1000, "")))
		case op == frame.Binary:
			if last := p.last(payload); last != nil {
				_, _ = conn.Write(last)
				// A connection that is closed with something unread is reset, and the other side sees that instead.
				_ = conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, from)
				return
			}
			p.echo(conn, payload)
		}
	}
}

// last is what is said for a frame before the connection is closed; nil: it goes on.
func (p *parrot) last(payload []byte) []byte {
	if m, ok := readMark(payload); ok && p.ending != nil {
		return p.ending(m)
	}
	return nil
}

func (p *parrot) echo(conn net.Conn, payload []byte) {
	m, _ := readMark(payload)
	if p.stall != nil {
		time.Sleep(p.stall(m)) // the server is slow: that is what is measured
	}
	if p.change != nil {
		p.change(m, payload)
	}
	n := 1
	if p.copies != nil {
		n = p.copies(m)
	}
	for range n {
		_, _ = conn.Write(frame.Append(nil, frame.Binary, payload))
	}
}

func TestLoad_seesWhatAServerLosesAndDoubles(t *testing.T) {
	t.Parallel()
	p := newParrot(t, func(p *parrot) {
		p.copies = func(m mark) int {
			switch {
			case m.measured && m.seq%10 == 0:
				return 0
			case m.measured && m.seq%10 == 1:
				return 2
			default:
				return 1
			}
		}
	})
	p.Start()
	o := call(t, t.Context(), short+"--sessions 1 --expect echo --limit-lost 1 ws://%s/anywhere", p.addr())
	r := o.result()
	f := r.Frames
	if f.Lost < 4 || f.Lost > 7 || f.Doubled < 4 || f.Doubled > 7 || f.Sent != f.Received+f.Lost || f.Strange != 0 {
		t.Errorf("%+v", f)
	}
	if o.code != exitFailed || !strings.Contains(o.out, "frames were lost, 1 may be") {
		t.Errorf("exit code %d\n%s", o.code, o.out)
	}
	if r.Sessions.Completed != 1 {
		t.Errorf("%+v", r.Sessions)
	}
}

func TestLoad_countsEveryFrameThatAStallDelays(t *testing.T) {
	t.Parallel()
	// One frame is held for half a second: those behind it wait, and the open schedule goes on. Waiting for each echo
	// before the next frame would see one slow frame; here there are about 25.
	p := newParrot(t, func(p *parrot) {
		stalled := false
		p.stall = func(m mark) time.Duration {
			if !m.measured || stalled {
				return 0
			}
			stalled = true
			return 500 * time.Millisecond
		}
	})
	p.Start()
	r := call(t, t.Context(), short+"--sessions 1 --expect echo --late 50ms ws://%s", p.addr()).well()
	if r.Frames.Late < 5 || r.RoundTripMicros.Max < 490_000 {
		t.Errorf("late %d, %+v", r.Frames.Late, r.RoundTripMicros)
	}
}

func TestLoad_carriesTicketsHeadersAndTLS(t *testing.T) {
	t.Parallel()
	tickets := atomic.Int64{}
	p := newParrot(t, func(p *parrot) {
		p.create = func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || r.Header.Get("Authorization") != "me" {
				p.t.Errorf("%s with %v", r.Method, r.Header)
			}
			// The address is one that the generator must not follow.
			fmt.Fprintf(w, `{"success":true,"url":"wss://elsewhere.example/api/voice?x=1","protocol":"stonepot.v1","ticket":"t%d"}`, tickets.Add(1))
		}
	})
	p.StartTLS()
	o := call(t, t.Context(), short+"--sessions 2 --expect echo --insecure --header Authorization:me wss://%s", p.addr())
	if o.code == exitUsage {
		t.Fatal(o.err)
	}
	if len(p.seen) == 0 {
		t.Fatalf("nobody came\n%s", o.err)
	}
	offered := map[string]bool{}
	for _, h := range p.seen {
		offered[h.Get("Sec-WebSocket-Protocol")] = true
	}
	for i := range p.seen {
		if want := fmt.Sprintf("stonepot.v1, stonepot.ticket.t%d", i+1); !offered[want] {
			t.Errorf("nobody offered %q: %v", want, offered)
		}
	}
	o.well()
}

func TestLoad_doesNotTrustAStrangersCertificate(t *testing.T) {
	t.Parallel()
	p := newParrot(t, func(*parrot) {})
	p.StartTLS()
	o := call(t, t.Context(), short+"--create=false wss://%s", p.addr())
	if o.code != exitFailed || !strings.Contains(o.err, "certificate is not trusted") {
		t.Errorf("%d %s", o.code, o.err)
	}
}

func TestLoad_findsTheMostSessions(t *testing.T) {
	t.Parallel()
	p := newParrot(t, func(p *parrot) { p.most = 5 })
	p.Start()
	o := call(t, t.Context(), "--duration 1s --warm-up 0s --find-max --sessions 4 --max-sessions 6 --limit-p99 1m --expect echo --create=false ws://%s", p.addr())
	r := o.result()
	if s := r.Search; o.code != exitDone || s == nil || s.Best != 5 || r.Load.Sessions != 5 || s.GeneratorLimited || s.PerCoreOfMachine <= 0 {
		t.Fatalf("exit code %d, %+v\n%s\n%s", o.code, s, o.out, o.err)
	}
	if !strings.Contains(o.out, "5 sessions keep") || !strings.Contains(o.err, "6 sessions do not hold: 1 of 6 sessions failed (upgrade: 503 at_capacity)") {
		t.Errorf("%s\n%s", o.out, o.err)
	}
}

func TestLoad_endsEarlyWithItsFigures(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := newParrot(t, func(p *parrot) {
		p.copies = func(m mark) int {
			if m.measured && m.seq > 20 {
				cancel()
			}
			return 1
		}
	})
	p.Start()
	o := call(t, ctx, "--duration 10m --warm-up 0s --sessions 1 --expect echo ws://%s", p.addr())
	r := o.result()
	if !r.Interrupted || r.Sessions.Completed != 1 || r.Frames.Received == 0 || r.MeasuredMs >= 600_000 || !strings.Contains(o.out, "(interrupted)") {
		t.Errorf("exit code %d, %+v, %d ms\n%s\n%s", o.code, r.Sessions, r.MeasuredMs, o.out, o.err)
	}
}

func TestLoad_countsSessionsThatBreakInTheMiddleByReason(t *testing.T) {
	t.Parallel()
	text := func(s string) []byte { return frame.Append(nil, frame.Text, []byte(s)) }
	endings := map[uint32]struct {
		said   []byte
		reason string
	}{
		0: {[]byte{}, "in the middle: connection closed without a goodbye"},
		1: {frame.Append(nil, frame.Close, frame.ClosePayload(1012, "restarting")), "in the middle: closed with 1012"},
		2: {text(`{"type":"error","code":"upstream_quota","error":"No more."}`), "error upstream_quota"},
		3: {text(`{"type"`), "a message of the server is no JSON"},
		4: {[]byte{0x82, 0x81, 1, 2, 3, 4, 5}, "in the middle: the server violated the WebSocket protocol"},
	}
	p := newParrot(t, func(p *parrot) {
		p.ending = func(m mark) []byte {
			if m.seq < 5 || !m.measured {
				return nil
			}
			return endings[m.session].said
		}
	})
	p.Start()
	r := call(t, t.Context(), short+"--sessions 6 --expect echo ws://%s", p.addr()).result()
	if r.Sessions.Ready != 6 || r.Sessions.Failed != 5 || r.Sessions.Completed != 1 || r.Frames.Lost < 5 {
		t.Errorf("%+v, %+v", r.Sessions, r.Frames)
	}
	for _, e := range endings {
		if r.Sessions.Reasons[e.reason] != 1 {
			t.Errorf("%q was counted %d times: %v", e.reason, r.Sessions.Reasons[e.reason], r.Sessions.Reasons)
		}
	}
}

func TestLoad_knowsWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	p := newParrot(t, func(p *parrot) {
		p.change = func(m mark, payload []byte) {
			switch {
			case !m.measured:
			case m.seq%3 == 0:
				mark{m.run, m.session + 1, m.seq, 0, true, m.sent}.put(payload) // another session's
			case m.seq%3 == 1:
				mark{m.run, m.session, 1 << 30, 0, true, m.sent}.put(payload) // a frame that was never sent
			default:
				clear(payload[:markBytes])
			}
		}
	})
	p.Start()
	r := call(t, t.Context(), short+"--sessions 1 --expect echo ws://%s", p.addr()).result()
	if f := r.Frames; f.Sent < 40 || f.Strange != f.Sent || f.Lost != f.Sent || f.Received != 0 || r.RoundTripMicros.Count != 0 {
		t.Errorf("%+v", f)
	}
	if !strings.Contains(strings.Join(r.Notes, " "), "had never sent") {
		t.Errorf("%q", r.Notes)
	}
}
