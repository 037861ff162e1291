package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline is for what must happen; it is reached only when a test fails.
const deadline = 20 * time.Second

// path is a client, a target, and the proxy between them.
type path struct {
	proxy          *Proxy
	client, target *net.TCPConn
	link           *Link
}

func newPath(t *testing.T, cfg Config) *path {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	cfg.Target = func() string { return l.Addr().String() }
	p, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	x := &path{proxy: p, client: c.(*net.TCPConn), target: s.(*net.TCPConn), link: p.Link(c.LocalAddr())}
	t.Cleanup(func() { _, _ = x.client.Close(), x.target.Close() })
	if x.link == nil {
		t.Fatal("the link is not found by the client's address")
	}
	for _, c := range []net.Conn{x.client, x.target} {
		_ = c.SetDeadline(time.Now().Add(deadline))
	}
	return x
}

// say sends from one end and checks that it arrives at the other.
func say(t *testing.T, from, to net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(from, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(to, got); err != nil || string(got) != text {
		t.Fatalf("%q %v, want %q", got, err, text)
	}
}

func TestLink_passesBothWaysAndEnds(t *testing.T) {
	x := newPath(t, Config{Buffer: 8 << 10})
	say(t, x.client, x.target, "up")
	say(t, x.target, x.client, "down")
	_ = x.client.CloseWrite()
	if _, err := x.target.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after the client's end: %v", err)
	}
	say(t, x.target, x.client, "last words")
	_ = x.target.Close()
	<-x.link.Done()
	if up, down := x.link.Passed(Up), x.link.Passed(Down); up != 2 || down != 14 {
		t.Errorf("%d bytes up and %d down have passed, want 2 and 14", up, down)
	}
}

func TestLink_cutsAtTheByte(t *testing.T) {
	for _, how := range []How{FIN, RST} {
		for _, n := range []int64{0, 1, 4999} {
			x := newPath(t, Config{})
			x.link.CutAfter(Up, n, how)
			go x.client.Write(make([]byte, 10_000)) //nolint:errcheck // it is cut
			got, err := io.Copy(io.Discard, x.target)
			if got > n || how == FIN && got != n { // a reset may overtake
				t.Errorf("how %d: %d bytes arrived, want %d", how, got, n)
			}
			if how == RST && !errors.Is(err, syscall.ECONNRESET) || how == FIN && err != nil {
				t.Errorf("how %d after %d bytes: %v", how, n, err)
			}
			<-x.link.Done()
		}
	}
}

func TestLink_cutsAnIdleConnection(t *testing.T) {
	for _, how := range []How{FIN, RST} {
		x := newPath(t, Config{})
		say(t, x.client, x.target, "hello")
		x.link.Cut(how)
		for _, c := range []net.Conn{x.client, x.target} {
			_, err := c.Read(make([]byte, 1))
			if how == FIN && !errors.Is(err, io.EOF) || how == RST && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("how %d: %v", how, err)
			}
		}
		<-x.link.Done()
	}
}

func TestLink_stallsAndGoesOn(t *testing.T) {
	x := newPath(t, Config{})
	x.link.Stall(time.Hour)
	if _, err := io.WriteString(x.client, "late"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(x.target, "late"); err != nil {
		t.Fatal(err)
	}
	_ = x.target.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	var timeout net.Error
	if _, err := x.target.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("a stalled link: %v", err)
	}
	x.link.Stall(0)
	_ = x.target.SetReadDeadline(time.Now().Add(deadline))
	for _, c := range []net.Conn{x.client, x.target} {
		if got, err := io.ReadAll(io.LimitReader(c, 4)); string(got) != "late" {
			t.Errorf("%q %v", got, err)
		}
	}
}

func TestLink_slowLetsARateThrough(t *testing.T) {
	x := newPath(t, Config{Buffer: 4 << 10})
	x.link.Slow(100_000, time.Hour)
	began := time.Now()
	go x.client.Write(make([]byte, 30_000)) //nolint:errcheck // the reader sees
	if _, err := io.ReadFull(x.target, make([]byte, 30_000)); err != nil {
		t.Fatal(err)
	}
	// Only the lower bound is promised: a busy machine takes longer.
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("30 kB at 100 kB/s took %v", took)
	}
}

func TestLink_swallowsOneDirection(t *testing.T) {
	x := newPath(t, Config{})
	x.link.Swallow(Up)
	if _, err := io.WriteString(x.client, "nobody hears this"); err != nil {
		t.Fatal(err)
	}
	say(t, x.target, x.client, "but this arrives")
	x.link.Cut(RST)
	if n, _ := x.target.Read(make([]byte, 1)); n != 0 {
		t.Error("swallowed bytes have arrived")
	}
}

func TestLink_leavesTheTargetAlone(t *testing.T) {
	x := newPath(t, Config{})
	say(t, x.client, x.target, "hello")
	x.link.Leave(time.Hour)
	if _, err := x.client.Read(make([]byte, 1)); err == nil {
		t.Error("the client was not cut")
	}
	_ = x.target.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	var timeout net.Error
	if _, err := x.target.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("the target was told: %v", err)
	}
	if _, err := x.target.Write([]byte("into the void")); err != nil {
		t.Errorf("the target cannot write: %v", err)
	}
	x.link.Cut(RST)
	<-x.link.Done()
}

func TestLink_lingersWhenTheClientHasGone(t *testing.T) {
	x := newPath(t, Config{})
	x.link.Linger(time.Hour)
	_ = x.client.Close()
	_ = x.target.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	var timeout net.Error
	if _, err := x.target.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("the target was told: %v", err)
	}
}

func TestProxy_goesWhereItIsToldAndTapsTheClient(t *testing.T) {
	var seen bytes.Buffer
	x := newPath(t, Config{Tap: func(_ *Link, data []byte) bool {
		seen.Write(data)
		return seen.Len() < 5
	}})
	say(t, x.client, x.target, "hello")
	say(t, x.client, x.target, "unseen")
	if seen.String() != "hello" {
		t.Errorf("the tap saw %q", seen.String())
	}
	if n := len(x.proxy.Links()); n != 1 {
		t.Errorf("%d links, want 1", n)
	}
}

func TestProxy_resetsWhenNobodyServes(t *testing.T) {
	p, err := Listen(Config{Target: func() string { return "127.0.0.1:1" }})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close() //nolint:errcheck // its end is what counts
	c, err := net.Dial("tcp", p.Addr())
	if errors.Is(err, syscall.ECONNRESET) { // as fast as that
		return
	} else if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // a test
	_ = c.SetDeadline(time.Now().Add(deadline))
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a connection to nobody goes on")
	}
}
