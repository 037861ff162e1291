//go:build linux && (amd64 || arm64)

package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fileOf is a file with random bytes.
func fileOf(t testing.TB, size int) (*os.File, []byte) {
	t.Helper()
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, data
}

func TestConn_sendsFilesBehindWhatIsInABuffer(t *testing.T) {
	const begin = 12_345
	file, data := fileOf(t, 6<<20) // more than the kernel buffers: it has to wait
	for name, section := range map[string]*io.SectionReader{
		"a file":        io.NewSectionReader(file, begin, int64(len(data)-begin)),
		"memory":        io.NewSectionReader(bytes.NewReader(data), begin, int64(len(data)-begin)),
		"a file, begun": io.NewSectionReader(file, begin-7, int64(len(data)-begin+7)),
	} {
		t.Run(name, func(t *testing.T) {
			c, there := pair(t)
			if name == "a file, begun" {
				if _, err := io.ReadFull(section, make([]byte, 7)); err != nil {
					t.Fatal(err)
				}
			}
			sent := make(chan error, 1)
			go func() {
				defer func() { _ = c.CloseWrite() }()
				w := bufio.NewWriter(c)
				_, _ = w.WriteString("headers")
				c.More()
				_ = w.Flush()
				for _, most := range []int64{0, 1, 100_000, int64(len(data))} {
					r := &io.LimitedReader{R: section, N: most}
					n, err := w.ReadFrom(r)
					if err == nil {
						err = w.Flush()
					}
					if err != nil || n != most-r.N {
						sent <- errors.Join(err, errors.New("what was sent is not what was taken off the limit"))
						return
					}
				}
				_, err := w.WriteString("next")
				sent <- errors.Join(err, w.Flush())
			}()
			got, err := io.ReadAll(there)
			if err != nil {
				t.Fatal(err)
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
			if want := "headers" + string(data[begin:]) + "next"; string(got) != want {
				t.Errorf("%d bytes came, which are not the %d that went", len(got), len(want))
			}
			if n, err := section.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("the section is not read to its end: %d, %v", n, err)
			}
		})
	}
	t.Run("and everything else", func(t *testing.T) {
		c, there := pair(t)
		text := strings.Repeat("text", 1000)
		for _, r := range []io.Reader{strings.NewReader(text), io.LimitReader(strings.NewReader(text), 4000)} {
			if n, err := c.ReadFrom(r); n != 4000 || err != nil {
				t.Fatal(n, err)
			}
			got := make([]byte, 4000)
			if _, err := io.ReadFull(there, got); err != nil || string(got) != text {
				t.Errorf("%q came, %v", got, err)
			}
		}
	})
}

func TestConn_sendsNoFile(t *testing.T) {
	file, data := fileOf(t, 100_000)
	send := func(c *Conn, size int) (int64, error) {
		return c.ReadFrom(&io.LimitedReader{R: io.NewSectionReader(file, 0, int64(size)), N: int64(size)})
	}
	t.Run("that is shorter than was said", func(t *testing.T) {
		c, there := pair(t)
		go func() { _, _ = io.Copy(io.Discard, there) }()
		if n, err := send(c, len(data)+1); n != int64(len(data)) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(n, err)
		}
		_ = c.Close()
	})
	t.Run("to somebody who does not read", func(t *testing.T) {
		c, _ := pair(t)
		if err := c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		var err error
		for range 1000 {
			if _, err = send(c, len(data)); err != nil {
				break
			}
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
	t.Run("on a connection that is over", func(t *testing.T) {
		c, there := pair(t)
		_ = there.SetLinger(0)
		_ = there.Close()
		var err error
		for range 1000 {
			if _, err = send(c, len(data)); err != nil {
				break
			}
		}
		var op *net.OpError
		if !errors.As(err, &op) {
			t.Errorf("%T: %v", err, err)
		}
		_ = c.Close()
		if _, err := send(c, len(data)); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestConn_sendsFilesWithoutAnAllocation(t *testing.T) {
	c, there := pair(t)
	const size = 30_000
	file, _ := fileOf(t, size)
	section := io.NewSectionReader(file, 0, size)
	limited := &io.LimitedReader{R: section}
	got := make([]byte, size+7)
	if a := testing.AllocsPerRun(100, func() {
		_, _ = section.Seek(0, io.SeekStart)
		limited.N = size
		c.More()
		_, _ = c.Write(got[:7])
		if n, err := c.ReadFrom(limited); n != size || err != nil {
			t.Fatal(n, err)
		}
		if _, err := io.ReadFull(there, got); err != nil {
			t.Fatal(err)
		}
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}
