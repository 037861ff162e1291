package live

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// Session is one conversation. Three goroutines carry it: the browser's reader (the caller of serve), the owner
// of the upstream, and, while something waits to be written to the browser, the pump. serve returns after all of
// them, and after every callback of a timer.
//
// It has three parts with a lock each: in, what came from the browser; up, the way to the upstream; out, the way
// to the browser. in.mu and out.mu are leaves and never held together; up.mu and turns.mu are taken before them.
type Session struct {
	// Static after newSession.
	id      string
	gateway *Gateway
	backend Backend
	config  *Config
	client  Client
	created time.Time
	dialect Dialect
	ctx     context.Context // done when the session has a reason to end
	cancel  context.CancelFunc
	started chan struct{} // closed when start_session was accepted

	// Static after started is closed.
	log        *slog.Logger
	outputRate int // Hz
	inputRate  int // Hz
	bytesPerMs int // of the microphone's audio
	minChunk   int // bytes
	maxChunk   int // bytes

	in    inbox
	up    uplink
	out   outbox
	turns turns
	tools openCalls
	life  life

	live       atomic.Bool  // the upstream takes input
	lastActive atomic.Int64 // Unix nanoseconds
	lastLoud   atomic.Int64 // Unix nanoseconds; 0: never
	expiryTold atomic.Bool

	flushTimer *time.Timer
	flushArmed atomic.Bool
	timerMu    sync.Mutex
	timer      *time.Timer
	timerAt    time.Time

	// Owned by the owner of the upstream.
	discarded time.Duration // speech that came after the person had asked to stop
	next      renewal

	history history

	reader reader // owned by the browser's reader
}

func newSession(g *Gateway, b Backend, cfg *Config, c Client) *Session {
	s := &Session{
		id:      newID(),
		gateway: g,
		backend: b,
		config:  cfg,
		client:  c,
		created: time.Now(),
		started: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.log = g.log.With("session", s.id, "backend", b.Name)
	s.dialect = newStonepot(s.id, cfg.Limits)
	s.life.browser, s.life.upstream = browserNew, upstreamNone
	s.out.dialect = s.dialect
	s.out.maxVoice = cfg.Audio.Outbox
	s.out.wake = make(chan struct{}, 1)
	s.out.failed = s.browserFailed
	if s.dialect.Traits().Paced {
		s.out.lead = cfg.Audio.PlaybackLead
	}
	s.reader.audio = newLimiter(cfg.Limits.AudioRate, cfg.Limits.AudioBurst.Seconds())
	s.reader.messages = newLimiter(cfg.Limits.MessageRate, float64(cfg.Limits.MessageBurst))
	s.flushTimer = time.AfterFunc(time.Hour, s.flushShort)
	s.flushTimer.Stop()
	s.timerAt = s.created.Add(cfg.Limits.FirstMessage)
	s.timer = time.AfterFunc(cfg.Limits.FirstMessage, s.tick)
	return s
}

// newID is a session's name: hard to guess, because operators act on sessions by it.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// serve carries the conversation over b until it has ended.
func (s *Session) serve(b Browser) {
	generation := s.attach(b)
	var upstream sync.WaitGroup
	upstream.Go(s.runUpstream)
	s.read(b, generation)
	upstream.Wait()
	s.cancel()
	s.in.clear()
	s.out.release()
	s.logEnd()
}

// attach makes b the session's browser, as one operation: from then on only its messages count and only its
// socket is written.
func (s *Session) attach(b Browser) (generation uint64) {
	generation = s.out.attach(b)
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	s.in.generation = generation
	return generation
}

// begin makes the session what p says. It is called by the reader, once.
func (s *Session) begin(p plan) {
	rate := p.setup.InputRate
	bytesFor := func(d time.Duration) int { return int(int64(rate)*int64(d)/int64(time.Second)) * 2 }
	s.outputRate = p.setup.Model.OutputRate()
	s.inputRate, s.bytesPerMs = rate, rate*2/1000
	s.minChunk = bytesFor(s.config.Audio.MinUpstreamChunk)
	s.maxChunk = bytesFor(s.config.Audio.MaxUpstreamChunk)
	s.in.mu.Lock()
	s.in.maxUnsent = bytesFor(s.config.Audio.Inbox)
	s.in.maxKept = bytesFor(s.config.Resume.ReplayAudio)
	s.in.mu.Unlock()
	s.tools.hold = p.setup.Model.HoldAudioDuringTool
	now := time.Now()
	s.touch(now)
	s.up.lastSent.Store(now.UnixNano())
	s.life.mu.Lock()
	s.life.plan, s.life.begun = p, now
	s.life.move(eventStart)
	s.life.mu.Unlock()
	s.log.Info("session started", "model", p.setup.Model.ID, "assistant", p.assistant, "simulated", s.backend.Simulated,
		"address", s.client.Address, "trace", s.client.Trace)

	s.out.notice(StartedNotice{Workflow: s.backend.Workflow, Protocol: protocolVersion, Time: now.UnixMilli()})
	for _, w := range p.warnings {
		s.warn(w)
	}
	close(s.started)
	s.tickSoon(0)
}

// setup is what the upstream was, or will be, asked for.
func (s *Session) setup() Setup {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	return s.life.plan.setup
}

// end gives the session its reason to end, and starts its end; the first reason stays. detail is a sentence for
// the person, or empty for the reason's own.
func (s *Session) end(r Reason, detail string) { s.endWith(r, detail, "", nil) }

func (s *Session) endWith(r Reason, detail, field string, cause error) {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	if s.life.reason.Code != "" {
		return
	}
	s.life.reason, s.life.detail, s.life.field, s.life.cause = r, detail, field, cause
	s.life.ended = time.Now()
	s.life.move(eventEnd)
	s.cancel()
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

// browserFailed is told by the outbox, once, that the browser takes nothing any more.
func (s *Session) browserFailed(err error) {
	if errors.Is(err, errOutboxFull) {
		s.endWith(ReasonSlowClient, "", "", err)
		return // it can still be told
	}
	if slow(err) {
		s.endWith(ReasonSlowClient, "", "", err)
	} else {
		s.endWith(ReasonBrowserGone, "", "", err)
	}
	s.out.abort()
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

// runUpstream is the owner of the upstream for the session's whole life. When the session ends it is the one who
// tells the browser, so that there is one place where a session ends.
func (s *Session) runUpstream() {
	up := s.connect()
	for up != nil {
		err := s.receive(up)
		if s.ctx.Err() != nil {
			break
		}
		up = s.renew(err)
	}
	s.finish()
}

// connect waits for the start, dials and waits for the setup's acceptance. nil: the session has a reason to end.
func (s *Session) connect() Upstream {
	select {
	case <-s.started:
	case <-s.ctx.Done():
		return nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.config.Live.ConnectTimeout)
	defer cancel()
	up, err := s.backend.Dialer.Dial(ctx, s.setup())
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

// awaitReady receives until the setup was accepted. Nothing else may come before.
func awaitReady(ctx context.Context, up Upstream) error {
	stop := context.AfterFunc(ctx, up.Wake)
	defer stop()
	var e Event
	for {
		e.Reset()
		if err := up.Receive(&e); err != nil {
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
	s.life.mu.Lock()
	s.life.ready = now
	s.life.move(eventReady)
	p, took := s.life.plan, now.Sub(s.life.begun)
	s.life.mu.Unlock()
	s.next.since = now
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
	s.sendUp(false)
	s.tickSoon(s.config.Live.SilenceInterval)
}

func orAuto(language string) string {
	if language == "" {
		return "auto"
	}
	return language
}

// receive passes events on until the upstream or the session ends, or the upstream is to be renewed (then err is nil).
func (s *Session) receive(up Upstream) error {
	stop := context.AfterFunc(s.ctx, up.Wake)
	defer stop()
	var e Event
	for {
		e.Reset()
		if err := up.Receive(&e); err != nil {
			return err
		}
		s.note(&e)
		s.event(&e)
		if s.due(&e) {
			return nil
		}
	}
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
	s.flushTimer.Stop() // after life.close: a callback may have armed them again
	s.timer.Stop()

	s.life.mu.Lock()
	r, detail, field := s.life.reason, s.life.detail, s.life.field
	begun, usage := s.life.begun, totals(s.life.usage())
	s.life.mu.Unlock()
	if detail == "" {
		detail = r.Text
	}
	var last []Notice
	if r != ReasonEnded {
		last = append(last, ErrorNotice{Error: detail, Code: r.Code, Retryable: r.Retryable(), Field: field})
	}
	if !begun.IsZero() {
		last = append(last, EndedNotice{Reason: r.Code, DurationMs: milliseconds(time.Since(begun)), Turns: s.turns.count(), Usage: usage})
	}
	draining := r == ReasonServerDraining
	s.out.finish(draining, last...)
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

// readFailed ends the session for what ended the browser's connection.
func (s *Session) readFailed(err error, generation uint64) {
	var goodbye *frame.CloseError
	var violation *frame.Error
	switch {
	case errors.As(err, &violation):
		s.endWith(violationReason(violation), "", "", err)
		return // the browser can still be told
	case errors.As(err, &goodbye) && goodbye.Code == ReasonEnded.Close:
		s.end(ReasonEnded, "")
	default:
		s.endWith(ReasonBrowserGone, "", "", err)
	}
	s.life.mu.Lock()
	s.life.move(eventLost)
	s.life.mu.Unlock()
	s.out.detach(generation)
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
