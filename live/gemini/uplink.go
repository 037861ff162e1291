package gemini

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/segmentio/asm/base64"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
)

// encoder turns commands into masked WebSocket frames, in pooled memory. What it returns is borrowed until the next call, or
// until rest. It is used by one goroutine at a time.
type encoder struct {
	audioPrefix string
	content     bool         // text goes as clientContent, not as realtimeInput
	mem         *frame.Block // nil while nothing is sent
}

const (
	audioSuffix = `"}}}`

	activityStart  = `{"realtimeInput":{"activityStart":{}}}`
	activityEnd    = `{"realtimeInput":{"activityEnd":{}}}`
	audioStreamEnd = `{"realtimeInput":{"audioStreamEnd":true}}`
)

func newEncoder(s *live.Setup) encoder {
	return encoder{
		audioPrefix: `{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=` + strconv.Itoa(s.InputRate) + `","data":"`,
		content:     s.Model.TextInput == "content",
	}
}

// frame encodes c. Commands that are the session's own are an error.
func (e *encoder) frame(c *live.Command) ([]byte, error) {
	switch c.Kind {
	case live.CommandAudio:
		return e.audio(c.PCM), nil
	case live.CommandText:
		return e.text(c.Text, c.TurnComplete)
	case live.CommandVideo:
		return e.video(c.MIMEType, c.Data)
	case live.CommandActivityStart:
		return e.seal(activityStart), nil
	case live.CommandActivityEnd:
		return e.seal(activityEnd), nil
	case live.CommandAudioStreamEnd:
		return e.seal(audioStreamEnd), nil
	case live.CommandToolResponse:
		return e.toolResponse(c.Responses)
	case live.CommandInstruction:
		return e.instruction(c.Text)
	default:
		return nil, fmt.Errorf("gemini: command %d is not for the model: a defect", c.Kind)
	}
}

// audio is the hot path: prefix, base64 and suffix go straight behind the room for the frame's header, each under its mask.
func (e *encoder) audio(pcm []byte) []byte {
	n, key := base64.StdEncoding.EncodedLen(len(pcm)), maskKey()
	buf := e.room(len(e.audioPrefix) + n + len(audioSuffix))
	payload := buf[frame.Room:]
	at := copy(payload, e.audioPrefix)
	end := at + n
	frame.Mask(payload[:at], key, 0)
	encodeBase64(payload[at:end], pcm, frame.KeyAt(key, at))
	copy(payload[end:], audioSuffix)
	frame.Mask(payload[end:], key, end)
	return frame.SealMaskedPayload(buf, frame.Text, key)
}

func (e *encoder) text(text string, turnComplete bool) ([]byte, error) {
	if e.content {
		return e.json(contentMessage([]live.HistoryTurn{{Role: "user", Text: text}}, turnComplete))
	}
	return e.json(map[string]any{"realtimeInput": map[string]string{"text": text}})
}

// video copies data as it is: it has been checked to be base64 when the browser sent it.
func (e *encoder) video(mimeType string, data []byte) ([]byte, error) {
	mime, err := json.Marshal(mimeType)
	if err != nil {
		return nil, err
	}
	const prefix, middle, suffix = `{"realtimeInput":{"video":{"mimeType":`, `,"data":"`, `"}}}`
	buf := e.room(len(prefix) + len(mime) + len(middle) + len(data) + len(suffix))
	p := append(buf[:frame.Room], prefix...)
	p = append(append(append(p, mime...), middle...), data...)
	return frame.SealMasked(append(p, suffix...), frame.Text, maskKey()), nil
}

func (e *encoder) toolResponse(responses []live.ToolResponse) ([]byte, error) {
	return e.json(map[string]any{"toolResponse": map[string]any{"functionResponses": responses}})
}

// instruction takes the place of the system instruction, in order with other input.
func (e *encoder) instruction(text string) ([]byte, error) {
	type part struct {
		Text string `json:"text"`
	}
	return e.json(map[string]any{"contextUpdate": map[string]any{"systemInstruction": map[string][]part{"parts": {{text}}}}})
}

// contentMessage is a clientContent with text turns.
func contentMessage(turns []live.HistoryTurn, turnComplete bool) any {
	type part struct {
		Text string `json:"text"`
	}
	type turn struct {
		Role  string `json:"role"`
		Parts []part `json:"parts"`
	}
	list := make([]turn, 0, len(turns))
	for _, t := range turns {
		list = append(list, turn{t.Role, []part{{t.Text}}})
	}
	type content struct {
		Turns        []turn `json:"turns"`
		TurnComplete bool   `json:"turnComplete"`
	}
	return map[string]content{"clientContent": {list, turnComplete}}
}

func (e *encoder) json(v any) ([]byte, error) {
	p, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("gemini: a message to the model could not be encoded: %w", err)
	}
	return e.seal(string(p)), nil
}

func (e *encoder) seal(text string) []byte {
	buf := e.room(len(text))
	copy(buf[frame.Room:], text)
	return frame.SealMasked(buf, frame.Text, maskKey())
}

// room gives a buffer for n bytes of payload, with the room for a frame's header in front.
func (e *encoder) room(n int) []byte {
	n += frame.Room
	if e.mem == nil || len(e.mem.Data) < n {
		e.rest()
		e.mem = frame.Borrow(n)
	}
	return e.mem.Data[:n]
}

// rest gives the memory of the last message back.
func (e *encoder) rest() {
	if e.mem != nil {
		e.mem.Free()
		e.mem = nil
	}
}
