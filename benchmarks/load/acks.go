package main

import (
	"strconv"
	"sync"
	"time"
)

// How often a client acknowledges (docs/protocol.md, "Resuming").
const (
	ackEvery = 250 * time.Millisecond
	ackBytes = 8 << 10
)

// acks counts what a client has received and says when to acknowledge it. It is safe for concurrent use: whoever
// receives counts, and whoever speaks sees to it that what came last is acknowledged, too.
type acks struct {
	mu       sync.Mutex
	received int64 // messages
	told     int64
	bytes    int // since told
	at       time.Duration
}

// count counts n messages.
func (a *acks) count(n int64, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.received += n
	a.bytes += bytes
}

// due is the ack to send at now, or nil. Acks are cumulative: that one overtakes another does not matter.
func (a *acks) due(now time.Duration) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.received == a.told || a.bytes < ackBytes && now-a.at < ackEvery {
		return nil
	}
	a.told, a.bytes, a.at = a.received, 0, now
	return append(strconv.AppendInt([]byte(`{"type":"ack","received":`), a.received, 10), '}')
}
