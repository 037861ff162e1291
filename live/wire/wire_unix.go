//go:build unix

package wire

import (
	"io"
	"net"
	"os"
	"syscall"
)

// CanTry says whether Read and TryWrite work here.
const CanTry = true

// longest is how many bytes a call may write: while it lasts nobody else gets the processor.
const longest = 256 << 10

// Read reads what has come to a descriptor that does not block into p, which is not empty. again: nothing has. Of 0
// bytes without an error nothing will ever come again.
func Read(fd uintptr, p []byte) (n int, again bool, err error) {
	n, errno := call(syscall.Read, readCall, fd, p)
	switch errno {
	case 0:
		return n, false, nil
	case syscall.EAGAIN:
		return 0, true, nil
	default:
		return 0, false, os.NewSyscallError("read", errno)
	}
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		c.in.begin(p, false)
		n, err := c.in.end(c.raw.Read(c.in.run))
		if n > 0 || err == nil || !c.wasRelieved() {
			return n, err
		}
		if c.watch.heed {
			return 0, ErrRelieved
		}
	}
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) { return c.send(p, false) }

// TryWrite writes as much of p as the socket takes now.
func (c *Conn) TryWrite(p []byte) (int, error) { return c.send(p, true) }

func (c *Conn) send(p []byte, once bool) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.out.begin(p, once)
	n, err := c.out.end(c.raw.Write(c.out.run))
	c.out.more = false
	return n, err
}

// read is what the runtime calls, and calls again when there is something to read, until it is done.
func (c *Conn) read(fd uintptr) (done bool) {
	t := &c.in
	n, again, err := Read(fd, t.p)
	switch {
	case again:
		return false
	case err != nil:
		err = c.failure("read", err)
	case n == 0:
		err = io.EOF
	}
	t.n, t.err = n, err
	return true
}

func (c *Conn) write(fd uintptr) (done bool) {
	t := &c.out
	for len(t.p) > 0 {
		n, errno := put(fd, t.p[:min(len(t.p), longest)], t.more)
		switch errno {
		case 0:
			t.n, t.p = t.n+n, t.p[n:]
		case syscall.EAGAIN:
			return t.once
		default:
			t.err = c.failure("write", os.NewSyscallError("write", errno))
			return true
		}
	}
	return true
}

func (c *Conn) failure(name string, err error) error {
	return &net.OpError{Op: name, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
