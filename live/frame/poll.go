package frame

import (
	"io"

	"github.com/stonepot/stonepot/live/wire"
)

// tryRead makes one read, with memory that is borrowed for it and, when nothing has come, given back: then it answers
// false, and is called again. It must look each time, because readiness is told once for everything that has come: a
// short read does not mean that nothing follows it, the end of the stream above all.
func (r *Reader) tryRead(fd uintptr) bool {
	r.borrow(r.size)
	n, again, err := wire.Read(fd, r.buf)
	switch {
	case again:
		r.release()
		return false
	case err == nil && n == 0:
		err = io.EOF
	}
	r.got, r.err = n, err
	return true
}
