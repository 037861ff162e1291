package frame

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// polled is a socket that a Reader polls, and says how often it has waited.
type polled struct {
	*net.TCPConn
	raw   syscall.RawConn
	waits atomic.Int64
	wait  func() // may be nil; called when nothing had come

	direct bool // nobody counts
}

func (p *polled) Poll(try func(fd uintptr) bool) error {
	if p.direct {
		return p.raw.Read(try)
	}
	return p.raw.Read(func(fd uintptr) bool {
		done := try(fd)
		if !done {
			p.waits.Add(1)
			if p.wait != nil {
				p.wait()
			}
		}
		return done
	})
}

// pair is a connection: what the first end is written, the other one polls.
func pair(t testing.TB) (*net.TCPConn, *polled) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // of a test
	there, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	here, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = there.Close(); _ = here.Close() })
	tcp := here.(*net.TCPConn)
	raw, err := tcp.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return there.(*net.TCPConn), &polled{TCPConn: tcp, raw: raw}
}

func TestReader_holdsNoMemoryWhileItWaits(t *testing.T) {
	there, here := pair(t)
	r := NewReader(here, Server, 1<<20)
	waiting := make(chan int, 100)
	here.wait = func() { waiting <- len(r.buf) }
	read := make(chan []byte, 10)
	go func() {
		for {
			if err := r.Await(); err != nil {
				close(read)
				return
			}
			_, p, err := r.Next()
			if err != nil {
				t.Error(err)
			}
			read <- bytes.Clone(p)
		}
	}()
	for _, size := range []int{0, 640, 60_000, 1 << 20} {
		if n := <-waiting; n != 0 {
			t.Errorf("%d bytes are held while nothing has come", n)
		}
		want := make([]byte, size)
		_, _ = rand.Read(want)
		if _, err := there.Write(AppendMasked(nil, Binary, want, key)); err != nil {
			t.Fatal(err)
		}
		if got := <-read; !bytes.Equal(got, want) {
			t.Errorf("%d bytes: other ones came", size)
		}
	}
	<-waiting
	_ = there.Close()
	if _, more := <-read; more {
		t.Error("a message came that nobody sent")
	}
}

// An edge tells once of a message and of the end behind it.
func TestReader_seesTheEndThatCameWithTheLastMessage(t *testing.T) {
	for range 20 {
		there, here := pair(t)
		r := NewReader(here, Server, 1<<20)
		sent := make(chan struct{})
		here.wait = func() {
			if here.waits.Load() == 1 {
				close(sent)
			}
		}
		go func() {
			<-sent // the reader waits
			_, _ = there.Write(AppendMasked(nil, Binary, []byte("last"), key))
			_ = there.Close()
		}()
		if _, p, err := r.Next(); err != nil || string(p) != "last" {
			t.Fatalf("%q %v", p, err)
		}
		if _, _, err := r.Next(); err != io.EOF { //nolint:errorlint // EOF itself is promised
			t.Fatalf("after the last message: %v, want io.EOF", err)
		}
	}
}

// raw builds one masked frame whose first byte is b0.
func raw(b0 byte, payload string) []byte {
	f := AppendMasked(nil, Binary, []byte(payload), key)
	f[0] = b0
	return f
}

func TestReader_pollsASocketCutAtEveryByte(t *testing.T) {
	var wire []byte
	wire = append(wire, raw(0x01, "h\xc3")...)
	wire = append(wire, raw(0x89, "ping")...)
	wire = append(wire, raw(0x80, "\xa9llo")...)
	wire = append(wire, AppendMasked(nil, Binary, make([]byte, 130), key)...)
	for cut := range wire {
		there, here := pair(t)
		r := NewReader(here, Server, 1000)
		for i, part := range [][]byte{wire[:cut], wire[cut:]} {
			if _, err := there.Write(part); err != nil {
				t.Fatal(err)
			}
			if i == 0 && cut > 0 { // the rest comes when the reader waits, or has all of the first part
				if err := r.Await(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = there.CloseWrite()
		for _, want := range []struct {
			op Opcode
			n  int
		}{{Ping, 4}, {Text, 6}, {Binary, 130}} {
			if op, p, err := r.Next(); err != nil || op != want.op || len(p) != want.n {
				t.Fatalf("cut at %d: %v, %d bytes, %v", cut, op, len(p), err)
			}
		}
		if _, _, err := r.Next(); err != io.EOF { //nolint:errorlint // EOF itself is promised
			t.Fatalf("cut at %d: %v at the end", cut, err)
		}
	}
}

func TestReader_tellsADeadlineAndAReset(t *testing.T) {
	there, here := pair(t)
	r := NewReader(here, Server, 1000)
	here.wait = func() { _ = here.SetReadDeadline(time.Unix(1, 0)) }
	if err := r.Await(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v, want the deadline", err)
	}
	if r.mem != nil {
		t.Error("memory is held after the deadline")
	}
	_ = here.SetReadDeadline(time.Time{}) // and goes on
	here.wait = func() { _ = there.SetLinger(0); _ = there.Close() }
	if _, _, err := r.Next(); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("got %v, want the reset", err)
	}
}

func TestReader_beginsWithWhatWasReadBefore(t *testing.T) {
	there, here := pair(t)
	wire := append(AppendMasked(nil, Binary, make([]byte, 9000), key), AppendMasked(nil, Text, []byte("second"), key)...)
	r := NewReader(here, Server, 10_000)
	r.Preload(wire[:9000])
	if _, err := there.Write(wire[9000:]); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{9000, 6} {
		if _, p, err := r.Next(); err != nil || len(p) != n {
			t.Fatalf("%d bytes, %v; want %d", len(p), err, n)
		}
	}
}

// hidden is a source with a buffer that nobody sees.
type hidden struct {
	io.Reader
	first  [1]byte
	ahead  []byte
	waited func()
}

func (h *hidden) Read(p []byte) (int, error) {
	if n := copy(p, h.ahead); n > 0 {
		h.ahead = nil
		return n, nil
	}
	return h.Reader.Read(p)
}

func (h *hidden) Await() error {
	h.waited()
	if n, err := h.Reader.Read(h.first[:]); n == 0 {
		return err
	}
	h.ahead = h.first[:]
	return nil
}

func TestReader_holdsNoMemoryWhileAnAwaiterWaits(t *testing.T) {
	var wire []byte
	for _, n := range []int{0, 1, 640, 5000} {
		wire = AppendMasked(wire, Binary, make([]byte, n), key)
	}
	src := &hidden{Reader: bytes.NewReader(wire)}
	r := NewReader(src, Server, 10_000)
	src.waited = func() {
		if r.mem != nil {
			t.Errorf("%d bytes are held", len(r.buf))
		}
	}
	for _, n := range []int{0, 1, 640, 5000} {
		if _, p, err := r.Next(); err != nil || len(p) != n {
			t.Fatalf("%d bytes, %v; want %d", len(p), err, n)
		}
	}
	if err := r.Await(); err != io.EOF { //nolint:errorlint // EOF itself is promised
		t.Errorf("at the end: %v, want io.EOF", err)
	}
}

// Pools forget under the race detector: there is a benchmark instead of a test.
func BenchmarkReader_await640(b *testing.B) {
	there, here := pair(b)
	here.direct = true
	wire := AppendMasked(nil, Binary, make([]byte, 640), key)
	r := NewReader(here, Server, 1<<20)
	b.ReportAllocs()
	b.SetBytes(640)
	for b.Loop() {
		if _, err := there.Write(wire); err != nil {
			b.Fatal(err)
		}
		if _, _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}
