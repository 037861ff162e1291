package simulator

import (
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
	utterance []byte // speech so far, at most max_utterance of it
	spoken    time.Duration
	pending   time.Duration // since the last loud moment
	earlier   []string      // text that waits for its turn to complete
}

// beforeSpeech is how much audio in front of noticed speech belongs to it.
const beforeSpeech = 200 * time.Millisecond

// handle takes everything but the setup and plain audio. Called with mu held.
func (c *conn) handle(m *clientMessage, now time.Time) *refusal {
	switch {
	case m.RealtimeInput != nil:
		return c.realtime(m.RealtimeInput, now)
	case m.ClientContent != nil:
		c.content(m.ClientContent)
	case m.ToolResponse != nil:
		return c.toolAnswers(m.ToolResponse.FunctionResponses)
	case m.ContextUpdate != nil:
		if m.ContextUpdate.Tools != nil {
			c.functions = functions(m.ContextUpdate.Tools.Tools)
		}
		if i := m.ContextUpdate.SystemInstruction; i != nil {
			c.history.usage.promptText += wordTokens(i.text())
		}
	default:
		return invalid(reasonArgument)
	}
	return nil
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
	}
	if in.Text != nil {
		c.typed(*in.Text)
	}
	if in.ActivityStart != nil || in.ActivityEnd != nil {
		if !c.manual {
			return invalid("Explicit activity control is not supported when automatic activity detection is enabled.")
		}
		if in.ActivityStart != nil && !c.activity {
			c.activity = true
			c.begun()
		}
		if in.ActivityEnd != nil && c.activity {
			c.activity = false
			if len(c.utterance) == 0 {
				c.send(object{"serverContent": object{"turnComplete": true}, "usageMetadata": object{}})
				return invalid("Precondition check failed.")
			}
			c.ended()
		}
	}
	if in.AudioStreamEnd && !c.manual && c.detector != nil && c.detector.speaking {
		c.detector.reset()
		c.ended()
	}
	return nil
}

// hear takes a piece of the microphone's stream. Called with mu held.
func (c *conn) hear(pcm []byte, rate int, now time.Time) {
	if c.server.heard != nil {
		c.server.heard(pcm, now)
	}
	if c.cfg.Echo {
		c.out = append(c.out, audioMessage(pcm))
		c.signal()
		return
	}
	if c.blocked() {
		c.refuse(&refusal{1008, "Operation is not implemented, or supported, or enabled."})
		return
	}
	if rate != c.rate || c.detector == nil {
		c.rate = rate
		c.detector = newDetector(c.setup.detection(c.cfg, c.who.backend), rate)
		c.before, c.utterance = nil, nil
	}
	pcm = pcm[:len(pcm)&^1]
	c.samples += int64(len(pcm) / 2)
	d := time.Duration(len(pcm)/2) * time.Second / time.Duration(rate)
	c.server.audioIn.Add(int64(d))
	if c.manual {
		if c.activity {
			c.keep(pcm)
			c.spoken += d
		}
		return
	}
	began, ended, lastLoud := c.detector.hear(pcm)
	if began {
		c.begun()
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
		c.ended()
	}
}

// keep adds to the utterance as far as there is room.
func (c *conn) keep(pcm []byte) {
	room := int(c.cfg.MaxUtterance*time.Duration(c.rate)/time.Second)*2 - len(c.utterance)
	c.utterance = append(c.utterance, pcm[:max(0, min(len(pcm), room))]...)
}

// begun: the person starts to speak.
func (c *conn) begun() {
	c.activitySignal("ACTIVITY_START", "VAD_SIGNAL_TYPE_SOS")
	c.utterance, c.spoken, c.pending = c.utterance[:0], 0, 0
	if c.setup.RealtimeInputConfig.ActivityHandling == "NO_INTERRUPTION" {
		return
	}
	if c.turn != nil && c.turn.thinking { // went on speaking: what was said before belongs to it
		c.utterance, c.spoken = append(c.utterance, c.turn.pcm...), c.turn.heard
	}
	c.interrupt()
}

// ended: the person has stopped speaking.
func (c *conn) ended() {
	c.activitySignal("ACTIVITY_END", "VAD_SIGNAL_TYPE_EOS")
	pcm := append([]byte(nil), c.utterance...)
	if c.cfg.MaxUtterance > c.spoken { // without the silence that ended it, but for a breath
		keep := int((c.spoken+beforeSpeech)*time.Duration(c.rate)/time.Second) * 2
		pcm = pcm[:min(len(pcm), keep+len(c.before))]
	}
	c.request(&turn{pcm: pcm, rate: c.rate, heard: c.spoken})
	c.utterance, c.spoken, c.pending = nil, 0, 0
}

func (c *conn) activitySignal(activity, vad string) {
	if c.cfg.VoiceActivity || c.who.backend == backendVertex && c.setup.ExplicitVADSignal {
		offset := time.Duration(c.samples) * time.Second / time.Duration(max(c.rate, 1))
		m := object{"voiceActivity": object{"type": activity, "audioOffset": seconds(offset.Round(time.Millisecond))}, "serverContent": object{}}
		if c.setup.ExplicitVADSignal {
			m["voiceActivityDetectionSignal"] = object{"vadSignalType": vad}
		}
		c.send(m)
		c.signal()
	}
}

// typed takes a text in the realtime stream: it counts as activity, and as a whole turn.
func (c *conn) typed(text string) {
	c.interrupt()
	c.request(&turn{text: text, echo: true})
}

// content takes turns of the conversation as the client tells them.
func (c *conn) content(m *clientContent) {
	var last string
	for _, t := range m.Turns {
		text := t.text()
		c.history.usage.promptText += wordTokens(text)
		if t.Role != "model" {
			last = text
		}
	}
	if c.seeding { // history: it gets no answer
		c.seeding = !m.TurnComplete
		return
	}
	c.interrupt()
	if last != "" {
		c.earlier = append(c.earlier, last)
	}
	if m.TurnComplete {
		text := strings.Join(c.earlier, " ")
		c.earlier = nil
		c.request(&turn{text: text})
	}
}
