//go:build linux

package wire

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// sleeper parks a connection, and counts how often it is woken.
type sleeper struct {
	woken chan struct{}
	times atomic.Int64
}

func newSleeper() *sleeper { return &sleeper{woken: make(chan struct{}, 1000)} }

func (s *sleeper) Wake() {
	s.times.Add(1)
	s.woken <- struct{}{}
}

func park(t testing.TB, c *Conn) *sleeper {
	t.Helper()
	s := newSleeper()
	if !c.Park(s) {
		t.Fatal("it was not parked")
	}
	return s
}

// once waits until s is woken.
func (s *sleeper) once(t testing.TB) {
	t.Helper()
	<-s.woken
	if n := s.times.Load(); n != 1 {
		t.Errorf("woken %d times", n)
	}
}

func TestPark_isEndedByWhateverAReaderWouldReturnFor(t *testing.T) {
	for name, end := range map[string]func(c *Conn, there *net.TCPConn) (want error){
		"something to read": func(_ *Conn, there *net.TCPConn) error {
			_, _ = there.Write([]byte("x"))
			return nil
		},
		"end of the stream": func(_ *Conn, there *net.TCPConn) error {
			_ = there.CloseWrite()
			return io.EOF
		},
		"reset": func(_ *Conn, there *net.TCPConn) error {
			_ = there.SetLinger(0)
			_ = there.Close()
			return &net.OpError{}
		},
		"read deadline": func(c *Conn, _ *net.TCPConn) error {
			_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
			return os.ErrDeadlineExceeded
		},
		"deadline": func(c *Conn, _ *net.TCPConn) error {
			_ = c.SetDeadline(time.Unix(1, 0))
			return os.ErrDeadlineExceeded
		},
		"Close": func(c *Conn, _ *net.TCPConn) error {
			_ = c.Close()
			return net.ErrClosed
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, there := pair(t)
			s := park(t, c)
			want := end(c, there)
			s.once(t)
			_, err := c.Read(make([]byte, 1))
			var op *net.OpError
			if !errors.Is(err, want) && (!errors.As(want, &op) || !errors.As(err, &op)) {
				t.Errorf("%v, not %v", err, want)
			}
		})
	}
	t.Run("not by a deadline that is taken away", func(t *testing.T) {
		c, there := pair(t)
		s := park(t, c)
		_ = c.SetReadDeadline(time.Time{})
		_ = c.SetWriteDeadline(time.Unix(1, 0))
		if n := s.times.Load(); n != 0 {
			t.Errorf("woken %d times", n)
		}
		_, _ = there.Write([]byte("x"))
		s.once(t)
	})
}

func TestPark_refuses(t *testing.T) {
	t.Run("with a deadline", func(t *testing.T) {
		c, _ := pair(t)
		_ = c.SetReadDeadline(time.Now().Add(time.Hour))
		if c.Park(newSleeper()) {
			t.Error("nobody would keep the deadline")
		}
		_ = c.SetReadDeadline(time.Time{})
		park(t, c)
	})
	t.Run("when closed", func(t *testing.T) {
		c, _ := pair(t)
		_ = c.Close()
		if s := newSleeper(); c.Park(s) || s.times.Load() > 0 {
			t.Error("it was parked")
		}
	})
	t.Run("a second time", func(t *testing.T) {
		c, there := pair(t)
		s := park(t, c)
		if c.Park(newSleeper()) {
			t.Error("two are to be woken")
		}
		_, _ = there.Write([]byte("x"))
		s.once(t)
	})
}

func TestPark_seesWhatHadCome(t *testing.T) {
	c, there := pair(t)
	if _, err := there.Write([]byte("ab")); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 1)
	for _, want := range "ab" {
		park(t, c).once(t)
		if _, err := c.Read(p); err != nil || rune(p[0]) != want {
			t.Fatal(string(p), err)
		}
	}
}

func TestRelieve(t *testing.T) {
	nothing := func(fd uintptr) bool {
		_, again, _ := Read(fd, make([]byte, 1))
		return !again
	}
	t.Run("who waits", func(t *testing.T) {
		c, there := pair(t)
		polled := make(chan error)
		for range 100 {
			go func() { polled <- c.Poll(nothing) }()
			c.Relieve()
			if err := <-polled; err != ErrRelieved { //nolint:errorlint // as it is
				t.Fatal(err)
			}
			s := park(t, c)
			_, _ = there.Write([]byte("x"))
			s.once(t)
			if err := c.Poll(nothing); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("not who has half a message", func(t *testing.T) {
		c, there := pair(t)
		c.Relieve()
		_, _ = there.Write([]byte("x"))
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		c.Heed(true)
		c.Relieve()
		if _, err := c.Read(make([]byte, 1)); err != ErrRelieved { //nolint:errorlint // as it is
			t.Fatal(err)
		}
	})
	t.Run("not in place of a deadline", func(t *testing.T) {
		c, _ := pair(t)
		_ = c.SetReadDeadline(time.Unix(2, 0))
		c.Relieve()
		if err := c.Poll(nothing); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		_ = c.SetReadDeadline(time.Time{})
		c.Relieve()
		_ = c.SetReadDeadline(time.Unix(2, 0)) // the later one holds
		for range 2 {
			if err := c.Poll(nothing); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		}
	})
	t.Run("who is parked", func(t *testing.T) {
		c, there := pair(t)
		s := park(t, c)
		c.Relieve()
		_, _ = there.Write([]byte("x"))
		s.once(t)
	})
}

// Everything that wakes a connection happens to many at once, in every order, while descriptors are closed and used
// again: each stay ends once, and nobody is woken for another.
func TestPark_wakesOnceInEveryOrder(t *testing.T) {
	const connections, stays = 40, 60
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			random := rand.New(rand.NewPCG(rand.Uint64(), 0)) //nolint:gosec // a test's
			c, there := pair(t)
			for range stays {
				s := newSleeper()
				if !c.Park(s) {
					t.Error("it was not parked")
					return
				}
				sent, ended := 0, false
				var causes sync.WaitGroup
				for range 1 + random.IntN(3) {
					switch random.IntN(8) {
					case 0, 1, 2, 3:
						sent++
						causes.Go(func() { _, _ = there.Write([]byte("x")) })
					case 4, 5:
						causes.Go(func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
					case 6:
						causes.Go(func() { c.Relieve() })
						sent++
						causes.Go(func() { _, _ = there.Write([]byte("x")) })
					default:
						ended = true
						causes.Go(func() { _ = c.Close() })
					}
				}
				<-s.woken
				causes.Wait()
				if n := s.times.Load(); n != 1 {
					t.Errorf("woken %d times", n)
				}
				if ended {
					_ = there.Close()
					c, there = pair(t) // most likely with the same descriptors
					continue
				}
				_ = c.SetReadDeadline(time.Time{})
				if _, err := io.ReadFull(c, make([]byte, sent)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	parkingLot.mu.Lock()
	defer parkingLot.mu.Unlock()
	if n := parkingLot.taken(); n != 0 {
		t.Errorf("%d are in the lot still", n)
	}
	for _, p := range parkingLot.places {
		if p.conn != nil {
			t.Error("a place keeps its connection")
		}
	}
}

// What waiting costs with a goroutine that is there, and with one that is started.
func BenchmarkPark(b *testing.B) {
	c, there := pair(b)
	s := newSleeper()
	p := []byte("x")
	b.ReportAllocs()
	for b.Loop() {
		if !c.Park(s) {
			b.Fatal("it was not parked")
		}
		_, _ = there.Write(p)
		<-s.woken
		if _, err := c.Read(p); err != nil {
			b.Fatal(err)
		}
	}
}
