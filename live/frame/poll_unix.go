//go:build unix

package frame

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// canPoll says that tryRead works here.
const canPoll = true

// tryRead makes one read, with memory that is borrowed for it and, when nothing has come, given back: then it answers
// false, and is called again. It must look each time, because readiness is told once for everything that has come: a
// short read does not mean that nothing follows it, the end of the stream above all.
func (r *Reader) tryRead(fd uintptr) bool {
	r.borrow(r.size)
	for {
		n, err := syscall.Read(int(fd), r.buf)
		switch {
		case err == nil && n > 0:
			r.got = n
		case err == nil:
			r.err = io.EOF
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			r.release()
			return false
		default:
			r.err = os.NewSyscallError("read", err)
		}
		return true
	}
}
