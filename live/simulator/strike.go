package simulator

import "time"

// scripted is a fault of a connection. Guarded by conn.mu.
type scripted struct {
	Fault
	struck bool // it strikes once
}

// manner finds a fault that changes the manner of what is done now, in the current answer. Called with mu held.
func (c *conn) manner(kind string, now time.Time) *scripted { return c.mannerIn(c.answers, kind, now) }

// mannerIn is manner for a turn that may not have begun.
func (c *conn) mannerIn(turn int, kind string, now time.Time) *scripted {
	for _, f := range c.faults {
		if f.Kind == kind && (f.Turn == 0 || f.Turn == turn) && now.Sub(c.began) >= f.After {
			return f
		}
	}
	return nil
}

// strikeTurn carries out the faults that wait for this moment of the current answer. Called with mu held.
func (c *conn) strikeTurn(at string, now time.Time) {
	for _, f := range c.faults {
		if f.strikes() && f.Turn != 0 && f.Turn == c.answers && (f.At == at || f.At == "" && at == atInside) {
			c.strike(f, now)
		}
	}
}

// strike carries out a fault whose moment has come. Called with mu held.
func (c *conn) strike(f *scripted, _ time.Time) {
	if f.struck {
		return
	}
	f.struck = true
	c.note(Event{Kind: EventFault, Text: f.Kind, Code: f.Code, Reason: f.Reason})
	switch f.Kind {
	case FaultGoAway:
		left := f.Length
		if left == 0 {
			left = c.cfg.scaled(c.cfg.GoAwayLeft)
		}
		c.goAway(left)
	case FaultDrop:
		c.abrupt = true
	case FaultClose:
		if f.Code == 1006 {
			c.abrupt = true
			return
		}
		c.refuse(&refusal{f.Code, f.Reason})
	case FaultInternal:
		c.refuse(&refusal{1011, reasonInternal})
	case FaultNotJSON:
		c.push([]byte("<html>upstream connect error</html>"))
	case FaultStallReading:
		c.stalled = true
	case FaultStall:
		c.silence()
	case FaultQuota:
		if f.Turn == 0 && f.After == 0 {
			c.outOfQuota(0)
			return
		}
		c.refuse(&refusal{1011, reasonQuota})
	}
}

// silence makes the connection say nothing any more; the clocks that end it go on. Called with mu held.
func (c *conn) silence() {
	c.mute = true
	for _, kind := range []string{"answer", "piece", "complete", "end", "handle"} {
		c.cancel(kind)
	}
}
