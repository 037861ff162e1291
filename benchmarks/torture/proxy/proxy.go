// Package proxy forwards TCP connections and damages them on request, as networks do: it cuts them at any byte, with a goodbye
// or without, stalls them, slows them, swallows one direction, and keeps one side open whose other side has gone.
package proxy

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// Config says how a proxy is made. Target is required.
type Config struct {
	// Target is asked, for each connection, where it goes: host and port.
	Target func() string
	// Buffer is the size of the sockets' buffers in bytes, as far as the kernel obeys: small ones make what is under way
	// short. 0 leaves the kernel's choice.
	Buffer int
	// Tap, when it is set, sees what each client sends, before anything is done with it. It is called by one goroutine of
	// each link, must be quick and must not keep data. It returns false when it wants to see no more of this link.
	Tap func(l *Link, data []byte) (more bool)
}

// Proxy is a listener with the connections that came through it. Its methods are safe for concurrent use.
type Proxy struct {
	cfg      Config
	listener net.Listener
	wg       sync.WaitGroup // the accept loop and all links

	mu     sync.Mutex
	closed bool
	links  map[string]*Link // by the client's address
}

// Listen starts a proxy on a free port of the loopback interface. Close must follow.
func Listen(cfg Config) (*Proxy, error) {
	p := &Proxy{cfg: cfg, links: make(map[string]*Link)}
	lc := net.ListenConfig{Control: p.control}
	l, err := lc.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("fault proxy: %w", err)
	}
	p.listener = l
	p.wg.Go(p.accept)
	return p, nil
}

// control sets the buffers before the connection is made, when the kernel still tells the other side of them.
func (p *Proxy) control(_, _ string, c syscall.RawConn) (err error) {
	if p.cfg.Buffer == 0 {
		return nil
	}
	if e := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, p.cfg.Buffer)
		if err == nil {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, p.cfg.Buffer)
		}
	}); e != nil {
		return e
	}
	return err
}

// Addr is the host and port that clients dial.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Link finds the connection of a client by the client's own address; nil when it is not, or no more, there.
func (p *Proxy) Link(client net.Addr) *Link {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.links[client.String()]
}

// Links are the connections that are open.
func (p *Proxy) Links() []*Link {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*Link, 0, len(p.links))
	for _, l := range p.links {
		all = append(all, l)
	}
	return all
}

// Close drops every connection and waits for all that the proxy runs.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.listener.Close()
	for _, l := range p.Links() {
		l.Cut(RST)
	}
	p.wg.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		client := c.(*net.TCPConn)
		l := newLink(p, client)
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			reset(client)
			return
		}
		p.links[client.RemoteAddr().String()] = l
		p.wg.Add(1)
		p.mu.Unlock()
		go p.serve(l)
	}
}

// dialTimeout is for a connection to the same machine.
const dialTimeout = 5 * time.Second

// serve runs one link until both of its sides are closed.
func (p *Proxy) serve(l *Link) {
	defer p.wg.Done()
	defer func() {
		p.mu.Lock()
		delete(p.links, l.client.RemoteAddr().String())
		p.mu.Unlock()
	}()
	d := net.Dialer{Timeout: dialTimeout, Control: p.control}
	c, err := d.Dial("tcp", p.cfg.Target())
	if err != nil {
		l.finish(RST) // nobody serves there: as a load balancer without instances would
		return
	}
	l.run(c.(*net.TCPConn))
}
