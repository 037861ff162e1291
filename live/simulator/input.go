package simulator

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// ears are what a connection hears. Guarded by conn.mu.
type ears struct {
	manual   bool // the client marks activity itself
	activity bool // and has
	rate     int  // Hz of the microphone
	detector *detector

	before    []byte // the last moments of audio before speech was noticed
	utterance []byte // speech so far, at most max_utterance of it; only ever appended to
	from      int64  // the sample with which it begins
	spoken    time.Duration
	pending   time.Duration // since the last loud moment
	offerAt   int64         // the sample after which a fault wants a handle; 0: none
	earlier   []string      // text that waits for its turn to complete
	chain     int64         // the number of the question that it will be
}

// inSpeech reports whether the person is in the middle of an utterance.
func (e *ears) inSpeech() bool {
	return e.manual && e.activity || !e.manual && e.detector != nil && e.detector.speaking
}

// beforeSpeech is how much audio in front of noticed speech belongs to it.
const beforeSpeech = 200 * time.Millisecond

// handle takes everything but the setup and plain audio. Called with mu held.
func (c *conn) handle(m *clientMessage, now time.Time) *refusal {
	switch {
	case m.RealtimeInput != nil:
		return c.realtime(m.RealtimeInput, now)
	case m.ClientContent != nil:
		c.content(m.ClientContent, now)
	case m.ToolResponse != nil:
		return c.toolAnswers(m.ToolResponse.FunctionResponses, now)
	case m.ContextUpdate != nil:
		c.update(m.ContextUpdate)
	default:
		return invalid(reasonArgument)
	}
	return nil
}

// update changes the instruction and the tools in mid-session; what is left out stays. Called with mu held.
func (c *conn) update(u *contextUpdate) {
	e := Event{Kind: EventUpdate}
	if u.Tools != nil {
		c.functions = functions(u.Tools.Tools)
		e.Functions = names(c.functions)
	}
	if i := u.SystemInstruction; i != nil {
		e.Text = i.text()
		c.history.usage.promptText += wordTokens(e.Text)
	}
	c.note(e)
}

func (c *conn) realtime(in *realtimeInput, now time.Time) *refusal {
	if len(in.MediaChunks) > 0 {
		if !strings.Contains(c.model, "2.5") {
			return invalid("realtime_input.media_chunks is deprecated. Use audio, video, or text instead.")
		}
		in.Audio = &in.MediaChunks[0]
	}
	if in.Audio != nil {
		rate, ok := pcmRate(in.Audio.MIMEType)
		if !ok {
			return invalid(reasonArgument)
		}
		c.hear(in.Audio.Data, rate, now)
	}
	if in.Video != nil {
		if !strings.HasPrefix(in.Video.MIMEType, "image/") {
			return invalid(reasonArgument)
		}
		c.pictures++
		c.history.usage.promptImage += 258
		c.note(Event{Kind: EventImage, Bytes: len(in.Video.Data)})
	}
	if in.Text != nil {
		c.typed(*in.Text, now)
	}
	if in.ActivityStart != nil || in.ActivityEnd != nil {
		if !c.manual {
			return invalid("Explicit activity control is not supported when automatic activity detection is enabled.")
		}
		if in.ActivityStart != nil && !c.activity {
			c.activity = true
			c.begun(now)
		}
		if in.ActivityEnd != nil && c.activity {
			c.activity = false
			if len(c.utterance) == 0 {
				c.send(object{"serverContent": object{"turnComplete": true}, "usageMetadata": object{}})
				return invalid("Precondition check failed.")
			}
			c.ended(now)
		}
	}
	if in.AudioStreamEnd && !c.manual && c.detector != nil && c.detector.speaking {
		c.detector.reset()
		c.ended(now)
	}
	return nil
}

// hear takes a piece of the microphone's stream. Called with mu held.
func (c *conn) hear(pcm []byte, rate int, now time.Time) {
	if c.server.heard != nil {
		c.server.heard(pcm, now)
	}
	if c.cfg.Echo {
		c.push(audioMessage(pcm))
		c.signal()
		return
	}
	if c.blocked() {
		c.refuse(&refusal{1008, "Operation is not implemented, or supported, or enabled."})
		return
	}
	if rate != c.rate || c.detector == nil {
		c.tune(rate)
	}
	pcm = pcm[:len(pcm)&^1]
	if c.server.observer != nil {
		c.note(Event{Kind: EventAudio, PCM: pcm, Rate: rate, Sample: c.samples})
	}
	c.samples += int64(len(pcm) / 2)
	d := time.Duration(len(pcm)/2) * time.Second / time.Duration(rate)
	c.server.audioIn.Add(int64(d))
	if c.manual {
		if c.activity {
			c.keep(pcm)
			c.spoken += d
		}
		c.offerInSpeech(now)
		return
	}
	began, ended, lastLoud := c.detector.hear(pcm)
	if began {
		c.begun(now)
		c.from -= int64(len(c.before)+len(pcm)) / 2
		c.utterance = append(c.utterance, c.before...)
		c.before = c.before[:0]
	}
	switch {
	case began || ended || c.detector.speaking:
		c.keep(pcm)
		c.pending += d
		if lastLoud >= 0 {
			c.spoken += c.pending
			c.pending = time.Duration(lastLoud/2) * time.Second / time.Duration(rate)
			c.spoken -= c.pending
		}
	default:
		c.before = append(c.before, pcm...)
		if most := int(beforeSpeech*time.Duration(rate)/time.Second) * 2; len(c.before) > most {
			c.before = append(c.before[:0], c.before[len(c.before)-most:]...)
		}
	}
	if ended {
		c.ended(now)
	}
	c.offerInSpeech(now)
}

// tune makes the ears hear at another rate; what they have heard so far stays.
func (c *conn) tune(rate int) {
	d := newDetector(c.setup.detection(c.cfg, c.who.backend), rate)
	if old := c.detector; old != nil {
		d.speaking, d.loud, d.quiet = old.speaking, old.loud, old.quiet
		c.before, c.utterance = resample(c.before, c.rate, rate), resample(c.utterance, c.rate, rate)
	}
	c.detector, c.rate = d, rate
}

// maxSpeech is how many bytes of speech at a rate are kept.
func (c *conn) maxSpeech(rate int) int {
	return int(c.cfg.MaxUtterance*time.Duration(rate)/time.Second) * 2
}

// keep adds to the utterance as far as there is room.
func (c *conn) keep(pcm []byte) {
	room := c.maxSpeech(c.rate) - len(c.utterance)
	c.utterance = append(c.utterance, pcm[:max(0, min(len(pcm), room))]...)
}

// uninterruptible reports whether what the person does leaves an answer as it is.
func (c *conn) uninterruptible() bool {
	return c.setup.RealtimeInputConfig.ActivityHandling == "NO_INTERRUPTION"
}

// begun: the person starts to speak, with the sample that comes next.
func (c *conn) begun(now time.Time) {
	c.activitySignal("ACTIVITY_START", "VAD_SIGNAL_TYPE_SOS")
	c.utterance, c.spoken, c.pending, c.from = nil, 0, 0, c.samples
	if f := c.mannerIn(c.answers+1, FaultHandleInSpeech, now); f != nil {
		d := f.Length
		if d == 0 {
			d = time.Duration(c.ids.Int64N(int64(time.Second)))
		}
		c.offerAt = c.samples + max(1, int64(d*time.Duration(cmp.Or(c.rate, 16000))/time.Second))
	}
	if !c.uninterruptible() {
		c.interrupt()
	}
}

// offerInSpeech issues the handle that a fault wants in the middle of an utterance, as soon as that is possible.
func (c *conn) offerInSpeech(now time.Time) {
	switch {
	case c.offerAt == 0 || c.samples < c.offerAt:
	case !c.inSpeech():
		c.offerAt = 0
	case c.resumable():
		c.offerAt = 0
		c.note(Event{Kind: EventFault, Text: FaultHandleInSpeech})
		c.offerHandle(now)
		c.signal()
	}
}

// ended: the person has stopped speaking.
func (c *conn) ended(now time.Time) {
	c.activitySignal("ACTIVITY_END", "VAD_SIGNAL_TYPE_EOS")
	pcm := slices.Clip(c.utterance)
	if c.cfg.MaxUtterance > c.spoken { // without the silence that ended it, but for a breath
		keep := int((c.spoken+beforeSpeech)*time.Duration(c.rate)/time.Second) * 2
		pcm = pcm[:min(len(pcm), keep+len(c.before))]
	}
	q := &question{numbers: c.number(), pcm: pcm, rate: c.rate, heard: c.spoken}
	c.note(Event{Kind: EventSpeech, Question: c.asked, Sample: c.from, End: c.samples})
	c.utterance, c.spoken, c.pending, c.offerAt = nil, 0, 0, 0
	c.ask(q, now)
}

func (c *conn) activitySignal(activity, vad string) {
	if c.cfg.VoiceActivity || c.who.backend == backendVertex && c.setup.explicitVAD() {
		offset := time.Duration(c.samples) * time.Second / time.Duration(max(c.rate, 1))
		m := object{"voiceActivity": object{"type": activity, "audioOffset": seconds(offset.Round(time.Millisecond))}, "serverContent": object{}}
		if c.setup.explicitVAD() {
			m["voiceActivityDetectionSignal"] = object{"vadSignalType": vad}
		}
		c.send(m)
		c.signal()
	}
}

// typed takes a text in the realtime stream: it counts as activity, and as a whole turn.
func (c *conn) typed(text string, now time.Time) {
	if !c.uninterruptible() {
		c.interrupt()
	}
	q := &question{numbers: c.number(), text: text, echo: true}
	c.note(Event{Kind: EventText, Text: text, Question: c.asked})
	c.ask(q, now)
}

// content takes turns of the conversation as the client tells them.
func (c *conn) content(m *clientContent, now time.Time) {
	if c.seeding { // history: it gets no answer
		for _, t := range m.Turns {
			c.note(Event{Kind: EventSeed, Text: t.text(), Role: t.Role})
			c.history.usage.promptText += wordTokens(t.text())
		}
		if c.seeding = !m.TurnComplete; !c.seeding {
			c.offerHandle(now)
		}
		return
	}
	c.interrupt() // whatever activityHandling says
	if c.chain == 0 {
		c.asked++
		c.chain = c.asked
	}
	var last string
	for _, t := range m.Turns {
		text := t.text()
		c.note(Event{Kind: EventText, Text: text, Role: t.Role, Question: c.chain})
		c.history.usage.promptText += wordTokens(text)
		if t.Role != "model" {
			last = text
		}
	}
	if last != "" && len(c.earlier) < maxQuestionParts {
		c.earlier = append(c.earlier, last)
	}
	if m.TurnComplete {
		q := &question{numbers: []int64{c.chain}, text: strings.Join(c.earlier, " ")}
		c.earlier, c.chain = nil, 0
		c.ask(q, now)
	}
}
