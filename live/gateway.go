package live

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Backend is one model service that sessions can have as their upstream.
type Backend struct {
	Name      string // BackendGemini or BackendVertex
	Workflow  string // what session_started calls it: gemini-live or vertex-ai-live
	Dialer    Dialer
	Simulated bool // the simulator stands in for the model
	Pool      Pool // the Dialer's; nil: it keeps no connections warm
}

// Gateway admits, tracks and drains sessions. It is safe for concurrent use.
type Gateway struct {
	// Static after NewGateway.
	backends map[string]Backend
	log      *slog.Logger
	statics  *statistics
	idle     chan struct{} // closed when the gateway drains and the last slot is free

	config atomic.Pointer[Config] // replaced by Reconfigure; a session keeps the one it began with

	mu       sync.Mutex
	draining bool
	slots    int                 // guarded by mu; admitted and not yet freed
	sessions map[string]*Session // guarded by mu
}

// NewGateway makes a gateway over the backends that are configured; one that is not in the list is refused as
// not configured. cfg must be valid.
func NewGateway(cfg Config, backends []Backend, log *slog.Logger) *Gateway {
	g := &Gateway{
		backends: make(map[string]Backend, len(backends)),
		log:      log,
		statics:  newStatistics(),
		idle:     make(chan struct{}),
		sessions: make(map[string]*Session),
	}
	for _, b := range backends {
		g.backends[b.Name] = b
	}
	g.config.Store(&cfg)
	return g
}

// Reconfigure makes cfg, which must be valid, hold for sessions that start from now on.
func (g *Gateway) Reconfigure(cfg Config) { g.config.Store(&cfg) }

// Config is what holds for a session that starts now. It must not be changed.
func (g *Gateway) Config() Config { return *g.config.Load() }

// Backend finds a configured backend.
func (g *Gateway) Backend(name string) (Backend, bool) {
	b, ok := g.backends[name]
	return b, ok
}

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

// Admit reserves room for one session, so that a full or draining server can refuse before the upgrade. The
// caller must either call Serve or Release on the slot. The error is a *Refusal.
func (g *Gateway) Admit(backend string) (*Slot, error) {
	b, ok := g.backends[backend]
	if !ok {
		return nil, errNotConfigured
	}
	cfg := g.config.Load()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.refusal(cfg); err != nil {
		g.statics.refused(err.Reason)
		return nil, err
	}
	g.slots++
	return &Slot{gateway: g, backend: b, config: cfg}, nil
}

// Check reports whether Admit would find room now, without taking it. The error is a *Refusal.
func (g *Gateway) Check(backend string) error {
	if _, ok := g.backends[backend]; !ok {
		return errNotConfigured
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.refusal(g.config.Load()); err != nil {
		return err
	}
	return nil
}

// refusal is called with mu held.
func (g *Gateway) refusal(cfg *Config) *Refusal {
	switch {
	case g.draining:
		return &Refusal{ReasonServerDraining, "This server is restarting: try again in a moment.", 2 * time.Second}
	case g.slots >= cfg.Live.MaxSessions:
		return &Refusal{
			ReasonAtCapacity,
			fmt.Sprintf("This server already holds %d conversations, as many as it may: try again soon.", cfg.Live.MaxSessions),
			10 * time.Second,
		}
	default:
		return nil
	}
}

// Slot is the room for one session.
type Slot struct {
	gateway *Gateway
	backend Backend
	config  *Config
	used    atomic.Bool
}

// Release gives the room back when no session came of it. After Serve it does nothing.
func (s *Slot) Release() {
	if s.used.CompareAndSwap(false, true) {
		s.gateway.free()
	}
}

// Client is what is known of whoever opened the connection, for the log and the session list.
type Client struct {
	Address   string
	UserAgent string
	Trace     string // Cloud Trace context, or empty
}

// Serve carries one conversation over b and returns when nothing will touch b any more. It may be called once.
func (s *Slot) Serve(b Browser, c Client) {
	if !s.used.CompareAndSwap(false, true) {
		return
	}
	g := s.gateway
	defer g.free()
	session := newSession(g, s.backend, s.config, c)
	g.add(session)
	defer g.remove(session)
	session.serve(b)
}

func (g *Gateway) add(s *Session) {
	g.mu.Lock()
	g.sessions[s.id] = s
	draining := g.draining
	g.statics.started(len(g.sessions))
	g.mu.Unlock()
	if draining { // between Admit and here
		s.end(ReasonServerDraining, "")
	}
}

func (g *Gateway) remove(s *Session) {
	r := s.record()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sessions, s.id)
	g.statics.ended(r)
}

func (g *Gateway) free() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.slots--; g.slots == 0 && g.draining {
		close(g.idle)
	}
}

// Draining reports whether Drain was called.
func (g *Gateway) Draining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining
}

// Drain refuses new sessions, ends every session with ReasonServerDraining and waits until none is left. When ctx
// ends first the connections are dropped, and Drain waits for what little is then left to do. It may be called once.
func (g *Gateway) Drain(ctx context.Context) error {
	g.mu.Lock()
	g.draining = true
	if g.slots == 0 {
		close(g.idle)
	}
	g.mu.Unlock()
	for _, s := range g.all() {
		s.end(ReasonServerDraining, "")
	}
	select {
	case <-g.idle:
		return nil
	case <-ctx.Done():
	}
	left := g.all()
	for _, s := range left {
		s.abort()
	}
	// What is left now is bounded by the upstream's and the browser's own deadlines, which Abort cut short.
	select {
	case <-g.idle:
	case <-time.After(time.Second):
	}
	return fmt.Errorf("%d sessions did not end in time and were dropped: %w", len(left), context.Cause(ctx))
}

func (g *Gateway) all() []*Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Values(g.sessions))
}

func (g *Gateway) find(id string) *Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sessions[id]
}

// Sessions lists the sessions that are alive, in no order.
func (g *Gateway) Sessions() []SessionInfo {
	all := g.all()
	infos := make([]SessionInfo, len(all))
	for i, s := range all {
		infos[i] = s.Info()
	}
	return infos
}

// Session describes one session that is alive.
func (g *Gateway) Session(id string) (SessionInfo, bool) {
	s := g.find(id)
	if s == nil {
		return SessionInfo{}, false
	}
	return s.Info(), true
}

// End ends a session for the operator: gracefully, with the reason told to the browser, or at once. It reports
// whether there is such a session, and does not wait for its end.
func (g *Gateway) End(id string, now bool) bool {
	s := g.find(id)
	if s == nil {
		return false
	}
	s.end(ReasonEndedByOperator, "")
	if now {
		s.abort()
	}
	return true
}

// Stats are the gateway's figures since it was made.
func (g *Gateway) Stats() Stats {
	g.mu.Lock()
	st := g.statics.snapshot()
	alive := slices.Collect(maps.Values(g.sessions))
	g.mu.Unlock()
	for _, s := range alive {
		st.add(s.record())
	}
	st.Active = len(alive)
	st.WarmPool = g.pools()
	return st
}

// milliseconds rounds d to the whole milliseconds that browsers are told.
func milliseconds(d time.Duration) int64 { return int64(math.Round(float64(d) / 1e6)) }
