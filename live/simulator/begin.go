package simulator

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// begin takes the setup. Called with mu held.
func (c *conn) begin(s *setup, now time.Time) *refusal {
	if c.setup != nil {
		return invalid("setup must be the first message and only the first")
	}
	c.setup, c.lastInput = s, now
	if refused := c.cfg.refuse(c.who); refused != nil {
		return refused
	}
	if refused := s.check(c.cfg, c.who.backend, c.version); refused != nil {
		return refused
	}
	c.model, _ = s.modelID(c.who.backend)
	if refused := c.resume(); refused != nil {
		return refused
	}
	if err := c.script(); err != nil {
		return invalid("%v", err)
	}
	if f := c.manner(FaultRefuseSetup, now); f != nil {
		c.note(Event{Kind: EventFault, Text: f.Kind})
		return &refusal{cmp.Or(f.Code, 1007), cmp.Or(f.Reason, reasonArgument)}
	}
	if f := c.manner(FaultSilentSetup, now); f != nil {
		c.note(Event{Kind: EventFault, Text: f.Kind})
		return nil
	}
	c.adjust()
	c.functions = functions(s.Tools)
	c.seeding = s.HistoryConfig.InitialHistoryInClientContent
	if s.SystemInstruction != nil && c.parent == 0 {
		c.history.usage.promptText += wordTokens(s.SystemInstruction.text())
	}
	delay := c.cfg.SetupDelay + c.vary(c.cfg.SetupJitter)
	if f := c.manner(FaultSlowSetup, now); f != nil {
		delay += f.Length
	}
	c.after(delay, "setup", c.complete)
	return nil
}

// script gathers the faults of this connection: of the configuration, the query and the markers in the instruction.
// Called with mu held, when it is known whether the connection resumes another.
func (c *conn) script() error {
	all := slices.Concat(c.cfg.Faults, c.queried)
	if i := c.setup.SystemInstruction; i != nil {
		marked, err := markedFaults(i.text())
		if err != nil {
			return err
		}
		all = append(all, marked...)
	}
	for _, f := range all {
		switch {
		case f.Probability != 0 && c.rng.Float64() >= f.Probability:
		case f.Connection != 0 && f.Connection != c.links:
		case f.Kind == FaultPoisonedResume && c.parent == 0:
		default:
			c.faults = append(c.faults, &scripted{Fault: f})
		}
	}
	return nil
}

// vary is a random duration from -d to d.
func (c *conn) vary(d time.Duration) time.Duration {
	if d == 0 {
		return 0
	}
	return time.Duration(c.rng.Int64N(2*int64(d)+1)) - d
}

// complete sends setupComplete and starts the clocks of the connection. Called with mu held.
func (c *conn) complete(now time.Time) {
	done := object{}
	if c.who.backend == backendVertex {
		done["sessionId"] = fmt.Sprintf("simulated-%d", c.serial)
	}
	c.noteOpened()
	c.send(object{"setupComplete": done})
	c.ready, c.entered = true, true
	c.began, c.lastInput = now, now
	if c.born.IsZero() {
		c.born = now
	}
	if within := c.server.enter(c.who); !within {
		c.outOfQuota(0)
	}
	for _, f := range c.faults {
		if f.Turn == 0 && f.strikes() {
			c.after(f.After, "fault", func(now time.Time) { c.strike(f, now) })
		}
	}
	if c.setup.SessionResumption != nil {
		c.after(min(100*time.Millisecond, c.cfg.SetupDelay), "handle", c.offerHandle)
	}
	c.after(c.cfg.scaled(c.cfg.GoAwayAfter), "goAway", func(time.Time) { c.goAway(c.cfg.scaled(c.cfg.GoAwayLeft)) })
	if !c.setup.compresses() {
		c.after(c.cfg.scaled(c.cfg.SessionLimit)-now.Sub(c.born), "limit", func(time.Time) { c.refuse(invalid(reasonArgument)) })
	}
	if !c.inSpeech() {
		c.proceed(now) // with what was asked before the connection was resumed
	}
}

func (c *conn) noteOpened() {
	o := Opening{
		Backend: c.who.backend, Model: c.model, Functions: names(c.functions), Seeding: c.seeding,
		Transparent: c.setup.SessionResumption != nil && c.setup.SessionResumption.transparent(),
	}
	if i := c.setup.SystemInstruction; i != nil {
		o.Instruction = i.text()
	}
	e := Event{Kind: EventOpened, Opening: o, Parent: c.parent, Sample: c.samples}
	if c.parent != 0 {
		e.Handle = c.setup.SessionResumption.Handle
	}
	c.note(e)
	if c.manner(FaultSlowSetup, time.Now()) != nil {
		c.note(Event{Kind: EventFault, Text: FaultSlowSetup})
	}
}

// outOfQuota closes the connection for want of quota: as late as the service does, or after a time.
func (c *conn) outOfQuota(after time.Duration) {
	if after == 0 {
		after = 100*time.Millisecond + time.Duration(c.rng.Int64N(int64(700*time.Millisecond)))
	}
	c.after(after, "fault", func(time.Time) { c.refuse(&refusal{1011, reasonQuota}) })
}

// goAway announces the end of the connection. Called with mu held.
func (c *conn) goAway(left time.Duration) {
	c.cancel("goAway")
	c.send(object{"goAway": object{"timeLeft": seconds(left)}})
	c.note(Event{Kind: EventGoAway, Lag: left})
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
