package simulator

import (
	"fmt"
	"time"
)

// begin takes the setup. Called with mu held.
func (c *conn) begin(s *setup, now time.Time) *refusal {
	if c.setup != nil {
		return invalid("setup must be the first message and only the first")
	}
	c.setup = s
	if refused := c.cfg.refuse(c.who); refused != nil {
		return refused
	}
	if refused := s.check(c.cfg, c.who.backend); refused != nil {
		return refused
	}
	c.model, _ = s.modelID(c.who.backend)
	if s.SystemInstruction != nil {
		marked, err := markedFaults(s.SystemInstruction.text())
		if err != nil {
			return invalid("%v", err)
		}
		c.faults = append(c.faults, marked...)
	}
	if refused := c.resume(); refused != nil {
		return refused
	}
	if f := c.fault(FaultRefuseSetup); f != nil {
		code := f.Code
		if code == 0 {
			code = 1007
		}
		return &refusal{code, cmpOr(f.Reason, reasonArgument)}
	}
	if c.fault(FaultSilentSetup) != nil {
		return nil
	}
	c.functions = functions(s.Tools)
	c.seeding = s.HistoryConfig.InitialHistoryInClientContent
	c.manual = s.RealtimeInputConfig.AutomaticActivityDetection.Disabled
	if s.SystemInstruction != nil {
		c.history.usage.promptText += wordTokens(s.SystemInstruction.text())
	}
	delay := c.cfg.SetupDelay + c.vary(c.cfg.SetupJitter)
	c.after(delay, "setup", c.complete)
	c.lastInput = now
	return nil
}

func cmpOr(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// vary is a random duration from -d to d.
func (c *conn) vary(d time.Duration) time.Duration {
	if d == 0 {
		return 0
	}
	return time.Duration(c.rng.Int64N(2*int64(d)+1)) - d
}

// resume takes up the conversation of a handle. Called with mu held.
func (c *conn) resume() *refusal {
	r := c.setup.SessionResumption
	if r == nil || r.Handle == "" {
		return nil
	}
	snap := c.server.handles.get(r.Handle)
	switch {
	case snap == nil || snap.owner != c.who || snap.model != c.model:
		return &refusal{1008, "BidiGenerateContent session not found"}
	case !snap.over():
		return &refusal{1011, reasonInternal}
	}
	c.history = snap.history
	c.samples = snap.samples
	return nil
}

// complete sends setupComplete and starts the clocks of the connection. Called with mu held.
func (c *conn) complete(now time.Time) {
	done := object{}
	if c.who.backend == backendVertex {
		done["sessionId"] = fmt.Sprintf("simulated-%d", c.serial)
	}
	c.send(object{"setupComplete": done})
	c.ready, c.entered = true, true
	c.began, c.lastInput = now, now
	within := c.server.enter(c.who)
	f := c.fault(FaultQuota)
	if f != nil && f.Turn > 0 { // strikes in its turn
		f = nil
	}
	if f != nil || !within {
		delay := 100*time.Millisecond + time.Duration(c.rng.Int64N(int64(700*time.Millisecond)))
		if f != nil && f.After > 0 {
			delay = f.After
		}
		c.after(delay, "fault", func(time.Time) { c.refuse(&refusal{1011, reasonQuota}) })
	}
	for _, f := range c.faults {
		if f.Turn == 0 {
			c.after(f.After, "fault", func(now time.Time) { c.strike(f, now) })
		}
	}
	if c.setup.SessionResumption != nil {
		c.after(min(100*time.Millisecond, c.cfg.SetupDelay), "handle", func(now time.Time) {
			if c.turn == nil {
				c.offerHandle(now)
			}
		})
	}
	c.after(c.cfg.scaled(c.cfg.GoAwayAfter), "goAway", c.goAway)
	c.after(c.cfg.scaled(c.cfg.StarveAfter), "starve", c.starve)
}

// goAway announces the end of the connection. Called with mu held.
func (c *conn) goAway(time.Time) {
	left := c.cfg.scaled(c.cfg.GoAwayLeft)
	c.cancel("goAway")
	c.send(object{"goAway": object{"timeLeft": seconds(left)}})
	c.after(left, "goAway", func(time.Time) { c.refuse(&refusal{1008, reasonGoAway}) })
}

// starve closes a connection that has had no input for too long. Called with mu held.
func (c *conn) starve(now time.Time) {
	limit := c.cfg.scaled(c.cfg.StarveAfter)
	if left := limit - now.Sub(c.lastInput); left > 0 {
		c.after(left, "starve", c.starve)
		return
	}
	c.refuse(&refusal{1008, reasonAborted})
}

// offerHandle tells the client of a handle that remembers everything so far. Called with mu held.
func (c *conn) offerHandle(now time.Time) {
	r := c.setup.SessionResumption
	if r == nil {
		return
	}
	c.issued++
	handle := fmt.Sprintf("simulated-%d-%d-%016x", c.serial, c.issued, c.ids.Uint64())
	if c.fault(FaultDeadHandles) == nil {
		c.server.handles.put(handle, &snapshot{
			gone: c.gone, owner: c.who, model: c.model, made: now, history: c.history, samples: c.samples, index: c.index,
		})
	}
	update := object{"newHandle": handle, "resumable": true}
	if r.Transparent {
		update["lastConsumedClientMessageIndex"] = fmt.Sprint(c.index)
	}
	c.send(object{"sessionResumptionUpdate": update})
	c.server.count(func(s *Stats) { s.HandlesIssued++ })
}
