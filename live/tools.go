package live

import (
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// openCalls knows the tool calls that the browser has not answered yet.
type openCalls struct {
	hold  bool         // the model forbids audio while a call is open; static after the start
	count atomic.Int32 // how many are open, for the sender's look at each frame

	mu    sync.Mutex
	calls map[string]openCall // guarded by mu
}

type openCall struct {
	name     string
	opened   time.Time
	answered bool // the answer is on its way up; the call stays open until it has gone
}

// holdsAudio reports whether microphone audio has to wait.
func (t *openCalls) holdsAudio() bool { return t.hold && t.count.Load() > 0 }

func (t *openCalls) open(calls []ToolCall, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls == nil {
		t.calls = make(map[string]openCall)
	}
	for _, c := range calls {
		t.calls[c.ID] = openCall{name: c.Name, opened: now}
	}
	t.count.Store(int32(len(t.calls)))
}

// close forgets calls: their answers have gone up, or they were cancelled.
func (t *openCalls) close(ids ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		delete(t.calls, id)
	}
	t.count.Store(int32(len(t.calls)))
}

// answer keeps of a client's answers those to calls that are open and not yet answered, with the name filled in
// where the client left it out. The calls stay open until close is told that the answers have gone up: audio that
// is held back must not overtake them.
func (t *openCalls) answer(responses []ToolResponse) (known []ToolResponse, unknown []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range responses {
		c, ok := t.calls[r.ID]
		if !ok || c.answered {
			unknown = append(unknown, r.ID)
			continue
		}
		c.answered = true
		t.calls[r.ID] = c
		if r.Name == "" {
			r.Name = c.name
		}
		known = append(known, r)
	}
	return known, unknown
}

// postpone gives the calls that are open more time: nobody was there to answer them.
func (t *openCalls) postpone(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, c := range t.calls {
		c.opened = c.opened.Add(d)
		t.calls[id] = c
	}
}

// asked keeps of answers on their way up those to calls that are still open.
func (t *openCalls) asked(responses []ToolResponse) (still []ToolResponse) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range responses {
		if _, ok := t.calls[r.ID]; ok {
			still = append(still, r)
		}
	}
	return still
}

// forget drops every open call: the upstream that made them is gone. It returns their ids.
func (t *openCalls) forget() (ids []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range t.calls {
		ids = append(ids, id)
	}
	clear(t.calls)
	t.count.Store(0)
	slices.Sort(ids)
	return ids
}

// none reports whether no call is open.
func (t *openCalls) none() bool { return t.count.Load() == 0 }

// overdue answers the calls that were opened before limit with an error; next is when the oldest of the others
// was opened, or zero.
func (t *openCalls) overdue(limit time.Time) (answers []ToolResponse, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, c := range t.calls {
		switch {
		case c.answered:
		case c.opened.Before(limit):
			answers = append(answers, ToolResponse{ID: id, Name: c.name, Response: json.RawMessage(`{"error":"The tool did not answer in time."}`)})
			c.answered = true
			t.calls[id] = c
		case next.IsZero() || c.opened.Before(next):
			next = c.opened
		}
	}
	return answers, next
}
