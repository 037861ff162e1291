//go:build linux

package handlers_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/stonepot/stonepot/handlers"
)

// waiting counts the goroutines that belong to connections, with what they are in.
func waiting() (n int) {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	for _, in := range []string{"handlers.(*voice).run(", "live.(*Session).converse(", "live.(*Session).run("} {
		n += bytes.Count(buf, []byte(in))
	}
	return n
}

// Conversations in which nobody speaks have no goroutines, from the beginning and again after somebody spoke; and whatever
// ends a conversation ends one that has none.
func TestVoice_conversationsAreParkedAndGoOn(t *testing.T) {
	_, quick := simulated(t)
	s := start(t, func(o *options) {
		quick(o)
		o.live.Live.MaxSessions = 200
	})
	const each = 4
	ends := map[string]func(n *neighbour){
		"the person": func(n *neighbour) {
			n.c.Text(`{"type":"end_session"}`)
			n.c.End()
		},
		"a close frame": func(n *neighbour) {
			n.c.Write(handlers.Masked(handlers.Fin|handlers.OpClose, []byte{3, 0xE8}))
			n.c.End()
		},
		"a reset":          func(n *neighbour) { reset(n.c.Conn) },
		"the line's end":   func(n *neighbour) { _ = n.c.Conn.Close() },
		"bad bytes":        func(n *neighbour) { n.c.Write([]byte{0xFF, 0xFF}); n.c.End() },
		"the operator":     func(n *neighbour) { s.gateway.End(n.id, false); n.c.End() },
		"the operator now": func(n *neighbour) { s.gateway.End(n.id, true); n.c.End() },
		"the drain":        nil, // the server's end
	}
	all := map[string][]*neighbour{}
	for name := range ends {
		for range each {
			all[name] = append(all[name], meet(t, s))
		}
	}
	eventually(t, "nobody waits for those who have just begun", func() bool { return waiting() == 0 })
	for _, list := range all {
		for _, n := range list {
			n.turn(t)
		}
	}
	eventually(t, "nobody waits for those who have spoken", func() bool { return waiting() == 0 })
	for name, end := range ends {
		for _, n := range all[name] {
			if end != nil {
				end(n)
			}
		}
	}
	eventually(t, "those ended whose end it was", func() bool { return len(s.gateway.Sessions()) == each })
	s.stop()
	eventually(t, "their goroutines have ended", func() bool { return waiting() == 0 })
	for _, n := range all["the drain"] {
		said, how := n.c.End()
		if how.Code == 0 {
			t.Errorf("ended with %+v after %v", how, said)
		}
	}
	nothingLeft(t, s)
}
