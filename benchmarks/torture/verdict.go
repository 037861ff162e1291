package main

import (
	"github.com/stonepot/stonepot/benchmarks/torture/pcm"
)

// judge compares, when a conversation is over, what was said with what was heard on both sides.
func (c *conversation) judge() {
	c.ears.over()
	c.line.mu.Lock()
	asks, pos, told, ended := c.person.asks, c.person.pos, c.line.told, c.line.ended
	silent := c.person.silent
	complete := c.line.closing && ended == "ended"
	c.line.mu.Unlock()
	early := !complete && c.expects(ended)
	if !complete && !early && ended == "" {
		c.fail(kindLost, "the conversation came to no end")
	}
	end := pos
	if !complete { // what was under way when it ended is nobody's
		end = 0
	}
	c.mu.Lock()
	excuses := c.excuses
	c.mu.Unlock()
	overlap := int64(c.w.o.Overlap.Milliseconds()) * pcm.Rate / 1000
	up := c.account.uplink(end, overlap, excuses, c.answered(asks), silent, c.forgetful())
	c.judgeUplink(up, told)
	var n counts
	n.asks = len(asks)
	for _, a := range asks {
		c.judgeAsk(a, complete, excuses, &n)
	}
	c.ears.judge(&n)
	c.w.report.add(c, func(all *counts) {
		all.conversations++
		if early {
			all.ended++
		}
		all.said += pos
		all.asks, all.texts, all.tools = all.asks+n.asks, all.texts+n.texts, all.tools+n.tools
		all.answered, all.interrupted, all.reloaded = all.answered+n.answered, all.interrupted+n.interrupted, all.reloaded+n.reloaded
		all.goAways, all.handles, all.inSpeech = all.goAways+c.account.goAways, all.handles+c.account.handles, all.inSpeech+c.account.inSpeech
		all.moves += c.moves()
		all.up.add(up)
		all.told.add(told)
	})
}

func (c *conversation) moves() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.moveCount
}

// forgetful says whether a turn that no handle knows may be forgotten: another instance has no transcript of it, and the older
// model takes none.
func (c *conversation) forgetful() bool { return c.older() || c.moves() > 0 }

// answered are the questions whose answers were heard to their end.
func (c *conversation) answered(asks []*ask) (spans []span) {
	for _, a := range asks {
		if a.kind == askVoice && c.ears.answered(a) {
			spans = append(spans, span{from: a.from, to: a.to})
		}
	}
	return spans
}

// judgeUplink holds what reached the model against what may be missing or doubled there.
func (c *conversation) judgeUplink(up uplinkVerdict, told told) {
	ms := func(samples int64) int64 { return lasting(samples).Milliseconds() }
	// What is told is counted from where the handle surely ends, which on Gemini lies an overlap before where it may end.
	slack := int64(2*told.reconnects + 2)
	if c.backend == "gemini" {
		slack += int64(told.reconnects) * c.w.o.Overlap.Milliseconds()
	}
	switch {
	case c.late():
	case ms(up.lost) > told.lostAudioMs+2:
		c.fail(kindU1, "%d ms never reached the model (%d ms of it speech), %d ms were told", ms(up.lost), ms(up.lostLoud), told.lostAudioMs)
	case up.seeded > 0: // what a transcript stands for is nobody's to count
	case c.moves() > 0: // what one instance had to give up, the next one may have had from the client
	case ms(up.lost+up.forgotten) < told.lostAudioMs-slack:
		c.fail(kindD3, "%d ms were told to be lost, %d ms are", told.lostAudioMs, ms(up.lost+up.forgotten))
	}
	if up.forgotten > 0 && told.lostAudioMs == 0 && !c.forgetful() && !c.late() {
		c.fail(kindU1, "%d ms were answered, and then forgotten by the model", ms(up.forgotten))
	}
	if up.beyond > 0 {
		c.fail(kindU2, "%d ms were doubled beyond what a renewal may; %d ms in all, %d ms at the worst renewal", ms(up.beyond), ms(up.doubled), ms(up.doubledMax))
	}
	if up.reordered > 0 {
		c.fail(kindU3, "%d ms came out of order, or twice without a renewal", ms(up.reordered))
	}
}

// late says whether handles lag further than the overlap reaches: then what the model lacks is reported only.
func (c *conversation) late() bool { return c.backend == "gemini" && c.w.o.Lag > c.w.o.Overlap }

// judgeAsk looks what became of one question. One whose speech is excused need not have been answered: what only an instance had, because the page
// was reloaded, is lost with it.
func (c *conversation) judgeAsk(a *ask, complete bool, excuses []span, n *counts) {
	switch a.kind {
	case askText:
		n.texts++
	case askTool:
		n.tools++
	}
	if a.kind != askVoice {
		c.judgeText(a, complete)
		return
	}
	heard, told := map[int]int{}, false // by how many restarts had been told
	spared := false                     // an answer was heard to its end before turn_restarted, which may come although nothing is said anew
	for _, x := range c.ears.about(a) {
		switch {
		case x.whole() && x.how != endRestarted:
			heard[x.period]++
		case x.whole() && x.spoken:
			spared = true
		case x.how != endComplete:
			told = true
		}
	}
	for period, times := range heard {
		if times > 1 && !a.excused {
			c.fail(kindD2, "question %d (%d to %d) was answered %d times after restart %d", a.id, a.from, a.to, times, period)
		}
	}
	if len(heard) == 0 && !spared && complete && !a.barged && !a.excused && c.line.told.lostAudioMs == 0 && covered(a.from, a.to, excuses) == 0 {
		c.fail(kindD2, "question %d (%d to %d) was never answered to the end (told of an interruption: %v)", a.id, a.from, a.to, told)
	}
}

// judgeText counts a text, and the answers to tools that it led to, in what the model knows.
func (c *conversation) judgeText(a *ask, complete bool) {
	n := c.account.texts(a.text)
	least := 1
	if !complete || a.excused || c.late() || (c.account.isSeeded() || c.forgetful()) && !a.finished.IsZero() {
		least = 0
	}
	if n > 1 || n < least {
		c.fail(kindU4, "the text of question %d reached the model %d times", a.id, n)
	}
	for id, stands := range a.calls {
		if k := c.account.toolAnswers(id); k > 1 || k == 0 && stands && least == 1 && c.line.told.restarts == 0 {
			c.fail(kindU4, "the answer to the tool call %s reached the model %d times", id, k)
		}
	}
}

func (v *uplinkVerdict) add(o uplinkVerdict) {
	v.forgotten += o.forgotten
	v.lost, v.lostLoud, v.excused = v.lost+o.lost, v.lostLoud+o.lostLoud, v.excused+o.excused
	v.doubled, v.beyond, v.reordered = v.doubled+o.doubled, v.beyond+o.beyond, v.reordered+o.reordered
	v.doubledMax = max(v.doubledMax, o.doubledMax)
	v.asLength, v.renewals, v.seeded = v.asLength+o.asLength, v.renewals+o.renewals, v.seeded+o.seeded
}

func (t *told) add(o told) {
	t.skippedDown, t.skippedDownMs, t.skippedUp = t.skippedDown+o.skippedDown, t.skippedDownMs+o.skippedDownMs, t.skippedUp+o.skippedUp
	t.lost, t.lostAudioMs, t.replayedMs = t.lost+o.lost, t.lostAudioMs+o.lostAudioMs, t.replayedMs+o.replayedMs
	t.reconnects, t.restarts, t.dropped = t.reconnects+o.reconnects, t.restarts+o.restarts, t.dropped+o.dropped
	t.forgotten += o.forgotten
}
