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
	backends map[string]*Backend
	log      *slog.Logger
	statics  *statistics
	idle     chan struct{} // closed when the gateway drains and nothing is left
	instance string        // this process, in tickets
	sealer   *sealer
	budget   *budget // resume.memory

	plans plans

	config atomic.Pointer[Config] // replaced by Reconfigure; a session keeps the one it began with

	mu        sync.Mutex
	draining  bool
	slots     int                  // sessions, and connections that may begin one
	resuming  int                  // connections that were admitted to resume one
	sessions  map[string]*Session  // those that are alive
	doors     map[*door]struct{}   // connections that belong to no session yet
	ended     map[string]tombstone // sessions that have ended, for resume.window
	elsewhere map[string]elsewhere // sessions that were asked for here, and live on another instance
}

// NewGateway makes a gateway over the backends that are configured; one that is not in the list is refused as
// not configured. cfg must be valid.
func NewGateway(cfg Config, backends []Backend, log *slog.Logger) *Gateway {
	sealer, err := newSealer(cfg.Resume.Keys)
	if err != nil { // Validate has seen the keys
		panic(err)
	}
	g := &Gateway{
		backends:  make(map[string]*Backend, len(backends)),
		log:       log,
		statics:   newStatistics(),
		idle:      make(chan struct{}),
		instance:  newID(),
		sealer:    sealer,
		budget:    newBudget(cfg.Resume.Memory),
		sessions:  make(map[string]*Session),
		doors:     make(map[*door]struct{}),
		ended:     make(map[string]tombstone),
		elsewhere: make(map[string]elsewhere),
	}
	for _, b := range backends {
		g.backends[b.Name] = &b
	}
	g.config.Store(&cfg)
	return g
}

// Reconfigure makes cfg, which must be valid, hold for sessions that start from now on; resume.memory for all.
func (g *Gateway) Reconfigure(cfg Config) {
	g.config.Store(&cfg)
	g.budget.limit.Store(cfg.Resume.Memory)
}

// Config is what holds for a session that starts now. It must not be changed.
func (g *Gateway) Config() Config { return *g.config.Load() }

// Backend finds a configured backend.
func (g *Gateway) Backend(name string) (Backend, bool) {
	b, ok := g.backends[name]
	if !ok {
		return Backend{}, false
	}
	return *b, true
}

// receive lets a door wait, so that Drain knows of it meanwhile.
func (g *Gateway) receive(d *door) *Start {
	g.mu.Lock()
	g.doors[d] = struct{}{}
	draining := g.draining
	g.mu.Unlock()
	if draining { // between Admit and here
		d.refuse(ReasonServerDraining, "", "")
	}
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.doors, d)
	}()
	return d.wait()
}

// seat gives a connection that has said what it wants its session. nil: it was turned away.
func (g *Gateway) seat(d *door, slot *Slot, start *Start) (*Session, *link) {
	if start.Resume != nil {
		return g.resume(d, slot, start.Resume)
	}
	p, err := g.plans.plan(slot.config, slot.backend.Name, &start.Config)
	if err != nil {
		m := asMessageError(err)
		d.turnAway(*m.Ends, m.Message, m.Field)
		return nil, nil
	}
	s := newSession(g, slot.backend, slot.config, d.client, p)
	if r := g.begin(s, slot); r != nil {
		d.turnAway(r.Reason, r.Message, "")
		return nil, nil
	}
	l, err := s.attach(d.browser, nil)
	if err != nil { // it has ended meanwhile
		<-s.over
		s.tombstone().answer().tell(d)
		return nil, nil
	}
	return s, l
}

// begin makes s one of the gateway's sessions and starts it.
func (g *Gateway) begin(s *Session, slot *Slot) *Refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return g.refusal(0, 1)
	}
	if g.sessions[s.id] != nil || !slot.keep() {
		return &Refusal{Reason: ReasonAtCapacity, Message: full(s.config.Live.MaxSessions)}
	}
	g.sessions[s.id] = s
	delete(g.elsewhere, s.id)
	g.statics.started(len(g.sessions))
	go s.run() // Drain waits for it: its slot is free when it has ended
	return nil
}

func (g *Gateway) remove(s *Session) {
	r := s.record()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sessions, s.id)
	g.bury(s)
	g.statics.ended(r)
	g.slots--
	g.checkIdle()
	close(s.over)
}

// checkIdle is called with mu held.
func (g *Gateway) checkIdle() {
	if g.draining && g.slots == 0 && g.resuming == 0 {
		close(g.idle)
	}
}

// Draining reports whether Drain was called.
func (g *Gateway) Draining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining
}

// Drain refuses new sessions, ends every session with ReasonServerDraining and waits until none is left. A session that
// can be resumed on another instance may first finish its answer and wait for a handle that knows it, for half of the
// time until ctx's deadline. When ctx ends first the connections are dropped, and Drain waits for what little is then
// left to do. It may be called once.
func (g *Gateway) Drain(ctx context.Context) error {
	g.mu.Lock()
	g.draining = true
	g.checkIdle()
	doors := slices.Collect(maps.Keys(g.doors))
	g.mu.Unlock()
	var refusing sync.WaitGroup // one that takes nothing must not keep the others waiting; its Serve waits for it, too
	for _, d := range doors {
		refusing.Go(func() { d.refuse(ReasonServerDraining, "", "") })
	}
	patience := time.Duration(0)
	if deadline, ok := ctx.Deadline(); ok {
		patience = time.Until(deadline) / 2
	}
	for _, s := range g.all() {
		s.drain(patience)
	}
	select {
	case <-g.idle:
		refusing.Wait()
		return nil
	case <-ctx.Done():
	}
	left := g.all()
	for _, s := range left {
		s.end(ReasonServerDraining, "")
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
	st.KeptBytes = g.budget.used.Load()
	st.WarmPool = g.pools()
	for _, s := range alive {
		if s.detached() {
			st.Detached++
		}
	}
	return st
}

// milliseconds rounds d to the whole milliseconds that browsers are told.
func milliseconds(d time.Duration) int64 { return int64(math.Round(float64(d) / 1e6)) }
