package wire

import (
	"os"
	"sync"
	"syscall"
	"time"
)

const canPark = true

// parkingLot is where parked connections are. It is the process', as the runtime's poller is, which would need a goroutine for
// each of them.
var parkingLot lot

// lot waits for many connections with one goroutine, its keeper, which lives while somebody is parked. The keeper waits
// on a descriptor of epoll(7) in the runtime's poller, as for a socket, so that no thread blocks either.
//
// A connection is in the lot's epoll set only while it is parked: what comes on others costs nothing here. It is told of
// once (EPOLLONESHOT), and however often it comes and goes, what the kernel still had to tell of an earlier stay is
// recognised by its turn.
type lot struct {
	mu     sync.Mutex
	epoll  *os.File // nil: nobody was parked so far
	raw    syscall.RawConn
	fd     int // epoll's, which is never closed
	places []place
	free   []int32 // places that are empty
	kept   bool    // the keeper is at work
	turn   uint32
}

type place struct {
	conn *Conn // nil: it is empty
	turn uint32
}

// taken is how many connections are parked. Called with mu held.
func (l *lot) taken() int { return len(l.places) - len(l.free) }

// enter parks c. Called with its watch.mu held.
func (l *lot) enter(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoll == nil && !l.open() {
		return false
	}
	at := int32(len(l.places))
	if n := len(l.free); n > 0 {
		at = l.free[n-1]
	}
	l.turn++
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT, Fd: at, Pad: int32(l.turn)}
	if c.control(l.fd, syscall.EPOLL_CTL_ADD, &event) != nil { // it is closed, or the kernel has no room for more
		return false
	}
	if int(at) < len(l.places) {
		l.free = l.free[:len(l.free)-1]
	} else {
		l.places = append(l.places, place{})
	}
	l.places[at] = place{c, l.turn}
	c.watch.place, c.watch.turn = at, l.turn
	if !l.kept {
		l.kept = true
		_ = l.epoll.SetReadDeadline(time.Time{})
		go l.keep() // until nobody is parked; it touches nothing of those who left
	}
	return true
}

// leave takes c out. Called with its watch.mu held.
func (l *lot) leave(c *Conn) {
	_ = c.control(l.fd, syscall.EPOLL_CTL_DEL, &syscall.EpollEvent{}) // a closed one is out already
	l.mu.Lock()
	defer l.mu.Unlock()
	l.places[c.watch.place] = place{}
	if l.free = append(l.free, c.watch.place); l.taken() == 0 {
		_ = l.epoll.SetReadDeadline(long) // lets the keeper go
	}
}

// control changes what epoll looks for on c.
func (c *Conn) control(epoll, op int, event *syscall.EpollEvent) error {
	var failed error
	err := c.raw.Control(func(fd uintptr) { failed = syscall.EpollCtl(epoll, op, int(fd), event) })
	if err == nil {
		err = failed
	}
	return err
}

// open is called with mu held.
func (l *lot) open() bool {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	_ = syscall.SetNonblock(fd, true) // so that the runtime's poller takes it; otherwise deadlines fail, and nobody is parked
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err == nil {
		err = file.SetReadDeadline(time.Time{})
	}
	if err != nil {
		_ = file.Close()
		return false
	}
	l.epoll, l.raw, l.fd = file, raw, fd
	return true
}

// keep is the keeper.
func (l *lot) keep() {
	var events [64]syscall.EpollEvent
	for {
		err := l.raw.Read(func(uintptr) bool {
			for l.tell(events[:]) {
			}
			return false
		})
		if err == nil {
			continue
		}
		l.mu.Lock()
		if l.kept = l.taken() > 0; !l.kept {
			l.mu.Unlock()
			return
		}
		_ = l.epoll.SetReadDeadline(time.Time{}) // somebody came meanwhile
		l.mu.Unlock()
	}
}

// tell passes on what has come, and reports whether there may be more: the poller tells of it once.
func (l *lot) tell(events []syscall.EpollEvent) bool {
	n, err := syscall.EpollWait(l.fd, events, 0)
	if err != nil {
		return err == syscall.EINTR //nolint:errorlint // package syscall's calls return nothing else
	}
	for _, e := range events[:n] {
		turn := uint32(e.Pad)
		l.mu.Lock()
		p := l.places[e.Fd]
		l.mu.Unlock()
		if p.conn != nil && p.turn == turn {
			p.conn.come(turn)
		}
	}
	return n > 0
}
