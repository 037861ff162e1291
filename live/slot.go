package live

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Refusal is why a session may not start. It is told before the upgrade, as an HTTP status, wherever that is possible.
type Refusal struct {
	Reason     Reason
	Message    string        // a sentence for people
	RetryAfter time.Duration // 0: do not say when
}

func (r *Refusal) Error() string { return r.Message }

// errNotConfigured is the refusal of a backend for which the server has no credentials.
var errNotConfigured = &Refusal{
	Reason:  Reason{Code: "upstream_not_configured", Close: ReasonUpstreamUnavailable.Close, Text: "This model is not set up on this server."},
	Message: "This model is not set up on this server: its operator must provide credentials.",
}

// Admit reserves room for one connection, so that a full or draining server can refuse before the upgrade. A connection
// that comes to resume a session finds room on a full server too: the session has its room already. The caller must
// either call Serve or Release on the slot. The error is a *Refusal.
func (g *Gateway) Admit(backend string, resume bool) (*Slot, error) {
	b, ok := g.backends[backend]
	if !ok {
		return nil, errNotConfigured
	}
	cfg := g.config.Load()
	g.mu.Lock()
	defer g.mu.Unlock()
	room, limit := &g.slots, cfg.Live.MaxSessions
	if resume {
		room = &g.resuming
	}
	if err := g.refusal(*room, limit); err != nil {
		g.statics.refused(err.Reason)
		return nil, err
	}
	*room++
	return &Slot{gateway: g, backend: b, config: cfg, resume: resume}, nil
}

// Check reports whether Admit would find room now, without taking it. The error is a *Refusal.
func (g *Gateway) Check(backend string) error {
	if _, ok := g.backends[backend]; !ok {
		return errNotConfigured
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.refusal(g.slots, g.config.Load().Live.MaxSessions); err != nil {
		return err
	}
	return nil
}

// refusal is called with mu held.
func (g *Gateway) refusal(taken, limit int) *Refusal {
	switch {
	case g.draining:
		return &Refusal{ReasonServerDraining, "This server is restarting: try again in a moment.", 2 * time.Second}
	case taken >= limit:
		return &Refusal{ReasonAtCapacity, full(limit), 10 * time.Second}
	default:
		return nil
	}
}

func full(limit int) string {
	return fmt.Sprintf("This server already holds %d conversations, as many as it may: try again soon.", limit)
}

// Slot is the room for one connection, and for the session that it may begin.
type Slot struct {
	gateway *Gateway
	backend *Backend
	config  *Config
	resume  bool // counted among those that come to resume
	used    atomic.Bool
	kept    bool // a session has it
}

// Release gives the room back when no session came of it. After Serve it does nothing.
func (s *Slot) Release() {
	if s.used.CompareAndSwap(false, true) {
		s.free()
	}
}

// free gives the room back, unless a session has it.
func (s *Slot) free() {
	g := s.gateway
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case s.kept:
		return
	case s.resume:
		g.resuming--
	default:
		g.slots--
	}
	g.checkIdle()
}

// keep makes the room a session's, which frees it when it has ended. false: there is none. Called with the gateway's mu
// held.
func (s *Slot) keep() bool {
	g := s.gateway
	if s.resume {
		if g.slots >= s.config.Live.MaxSessions {
			return false
		}
		g.resuming--
		g.slots++
	}
	s.kept = true
	return true
}

// Client is what is known of whoever opened the connection, for the log and the session list.
type Client struct {
	Address   string
	UserAgent string
	Trace     string // Cloud Trace context, or empty
}

// Serve carries one connection: it begins a session over b, or resumes one, and returns when the connection is over and
// nothing will touch b any more. The session may live on. Serve, or Open, may be called once.
func (s *Slot) Serve(b Browser, c Client) {
	for carry := s.Open(b, c); carry(); {
	}
}

// Open is the first half of Serve: it returns when the connection has its session, or gets none. carry is the other half,
// and must be called, by any goroutine. A fresh one is best: to decode the first message and to begin a session takes
// more stack than a reader that waits should hold for the rest of its life.
//
// Where carry returns true its reader was relieved, because nothing comes (see Relievable): it must be called again, at the
// latest when something has come. It may also be called for the first time only then.
func (s *Slot) Open(b Browser, c Client) (carry func() (relieved bool)) {
	if !s.used.CompareAndSwap(false, true) {
		return func() bool { return false }
	}
	d := newDoor(s.gateway, s.config, b, c)
	session, l := s.seat(d)
	if session == nil {
		return d.drain
	}
	return func() bool { return session.carry(l) }
}

// seat waits until the connection says what it wants, and gives it its session; nil: it gets none. Whatever happens, the
// room is free or the session's afterwards, and nobody refuses the connection any more.
func (s *Slot) seat(d *door) (*Session, *link) {
	defer s.free()
	defer d.enter()
	start := s.gateway.receive(d)
	if start == nil || !d.enter() {
		return nil, nil
	}
	return s.gateway.seat(d, s, start)
}
