package simulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/fasthttp/websocket"
)

// conn is one connection. Its reader (the goroutine of the upgrade) decodes and changes the state below mu; its
// writer is the only one that sends: what others put into out, and what tasks do when their time has come.
type conn struct {
	server *Server
	cfg    Config
	who    credentials
	// version is the API's in the path, and queried the faults in the query.
	version string
	queried []Fault
	serial  uint64
	rng     *rand.Rand // guarded by mu
	ids     *rand.Rand // the same, for what comes at times that differ from run to run: names, late pongs
	ws      *websocket.Conn
	socket  atomic.Pointer[websocket.Conn] // ws, for those who drop the connection
	gone    chan struct{}                  // closed when the connection is over
	wake    chan struct{}

	telling sync.Mutex // held while the observer is told; taken before mu
	told    []Event    // guarded by telling

	mu      sync.Mutex
	out     [][]byte
	tasks   []task
	closing *refusal // send this and close
	abrupt  bool     // drop the connection without a close frame
	stalled bool     // read no more
	mute    bool     // say no more
	faults  []*scripted
	events  []Event // for the observer; those that are being told are in told

	setup     *setup
	model     string
	ready     bool // setupComplete was sent
	entered   bool // counted in the server's active
	began     time.Time
	lastInput time.Time
	parent    uint64 // the connection whose conversation it resumed, or 0
	index     int64  // of the last client message; the setup is 0
	issued    int    // handles
	seeding   bool   // clientContent is history until a turnComplete
	functions []declaration
	pongs     int // late ones that wait

	memory
	talk
}

// task is something that is due at a time, unless it is cancelled by its kind.
type task struct {
	at   time.Time
	kind string
	do   func(now time.Time)
}

func newConn(s *Server, who credentials, version string, faults []Fault) *conn {
	return &conn{
		server: s, cfg: s.cfg, who: who, version: version, queried: faults,
		gone: make(chan struct{}), wake: make(chan struct{}, 1),
	}
}

// serve runs the connection. It is the upgrade's handler.
func (c *conn) serve(ws *websocket.Conn) {
	defer c.server.unregister(c)
	c.ws = ws
	c.socket.Store(ws)
	c.rng = rand.New(rand.NewPCG(c.cfg.Seed, c.serial)) // repeatable, not secret
	c.ids = rand.New(rand.NewPCG(c.cfg.Seed, ^c.serial))
	c.mu.Lock()
	c.lastInput = time.Now()
	c.after(c.cfg.scaled(c.cfg.StarveAfter), "starve", c.starve) // also where no setup comes
	c.mu.Unlock()
	ws.SetReadLimit(int64(c.cfg.MaxFrameBytes))
	ws.SetPingHandler(c.ping)
	c.server.mu.Lock()
	closed := c.server.closed
	c.server.mu.Unlock()
	if closed {
		c.drop()
	}

	var writer sync.WaitGroup
	writer.Go(c.write)
	end := c.read()
	close(c.gone)
	writer.Wait()
	_ = ws.Close()
	c.mu.Lock()
	entered := c.entered
	c.noteClosed(end)
	c.mu.Unlock()
	c.tell()
	if entered {
		c.server.leave(c.who)
	}
}

// noteClosed tells how the connection ended, if it had begun. Called with mu held.
func (c *conn) noteClosed(end error) {
	if !c.ready {
		return
	}
	c.noteEnd(Broken)
	e := Event{Kind: EventClosed, Code: websocket.CloseAbnormalClosure}
	var goodbye *websocket.CloseError
	switch {
	case c.closing != nil:
		e.Code, e.Reason = c.closing.code, c.closing.reason
	case errors.As(end, &goodbye):
		e.Code, e.Reason, e.FromClient = goodbye.Code, goodbye.Text, true
	default:
		e.FromClient = !c.abrupt && !errors.Is(end, os.ErrDeadlineExceeded) // as drop leaves it
	}
	c.note(e)
}

// drop ends the connection from outside, without a close frame. fasthttp ignores the Close of a hijacked connection
// and closes it when the upgrade's handler has returned: a deadline makes it return.
func (c *conn) drop() {
	if ws := c.socket.Load(); ws != nil {
		_ = ws.NetConn().SetDeadline(time.Unix(1, 0))
	}
}

// read takes messages until the connection is over, and tells why it is.
func (c *conn) read() error {
	var buf bytes.Buffer
	var scratch []byte
	for {
		buf.Reset()
		_, r, err := c.ws.NextReader()
		if err == nil {
			_, err = buf.ReadFrom(r)
		}
		if err != nil {
			return err
		}
		scratch = c.take(buf.Bytes(), scratch)
		c.tell()
		c.mu.Lock()
		stalled := c.stalled
		c.mu.Unlock()
		if stalled {
			return c.stall()
		}
	}
}

// stall reads no more until the other side gives up or the server closes.
func (c *conn) stall() error {
	for {
		// An empty read returns when the connection is dropped; nothing is taken from it.
		if _, err := c.ws.NetConn().Read(nil); err != nil {
			return err
		}
		c.server.mu.Lock()
		closed := c.server.closed
		c.server.mu.Unlock()
		if closed {
			return net.ErrClosed
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// take handles one message. scratch is memory for audio, which it returns.
func (c *conn) take(data, scratch []byte) []byte {
	now := time.Now()
	if pcm, rate, ok := plainAudio(data, scratch[:0]); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.ending() {
			return pcm
		}
		if refused := c.input(true, now); refused != nil {
			c.refuse(refused)
		} else {
			c.hear(pcm, rate, now)
		}
		return pcm
	}
	m, refused := decode(data)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ending():
		return scratch
	case refused != nil && c.setup == nil && c.who.key == "":
		refused = c.cfg.refuse(c.who)
	case refused != nil:
	case m.Setup != nil:
		refused = c.begin(m.Setup, now)
	default:
		if refused = c.input(m.RealtimeInput != nil, now); refused == nil {
			refused = c.handle(m, now)
		}
	}
	switch {
	case refused != nil && c.ready:
		c.refuse(refused)
	case refused != nil: // a setup is refused after a while
		c.after(c.cfg.RefusalDelay, "refusal", func(time.Time) { c.refuse(refused) })
	}
	c.signal()
	return scratch
}

// ending reports whether the connection is being closed: nothing is taken any more. Called with mu held.
func (c *conn) ending() bool { return c.closing != nil || c.abrupt }

// input notes that a message other than the setup has come. What streams is refused in words of its own when it
// comes too early. Called with mu held.
func (c *conn) input(realtime bool, now time.Time) *refusal {
	switch {
	case c.setup == nil && !realtime:
		return invalid("setup must be the first message and only the first")
	case !c.ready:
		return invalid(reasonArgument)
	}
	c.index++
	c.lastInput = now
	return nil
}

// refuse makes the writer close the connection. The first refusal holds. Called with mu held.
func (c *conn) refuse(r *refusal) {
	if c.closing == nil {
		c.closing = r
	}
	c.signal()
}

// send queues a message. Called with mu held.
func (c *conn) send(m object) { c.push(pretty(m)) }

// push queues a message that is framed, unless the connection says nothing any more. Called with mu held.
func (c *conn) push(m []byte) {
	if !c.mute {
		c.out = append(c.out, m)
	}
}

// after makes do run in d, by the writer and with mu held. Called with mu held.
func (c *conn) after(d time.Duration, kind string, do func(now time.Time)) {
	c.tasks = append(c.tasks, task{time.Now().Add(d), kind, do})
}

// cancel forgets the tasks of a kind. Called with mu held.
func (c *conn) cancel(kind string) {
	kept := c.tasks[:0]
	for _, t := range c.tasks {
		if t.kind != kind {
			kept = append(kept, t)
		}
	}
	clear(c.tasks[len(kept):])
	c.tasks = kept
}

// signal makes the writer look.
func (c *conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// advance does what is due and returns what to send and when to look again. Called with mu held.
func (c *conn) advance(now time.Time) (out [][]byte, wait time.Duration) {
	for !c.ending() {
		next := -1
		for i, t := range c.tasks {
			if next < 0 || t.at.Before(c.tasks[next].at) {
				next = i
			}
		}
		if next < 0 {
			wait = time.Hour
			break
		}
		if wait = c.tasks[next].at.Sub(now); wait > 0 {
			break
		}
		do := c.tasks[next].do
		c.tasks = append(c.tasks[:next], c.tasks[next+1:]...)
		do(now)
	}
	out, c.out = c.out, nil
	return out, wait
}

// write is the writer.
func (c *conn) write() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		c.mu.Lock()
		out, wait := c.advance(time.Now())
		closing, abrupt := c.closing, c.abrupt
		c.mu.Unlock()
		c.tell()
		for _, m := range out {
			_ = c.ws.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout))
			if err := c.ws.WriteMessage(websocket.BinaryMessage, m); err != nil {
				c.drop()
				return
			}
		}
		switch {
		case abrupt:
			c.drop()
			return
		case closing != nil:
			c.bye(closing)
			return
		}
		timer.Reset(max(wait, 0))
		select {
		case <-timer.C:
		case <-c.wake:
		case <-c.gone:
			return
		}
	}
}

// maxReason is what a close frame holds; the service cuts its reasons there.
const maxReason = 123

// bye closes the connection as the service does, and gives the other side a moment to answer.
func (c *conn) bye(r *refusal) {
	reason := r.reason
	if len(reason) > maxReason {
		reason = reason[:maxReason]
		for !utf8.ValidString(reason) {
			reason = reason[:len(reason)-1]
		}
	}
	c.server.count(func(s *Stats) { s.ClosesByReason[fmt.Sprintf("%d %s", r.code, reason)]++ })
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(r.code, reason), time.Now().Add(c.cfg.WriteTimeout))
	_ = c.ws.SetReadDeadline(time.Now().Add(time.Second))
}

// maxLatePongs bounds the pongs that wait.
const maxLatePongs = 64

// ping answers a ping, late if a fault says so.
func (c *conn) ping(data string) error {
	pong := func() {
		_ = c.ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(c.cfg.WriteTimeout))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.manner(FaultSlowPongs, time.Now())
	if f == nil {
		pong()
		return nil
	}
	if c.pongs < maxLatePongs {
		c.pongs++
		delay := f.Length
		if delay == 0 {
			delay = 8*time.Second + time.Duration(c.ids.Int64N(int64(22*time.Second)))
		}
		c.after(delay, "pong", func(time.Time) { c.pongs--; pong() })
		c.signal()
	}
	return nil
}

var _ io.Closer = (*Server)(nil)
