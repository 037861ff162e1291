package proxy

import (
	"errors"
	"io"
	"net"
	"time"
)

const (
	// pumpBytes is how much is read at once.
	pumpBytes = 8 << 10
	// slice is how long a slow link takes for what it lets through at once.
	slice = 20 * time.Millisecond
)

// pump forwards one direction until it ends or the link is over.
func (l *Link) pump(d Direction, from, to *net.TCPConn) {
	buf := make([]byte, pumpBytes)
	tap := l.proxy.cfg.Tap
	if d != Up {
		tap = nil
	}
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if tap != nil && !tap(l, buf[:n]) {
				tap = nil
			}
			if !l.forward(d, to, buf[:n]) {
				return
			}
		}
		if err != nil {
			l.ended(d, to, err)
			return
		}
	}
}

// step is what a direction may do next.
type step struct {
	bytes   int           // pass so many
	wait    time.Duration // or wait so long
	pause   time.Duration // after they have passed
	changed <-chan struct{}
	swallow bool
	cut     bool
	how     How
}

// forward passes data on as the direction's faults allow. It returns false when the link is over.
func (l *Link) forward(d Direction, to *net.TCPConn, data []byte) bool {
	for len(data) > 0 {
		s := l.next(d, len(data))
		switch {
		case s.cut:
			l.finish(s.how)
			return false
		case s.swallow:
			return true
		case s.bytes == 0:
			if !l.sleep(s.wait, s.changed) {
				return false
			}
			continue
		}
		if _, err := to.Write(data[:s.bytes]); err != nil {
			l.ended(1-d, nil, err) // the receiver has gone
			return false
		}
		l.passed[d].Add(int64(s.bytes))
		data = data[s.bytes:]
		if s.pause > 0 && !l.sleep(s.pause, nil) {
			return false
		}
		if l.next(d, 0).cut { // right behind the last byte, not when the next one comes
			l.finish(s.how)
			return false
		}
	}
	return true
}

// next decides about n bytes that wait, and counts them towards a cut.
func (l *Link) next(d Direction, n int) (s step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &l.ways[d]
	s.changed, s.how = l.changed, w.cutHow
	if w.cutting && w.cutIn <= 0 {
		s.cut = true
		return s
	}
	if w.swallow {
		s.swallow = true
		return s
	}
	now := time.Now()
	if s.wait = w.stalled.Sub(now); s.wait > 0 {
		return s
	}
	s.bytes = n
	if now.Before(w.slow) && n > 0 {
		s.bytes = min(n, max(1, w.rate*int(slice)/int(time.Second)))
		s.pause = time.Duration(s.bytes) * time.Second / time.Duration(w.rate)
	}
	if w.cutting {
		s.bytes = int(min(int64(s.bytes), w.cutIn))
		w.cutIn -= int64(s.bytes)
	}
	return s
}

// sleep waits, and returns false when the link is over.
func (l *Link) sleep(d time.Duration, changed <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-changed:
	case <-l.done:
		return false
	}
	return true
}

// ended is what follows when the sender of a direction has no more, or has gone.
func (l *Link) ended(d Direction, to *net.TCPConn, err error) {
	l.mu.Lock()
	linger, cut := l.linger, l.ways[d].cutting && l.ways[d].cutIn <= 0
	l.mu.Unlock()
	switch {
	case cut:
		l.finish(FIN)
	case d == Up && linger > 0:
		l.Swallow(Down)
		l.sleep(linger, nil)
		l.finish(RST)
	case errors.Is(err, io.EOF):
		_ = to.CloseWrite() // the other direction may have more to say
	default:
		l.finish(RST)
	}
}
