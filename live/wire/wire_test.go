package wire

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is both ends of a TCP connection, the first one as a Conn.
func pair(t testing.TB) (*Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // a test's
	there, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(accepted.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		_ = there.Close()
	})
	return c, there.(*net.TCPConn)
}

func TestConn_carriesEverythingBothWaysAtOnce(t *testing.T) {
	c, there := pair(t)
	const size = 8 << 20 // more than the kernel buffers: both directions have to wait
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	var all sync.WaitGroup
	write := func(to net.Conn, cut bool) {
		for p := data; len(p) > 0; {
			n := len(p)
			if cut {
				n = min(n, 1+rand.IntN(100_000))
			}
			m, err := to.Write(p[:n])
			if err != nil || m != n {
				t.Errorf("wrote %d of %d: %v", m, n, err)
				return
			}
			p = p[n:]
		}
	}
	read := func(from io.Reader) {
		got := make([]byte, size)
		if _, err := io.ReadFull(from, got); err != nil || !bytes.Equal(got, data) {
			t.Errorf("what came is not what went: %v", err)
		}
	}
	all.Go(func() { write(c, true) })
	all.Go(func() { write(there, true) })
	all.Go(func() { read(c) })
	all.Go(func() { read(there) })
	all.Wait()
}

func TestConn_triesWithoutWaiting(t *testing.T) {
	c, there := pair(t)
	data := make([]byte, 1<<20)
	written := 0
	for {
		n, err := c.TryWrite(data)
		if err != nil {
			t.Fatal(err)
		}
		if written += n; n < len(data) {
			break // it would wait
		}
	}
	if runtime.GOOS == "linux" && written == 0 {
		t.Error("nothing was taken by an empty socket")
	}
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := c.Write([]byte("rest")); err != nil {
			t.Error(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Error(err)
		}
	})
	if n, err := io.Copy(io.Discard, there); err != nil || n != int64(written)+4 {
		t.Errorf("%d bytes came of %d: %v", n, written+4, err)
	}
	all.Wait()
}

func TestConn_endsAsNetConnsDo(t *testing.T) {
	t.Run("end of the stream", func(t *testing.T) {
		c, there := pair(t)
		_, _ = there.Write([]byte("last"))
		_ = there.Close()
		if got, err := io.ReadAll(c); err != nil || string(got) != "last" {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := c.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // io.Reader's contract
			t.Error(err)
		}
	})
	t.Run("reset", func(t *testing.T) {
		c, there := pair(t)
		_ = there.SetLinger(0)
		_ = there.Close()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
		if _, err := c.TryWrite([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Error(err)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		c, _ := pair(t)
		_ = c.SetDeadline(time.Unix(1, 0))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
	t.Run("deadline of a read that waits", func(t *testing.T) {
		c, _ := pair(t)
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
	t.Run("deadline of a write that waits", func(t *testing.T) {
		c, there := pair(t)
		wrote := make(chan int)
		go func() {
			n, err := c.Write(make([]byte, 64<<20)) // more than the kernel buffers
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			wrote <- n
		}()
		if _, err := io.ReadFull(there, make([]byte, 1)); err != nil { // it has begun
			t.Error(err)
		}
		_ = c.SetWriteDeadline(time.Unix(1, 0))
		if n := <-wrote; n == 0 {
			t.Error("what was taken before the deadline is not told")
		}
	})
	t.Run("Close wakes who waits", func(t *testing.T) {
		c, _ := pair(t)
		read := make(chan error)
		go func() {
			_, err := c.Read(make([]byte, 1))
			read <- err
		}()
		_ = c.Close()
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if _, err := c.TryWrite([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestConn_allocatesNothing(t *testing.T) {
	c, there := pair(t)
	p, q := make([]byte, 900), make([]byte, 900)
	step := func() {
		if n, err := c.TryWrite(p); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
		if _, err := io.ReadFull(there, q); err != nil {
			t.Fatal(err)
		}
		if _, err := there.Write(q); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, p); err != nil {
			t.Fatal(err)
		}
	}
	step()
	if a := testing.AllocsPerRun(200, step); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

// The pair records what the package is for.
func BenchmarkConn_roundTrip640(b *testing.B) {
	c, there := pair(b)
	roundTrips(b, c, there)
}

func BenchmarkNetConn_roundTrip640(b *testing.B) {
	c, there := pair(b)
	roundTrips(b, c.TCPConn, there)
}

// roundTrips is a relay's work on one socket: a message is read, one is written.
func roundTrips(b *testing.B, c, there net.Conn) {
	p, q := make([]byte, 640), make([]byte, 640)
	b.ReportAllocs()
	b.SetBytes(640)
	for b.Loop() {
		if _, err := there.Write(q); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, p); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Write(p); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(there, q); err != nil {
			b.Fatal(err)
		}
	}
}
