package gemini

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
)

// upstream is one conversation's connection: a live.Upstream.
type upstream struct {
	// Static after newUpstream.
	d      *Dialer
	rate   int             // of the model's voice, Hz
	model  string          // its id
	ctx    context.Context // ends with Wake and Close: for dialling the next endpoint
	cancel context.CancelFunc

	ready  atomic.Bool                        // the setup was accepted
	ended  atomic.Pointer[live.UpstreamError] // what Receive ended with
	newest atomic.Pointer[string]             // handle that this connection gave, or was opened with

	// Owned by the sender.
	enc  encoder
	sent int64

	// Owned by the receiver; reading is held during Receive, so that a goodbye can wait for its end.
	reading  sync.Mutex
	setup    *live.Setup // nil: it was accepted
	reader   *frame.Reader
	msg      *message // nil while it is parked
	carry    carry
	left     []*endpoint // not yet tried
	cold     bool        // a connection of the pool was dead: take no other
	hopeful  *live.UpstreamError
	reported bool // that audio comes at another rate, or content of another kind

	// Replaced by the receiver before the setup is accepted.
	mu      sync.Mutex
	link    *link
	woken   bool
	closed  bool
	pinging *time.Timer
	sendErr *live.UpstreamError // sticky
}

// link is the socket that is in use, and where it leads.
type link struct {
	*writer
	sock *socket
	at   *endpoint
	warm bool // from the pool
}

func newUpstream(d *Dialer, s live.Setup) *upstream {
	ctx, cancel := context.WithCancel(context.Background())
	tag, _ := untagHandle(s.Handle)
	u := &upstream{d: d, setup: &s, rate: s.Model.OutputRate(), model: s.Model.ID, ctx: ctx, cancel: cancel, enc: newEncoder(&s), left: d.order(tag)}
	handle := s.Handle // alone: its address would keep the setup
	u.newest.Store(&handle)
	return u
}

// use makes l the connection.
func (u *upstream) use(l *link) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.woken {
		_ = l.sock.Close()
		return u.givenUp()
	}
	u.reader = l.sock.source(u.d.cfg.MaxFrameBytes)
	u.link = l
	if l.warm {
		_ = l.sock.SetReadDeadline(time.Now().Add(u.d.cfg.WarmPool.AnswerTimeout))
	}
	if every := u.d.cfg.PingInterval; every > 0 && u.pinging == nil {
		u.pinging = time.AfterFunc(every, func() { u.d.spawn(u.ping) })
	}
	return nil
}

// ping keeps the path open through NATs and proxies, for as long as the connection is there.
func (u *upstream) ping() {
	u.mu.Lock()
	if u.woken || u.ended.Load() != nil {
		u.mu.Unlock()
		return
	}
	l := u.link
	u.pinging.Reset(u.d.cfg.PingInterval)
	u.mu.Unlock()
	l.ping()
}

// Send implements live.Upstream. The history of a seeded conversation counts as the upstream counts it: the first
// Send after it returns 2.
func (u *upstream) Send(c *live.Command) (int64, error) {
	if e := u.ended.Load(); e != nil {
		return 0, e
	}
	if !u.ready.Load() {
		return 0, errors.New("gemini: a command was sent before the setup was accepted: a defect")
	}
	p, err := u.enc.frame(c)
	if err != nil {
		return 0, err
	}
	err = u.link.write(p, c.Now)
	u.enc.rest()
	if err != nil {
		return 0, u.sendFailed(err)
	}
	u.sent++
	return u.sent, nil
}

// sendFailed ends a connection that cannot be written to. Receive gets a moment more: what the model said before
// it stopped listening tells why.
func (u *upstream) sendFailed(err error) *live.UpstreamError {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.sendErr == nil {
		u.sendErr = writeTrouble(err)
		if u.closed {
			u.sendErr.Err = errClosed
		}
		if !u.woken {
			_ = u.link.sock.SetReadDeadline(time.Now().Add(u.d.cfg.CloseWait))
		}
	}
	return u.sendErr
}

// Receive implements live.Upstream.
func (u *upstream) Receive(e *live.Event) error {
	e.Reset()
	mine := u.enter()
	if mine {
		defer u.reading.Unlock()
	}
	switch end := u.ended.Load(); {
	case end != nil:
		return end
	case !mine:
		return u.end(u.givenUp())
	}
	if u.msg == nil {
		u.msg = messages.Get().(*message) //nolint:errcheck // nothing else is in it
	}
	for {
		switch given, err := u.take(e); {
		case err != nil:
			return err
		case given:
			return nil
		}
		if err := u.reader.Await(); err != nil {
			if err == frame.ErrRelieved { //nolint:errorlint // as it is
				return err
			}
			err = u.lost(err)
			if err != nil {
				return err
			}
			continue
		}
		if err := u.read(); err != nil {
			return err
		}
	}
}

// enter takes reading. False: the connection was closed while it was parked, and bury, which reads what still comes, has it.
func (u *upstream) enter() bool {
	if u.reading.TryLock() {
		return true
	}
	if u.ctx.Err() != nil {
		return false
	}
	u.reading.Lock() // Park is about to return
	return true
}

// Relieve implements live.Relievable.
func (u *upstream) Relieve() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.link.sock.raw.Relieve()
}

// Park implements live.Parker.
func (u *upstream) Park(w live.Waker) bool {
	u.reading.Lock()
	defer u.reading.Unlock()
	if u.ended.Load() != nil || !u.ready.Load() || u.msg == nil || u.msg.more() {
		return false
	}
	u.msg.reset()
	if !u.reader.Rest() || !u.link.sock.park(w) {
		return false
	}
	messages.Put(u.msg) // whoever is woken waits for reading
	u.msg = nil
	return true
}

// take takes the next event of the message that has come, and reports whether there was one. As read and lost it is apart
// from Receive so that a receiver waits with a small stack.
//
//go:noinline
func (u *upstream) take(e *live.Event) (given bool, err error) {
	for {
		found, err := u.msg.next(e, &u.carry)
		switch {
		case err != nil:
			return false, u.end(unreadable(err))
		case found && (e.Kind == live.EventReady || u.ready.Load()):
			return true, u.deliver(e)
		case found:
			// Nothing is agreed yet: what a server says in front of setupComplete is not for this conversation.
			e.Reset()
			continue
		case u.msg.failure != nil:
			return false, u.refused(statusTrouble(u.msg.failure))
		}
		u.msg.reset() // what it held would keep the reader's memory from the others
		return false, nil
	}
}

// lost ends what cannot be read from any more; nil: there is another connection.
//
//go:noinline
func (u *upstream) lost(err error) error { return u.refused(u.broken(err)) }

// read takes what has come off the connection: a message into msg, or a control frame, which is answered.
//
//go:noinline
func (u *upstream) read() error {
	op, p, err := u.reader.Next()
	if err != nil {
		return u.refused(u.broken(err))
	}
	switch op {
	case frame.Ping:
		u.link.pong(p)
	case frame.Close:
		return u.refused(u.goodbye(p))
	case frame.Text, frame.Binary: // Google sends JSON in binary frames
		if err := u.msg.decode(p); err != nil {
			u.msg.reset()
			return u.refused(unreadable(err))
		}
	}
	return nil
}

// deliver completes an event.
func (u *upstream) deliver(e *live.Event) error {
	switch e.Kind {
	case live.EventReady:
		if u.ready.Load() {
			break
		}
		u.d.note(u.link.at, false)
		u.answered()
		u.left, u.hopeful = nil, nil
		if err := u.seed(); err != nil {
			return u.end(writeTrouble(err))
		}
		u.setup = nil
		u.ready.Store(true)
	case live.EventAudio:
		u.checkRate()
	case live.EventResumption:
		if len(u.d.endpoints) > 1 {
			e.Handle = tagHandle(u.link.at.tag, e.Handle)
		}
		if handle := e.Handle; handle != "" {
			u.newest.Store(&handle)
		}
	}
	return nil
}

// seed sends the history, which an upstream that was told to expect it takes before anything else.
func (u *upstream) seed() error {
	if !seeds(u.setup) {
		return nil
	}
	p, err := u.enc.json(contentMessage(u.setup.History, true))
	if err == nil {
		err = u.link.write(p, time.Time{})
		u.enc.rest()
	}
	u.sent++
	return err
}

// checkRate says once when the model's voice comes at another rate than the configuration says: it would sound
// too high or too low.
func (u *upstream) checkRate() {
	rate, want := u.msg.pieces[u.msg.part-1].rate, u.rate
	if rate == 0 || rate == want || u.reported {
		return
	}
	u.reported = true
	u.d.log.Warn("the model's audio has another rate than models.output_sample_rate says",
		"model", u.model, "configured", want, "received", rate)
}

// end makes trouble the last word of this connection.
func (u *upstream) end(trouble *live.UpstreamError) error {
	u.ended.Store(trouble)
	return trouble
}

// goodbye reads the model's close frame, and answers it.
func (u *upstream) goodbye(p []byte) *live.UpstreamError {
	c, err := frame.ParseClose(p)
	if err != nil {
		return u.broken(err)
	}
	u.link.sayClose(c.Code, u.d.cfg.CloseWait)
	code := c.Code
	if code == 1005 {
		code = 0
	}
	return closeTrouble(code, c.Text, u.ready.Load())
}

// broken says why reading ended.
func (u *upstream) broken(err error) *live.UpstreamError {
	u.mu.Lock()
	woken, sendErr := u.woken, u.sendErr
	u.mu.Unlock()
	switch {
	case woken:
		return u.givenUp()
	case sendErr != nil:
		return sendErr
	}
	var violation *frame.Error
	if errors.As(err, &violation) {
		u.link.sayClose(violation.Code, u.d.cfg.CloseWait)
	}
	return readTrouble(err)
}

// givenUp is what a connection ends with that was woken: before the setup was accepted the model was silent.
func (u *upstream) givenUp() *live.UpstreamError {
	if u.ready.Load() {
		return &live.UpstreamError{Fault: live.FaultBroken, Detail: "The connection to the model was given up.", Err: ErrWoken}
	}
	return &live.UpstreamError{Fault: live.FaultBroken, Detail: "The model did not answer in time.", Err: ErrSilent}
}

// unreadable is what a message that is no JSON, or holds audio that is none, ends a connection with.
func unreadable(err error) *live.UpstreamError {
	return &live.UpstreamError{
		Fault:  live.FaultBroken,
		Detail: "The model sent a message that could not be read.",
		Err:    errors.Join(ErrNotJSON, err),
	}
}

// Wake implements live.Upstream.
func (u *upstream) Wake() {
	u.cancel()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.wake()
}

// wake lets Receive return; mu is held.
func (u *upstream) wake() {
	u.woken = true
	if u.pinging != nil {
		u.pinging.Stop()
	}
	_ = u.link.sock.raw.SetReadDeadline(time.Unix(1, 0))
}

// Close implements live.Upstream. The close frame goes out at once where nobody is writing: whoever dials again
// with a handle must not come before it (Gemini refuses a handle whose connection is open). Where somebody is, the
// write has a moment to end. What takes time happens in the background, see Dialer.Close.
func (u *upstream) Close() {
	u.cancel()
	u.mu.Lock()
	if u.closed {
		u.mu.Unlock()
		return
	}
	u.closed = true
	u.wake()
	l := u.link
	u.mu.Unlock()

	if end := u.ended.Load(); end != nil && !errors.Is(end, ErrWoken) && !errors.Is(end, ErrSilent) {
		_ = l.sock.Close()
		return
	}
	said := l.trySayClose(1000, u.d.cfg.CloseWait)
	if !said {
		l.hurry()
	}
	if !u.d.leave(*u.newest.Load(), func() { u.bury(l, said) }) {
		_ = l.sock.Close()
	}
}

// bury sees a closed connection off.
func (u *upstream) bury(l *link, said bool) {
	defer func() { _ = l.sock.Close() }()
	until := time.Now().Add(u.d.cfg.CloseWait)
	if !said {
		l.sayClose(1000, u.d.cfg.CloseWait)
	}
	u.reading.Lock() // Receive has been woken: it lets go soon
	defer u.reading.Unlock()
	l.sock.discard(until)
}
