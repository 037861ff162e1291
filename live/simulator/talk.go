package simulator

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// talk is what a connection says. Guarded by conn.mu.
type talk struct {
	turn    *turn // the answer in progress, until its turnComplete
	answers int   // begun on this connection
	calls   map[string]*call
}

// turn is one answer, from what asked for it to its turnComplete.
type turn struct {
	*question
	thinking bool
	silent   bool      // and for ever
	audio    []byte    // what is left to be sent
	total    int       // bytes of audio
	sent     int       // bytes of audio or text
	words    []string  // what is left of the transcript
	all      int       // words in it
	began    time.Time // to speak; zero: it has not
	over     bool      // generationComplete was sent
	ended    bool      // the observer knows
}

// ask puts a question to the model. Called with mu held.
func (c *conn) ask(q *question, now time.Time) {
	c.transcribe(q)
	c.waiting = c.waiting.joined(q, c.maxSpeech(q.rate))
	c.proceed(now)
}

// number counts a question. Called with mu held.
func (c *conn) number() []int64 {
	c.asked++
	return []int64{c.asked}
}

// proceed begins to answer what waits, if nothing is being answered. Called with mu held.
func (c *conn) proceed(now time.Time) {
	if c.turn != nil || c.waiting == nil || c.mute {
		return
	}
	t := &turn{question: c.waiting, thinking: true}
	c.turn, c.waiting = t, nil
	c.cancel("handle")
	c.history.n++
	c.answers++
	if c.setup.SessionResumption != nil {
		c.send(object{"sessionResumptionUpdate": object{}}) // not resumable while generating
	}
	if f := cmp.Or(c.manner(FaultSilentTurn, now), c.manner(FaultPoisonedResume, now)); f != nil {
		t.silent = true
		c.note(Event{Kind: EventFault, Text: f.Kind})
	} else {
		delay := c.cfg.ThinkingDelay
		if c.cfg.ThinkingExtra > 0 {
			delay += time.Duration(c.rng.Int64N(int64(c.cfg.ThinkingExtra)))
		}
		c.after(delay, "answer", c.answer)
	}
	c.strikeTurn(atBefore, now)
	c.signal()
}

// transcribe says honestly what was heard, and counts it.
func (c *conn) transcribe(q *question) {
	var pieces []string
	switch {
	case q.pcm != nil:
		pieces = []string{"simulated:", " heard ", fmt.Sprintf("%.1f s", q.heard.Seconds()), " of speech"}
		c.history.usage.promptAudio += audioTokens(q.heard)
	case q.echo:
		pieces = []string{q.text}
		c.history.usage.promptText += wordTokens(q.text)
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
	c.server.count(func(s *Stats) { s.Turns++ })
	t.began = now
	length := t.length()
	if f := c.manner(FaultLongAnswer, now); f != nil {
		length = f.Length
	}
	words := t.wording(c.history.n, c.pictures, length)
	t.words = strings.SplitAfter(words, " ")
	t.all = len(t.words)
	c.note(Event{Kind: EventAnswer, Answer: int64(c.history.n), Questions: t.numbers})
	if c.setup.text() {
		c.after(0, "piece", c.textPiece)
		return
	}
	t.audio = t.speech(words, length)
	t.total = len(t.audio)
	c.after(0, "piece", c.piece)
}

// piece sends some of the answer's audio and comes back for more. Called with mu held.
func (c *conn) piece(now time.Time) {
	t := c.turn
	first := len(t.audio) == t.total
	n := c.pieceLength(now)
	pcm := t.audio[:min(n, len(t.audio))]
	t.audio = t.audio[len(pcm):]
	d := lasting(len(pcm))
	c.server.count(func(s *Stats) { s.AudioOut += d })
	// Rounded up once for the whole answer, not for each piece of it.
	sent := t.total - len(t.audio)
	c.history.usage.responseAudio += audioTokens(lasting(sent)) - audioTokens(lasting(sent-len(pcm)))
	t.sent = sent
	c.note(Event{Kind: EventAnswerAudio, Answer: int64(c.history.n), PCM: pcm, Rate: outputRate, Bytes: sent})

	content := object{}
	if c.setup.OutputAudioTranscription != nil {
		if text := t.caption(); text != "" {
			content["outputTranscription"] = object{"text": text}
		}
	}
	switch {
	case len(content) == 0:
		c.push(audioMessage(pcm))
	case c.cfg.CombineFields && c.rng.IntN(2) == 0:
		content["modelTurn"] = audioPart(pcm)
		c.send(object{"serverContent": content})
	default:
		c.push(audioMessage(pcm))
		c.send(object{"serverContent": content})
	}
	if first {
		c.strikeTurn(atInside, now)
	}
	if c.mute {
		return
	}
	if len(t.audio) > 0 {
		c.after(c.pieceDelay(d, now), "piece", c.piece)
		return
	}
	c.generated(now, t.began.Add(lasting(t.total)).Sub(now))
}

// pieceLength is how many bytes come next.
func (c *conn) pieceLength(now time.Time) int {
	d := c.cfg.PieceMin
	// Most pieces are short, some are long, as on the wire.
	if span := c.cfg.PieceMax - c.cfg.PieceMin; span > 0 {
		x := c.rng.Float64()
		d += time.Duration(float64(span) * x * x * x)
	}
	n := max(2, 2*samplesFor(d))
	if c.cfg.OddPieces || c.manner(FaultOddPieces, now) != nil {
		n += c.rng.IntN(2)
	}
	return n
}

func (c *conn) pieceDelay(d time.Duration, now time.Time) time.Duration {
	if c.manner(FaultBurst, now) != nil {
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
	t.sent += len(text)
	c.note(Event{Kind: EventAnswerText, Answer: int64(c.history.n), Text: text, Bytes: t.sent})
	c.send(object{"serverContent": object{"modelTurn": object{"parts": []object{{"text": text}}, "role": "model"}}})
	if first {
		c.strikeTurn(atInside, now)
	}
	if c.mute {
		return
	}
	if len(t.words) > 0 {
		c.after(20*time.Millisecond, "piece", c.textPiece)
		return
	}
	c.generated(now, 0)
}

// generated ends generation; the turn is over when what was sent has been played.
func (c *conn) generated(now time.Time, playing time.Duration) {
	c.send(object{"serverContent": object{"generationComplete": true}})
	c.turn.over = true
	omit := c.cfg.OmitTurnComplete || c.manner(FaultOmitTurnComplete, now) != nil
	c.after(max(0, playing), "complete", func(now time.Time) {
		c.noteEnd(Complete)
		c.finish(!omit, now)
	})
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
	c.strikeTurn(atAfter, now)
	if c.waiting != nil && !c.inSpeech() {
		c.proceed(now)
		return
	}
	c.offerHandle(now)
}

// noteEnd tells the observer, once, how the answer in progress ended, if it had begun.
func (c *conn) noteEnd(how Outcome) {
	if t := c.turn; t != nil && !t.began.IsZero() && !t.ended {
		t.ended = true
		c.note(Event{Kind: EventAnswerEnd, Answer: int64(c.history.n), Bytes: t.sent, Outcome: how, Generated: t.over})
	}
}

// afterInterruption is from interrupted to turnComplete, as measured.
const afterInterruption = 140 * time.Millisecond

// interrupt cuts the answer in progress short. A question that no answer has begun to is asked again with what comes
// next, unless it was never to be answered. Called with mu held.
func (c *conn) interrupt() {
	t := c.turn
	if t == nil || c.mute || c.pendingEnd() {
		return
	}
	c.cancel("answer")
	c.cancel("piece")
	c.cancel("complete")
	if t.thinking { // nothing was said yet: nobody needs to be told
		c.turn = nil
		if t.silent {
			return
		}
		if c.waiting != nil {
			c.waiting = t.joined(c.waiting, c.maxSpeech(t.rate))
		} else {
			c.waiting = t.question
		}
		c.history.n--
		c.answers--
		return
	}
	c.server.count(func(s *Stats) { s.Interruptions++ })
	c.send(object{"serverContent": object{"interrupted": true}})
	c.noteEnd(Interrupted)
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
