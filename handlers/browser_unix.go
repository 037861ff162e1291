//go:build unix

package handlers

import (
	"errors"
	"syscall"
)

// canTry says that tryOnce works here.
const canTry = true

// tryOnce makes one write without waiting. It always reports true, so that the runtime does not wait for the socket
// and call it again. It is prepared once per connection: a closure per write would be an allocation per audio frame.
func (b *fiberBrowser) tryOnce(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), b.tryBytes)
		switch {
		case err == nil:
			b.tryTaken = n
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
		default:
			b.tryErr = err
		}
		return true
	}
}
