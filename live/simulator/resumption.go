package simulator

import (
	"sync"
	"time"
)

// snapshot is what a resumption handle remembers.
type snapshot struct {
	gone    <-chan struct{} // closed with the connection that it was issued on; a resume is refused before
	owner   credentials
	model   string
	made    time.Time
	history history
	// samples and index are how much of the microphone's stream, and which client message of its connection, the
	// snapshot contains.
	samples int64
	index   int64
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

// history is a conversation as the model remembers it.
type history struct {
	n     int   // answers
	usage usage // the context so far
}

// maxHandles bounds what is remembered; the oldest goes.
const maxHandles = 100_000

// handles are the resumption handles that are known.
type handles struct {
	life time.Duration

	mu    sync.Mutex
	known map[string]*snapshot
	order []string // as issued
}

func newHandles(life time.Duration) *handles {
	return &handles{life: life, known: make(map[string]*snapshot)}
}

func (h *handles) put(handle string, s *snapshot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known[handle] = s
	h.order = append(h.order, handle)
	for len(h.order) > 0 {
		old := h.known[h.order[0]]
		if old != nil && len(h.order) <= maxHandles && time.Since(old.made) < h.life {
			break
		}
		delete(h.known, h.order[0])
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
