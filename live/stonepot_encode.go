package live

import (
	"encoding/json"
	"strconv"

	"github.com/stonepot/stonepot/live/frame"
)

// Encode writes audio as it is and everything else as JSON.
func (d *stonepot) Encode(dst []byte, e *Event) ([]byte, frame.Opcode) {
	switch e.Kind {
	case EventAudio:
		return append(dst, e.PCM...), frame.Binary
	case EventText:
		return d.json(dst, "text_response", textMessage{Text: e.Text})
	case EventInputTranscript:
		return d.json(dst, "input_transcript", textMessage{e.Text, &e.Final})
	case EventOutputTranscript:
		return d.json(dst, "output_transcript", textMessage{e.Text, &e.Final})
	case EventGenerationComplete:
		return d.json(dst, "generation_complete", nil)
	case EventToolCall:
		return d.json(dst, "tool_call", struct {
			Calls []ToolCall `json:"calls"`
		}{e.Calls})
	case EventToolCallCancelled:
		return d.json(dst, "tool_call_cancelled", struct {
			IDs []string `json:"ids"`
		}{e.IDs})
	case EventVoiceActivity:
		state := "ended"
		if e.Started {
			state = "started"
		}
		return d.json(dst, "voice_activity", struct {
			State string `json:"state"`
		}{state})
	default:
		return dst, frame.Text
	}
}

type textMessage struct {
	Text  string `json:"text"`
	Final *bool  `json:"final,omitempty"`
}

// EncodeNotice writes the session's own messages.
func (d *stonepot) EncodeNotice(dst []byte, n Notice) ([]byte, frame.Opcode) {
	switch n := n.(type) {
	case StartedNotice:
		return d.json(dst, "session_started", n)
	case ResumedNotice:
		return d.json(dst, "session_resumed", n)
	case TicketNotice:
		return d.json(dst, "resume_ticket", n)
	case SkippedNotice:
		return d.json(dst, "skipped", n)
	case *AckNotice:
		return d.ack(dst, n), frame.Text
	case ReadyNotice:
		return d.json(dst, "session_ready", n)
	case UpdatedNotice:
		return d.json(dst, "session_updated", n)
	case InterruptedNotice:
		return d.json(dst, "interrupted", nil)
	case TurnNotice:
		return d.json(dst, "turn_complete", n)
	case UsageNotice:
		return d.json(dst, "usage", n.Totals)
	case ExpiringNotice:
		return d.json(dst, "session_expiring", n)
	case ReconnectingNotice:
		return d.json(dst, "reconnecting", n)
	case ReconnectedNotice:
		return d.json(dst, "reconnected", n)
	case RestartedNotice:
		return d.json(dst, "turn_restarted", n)
	case WarningNotice:
		return d.json(dst, "warning", n)
	case ErrorNotice:
		return d.json(dst, "error", n)
	case EndedNotice:
		return d.json(dst, "session_ended", n)
	case PongNotice:
		m := struct {
			T    json.RawMessage `json:"t,omitempty"`
			Time int64           `json:"timestamp"`
		}{n.T, n.Time}
		return d.json(dst, "pong", m)
	default:
		return dst, frame.Text
	}
}

// ack is written by hand: it goes out several times a second.
func (d *stonepot) ack(dst []byte, n *AckNotice) []byte {
	dst = d.head(dst, "ack")
	dst = strconv.AppendInt(append(dst, `,"received":`...), n.Received, 10)
	dst = strconv.AppendInt(append(dst, `,"covered":`...), n.Covered, 10)
	return append(dst, '}')
}

// head appends {"type":…,"sessionId":…, without the id where there is no session yet.
func (d *stonepot) head(dst []byte, kind string) []byte {
	dst = append(dst, `{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, '"')
	if d.sessionID != "" {
		dst = append(dst, `,"sessionId":"`...)
		dst = append(dst, d.sessionID...)
		dst = append(dst, '"')
	}
	return dst
}

// json appends {"type":…,"sessionId":…, and the members of body, which encodes as an object or is nil.
func (d *stonepot) json(dst []byte, kind string, body any) ([]byte, frame.Opcode) {
	dst = d.head(dst, kind)
	if body != nil {
		members, err := json.Marshal(body)
		if err != nil { // only a tool call whose arguments are not JSON could fail, and those came out of a JSON decoder
			return dst[:0], frame.Text
		}
		if len(members) > len("{}") {
			dst = append(dst, ',')
			dst = append(dst, members[1:len(members)-1]...)
		}
	}
	return append(dst, '}'), frame.Text
}
