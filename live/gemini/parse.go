package gemini

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// object is a JSON object whose members are not looked into yet. Names match exactly, as in proto3 JSON;
// encoding/json's own matching into structs ignores case.
type object map[string]json.RawMessage

// parse decodes any message with encoding/json: what scan leaves to it. A known member of an unexpected type is
// passed over, as an unknown one is; what is not a JSON object is an error.
func (m *message) parse(p []byte) error {
	m.reset()
	var top object
	if err := json.Unmarshal(p, &top); err != nil {
		return err
	}
	if top == nil {
		return fmt.Errorf("the message is null")
	}
	_, m.ready = top.object("setupComplete")
	if c, ok := top.object("serverContent"); ok {
		m.parseContent(c)
	}
	if u, ok := top.object("usageMetadata"); ok {
		m.parseUsage(u)
	}
	if r, ok := top.object("sessionResumptionUpdate"); ok {
		m.resumption = true
		m.handle, m.resumable = r.text("newHandle"), r.flag("resumable")
		if n, ok := r.number("lastConsumedClientMessageIndex"); ok {
			m.consumed = n
		}
	}
	if g, ok := top.object("goAway"); ok {
		m.goAway, m.timeLeft = true, duration(g.text("timeLeft"))
	}
	if v, ok := top.object("voiceActivityDetectionSignal"); ok {
		m.started, m.voice = voiceSignal(v.text("vadSignalType"))
	}
	if v, ok := top.object("voiceActivity"); ok {
		for _, name := range []string{"type", "voiceActivityType"} {
			if started, known := voiceSignal(v.text(name)); known {
				m.started, m.voice = started, true
				break
			}
		}
	}
	if raw, ok := top["error"]; ok && string(raw) != "null" {
		m.failure = failure(raw)
	}
	if raw, ok := top["toolCall"]; ok {
		calls, err := toolCalls(raw)
		if err != nil {
			return err
		}
		m.calls = calls
	}
	if raw, ok := top["toolCallCancellation"]; ok {
		ids, err := cancelledCalls(raw)
		if err != nil {
			return err
		}
		m.cancelled = ids
	}
	m.finish()
	return nil
}

func (m *message) parseContent(c object) {
	m.interrupted = c.flag("interrupted")
	m.generationComplete = c.flag("generationComplete")
	m.turnComplete = c.flag("turnComplete")
	m.waiting = c.flag("waitingForInput")
	m.cause = c.text("turnCompleteReason")
	m.working = c.text("interactionStatus") == interactionInProgress
	m.input = parseTranscript(c, "inputTranscription")
	m.output = parseTranscript(c, "outputTranscription")
	turn, ok := c.object("modelTurn")
	if !ok {
		return
	}
	var parts []json.RawMessage
	if json.Unmarshal(turn["parts"], &parts) != nil {
		return
	}
	for _, raw := range parts {
		var part object
		if json.Unmarshal(raw, &part) != nil || part.flag("thought") {
			continue
		}
		if text := part.text("text"); text != "" {
			m.pieces = append(m.pieces, piece{text: text})
		}
		blob, ok := part.object("inlineData")
		if !ok {
			continue
		}
		m.addBlob(blob.text("mimeType"), append([]byte{0}, blob.text("data")...), false)
	}
}

// addBlob adds inline data, base64 behind one free byte, if it is audio.
func (m *message) addBlob(mime string, audio []byte, escaped bool) bool {
	rate, pcm := audioRate(mime)
	if pcm && len(audio) > 1 {
		m.pieces = append(m.pieces, piece{audio: audio, escaped: escaped, rate: rate})
	}
	return pcm
}

func parseTranscript(c object, name string) transcript {
	t, ok := c.object(name)
	if !ok {
		return transcript{}
	}
	text, final := t.text("text"), t.flag("finished")
	return transcript{set: text != "" || final, text: text, final: final}
}

// parseUsage reads both spellings: Vertex AI says candidates where the Gemini API says response. Per message the
// sums are over everything that is paid for: what tools read counts as input, what the model thought as output.
func (m *message) parseUsage(u object) {
	m.hasUsage = true
	for _, name := range []string{"promptTokenCount", "toolUsePromptTokenCount"} {
		n, _ := u.number(name)
		m.usage.Input += n
	}
	for _, name := range []string{"responseTokenCount", "candidatesTokenCount", "thoughtsTokenCount"} {
		n, _ := u.number(name)
		m.usage.Output += n
	}
	for i, name := range []string{"promptTokensDetails", "toolUsePromptTokensDetails", "responseTokensDetails", "candidatesTokensDetails"} {
		var details []json.RawMessage
		if json.Unmarshal(u[name], &details) != nil {
			continue
		}
		for _, raw := range details {
			var d object
			if json.Unmarshal(raw, &d) == nil {
				n, _ := d.number("tokenCount")
				countTokens(&m.usage, i >= 2, []byte(d.text("modality")), n)
			}
		}
	}
}

func (o object) object(name string) (object, bool) {
	var v object
	if raw := o[name]; len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &v) != nil {
		return nil, false
	}
	return v, true
}

func (o object) text(name string) string {
	var v string
	if raw := o[name]; len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &v) != nil {
		return ""
	}
	return v
}

func (o object) flag(name string) bool { return string(o[name]) == "true" }

// number is an integer, as a number or, as proto3 JSON writes 64 bits, as a string.
func (o object) number(name string) (int64, bool) {
	raw := string(o[name])
	if len(raw) > 0 && raw[0] == '"' {
		raw = o.text(name)
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	return n, err == nil
}
