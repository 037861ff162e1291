package main

import (
	"context"
	"time"

	"github.com/stonepot/stonepot/benchmarks/torture/proxy"
	"github.com/stonepot/stonepot/live/frame"
)

// outside is a fault that strikes a conversation from outside. do returns false when it cannot happen now.
type outside struct {
	kind   string
	weight int
	do     func(c *conversation, ctx context.Context) bool
}

// fates are what happens by chance.
var fates = []outside{
	{"browser: cut at a byte, up", 6, func(c *conversation, _ context.Context) bool { return c.cut(proxy.Up) }},
	{"browser: cut at a byte, down", 6, func(c *conversation, _ context.Context) bool { return c.cut(proxy.Down) }},
	{"browser: vanished", 3, (*conversation).vanish},
	{"browser: stalled 10 s", 3, (*conversation).stall},
	{"browser: slowed", 3, (*conversation).slow},
	{"browser: half open, up", 2, func(c *conversation, _ context.Context) bool { return c.halfOpen(proxy.Up) }},
	{"browser: half open, down", 2, func(c *conversation, _ context.Context) bool { return c.halfOpen(proxy.Down) }},
	{"browser: network changed", 4, (*conversation).changeNetwork},
	{"browser: away for a while", 2, (*conversation).stayAway},
	{"browser: page reloaded", 3, func(c *conversation, _ context.Context) bool { return c.line.reload(false) }},
	{"browser: second tab", 2, func(c *conversation, _ context.Context) bool { return c.line.reload(true) }},
	{"browser: old ticket", 2, (*conversation).replayTicket},
	{"stranger: forged ticket", 2, (*conversation).forge},
	{"upstream: cut at a byte, up", 3, func(c *conversation, _ context.Context) bool { return c.cutUpstream(proxy.Up) }},
	{"upstream: cut at a byte, down", 4, func(c *conversation, _ context.Context) bool { return c.cutUpstream(proxy.Down) }},
	{"upstream: cut, and the model holds on", 3, (*conversation).holdUpstream},
	{"upstream: silent", 1, (*conversation).silenceUpstream},
	{"both: resume during renewal", 4, (*conversation).cutBoth},
	{"instance: moved while the first holds on", 1, (*conversation).moveAway},
}

// fate strikes now and then until nothing may break any more.
func (c *conversation) fate(ctx context.Context, over <-chan struct{}) {
	var possible []outside
	total := 0
	for _, f := range fates {
		if c.w.o.Only.MatchString(f.kind) {
			possible = append(possible, f)
			total += f.weight
		}
	}
	for total > 0 {
		pause := c.w.o.Every/3 + time.Duration(c.rng.ExpFloat64()*float64(c.w.o.Every)*2/3)
		select {
		case <-over:
			return
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if time.Now().After(c.w.calm) {
			return
		}
		x := c.pick(total)
		for _, f := range possible {
			if x -= f.weight; x < 0 {
				if f.do(c, ctx) {
					c.fault(f.kind, true)
				}
				break
			}
		}
		if c.tool.Load() && c.pick(2) == 0 {
			c.update()
		}
	}
}

// link is the connection in use; nil while there is none, or while the session on it is not accepted.
func (c *conversation) link() *proxy.Link {
	c.line.mu.Lock()
	s := c.line.conn
	if s != nil && !s.flowing {
		s = nil
	}
	c.line.mu.Unlock()
	return c.w.link(s)
}

func (c *conversation) how() proxy.How {
	if c.pick(2) == 0 {
		return proxy.FIN
	}
	return proxy.RST
}

// cut ends the connection somewhere in the next messages, mostly inside one.
func (c *conversation) cut(d proxy.Direction) bool {
	l := c.link()
	if l == nil {
		return false
	}
	l.CutAfter(d, int64(c.pick(8000)), c.how())
	return true
}

func (c *conversation) vanish(context.Context) bool {
	if c.link() == nil {
		return false
	}
	c.line.lose(c.pick(2) == 0)
	return true
}

func (c *conversation) stall(context.Context) bool {
	l := c.link()
	if l == nil {
		return false
	}
	l.Stall(10 * time.Second)
	return true
}

// slow lets less through than speech takes, either way, for a while.
func (c *conversation) slow(context.Context) bool {
	l := c.link()
	if l == nil {
		return false
	}
	l.Slow(16_000+c.pick(16_000), time.Duration(3+c.pick(5))*time.Second)
	return true
}

func (c *conversation) halfOpen(d proxy.Direction) bool {
	l := c.link()
	if l == nil {
		return false
	}
	l.Swallow(d)
	return true
}

// changeNetwork makes the client come back from another address while the old connection looks alive to the server.
func (c *conversation) changeNetwork(context.Context) bool {
	l := c.link()
	if l == nil {
		return false
	}
	from := loopback(c)
	c.line.moveTo(func(p *plan) { p.from = from })
	l.Leave(time.Duration(5+c.pick(10)) * time.Second)
	return true
}

// stayAway keeps the client away for some seconds: what it is sent meanwhile must be kept.
func (c *conversation) stayAway(ctx context.Context) bool {
	if c.link() == nil {
		return false
	}
	c.line.stayAway(time.Duration(3+c.pick(9)) * time.Second)
	return true
}

// replayTicket makes the client come back with a ticket from before its newest, as a page does that did not store it in time.
func (c *conversation) replayTicket(context.Context) bool {
	l, old := c.link(), c.line.oldTicket()
	if l == nil || old == nil {
		return false
	}
	c.line.moveTo(func(p *plan) { p.ticket = old })
	l.Cut(c.how())
	return true
}

// forge tries to take the conversation over without its ticket. It must be refused, and the conversation not notice.
func (c *conversation) forge(ctx context.Context) bool {
	c.line.mu.Lock()
	id, ticket := c.line.sessionID, c.line.ticket.text
	c.line.mu.Unlock()
	if id == "" || len(ticket) < 20 {
		return false
	}
	forged := []byte(ticket)
	forged[len(forged)/2] ^= 1
	s, err := dial(ctx, loopback(c), c.w.door(false), c.line.path, []string{"stonepot.v1", "stonepot.resume"})
	if err != nil {
		return false
	}
	defer s.end(false)
	s.patient = connectTimeout
	_ = s.write(textFrame(object{"type": "start_session", "resume": object{"sessionId": id, "resumeTicket": string(forged), "received": 0}}))
	for {
		op, payload, err := s.read()
		if err != nil {
			return true // a fault of another kind was quicker
		}
		if op == frame.Close {
			closed, _ := frame.ParseClose(payload)
			if closed.Code != closeCodes["unauthorized"] && closed.Code != closeCodes["session_not_found"] && !keptCodes[closed.Code] {
				c.fail(kindProtocol, "a forged ticket was answered with close %d", closed.Code)
			}
			return true
		}
		if m, err := decodeMessage(payload); op == frame.Text && err == nil && m.Type == "session_resumed" {
			c.fail(kindProtocol, "a forged ticket was honoured")
			return true
		}
	}
}

func (c *conversation) cutUpstream(d proxy.Direction) bool {
	l := c.w.upstreamOf(c.id)
	if l == nil {
		return false
	}
	l.CutAfter(d, int64(c.pick(20_000)), c.how())
	return true
}

// holdUpstream cuts the connection to the model, but the model does not notice at once: it refuses a resume until it does.
func (c *conversation) holdUpstream(context.Context) bool {
	l := c.w.upstreamOf(c.id)
	if l == nil {
		return false
	}
	l.Leave(time.Duration(500+c.pick(2500)) * time.Millisecond)
	return true
}

func (c *conversation) silenceUpstream(context.Context) bool {
	l := c.w.upstreamOf(c.id)
	if l == nil {
		return false
	}
	l.Swallow(proxy.Up)
	l.Swallow(proxy.Down)
	return true
}

// cutBoth makes the browser come back while the connection to the model is being renewed.
func (c *conversation) cutBoth(context.Context) bool {
	up, down := c.w.upstreamOf(c.id), c.link()
	if up == nil || down == nil {
		return false
	}
	up.Cut(proxy.RST)
	down.Cut(proxy.RST)
	return true
}

// moveAway sends the client to the other instance although the first one lives and holds the session.
func (c *conversation) moveAway(context.Context) bool {
	l := c.link()
	if l == nil || !c.w.o.Elsewhere {
		return false
	}
	c.line.moveTo(func(p *plan) { p.other = true })
	l.Cut(proxy.RST)
	return true
}

const updateFault = "client: update during a tool call"

// update changes the session in the middle of a tool call.
func (c *conversation) update() {
	c.line.mu.Lock()
	defer c.line.mu.Unlock()
	if c.line.conn == nil || !c.line.conn.flowing || c.line.closing || !c.w.updates || !c.w.o.Only.MatchString(updateFault) {
		return
	}
	voices := []string{"Kore", "Puck", "Charon", "Aoede"}
	c.line.say(object{"type": "update_session", "config": object{"voice": voices[c.pick(len(voices))]}})
	c.fault(updateFault, true)
}
