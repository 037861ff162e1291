package live

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// Session is one conversation. Its owner, the gateway, runs the goroutine that owns the upstream (run) for the whole of
// its life. Beside it there are the reader of the connection that a browser has just now (the caller of read), and, while
// something waits to be written to the browser, the pump. run returns after the pump and every callback of a timer;
// leave lets a reader go when nobody touches its connection any more.
//
// It has three parts with a lock each: in, what came from the browser; up, the way to the upstream; out, the way
// to the browser. in.mu and out.mu are leaves and never held together; up.mu and turns.mu are taken before them.
// mic.mu, which a reader holds while it carries out one message, comes before all of them.
type Session struct {
	// Static after newSession and adopt.
	id         string
	gateway    *Gateway
	backend    *Backend
	config     *Config
	client     Client // who began it, or brought it here
	created    time.Time
	ctx        context.Context // done when the session has a reason to end
	cancel     context.CancelFunc
	seated     chan struct{} // closed when the first connection is attached
	over       chan struct{} // closed when the gateway has forgotten the session
	adopted    bool          // it goes on with a conversation of another instance
	resumable  bool
	cutShort   bool // the other instance may have been in the middle of an answer
	outputRate int  // Hz
	inputRate  int  // Hz
	bytesPerMs int  // of the microphone's audio
	minChunk   int  // bytes
	maxChunk   int  // bytes

	in      inbox
	up      uplink
	out     outbox
	turns   turns
	tools   openCalls
	mic     mic
	allowed allowance
	acks    acks
	updates updates
	life    life
	watch   watchdog

	dial       atomic.Pointer[context.CancelFunc] // gives up connecting; nil: nobody does
	live       atomic.Bool                        // the upstream takes input
	lastActive atomic.Int64                       // Unix nanoseconds
	lastLoud   atomic.Int64                       // Unix nanoseconds; 0: never
	came       atomic.Int64                       // what had come from both sides when relieve looked last
	expiryTold atomic.Bool
	draining   atomic.Bool // it ends as soon as another instance can go on with it

	flushTimer lateTimer
	flushArmed atomic.Bool
	timerMu    sync.Mutex
	timer      *time.Timer
	timerAt    time.Duration // as the watchdog counts; 0: it is not set

	// Owned by the owner of the upstream.
	discarded time.Duration // speech that came after the person had asked to stop
	next      renewal

	history history
}

// newSession makes a session of what its client asked for.
func newSession(g *Gateway, b *Backend, cfg *Config, c Client, p *plan) *Session {
	now := time.Now()
	rate := p.setup.InputRate
	bytesFor := func(d time.Duration) int { return int(int64(rate)*int64(d)/int64(time.Second)) * 2 }
	s := &Session{
		id:         newID(),
		gateway:    g,
		backend:    b,
		config:     cfg,
		client:     c,
		created:    now,
		seated:     make(chan struct{}),
		over:       make(chan struct{}),
		resumable:  p.resumable,
		outputRate: p.setup.Model.OutputRate(),
		inputRate:  rate,
		bytesPerMs: rate * 2 / 1000,
		minChunk:   bytesFor(cfg.Audio.MinUpstreamChunk),
		maxChunk:   bytesFor(cfg.Audio.MaxUpstreamChunk),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.out.session = s
	s.name(newID())
	s.life.plan, s.life.begun = p, now
	s.updates.tried, s.updates.given = p, p
	s.life.browser, s.life.upstream = browserDetached, upstreamConnecting
	s.in.maxUnsent = bytesFor(cfg.Audio.Inbox)
	s.in.budget, s.out.kept.budget = g.budget, g.budget
	s.in.maxKept = bytesFor(cfg.Resume.ReplayAudio)
	s.allowed = newAllowance(cfg.Limits)
	s.tools.hold = p.setup.Model.HoldAudioDuringTool
	s.mic.manual = p.setup.VAD.Manual
	s.mic.unechoed = p.setup.Model.TextInput == "content"
	s.out.maxVoice, s.out.plain = cfg.Audio.Outbox, s.out.dialect.Traits().Plain
	s.in.probe.added, s.out.added = g.statics.up, g.statics.down
	s.out.window = cfg.Audio.Window
	s.out.writeTimeout = cfg.Limits.WriteTimeout
	s.out.resumable, s.out.kept.store = p.resumable, p.resumable
	if s.out.dialect.Traits().Paced {
		s.out.lead = cfg.Audio.PlaybackLead
	}
	s.touch(now)
	s.up.lastSent.Store(now.UnixNano())
	s.watch.after = cfg.Resume.Watchdog
	s.timer = stopped(s.tick)
	return s
}

// name gives a session that has not begun its id.
func (s *Session) name(id string) {
	s.id = id
	s.out.dialect = newStonepot(id, &s.config.Limits)
}

// lateTimer is a timer that is made when it is needed first: most idle sessions never do. The zero value has none.
type lateTimer struct{ timer atomic.Pointer[time.Timer] }

// again sets the timer; false: there is none yet.
func (t *lateTimer) again(d time.Duration) bool {
	timer := t.timer.Load()
	if timer != nil {
		timer.Reset(d)
	}
	return timer != nil
}

// first makes the timer, for f. It is apart from again because a method as a value is an allocation.
func (t *lateTimer) first(d time.Duration, f func()) { t.timer.Store(time.AfterFunc(d, f)) }

func (t *lateTimer) stop() {
	if timer := t.timer.Load(); timer != nil {
		timer.Stop()
	}
}

// log is the gateway's, with what says which session it is. It is made for each line: there are few, and far between.
func (s *Session) log() *slog.Logger {
	return s.gateway.log.With("session", s.id, "backend", s.backend.Name)
}

// stopped is a timer for f that does not run yet.
func stopped(f func()) *time.Timer {
	t := time.AfterFunc(time.Hour, f)
	t.Stop()
	return t
}

// newID is a session's name: hard to guess, because operators act on sessions by it.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// run carries the conversation until it has ended. It is called by the gateway, once.
//
// The owner of the upstream is one goroutine after another: each connection has a fresh one, so that what waits for the
// model, most of the time for nothing, does not hold the stack that dialling and setting up have grown.
func (s *Session) run() { s.carryOn(s.connect()) }

// carryOn is the last thing that the owner of the upstream does with a connection; nil: the session ends.
func (s *Session) carryOn(up Upstream) {
	if up != nil {
		if !s.park(up) {
			go s.converse(up) // remove tells of the end of the last one
		}
		return
	}
	// The owner tells the browser, so that there is one place where a session ends.
	s.finish()
	s.cancel()
	s.in.clear()
	s.out.release()
	s.logEnd()
	s.gateway.remove(s)
}

// converse is the owner of the upstream while it has one connection.
func (s *Session) converse(up Upstream) {
	err := s.receive(up)
	for err == ErrRelieved { //nolint:errorlint // as it is
		if s.park(up) {
			return
		}
		err = s.receive(up)
	}
	if s.ctx.Err() != nil {
		up = nil
	} else {
		up = s.renew(err)
	}
	s.carryOn(up)
}

// plan is what the session was, or will be, asked for.
func (s *Session) plan() *plan {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	return s.life.plan
}

// setup is what the upstream was, or will be, asked for.
func (s *Session) setup() Setup { return s.plan().setup }

// end gives the session its reason to end, and starts its end; the first reason stays. detail is a sentence for
// the person, or empty for the reason's own.
func (s *Session) end(r Reason, detail string) { s.endWith(r, detail, "", nil) }

func (s *Session) endWith(r Reason, detail, field string, cause error) {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	s.life.end(r, detail, field, cause)
	s.stop()
}

// stop lets the session end: it has its reason. Whoever dials or waits for its upstream is woken, or is about to look.
func (s *Session) stop() {
	s.cancel()
	if give := s.dial.Load(); give != nil {
		(*give)()
	}
	if up := s.up.owned.Load(); up != nil {
		(*up).Wake()
	}
}

// abort drops the browser's connection and the upstream's without goodbye. The session has its reason already.
func (s *Session) abort() {
	s.out.abort()
	s.up.close()
}

// warn tells the browser that something was not done.
func (s *Session) warn(w WarningNotice) {
	s.life.mu.Lock()
	s.life.warnings++
	s.life.mu.Unlock()
	s.out.notice(w)
}

// upstreamFailed is told by a sender that the upstream takes nothing any more. What ended it is often still to be
// received, so the owner gets a moment to receive it before it is woken.
func (s *Session) upstreamFailed(err error) {
	s.life.mu.Lock()
	if s.life.cause == nil {
		s.life.cause = err
	}
	s.life.mu.Unlock()
	s.up.wakeLater()
}

// connect waits for the start, dials and waits for the setup's acceptance. nil: the session has a reason to end.
func (s *Session) connect() Upstream {
	select {
	case <-s.seated:
	case <-s.ctx.Done():
		return nil
	}
	if s.adopted {
		up := s.reconnect()
		if up != nil {
			s.next.patience = 0 // it is nobody else's any more
			s.ready(up)
		}
		return up
	}
	ctx, cancel := s.dialling(s.config.Live.ConnectTimeout)
	defer cancel()
	up, err := s.backend.Dialer.Dial(ctx, s.draw())
	if err == nil {
		s.up.own(up)
		err = awaitReady(ctx, up)
	}
	switch {
	case s.ctx.Err() != nil:
		return nil
	case err == nil:
	case ctx.Err() != nil:
		s.endWith(ReasonUpstreamUnavailable, "The model did not answer within "+s.config.Live.ConnectTimeout.String()+".", "", err)
		return nil
	default:
		s.upstreamEnded(err)
		return nil
	}
	s.ready(up)
	return up
}

// dialling is a context that ends with the session, and after d. It is none of ctx's: what a context needs to have others under it
// it keeps for the rest of its life. Called by the owner of the upstream, for one at a time.
func (s *Session) dialling(d time.Duration) (ctx context.Context, done func()) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	s.dial.Store(&cancel)
	if s.ctx.Err() != nil {
		cancel()
	}
	return ctx, func() {
		s.dial.Store(nil)
		cancel()
	}
}

// awaitReady receives until the setup was accepted. Nothing else may come before.
func awaitReady(ctx context.Context, up Upstream) error {
	stop := context.AfterFunc(ctx, up.Wake)
	defer stop()
	var e Event
	for {
		e.Reset()
		switch err := up.Receive(&e); {
		case err == ErrRelieved: //nolint:errorlint // as it is
			continue // it has yet to begin
		case err != nil:
			return err
		}
		if e.Kind == EventReady {
			return ctx.Err()
		}
	}
}

// ready opens the way up: what the browser sent meanwhile goes first.
func (s *Session) ready(up Upstream) {
	now := time.Now()
	p := s.inEffect()
	s.life.mu.Lock()
	took := now.Sub(s.created)
	s.life.startup = took
	s.life.move(eventReady)
	s.life.mu.Unlock()
	s.next.since = now
	s.watchUpstream(up, s.next.resumed, now)
	s.gateway.statics.tookReady(took)
	s.out.notice(ReadyNotice{
		Model:     p.setup.Model.ID,
		Voice:     p.setup.Voice,
		Language:  orAuto(p.setup.Language),
		Assistant: p.assistant,
		Simulated: s.backend.Simulated,
		Audio:     AudioFormat{pcmFormat(p.setup.InputRate), pcmFormat(p.setup.Model.OutputRate())},
		Limits:    ReadyLimits{milliseconds(s.config.Limits.MaxDuration), milliseconds(s.config.Limits.IdleTimeout)},
		StartupMs: milliseconds(took),
	})
	s.up.lastSent.Store(now.UnixNano())
	s.up.open(up)
	s.live.Store(true)
	s.settle()
	s.sendUp(false)
	s.tickSoon(s.config.Live.SilenceInterval)
}

func orAuto(language string) string {
	if language == "" {
		return "auto"
	}
	return language
}

// receive passes events on until the upstream or the session ends (stop wakes it), the upstream is to be renewed (then the
// error is nil), or nothing comes (ErrRelieved).
func (s *Session) receive(up Upstream) error {
	s.tickSoon(relieveAfter)
	e := new(Event)
	for {
		e.Reset()
		if err := up.Receive(e); err != nil {
			return err
		}
		if s.take(e) {
			return nil
		}
	}
}

// take passes an event on, and reports whether the upstream is to be renewed. As the reader's message it is apart from the
// loop so that who waits there has a small stack.
//
//go:noinline
func (s *Session) take(e *Event) (renew bool) {
	now := time.Now()
	s.note(e, now)
	s.event(e, now)
	if s.draining.Load() && s.portable() {
		s.end(ReasonServerDraining, "")
	}
	return s.due(e)
}

// upstreamEnded ends the session for what the upstream's end means.
func (s *Session) upstreamEnded(err error) {
	up := asUpstreamError(err)
	r := up.Reason()
	detail := up.Detail
	if r == ReasonUpstreamAuth {
		detail = "" // the operator reads it in the log; the client is told no more than the reason
	}
	s.endWith(r, detail, "", err)
}

// finish tells the browser why the session ended and closes both ends.
func (s *Session) finish() {
	s.live.Store(false)
	s.up.close()
	if s.next.deadline != nil {
		s.next.deadline.Stop()
	}
	s.life.close()
	s.flushTimer.stop() // after life.close: a callback may have armed it again
	s.acks.timer.stop()
	s.timer.Stop()

	r := s.farewell()
	draining := r == ReasonServerDraining
	if !draining { // a drain has a deadline of its own, and speech to flush
		goodbye := time.AfterFunc(s.config.Limits.WriteTimeout, s.out.abort)
		defer goodbye.Stop()
	}
	s.out.drained()
	s.out.bye(r)
	s.life.mu.Lock()
	s.life.move(eventClosed)
	s.life.mu.Unlock()
}

// farewell puts the session's last messages behind what may still be said, and returns why it ended.
func (s *Session) farewell() Reason {
	s.mic.mu.Lock() // nobody takes over in between
	defer s.mic.mu.Unlock()
	e := s.tombstone()
	r := e.reason
	var last []Notice
	if r != ReasonEnded {
		if r == ReasonServerDraining && s.resumable { // it goes on elsewhere
			last = append(last, TicketNotice{s.ticket(s.in.newest(), s.pointNow(), s.next.patience == 0)})
		}
		last = append(last, ErrorNotice{Error: e.detail, Code: r.Code, Retryable: r.Retryable(), Field: e.field})
	}
	if !r.Kept || !s.resumable {
		last = append(last, e.last)
	}
	s.out.finish(r == ReasonServerDraining, last...)
	return r
}

// tombstone is how the session, which has its reason, ended.
func (s *Session) tombstone() tombstone {
	turns := s.turns.count()
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	l, end := &s.life, s.life.ending
	e := tombstone{reason: end.reason, detail: end.detail, field: end.field}
	if e.detail == "" {
		e.detail = e.reason.Text
	}
	e.last = EndedNotice{Reason: e.reason.Code, DurationMs: milliseconds(end.at.Sub(l.begun)), Turns: turns, Usage: totals(l.usage())}
	return e
}

func violationReason(v *frame.Error) Reason {
	switch v.Code {
	case frame.CodeBadUTF8:
		return ReasonBadUTF8
	case frame.CodeTooLarge:
		return ReasonFrameTooLarge
	default:
		return ReasonProtocolError
	}
}
