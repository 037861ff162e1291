package live

import "sync/atomic"

// budget bounds the memory for what all sessions of a gateway keep to be repeated: to the next connection to the model, and to
// a browser that comes back. It is safe for concurrent use; nil bounds nothing.
//
// Whoever needs more than is left gives up its own oldest first, never another session's, and never what was not sent yet:
// that has bounds of its own (audio.inbox, audio.outbox).
type budget struct {
	limit atomic.Int64 // bytes: resume.memory
	used  atomic.Int64
}

func newBudget(limit int64) *budget {
	b := new(budget)
	b.limit.Store(limit)
	return b
}

// take reserves n bytes if they are left.
func (b *budget) take(n int64) bool {
	if b == nil {
		return true
	}
	if b.used.Add(n) <= b.limit.Load() {
		return true
	}
	b.used.Add(-n)
	return false
}

// must reserves n bytes whether they are left or not.
func (b *budget) must(n int64) {
	if b != nil {
		b.used.Add(n)
	}
}

// give returns n bytes.
func (b *budget) give(n int64) { b.must(-n) }
