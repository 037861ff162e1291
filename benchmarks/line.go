package main

import (
	"context"
	"net"
	"sync"
	"syscall"
	"time"
)

// lineConfig describes an emulated network. The zero value forwards as fast as the machine can.
type lineConfig struct {
	Rate    int           // bytes a second, each way; 0: any
	Delay   time.Duration // each way
	Opening time.Duration // what it takes beyond the round trips that are made: TCP's and TLS's handshakes
	Buffer  int           // of the emulation's sockets, in bytes; 0: the kernel's choice
}

// roundTrip is how long a byte takes there and back when nothing else is under way.
func (c lineConfig) roundTrip() time.Duration { return 2 * c.Delay }

// line forwards TCP connections as a network would that is slow, far away, or both. What it has not taken yet lies in
// the sender's own socket, as it does in front of a slow link.
type line struct {
	cfg      lineConfig
	target   string
	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex
	done  bool
	conns []net.Conn
}

// openLine begins to forward to target. close must follow.
func openLine(cfg lineConfig, target string) (*line, error) {
	n := &line{cfg: cfg, target: target}
	lc := net.ListenConfig{Control: cfg.control}
	l, err := lc.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n.listener = l
	n.wg.Go(n.accept)
	return n, nil
}

func (n *line) addr() string { return n.listener.Addr().String() }

// packet is what is forwarded at once: an Ethernet's worth. It is the sockets' segment size too, because loopback's of
// 64 KB does not fit into small buffers, and waits for timers then.
const packet = 1448

// control makes a socket small before it is connected.
func (c lineConfig) control(_, _ string, raw syscall.RawConn) (err error) {
	if c.Buffer == 0 {
		return nil
	}
	set := func(fd uintptr) {
		for _, option := range [][3]int{
			{syscall.SOL_SOCKET, syscall.SO_RCVBUF, c.Buffer},
			{syscall.SOL_SOCKET, syscall.SO_SNDBUF, c.Buffer},
			{syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, packet},
		} {
			if err = syscall.SetsockoptInt(int(fd), option[0], option[1], option[2]); err != nil {
				return
			}
		}
	}
	if e := raw.Control(set); e != nil {
		return e
	}
	return err
}

func (n *line) accept() {
	for {
		c, err := n.listener.Accept()
		if err != nil {
			return // closed
		}
		n.wg.Go(func() { n.carry(c) })
	}
}

// carry forwards one connection until both of its directions are over.
func (n *line) carry(from net.Conn) {
	time.Sleep(n.cfg.Opening)
	d := net.Dialer{Timeout: 5 * time.Second, Control: n.cfg.control}
	to, err := d.Dial("tcp4", n.target)
	if err != nil {
		_ = from.Close()
		return
	}
	n.mu.Lock()
	n.conns = append(n.conns, from, to)
	done := n.done
	n.mu.Unlock()
	if done {
		_, _ = from.Close(), to.Close()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { n.forward(from, to) })
	both.Go(func() { n.forward(to, from) })
	both.Wait()
	_, _ = from.Close(), to.Close()
}

// parcel is a packet under way.
type parcel struct {
	data []byte
	due  time.Time
}

// forward carries one direction: no faster than the rate, each packet arriving a delay after it has left.
func (n *line) forward(from, to net.Conn) {
	inside := n.cfg.Delay.Seconds() * float64(n.cfg.Rate) / packet // packets that the line itself holds
	if n.cfg.Rate == 0 && n.cfg.Delay > 0 {
		inside = 1024
	}
	way := make(chan parcel, 1+int(inside))
	var arrivals sync.WaitGroup
	arrivals.Go(func() {
		for p := range way {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.data); err != nil {
				_ = from.Close() // ends the loop below
			}
		}
	})
	var free time.Time // when the sender's end can take the next packet
	for {
		data := make([]byte, packet)
		k, err := from.Read(data)
		if k > 0 {
			now := time.Now()
			if free.Before(now) {
				free = now
			}
			if n.cfg.Rate > 0 {
				free = free.Add(time.Duration(k) * time.Second / time.Duration(n.cfg.Rate))
				time.Sleep(time.Until(free))
			}
			way <- parcel{data[:k], free.Add(n.cfg.Delay)}
		}
		if err != nil {
			break
		}
	}
	close(way)
	arrivals.Wait()
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
}

// close drops every connection and waits for all that the line runs.
func (n *line) close() {
	n.mu.Lock()
	n.done = true
	for _, c := range n.conns {
		_ = c.Close()
	}
	n.mu.Unlock()
	_ = n.listener.Close()
	n.wg.Wait()
}
