//go:build unix

package handlers

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// goneInterval is how often a waiting chat looks whether somebody still waits with it.
const goneInterval = 250 * time.Millisecond

// watchGone gives a context that ends with errGone when the other side of conn has closed it: fasthttp does not read a
// connection while a request is being answered, and notices only when a write fails. stop must be called; it
// waits for the watching to end.
func watchGone(parent context.Context, conn net.Conn) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	var raw syscall.RawConn
	if s, ok := conn.(syscall.Conn); ok {
		raw, _ = s.SyscallConn()
	}
	if raw == nil {
		return ctx, func() { cancel(nil) }
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(goneInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if closedByPeer(raw) {
					cancel(errGone)
					return
				}
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

// closedByPeer looks at the socket without taking anything from it, and without minding its deadlines.
func closedByPeer(raw syscall.RawConn) (gone bool) {
	var one [1]byte
	err := raw.Control(func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
		waiting := errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR)
		gone = n <= 0 && !waiting
	})
	return gone || err != nil
}
