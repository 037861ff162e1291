package main

import (
	"bytes"
	"strconv"
	"sync"

	"github.com/stonepot/stonepot/benchmarks/torture/proxy"
	"github.com/stonepot/stonepot/live/frame"
)

// maxTapped is how much of a connection to the model is looked at for the conversation that it belongs to: the upgrade and the setup.
const maxTapped = 64 << 10

// tap finds out which conversation a connection to the model carries: its number stands in the setup, the first message
// that an instance sends. What has none yet waits in the pool.
func (w *world) tap() func(*proxy.Link, []byte) bool {
	var mu sync.Mutex
	seen := make(map[*proxy.Link]*bytes.Buffer)
	return func(l *proxy.Link, data []byte) bool {
		mu.Lock()
		buf := seen[l]
		if buf == nil {
			buf = new(bytes.Buffer)
			seen[l] = buf
		}
		mu.Unlock()
		buf.Write(data) // by the link's one goroutine
		id, done := identify(buf.Bytes())
		if !done && buf.Len() < maxTapped {
			return true
		}
		mu.Lock()
		delete(seen, l)
		mu.Unlock()
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.named[l] = true; id != 0 {
			w.links[id] = l
			if c := w.conversations[id]; c != nil { // accepted or not, which the ledger sees only when it is
				c.log.say("a connection to the model is set up")
			}
		}
		return false
	}
}

// identify reads the conversation's number from what an instance has sent so far. done is false when more is needed.
func identify(sent []byte) (id uint16, done bool) {
	_, messages, ok := bytes.Cut(sent, []byte("\r\n\r\n"))
	if !ok {
		return 0, false
	}
	r := frame.NewReader(bytes.NewReader(bytes.Clone(messages)), frame.Server, maxTapped)
	for {
		op, payload, err := r.Next()
		if err != nil {
			return 0, false
		}
		if op.Control() {
			continue
		}
		m := marker.FindSubmatch(payload)
		if m == nil {
			return 0, true
		}
		n, _ := strconv.Atoi(string(m[1])) // digits
		return uint16(n), true
	}
}

// upstreamOf is the newest connection to the model of a conversation; nil when it has none.
func (w *world) upstreamOf(id uint16) *proxy.Link {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.links[id]
	if l == nil {
		return nil
	}
	select {
	case <-l.Done():
		return nil
	default:
		return l
	}
}

// idle are the connections to the model on which nothing was set up.
func (w *world) idle() (links []*proxy.Link) {
	all := w.upstream.Links()
	w.mu.Lock()
	defer w.mu.Unlock()
	open := make(map[*proxy.Link]bool, len(all))
	for _, l := range all {
		if open[l] = true; !w.named[l] && l.Passed(proxy.Down) > 0 {
			links = append(links, l)
		}
	}
	for l := range w.named {
		if !open[l] {
			delete(w.named, l)
		}
	}
	return links
}
