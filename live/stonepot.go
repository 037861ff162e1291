package live

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// stonepot is Stonepot's own dialect: docs/protocol.md, version 1.
type stonepot struct {
	sessionID string
	limits    *Limits
}

const protocolVersion = 1

func newStonepot(sessionID string, limits *Limits) *stonepot {
	return &stonepot{sessionID: sessionID, limits: limits}
}

// Traits: speech is paced, messages are counted.
func (d *stonepot) Traits() Traits { return Traits{Paced: true, Counted: true, Plain: true} }

// Decode reads one frame. Binary is audio and costs nothing; text is JSON.
func (d *stonepot) Decode(f Frame, c *Command) error {
	*c = Command{}
	if f.Binary {
		if len(f.Data) > d.limits.MaxFrameBytes {
			return tooLarge("An audio frame", len(f.Data), d.limits.MaxFrameBytes, "limits.max_frame_bytes")
		}
		return audioCommand(f.Data, c)
	}
	return d.decodeText(f.Data, c)
}

func audioCommand(pcm []byte, c *Command) error {
	if len(pcm)%2 != 0 {
		return fatal(ReasonBadAudio, "", fmt.Sprintf("An audio frame of %d bytes is not whole 16-bit samples: its length must be even.", len(pcm)))
	}
	c.Kind, c.PCM = CommandAudio, pcm
	return nil
}

func tooLarge(what string, n, limit int, key string) error {
	return fatal(ReasonFrameTooLarge, "", fmt.Sprintf("%s of %d bytes is longer than the %d that are allowed (%s).", what, n, limit, key))
}

func (d *stonepot) decodeText(data []byte, c *Command) error {
	if quickAck(data, c) {
		return nil
	}
	var head struct {
		Type *string `json:"type"`
	}
	if err := json.Unmarshal(data, &head); err != nil || head.Type == nil {
		return badMessage("A text message must be one JSON object with a string \"type\"; this one was ignored.")
	}
	limit, key := d.limits.MaxTextBytes, "limits.max_text_bytes"
	switch *head.Type {
	case "video_frame":
		limit, key = d.limits.MaxVideoBytes, "limits.max_video_bytes"
	case "start_session", "init": // which may hold a ticket, however small other messages have to be
		limit = max(limit, maxTicketText+4096)
	case "audio_chunk": // base64 in JSON
		limit, key = d.limits.MaxFrameBytes/3*4+d.limits.MaxTextBytes, "limits.max_frame_bytes"
	}
	if len(data) > limit {
		return tooLarge(fmt.Sprintf("A message of type %.40q", *head.Type), len(data), limit, key)
	}
	decode, ok := decoders[*head.Type]
	if !ok {
		return &MessageError{Code: "unknown_message", Message: fmt.Sprintf("The message type %.40q is not known; it was ignored.", *head.Type)}
	}
	err := decode(data, c)
	var m *MessageError
	if errors.As(err, &m) {
		switch *head.Type {
		case "ack", "skipped", "ping", "start_session", "init":
			m.Uncounted = true
		}
	}
	return err
}

// decoders has one function for each type of client message.
var decoders = map[string]func(data []byte, c *Command) error{
	"start_session":  decodeStart,
	"init":           decodeInit,
	"text":           decodeText,
	"video_frame":    decodeVideo,
	"tool_response":  decodeToolResponse,
	"audio_chunk":    decodeAudioChunk,
	"ack":            decodeAck,
	"skipped":        decodeSkipped,
	"ping":           decodePing,
	"activity_start": plain(CommandActivityStart),
	"activity_end":   plain(CommandActivityEnd),
	"turn_complete":  plain(CommandAudioStreamEnd),
	"interrupt":      plain(CommandInterrupt),
	"update_session": decodeUpdate,
	"set_language":   decodeSetLanguage,
	"end_session":    plain(CommandEnd),
}

func plain(kind CommandKind) func([]byte, *Command) error {
	return func(_ []byte, c *Command) error {
		c.Kind = kind
		return nil
	}
}

func decodeStart(data []byte, c *Command) error {
	var m struct {
		Config json.RawMessage `json:"config"`
		Resume *Resume         `json:"resume"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return fatal(ReasonBadConfig, wrongField(err, "resume"), "start_session.resume must be an object with sessionId, resumeTicket and received.")
	}
	return decodeConfig(m.Config, m.Resume, c)
}

func decodeInit(data []byte, c *Command) error {
	var m struct {
		Resume *Resume `json:"resume"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return fatal(ReasonBadConfig, wrongField(err, "resume"), "init.resume must be an object with sessionId, resumeTicket and received.")
	}
	return decodeConfig(data, m.Resume, c)
}

func decodeConfig(data json.RawMessage, resume *Resume, c *Command) error {
	start := &Start{Resume: resume}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &start.Config); err != nil {
			field := wrongField(err, "config")
			return fatal(ReasonBadConfig, field, fmt.Sprintf("%s has the wrong type.", field))
		}
	}
	if err := start.Config.check(); err != nil {
		return err
	}
	c.Kind, c.Start = CommandStart, start
	return nil
}

// wrongField names the field that encoding/json could not read.
func wrongField(err error, whole string) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return wrong.Field
	}
	return whole
}

func decodeText(data []byte, c *Command) error {
	var m struct {
		Text         *string `json:"text"`
		TurnComplete *bool   `json:"turnComplete"`
	}
	if err := json.Unmarshal(data, &m); err != nil || m.Text == nil {
		return badMessage("A text message needs a string \"text\" and may have a boolean \"turnComplete\"; this one was ignored.")
	}
	c.Kind, c.Text, c.TurnComplete = CommandText, *m.Text, m.TurnComplete == nil || *m.TurnComplete
	return nil
}

func decodeVideo(data []byte, c *Command) error {
	var m struct {
		MIMEType string `json:"mimeType"`
		Data     string `json:"data"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return badMessage("A video_frame needs the strings \"mimeType\" and \"data\"; this one was ignored.")
	}
	switch m.MIMEType {
	case "image/jpeg", "image/png", "image/webp":
	default:
		return badMessage("A video_frame must be image/jpeg, image/png or image/webp; this one was ignored.")
	}
	if m.Data == "" || !validBase64(m.Data) {
		return badMessage("The data of a video_frame must be standard base64 with padding; this one was ignored.")
	}
	c.Kind, c.MIMEType, c.Data = CommandVideo, m.MIMEType, []byte(m.Data)
	return nil
}

// validBase64 checks the alphabet, the padding and the length without decoding into new memory.
func validBase64(s string) bool {
	if len(s)%4 != 0 {
		return false
	}
	body := strings.TrimRight(s, "=")
	if len(s)-len(body) > 2 {
		return false
	}
	for i := range len(body) {
		switch b := body[i]; {
		case b >= 'A' && b <= 'Z', b >= 'a' && b <= 'z', b >= '0' && b <= '9', b == '+', b == '/':
		default:
			return false
		}
	}
	return true
}

func decodeToolResponse(data []byte, c *Command) error {
	var m struct {
		Responses []ToolResponse `json:"responses"`
	}
	if err := json.Unmarshal(data, &m); err != nil || len(m.Responses) == 0 {
		return badMessage("A tool_response needs a list \"responses\" of objects with id, name and response; this one was ignored.")
	}
	for i, r := range m.Responses {
		if r.ID == "" || !isObject(r.Response) {
			return badMessage(fmt.Sprintf("responses[%d] of a tool_response needs the call's id and an object \"response\"; nothing was passed on.", i))
		}
		switch r.Scheduling {
		case "", "INTERRUPT", "WHEN_IDLE", "SILENT":
		default:
			return badMessage(fmt.Sprintf("responses[%d].scheduling must be INTERRUPT, WHEN_IDLE or SILENT; nothing was passed on.", i))
		}
	}
	c.Kind, c.Responses = CommandToolResponse, m.Responses
	return nil
}

func isObject(raw json.RawMessage) bool {
	return strings.HasPrefix(strings.TrimLeft(string(raw), " \t\r\n"), "{")
}

func decodeAudioChunk(data []byte, c *Command) error {
	var m struct {
		Data     string `json:"data"`
		MIMEType string `json:"mimeType"`
	}
	err := json.Unmarshal(data, &m)
	if err != nil || m.MIMEType != "" && !strings.HasPrefix(m.MIMEType, "audio/pcm") {
		return badMessage("An audio_chunk needs base64 \"data\" of audio/pcm; this one was ignored.")
	}
	pcm, err := base64.StdEncoding.DecodeString(m.Data)
	if err != nil {
		return badMessage("The data of an audio_chunk must be standard base64 with padding; this one was ignored.")
	}
	return audioCommand(pcm, c)
}

func decodeAck(data []byte, c *Command) error {
	var m struct {
		Received *int64 `json:"received"`
	}
	if err := json.Unmarshal(data, &m); err != nil || m.Received == nil || *m.Received < 0 {
		return badMessage("An ack needs a count \"received\" of 0 or more; this one was ignored.")
	}
	c.Kind, c.Count = CommandAck, *m.Received
	return nil
}

// quickAck reads an ack as clients write it. It comes for every 8 KB of speech, in the midst of the audio: reading it as
// any other JSON costs ten allocations. false: it is something else, or written otherwise, and c is as it was.
func quickAck(data []byte, c *Command) bool {
	const prefix = `{"type":"ack","received":`
	const most = 18 // digits, which no int64 is too small for
	digits := len(data) - len(prefix) - 1
	if digits < 1 || digits > most || string(data[:len(prefix)]) != prefix || data[len(data)-1] != '}' {
		return false
	}
	n := data[len(prefix) : len(prefix)+digits]
	if n[0] == '0' && digits > 1 {
		return false // not JSON
	}
	var count int64
	for _, b := range n {
		if b < '0' || b > '9' {
			return false
		}
		count = count*10 + int64(b-'0')
	}
	c.Kind, c.Count = CommandAck, count
	return true
}

func decodeSkipped(data []byte, c *Command) error {
	var m struct {
		Messages int64 `json:"messages"`
	}
	if err := json.Unmarshal(data, &m); err != nil || m.Messages < 0 {
		return badMessage("A skipped needs a count \"messages\" of 0 or more; this one was ignored.")
	}
	c.Kind, c.Count = CommandSkipped, m.Messages
	return nil
}

func decodePing(data []byte, c *Command) error {
	var m struct {
		T json.RawMessage `json:"t"`
	}
	if err := json.Unmarshal(data, &m); err != nil || len(m.T) > 64 {
		return badMessage("The \"t\" of a ping must be short; this one was ignored.")
	}
	c.Kind, c.Time = CommandPing, m.T
	return nil
}
