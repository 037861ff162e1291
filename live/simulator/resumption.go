package simulator

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"
)

// memory is what the model knows of a conversation: what a handle keeps, and a resumed connection goes on from.
// Guarded by conn.mu.
type memory struct {
	history history
	ears
	waiting  *question // asked, but no answer has begun; never changed, only replaced
	asked    int64     // questions
	samples  int64     // of the microphone
	pictures int
	links    int       // connections so far
	born     time.Time // when the first of them was accepted
}

// copied is a memory that the connection goes on without.
func (m *memory) copied() memory {
	c := *m
	if m.detector != nil {
		d := *m.detector
		c.detector = &d
	}
	c.before = slices.Clone(m.before)
	c.earlier = slices.Clip(m.earlier)
	c.utterance = slices.Clip(m.utterance) // it is only ever appended to
	return c
}

// history is a conversation as the model remembers it.
type history struct {
	n     int   // answers
	usage usage // the context so far
}

// snapshot is what a resumption handle remembers.
type snapshot struct {
	memory
	conn  uint64          // on which it was issued
	gone  <-chan struct{} // closed with that connection; a resume is refused before
	owner credentials
	model string
	made  time.Time
	index int64    // of the last client message of the connection that the memory includes
	dead  *refusal // of whoever resumes with it
}

// over reports whether the connection that the handle was issued on has ended.
func (s *snapshot) over() bool {
	select {
	case <-s.gone:
		return true
	default:
		return false
	}
}

// size is about how many bytes a snapshot holds.
func (s *snapshot) size() int {
	n := 1<<10 + len(s.before) + len(s.utterance)
	if s.waiting != nil {
		n += len(s.waiting.pcm) + len(s.waiting.text)
	}
	return n
}

// resume takes up the conversation of a handle. Called with mu held.
func (c *conn) resume() *refusal {
	c.links = 1
	r := c.setup.SessionResumption
	if r == nil || r.Handle == "" {
		return nil
	}
	snap := c.server.handles.get(r.Handle)
	switch {
	case snap == nil || snap.owner != c.who || snap.model != c.model:
		return &refusal{1008, reasonNoSession}
	case snap.dead != nil:
		return snap.dead
	case !snap.over():
		return &refusal{1011, reasonInternal}
	}
	c.memory = snap.memory.copied()
	c.parent = snap.conn
	c.links++
	return nil
}

// adjust makes the memory of a resumed conversation fit a setup that may differ from the one before.
func (c *conn) adjust() {
	manual := c.setup.RealtimeInputConfig.AutomaticActivityDetection.Disabled
	if manual != c.manual { // half of what was said was delimited in another way
		c.ears = ears{manual: manual, earlier: c.earlier, chain: c.chain}
	}
	if c.detector != nil {
		c.detector.detection = c.setup.detection(c.cfg, c.who.backend)
	}
}

// resumable reports whether a handle can be issued now: not while the model generates or a call is open.
func (c *conn) resumable() bool {
	return c.setup.SessionResumption != nil && c.ready && !c.mute && !c.seeding && c.turn == nil && len(c.calls) == 0
}

// offerHandle takes a snapshot, where that is possible, and tells the client of its handle: at once, or as much
// later as handle_lag says. Called with mu held.
func (c *conn) offerHandle(now time.Time) {
	if !c.resumable() {
		return
	}
	c.cancel("handle") // a newer one takes its place
	c.issued++
	handle := fmt.Sprintf("simulated-%d-%d-%016x", c.serial, c.issued, c.ids.Uint64())
	snap := &snapshot{
		memory: c.memory.copied(), conn: c.serial, gone: c.gone, owner: c.who, model: c.model, made: now, index: c.index,
	}
	if f := c.manner(FaultDeadHandles, now); f != nil {
		snap.dead = &refusal{cmp.Or(f.Code, 1008), cmp.Or(f.Reason, reasonNoSession)}
	}
	lag := c.handleLag(now)
	c.note(Event{Kind: EventHandle, Handle: handle, Sample: c.samples, InSpeech: c.inSpeech(), Lag: lag})
	if lag == 0 {
		c.sendHandle(handle, snap)
		return
	}
	c.after(lag, "handle", func(time.Time) { c.sendHandle(handle, snap) })
}

// handleLag is how long the client of a snapshot waits to be told.
func (c *conn) handleLag(now time.Time) time.Duration {
	most := c.cfg.HandleLag
	if f := c.manner(FaultHandleLag, now); f != nil {
		most = f.Length
	}
	if most == 0 {
		return 0
	}
	return time.Duration(c.ids.Int64N(int64(most) + 1))
}

// sendHandle tells the client of a handle. Called with mu held.
func (c *conn) sendHandle(handle string, snap *snapshot) {
	c.server.handles.put(handle, snap)
	update := object{"newHandle": handle, "resumable": true}
	if c.setup.SessionResumption.transparent() {
		update["lastConsumedClientMessageIndex"] = fmt.Sprint(snap.index)
	}
	c.send(object{"sessionResumptionUpdate": update})
	c.note(Event{Kind: EventHandleSent, Handle: handle})
	c.server.count(func(s *Stats) { s.HandlesIssued++ })
}

// The bounds of what is remembered; the oldest goes.
const (
	maxHandles     = 100_000
	maxHandleBytes = 256 << 20
)

// handles are the resumption handles that are known.
type handles struct {
	life time.Duration

	mu    sync.Mutex
	known map[string]*snapshot
	order []string // as issued
	bytes int
}

func newHandles(life time.Duration) *handles {
	return &handles{life: life, known: make(map[string]*snapshot)}
}

func (h *handles) put(handle string, s *snapshot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known[handle] = s
	h.order = append(h.order, handle)
	h.bytes += s.size()
	for len(h.order) > 1 {
		old := h.known[h.order[0]]
		if len(h.order) <= maxHandles && h.bytes <= maxHandleBytes && time.Since(old.made) < h.life {
			break
		}
		delete(h.known, h.order[0])
		h.bytes -= old.size()
		h.order = h.order[1:]
	}
}

func (h *handles) get(handle string) *snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.known[handle]
	if s == nil || time.Since(s.made) >= h.life {
		return nil
	}
	return s
}
