package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// tidy gives memory back to the system when much has been allocated, and then for a moment hardly anything: many sessions have begun,
// say, and as long as they only speak, nothing makes Go collect what that has left behind.
type tidy struct {
	before uint64 // bytes that the process had allocated since its start, at the last look
	since  uint64 // and when memory was given back last
}

// A collection takes time as the heap is large. So there is one for so much of what was allocated at most, in bytes and as a part of
// what is in use, and none while more than quietBytes are allocated from one look to the next.
const (
	tidyEach   = 500 * time.Millisecond
	tidyBytes  = 4 << 20
	tidyPart   = 8
	quietBytes = 128 << 10
)

// look reports whether now is the moment.
func (t *tidy) look(allocated, inUse uint64) bool {
	quiet := allocated-t.before < quietBytes
	t.before = allocated
	if !quiet || allocated-t.since < max(tidyBytes, inUse/tidyPart) {
		return false
	}
	t.since = allocated
	return true
}

// run looks until ctx ends.
func (t *tidy) run(ctx context.Context, each time.Duration) {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	ticker := time.NewTicker(each)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		metrics.Read(sample)
		if t.look(sample[0].Value.Uint64(), sample[1].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}
