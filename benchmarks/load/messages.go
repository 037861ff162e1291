package main

import "encoding/json"

// message is what matters of a server's text message (docs/protocol.md).
type message struct {
	Type      string
	Code      string
	Error     string
	Model     string
	Simulated bool
	Messages  int64 // of skipped
	Audio     struct{ Output struct{ SampleRate int } }
	Turn      struct{ ResponseMs int64 }
}

// uncounted are the messages about the connection itself, which neither side counts. An error that closes is none
// either, but nothing follows it.
var uncounted = map[string]bool{
	"session_started": true, "session_resumed": true, "resume_ticket": true, "skipped": true, "ack": true, "pong": true,
	"error": true, "session_ended": true,
}

const (
	endSession = `{"type":"end_session"}`
)

// startSession is the first message.
func startSession(resumable bool, inputHz int) []byte {
	type input struct {
		InputSampleRate int `json:"inputSampleRate"`
	}
	config := struct {
		Resumable bool   `json:"resumable,omitempty"`
		Audio     *input `json:"audio,omitempty"`
	}{Resumable: resumable}
	if inputHz != 16000 {
		config.Audio = &input{inputHz}
	}
	data, _ := json.Marshal(struct { // cannot fail
		Type   string `json:"type"`
		Config any    `json:"config"`
	}{"start_session", config})
	return data
}
