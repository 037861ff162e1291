package simulator

import (
	"fmt"
	"strings"
	"time"
)

// talk is what a connection says. Guarded by conn.mu.
type talk struct {
	history history
	turn    *turn // the answer in progress, until its turnComplete
	next    *turn // one that waits for it, where speech does not interrupt
	answers int   // begun on this connection
	calls   map[string]*call
}

// turn is one answer, from what asked for it to its turnComplete.
type turn struct {
	pcm   []byte        // the person's speech, at rate Hz
	rate  int           //
	heard time.Duration // of speech in it
	text  string        // or what was typed, or what a tool answered
	echo  bool          // a typed text is transcribed as if it had been said
	tool  string        // the tool whose answer this is about

	thinking bool
	audio    []byte   // what is left to be sent
	total    int      // bytes of audio
	words    []string // what is left of the transcript
	all      int      // words in it
	began    time.Time
}

// request makes the model answer. Called with mu held.
func (c *conn) request(t *turn) {
	if c.turn != nil {
		if c.next != nil && c.next.pcm == nil && t.pcm == nil { // texts that wait are one question
			t.text = c.next.text + " " + t.text
		}
		c.next = t // of what cannot be joined, the newest
		return
	}
	c.turn = t
	t.thinking = true
	c.server.count(func(s *Stats) { s.Turns++ })
	c.history.n++
	c.answers++
	c.transcribe(t)
	if c.setup.SessionResumption != nil {
		c.send(object{"sessionResumptionUpdate": object{}}) // not resumable while generating
	}
	if c.fault(FaultSilentTurn) == nil {
		delay := c.cfg.ThinkingDelay
		if c.cfg.ThinkingExtra > 0 {
			delay += time.Duration(c.rng.Int64N(int64(c.cfg.ThinkingExtra)))
		}
		c.after(delay, "answer", c.answer)
	}
	c.signal()
}

// transcribe says honestly what was heard, and counts it.
func (c *conn) transcribe(t *turn) {
	var pieces []string
	switch {
	case t.tool != "":
		return
	case t.pcm != nil:
		pieces = []string{"simulated:", " heard ", fmt.Sprintf("%.1f s", t.heard.Seconds()), " of speech"}
		c.history.usage.promptAudio += audioTokens(t.heard)
	case t.echo:
		pieces = []string{t.text}
		c.history.usage.promptText += wordTokens(t.text)
	}
	if c.setup.InputAudioTranscription == nil {
		return
	}
	for _, p := range pieces {
		c.send(object{"serverContent": object{"inputTranscription": object{"text": p}}})
	}
}

// answer begins to speak. Called with mu held.
func (c *conn) answer(now time.Time) {
	t := c.turn
	t.thinking = false
	if c.callTool(t, now) {
		return
	}
	t.began = now
	words := c.wording(t)
	t.words = strings.SplitAfter(words, " ")
	t.all = len(t.words)
	if c.setup.text() {
		c.after(0, "piece", c.textPiece)
		return
	}
	if t.pcm != nil {
		t.audio = append(chime(), resample(t.pcm, t.rate)...)
	} else {
		t.audio = textTones(words)
	}
	t.pcm = nil
	t.total = len(t.audio)
	c.after(0, "piece", c.piece)
}

// wording is what the answer says, and says that it is simulated.
func (c *conn) wording(t *turn) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Simulated answer %d: ", c.history.n)
	switch {
	case t.tool != "":
		fmt.Fprintf(&b, "the tool %s answered %.200s.", t.tool, t.text)
	case t.pcm != nil:
		fmt.Fprintf(&b, "your own %.1f s of speech, played back.", t.heard.Seconds())
	default:
		fmt.Fprintf(&b, "you wrote %d words: %.200q.", len(strings.Fields(t.text)), t.text)
	}
	if c.pictures > 0 {
		fmt.Fprintf(&b, " I was shown %d pictures.", c.pictures)
	}
	return b.String()
}

// piece sends some of the answer's audio and comes back for more. Called with mu held.
func (c *conn) piece(now time.Time) {
	t := c.turn
	first := len(t.audio) == t.total
	n := c.pieceLength()
	pcm := t.audio[:min(n, len(t.audio))]
	t.audio = t.audio[len(pcm):]
	d := lasting(len(pcm))
	c.server.count(func(s *Stats) { s.AudioOut += d })
	// Rounded up once for the whole answer, not for each piece of it.
	sent := t.total - len(t.audio)
	c.history.usage.responseAudio += audioTokens(lasting(sent)) - audioTokens(lasting(sent-len(pcm)))

	content := object{}
	if c.setup.OutputAudioTranscription != nil {
		if text := t.caption(); text != "" {
			content["outputTranscription"] = object{"text": text}
		}
	}
	switch {
	case len(content) == 0:
		c.out = append(c.out, audioMessage(pcm))
	case c.cfg.CombineFields && c.rng.IntN(2) == 0:
		content["modelTurn"] = audioPart(pcm)
		c.send(object{"serverContent": content})
	default:
		c.out = append(c.out, audioMessage(pcm))
		c.send(object{"serverContent": content})
	}
	if first {
		c.strikeTurn(now)
	}
	if len(t.audio) > 0 {
		c.after(c.pieceDelay(d), "piece", c.piece)
		return
	}
	c.generated(now, t.began.Add(lasting(t.total)).Sub(now))
}

// pieceLength is how many bytes come next.
func (c *conn) pieceLength() int {
	d := c.cfg.PieceMin
	// Most pieces are short, some are long, as on the wire.
	if span := c.cfg.PieceMax - c.cfg.PieceMin; span > 0 {
		x := c.rng.Float64()
		d += time.Duration(float64(span) * x * x * x)
	}
	n := max(2, 2*samplesFor(d))
	if c.cfg.OddPieces || c.fault(FaultOddPieces) != nil {
		n += c.rng.IntN(2)
	}
	return n
}

func (c *conn) pieceDelay(d time.Duration) time.Duration {
	if c.fault(FaultBurst) != nil {
		return 0
	}
	return time.Duration(float64(d) / c.cfg.Pace)
}

// caption is as much of the transcript as fits the audio that was sent.
func (t *turn) caption() string {
	sent := t.total - len(t.audio)
	left := t.all - t.all*sent/max(t.total, 1)
	if len(t.audio) == 0 {
		left = 0
	}
	n := max(0, len(t.words)-left)
	text := strings.Join(t.words[:n], "")
	t.words = t.words[n:]
	return text
}

// textPiece sends some words of a text answer. Called with mu held.
func (c *conn) textPiece(now time.Time) {
	t := c.turn
	first := len(t.words) == t.all
	n := min(3, len(t.words))
	text := strings.Join(t.words[:n], "")
	t.words = t.words[n:]
	c.history.usage.responseText += wordTokens(text)
	c.send(object{"serverContent": object{"modelTurn": object{"parts": []object{{"text": text}}, "role": "model"}}})
	if first {
		c.strikeTurn(now)
	}
	if len(t.words) > 0 {
		c.after(20*time.Millisecond, "piece", c.textPiece)
		return
	}
	c.generated(now, 0)
}

// strikeTurn carries out the faults that wait for this answer.
func (c *conn) strikeTurn(now time.Time) {
	for _, f := range c.faults {
		if f.Turn == c.answers {
			c.strike(f, now)
		}
	}
}

// generated ends generation; the turn is over when what was sent has been played.
func (c *conn) generated(_ time.Time, playing time.Duration) {
	c.send(object{"serverContent": object{"generationComplete": true}})
	omit := c.cfg.OmitTurnComplete || c.fault(FaultOmitTurnComplete) != nil
	c.after(max(0, playing), "complete", func(now time.Time) { c.finish(!omit, now) })
}

// finish ends the turn. Called with mu held.
func (c *conn) finish(tell bool, now time.Time) {
	c.turn = nil
	m := object{"usageMetadata": c.history.usage.metadata(c.who.backend)}
	if tell {
		m["serverContent"] = object{"turnComplete": true}
	}
	c.send(m)
	// Each turn bills the whole context again: what was answered is part of the next prompt.
	u := &c.history.usage
	u.promptText, u.promptAudio = u.promptText+u.responseText, u.promptAudio+u.responseAudio
	u.responseText, u.responseAudio = 0, 0
	if len(c.calls) == 0 {
		c.offerHandle(now)
	}
	if next := c.next; next != nil {
		c.next = nil
		c.request(next)
	}
}

// afterInterruption is from interrupted to turnComplete, as measured.
const afterInterruption = 140 * time.Millisecond

// interrupt cuts the answer in progress short. Called with mu held.
func (c *conn) interrupt() {
	t := c.turn
	c.next = nil
	if t == nil || c.pendingEnd() {
		return
	}
	c.cancel("answer")
	c.cancel("piece")
	c.cancel("complete")
	if t.thinking { // nothing was said yet: nobody needs to be told
		c.turn = nil
		c.history.n--
		c.answers--
		return
	}
	c.server.count(func(s *Stats) { s.Interruptions++ })
	c.send(object{"serverContent": object{"interrupted": true}})
	c.cancelCalls()
	c.after(min(afterInterruption, c.cfg.ThinkingDelay), "end", func(now time.Time) { c.finish(true, now) })
	c.signal()
}

// pendingEnd reports whether the answer was interrupted and only its turnComplete is missing.
func (c *conn) pendingEnd() bool {
	for _, t := range c.tasks {
		if t.kind == "end" {
			return true
		}
	}
	return false
}
