package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	ws "github.com/stonepot/stonepot/benchmarks/internal/socket"
	"github.com/stonepot/stonepot/live/frame"
)

// client speaks docs/protocol.md from the browser's side, resuming included, and holds the server to every promise on it. What
// breaks one is told to judge. Audio comes from the person and goes to ears.
type client struct {
	c    *conversation
	path string
	mu   sync.Mutex

	// Guarded by mu.
	conn      *socket // the one that counts; nil: detached
	plan      plan    // for the next connection
	sessionID string
	ticket    ticket
	tickets   []ticket // older ones, the newest last
	up        uplink
	received  int64 // counted messages of the server
	acked     int64 // of them, those that it was told of
	unacked   int   // bytes since
	ackedAt   time.Time
	pingedAt  time.Time
	turnIndex int64
	reloading bool // the page is gone until it is resumed
	closing   bool // the person has said goodbye
	ended     string
	told      told
	instance  string // the process that held the session last
	detached  time.Time
	ready     bool
	away      time.Time // not to connect before

	change chan struct{} // asks run to make another connection although the one in use is open
}

// plan is how the next connection is made.
type plan struct {
	ticket *ticket // one from before
	other  bool    // by the way to the other instance
	from   string  // the address on the loopback network
}

// told is what the server has told the client of losses.
type told struct {
	skippedDown   int64 // messages that the server gave up
	skippedDownMs int64
	skippedUp     int64 // messages that the client gave up
	lost          int64 // newest session_resumed.lost
	lostAudioMs   int64 // by reconnected
	replayedMs    int64
	reconnects    int
	restarts      int
	dropped       int // warnings audio_dropped
	forgotten     int // warnings memory_lost
}

func newClient(c *conversation, path string) *client {
	return &client{c: c, path: path, up: newUplink(c.id), change: make(chan struct{}, 1), plan: plan{from: loopback(c)}}
}

// loopback is one of the addresses that a client may come from.
func loopback(c *conversation) string {
	return fmt.Sprintf("127.0.%d.%d", 1+c.pick(50), 1+c.pick(250))
}

// The wait between attempts doubles from firstWait to longestWait, with chance.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 2 * time.Second
)

// run keeps the conversation connected until it has ended or ctx is over.
func (k *client) run(ctx context.Context) {
	var readers sync.WaitGroup
	defer readers.Wait()
	attempts := 0
	for ctx.Err() == nil {
		if !wait(ctx, k.absence()) {
			return
		}
		s, err := k.connect(ctx)
		if err != nil {
			k.c.log.say("not connected: %v", err)
			attempts++
			if !k.refused(err) || !wait(ctx, backoff(attempts)) {
				return
			}
			continue
		}
		code := k.serve(ctx, s, &readers)
		switch {
		case k.over():
			return
		case code == codeChanged:
			attempts = 0
			continue
		case s.worked():
			attempts = 0
		default:
			attempts++
		}
		if !keptCodes[code] {
			k.c.fail(kindProtocol, "the connection was closed with %d, and the session with it", code)
			k.finish(fmt.Sprintf("close %d", code))
			return
		}
		if !wait(ctx, backoff(attempts)) {
			return
		}
	}
}

// refused says whether it is worth another try.
func (k *client) refused(err error) bool {
	var no *ws.RefusedError
	if errors.As(err, &no) && no.Response.StatusCode != 503 && no.Response.StatusCode != 429 {
		k.c.fail(kindProtocol, "%v", err)
		return false
	}
	return true
}

func backoff(attempts int) time.Duration {
	d := min(longestWait, firstWait<<min(attempts, 6))
	return d/2 + rand.N(d)
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// absence is how long the client has to stay away.
func (k *client) absence() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Until(k.away)
}

func (k *client) over() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ended != ""
}

func (k *client) finish(how string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended == "" {
		k.ended = how
	}
}

// connect dials as the plan says.
func (k *client) connect(ctx context.Context) (*socket, error) {
	k.mu.Lock()
	p, fresh := k.plan, k.sessionID == ""
	k.plan.ticket, k.plan.other = nil, false
	k.mu.Unlock()
	offers := []string{"stonepot.v1"}
	if !fresh {
		offers = append(offers, "stonepot.resume")
	}
	s, err := dial(ctx, p.from, k.c.w.door(p.other), k.path, offers)
	if err != nil {
		return nil, err
	}
	s.patient = k.c.patience
	k.mu.Lock()
	defer k.mu.Unlock()
	first := object{"type": "start_session", "config": k.c.config()}
	if !fresh {
		t := k.ticket
		if p.ticket != nil {
			t = *p.ticket
		}
		s.ticketOf = t.instance
		resume := object{"sessionId": k.sessionID, "resumeTicket": t.text, "received": k.received}
		if k.reloading {
			resume["received"] = nil
		}
		first = object{"type": "start_session", "resume": resume}
	}
	s.control = append(s.control, textFrame(first))
	return s, nil
}

func textFrame(m object) []byte { return frame.AppendMasked(nil, frame.Text, encode(m), maskKey()) }

// codeChanged is what serve returns when another connection is wanted while this one is open.
const codeChanged = -1

// serve lets a connection carry the conversation until it is over, and returns its close code.
func (k *client) serve(ctx context.Context, s *socket, readers *sync.WaitGroup) int {
	k.mu.Lock()
	k.conn = s
	if l := k.c.w.link(s); l != nil {
		s.instance = k.c.w.pair.who(l.Target())
	}
	select {
	case <-k.change: // meant for the one before
	default:
	}
	k.mu.Unlock()
	k.c.log.say("connected from %v with %s", s.tcp.LocalAddr(), s.instance)
	closed := make(chan int, 1)
	readers.Go(func() { k.write(s) })
	readers.Go(func() {
		code := k.read(s)
		s.end(false)
		k.left(s, code)
		closed <- code
	})
	select {
	case code := <-closed:
		return code
	case <-k.change:
		return codeChanged
	case <-ctx.Done():
		s.end(true)
		return <-closed
	}
}

// left notes that a connection is over.
func (k *client) left(s *socket, code int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.c.log.say("connection over: %d", code)
	if s.told != "" && code != 1006 && code != closeCodes[s.told] {
		k.c.fail(kindProtocol, "the error %s was followed by close %d, want %d", s.told, code, closeCodes[s.told])
	}
	if k.conn == s {
		k.conn, k.detached = nil, time.Now()
		return
	}
	// Another tab has taken the session over.
	if code != 4505 && !keptCodes[code] {
		k.c.fail(kindProtocol, "a connection that was replaced was closed with %d, want 4505", code)
	}
}

// write sends what waits, until the connection is over.
func (k *client) write(s *socket) {
	var buf, scratch []byte
	for {
		buf = buf[:0]
		k.mu.Lock()
		for _, f := range s.control {
			buf = append(buf, f...)
		}
		s.control = nil
		for more := k.conn == s && s.flowing; more && len(buf) < 8<<10; {
			buf, more = k.up.appendNext(buf, &scratch)
		}
		k.mu.Unlock()
		if len(buf) > 0 {
			if err := s.write(buf); err != nil {
				s.end(true)
				return
			}
			continue
		}
		select {
		case <-s.wake:
		case <-s.done:
			return
		}
	}
}

// read takes messages until the connection is over, and returns its close code: 1006 when there was none.
func (k *client) read(s *socket) int {
	for {
		op, payload, err := s.read()
		var violation *frame.Error
		if errors.As(err, &violation) {
			k.c.fail(kindProtocol, "a frame that violates RFC 6455: %v", err)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				k.c.log.say("read: %v", err)
			}
			return 1006
		}
		if op == frame.Close {
			closed, _ := frame.ParseClose(payload) // the reader has checked it
			_ = s.write(frame.AppendMasked(nil, frame.Close, payload, maskKey()))
			k.c.log.say("closed with %d %q", closed.Code, closed.Text)
			return closed.Code
		}
		k.take(s, op, payload)
	}
}

// say queues a counted message.
func (k *client) say(m object) {
	k.up.push(upMessage{text: encode(m)})
	k.nudge()
}

// control queues a message that is not counted. Called with mu held.
func (k *client) control(m object) {
	if k.conn != nil {
		k.conn.control = append(k.conn.control, textFrame(m))
		k.conn.signal()
	}
}

// nudge makes the writer look. Called with mu held.
func (k *client) nudge() {
	if k.conn != nil {
		k.conn.signal()
	}
}

// worked says whether a connection carried the conversation.
func (s *socket) worked() bool { return time.Since(s.opened) > time.Second }
