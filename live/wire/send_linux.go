//go:build linux && (amd64 || arm64)

package wire

import (
	"io"
	"os"
	"syscall"
)

// section is an io.SectionReader, or holds one.
type section interface {
	Outer() (r io.ReaderAt, offset, n int64)
	Seek(offset int64, whence int) (int64, error)
}

// More says that something follows the next Write at once: the kernel need not send the end of what is written in a packet
// of its own. It is called by the writer.
func (c *Conn) More() { c.out.more = true }

// ReadFrom implements io.ReaderFrom. Of an io.SectionReader of a file, behind an io.LimitedReader as bufio.Writer and
// fasthttp pass it on, the kernel sends the bytes by itself (sendfile(2)): they are not copied.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	limited, ok := r.(*io.LimitedReader)
	if !ok {
		return c.TCPConn.ReadFrom(r)
	}
	s, ok := limited.R.(section)
	if !ok {
		return c.TCPConn.ReadFrom(r)
	}
	outer, begin, size := s.Outer()
	file, ok := outer.(*os.File)
	if !ok {
		return c.TCPConn.ReadFrom(r)
	}
	at, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	n, err := c.deliver(file, begin+at, max(0, min(limited.N, size-at)))
	limited.N -= n
	_, _ = s.Seek(n, io.SeekCurrent) // forwards, within it
	return n, err
}

// deliver sends n bytes of a file.
func (c *Conn) deliver(file *os.File, offset, n int64) (int64, error) {
	if c.delivery == nil {
		c.delivery = &delivery{}
		c.delivery.run = c.sendFile
	}
	d := c.delivery
	d.file, d.offset, d.left, d.err = file, offset, n, nil
	waiting := c.raw.Write(d.run)
	d.file = nil
	if d.err == nil {
		d.err = waiting
	}
	return n - d.left, d.err
}

// sendFile is what the runtime calls, and calls again when the socket takes more, until it is done.
func (c *Conn) sendFile(fd uintptr) (done bool) {
	d := c.delivery
	for d.left > 0 {
		n, errno := sendfile(fd, d.file.Fd(), d.offset, int(min(d.left, longest)))
		switch {
		case errno == syscall.EAGAIN:
			return false
		case errno != 0:
			d.err = c.failure("sendfile", os.NewSyscallError("sendfile", errno))
			return true
		case n == 0:
			d.err = io.ErrUnexpectedEOF // the file ends before its section does
			return true
		}
		d.offset += int64(n)
		d.left -= int64(n)
	}
	return true
}

// put writes what the socket takes of p.
func put(fd uintptr, p []byte, more bool) (int, syscall.Errno) {
	if more {
		return putMore(fd, p)
	}
	return call(syscall.Write, writeCall, fd, p)
}
