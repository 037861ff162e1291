// Package wire reads and writes TCP sockets for less than package net does.
//
// A net.Conn tells the scheduler of each system call, so that it may give the processor away while the call lasts. A
// call on a socket that never blocks lasts a few microseconds, and what the scheduler does with them costs more than it
// gives: a thread of its own wakes every 20 µs to look for calls that last long, finds some on a busy machine, and hands
// their processor to another thread, which the caller then waits for. Here the calls are made as the runtime's own poller
// makes them, and only waiting is left to the runtime, as in package net: deadlines and Close work as they do there.
package wire

import (
	"net"
	"os"
	"syscall"
)

// Conn is a TCP connection. One goroutine may read at a time, and one may write; what it does not define here is the
// net.TCPConn's.
type Conn struct {
	*net.TCPConn
	raw      syscall.RawConn
	in, out  transfer
	delivery *delivery // of the last file; nil: there was none
	watch    watch
}

// transfer is one call under way: its arguments and results go this way, because the function that the runtime calls is
// made once for a connection. A closure for each call would be an allocation for each frame.
type transfer struct {
	run  func(fd uintptr) (done bool)
	p    []byte // what is left to do
	n    int    // done
	once bool   // do what can be done now, and do not wait
	more bool   // something follows at once: see More
	err  error
}

// delivery is a part of a file under way; on Linux only.
type delivery struct {
	run    func(fd uintptr) (done bool)
	file   *os.File
	offset int64
	left   int64
	err    error
}

// New makes a Conn of c, which must not be read or written by itself any more.
func New(c *net.TCPConn) (*Conn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	w := &Conn{TCPConn: c, raw: raw}
	w.in.run, w.out.run = w.read, w.write
	return w, nil
}

func (t *transfer) begin(p []byte, once bool) { t.p, t.n, t.once, t.err = p, 0, once, nil }

// end takes the results. waiting is what the runtime says, which knows of deadlines and of Close.
func (t *transfer) end(waiting error) (int, error) {
	err := t.err
	if err == nil {
		err = waiting
	}
	t.p, t.err = nil, nil // what is done is not kept
	return t.n, err
}

// Poll calls try with the descriptor now, and again whenever there may be something to read, until it answers true. It is
// for readers that want no memory while they wait: see Read. After Relieve the error is ErrRelieved.
func (c *Conn) Poll(try func(fd uintptr) (done bool)) error {
	err := c.raw.Read(try)
	if err != nil && c.wasRelieved() {
		return ErrRelieved
	}
	return err
}
