package main

import (
	"encoding/json"
	"fmt"
)

// serverMessage is what docs/protocol.md lets a server say, as far as a client of this test looks at it.
type serverMessage struct {
	Type      string `json:"type"`
	SessionID string `json:"sessionId"`

	Protocol     int    `json:"protocol"`
	ResumeTicket string `json:"resumeTicket"`
	Received     int64  `json:"received"`
	Covered      int64  `json:"covered"`
	Lost         *int64 `json:"lost"`
	Upstream     string `json:"upstream"`

	Messages int64  `json:"messages"`
	AudioMs  int64  `json:"audioMs"`
	Reason   string `json:"reason"`

	Text  string `json:"text"`
	Final bool   `json:"final"`
	Turn  *struct {
		Index       int64 `json:"index"`
		ResponseMs  int64 `json:"responseMs"`
		AudioMs     int64 `json:"audioMs"`
		Interrupted bool  `json:"interrupted"`
	} `json:"turn"`
	Calls []struct {
		ID   string          `json:"id"`
		Name string          `json:"name"`
		Args json.RawMessage `json:"args"`
	} `json:"calls"`
	IDs []string `json:"ids"`

	Attempt         int   `json:"attempt"`
	GapMs           int64 `json:"gapMs"`
	ReplayedAudioMs int64 `json:"replayedAudioMs"`
	LostAudioMs     int64 `json:"lostAudioMs"`

	Code      string `json:"code"`
	Error     string `json:"error"`
	Message   string `json:"message"`
	Retryable bool   `json:"retryable"`
	Field     string `json:"field"`
	Simulated *bool  `json:"simulated"`
}

// uncounted are the messages about the connection itself (docs/protocol.md, "Counting"). An error counts unless it closes,
// which every error of a session does.
var uncounted = map[string]bool{
	"session_started": true, "session_resumed": true, "resume_ticket": true, "skipped": true, "ack": true, "ping": true,
	"pong": true, "error": true, "session_ended": true,
}

// known are all types; another one is a violation here, where client and server are of one version.
var known = map[string]bool{
	"session_ready": true, "input_transcript": true, "output_transcript": true, "text_response": true, "interrupted": true,
	"generation_complete": true, "turn_complete": true, "turn_restarted": true, "tool_call": true, "tool_call_cancelled": true,
	"tool_activity": true, "usage": true, "voice_activity": true, "session_updated": true, "reconnecting": true,
	"reconnected": true, "session_expiring": true, "warning": true,
}

// closeCodes are the codes of docs/protocol.md for each error code.
var closeCodes = map[string]int{
	"ended": 1000, "protocol_error": 1002, "bad_message": 1007, "bad_utf8": 1007, "bad_audio": 1007, "frame_too_large": 1009,
	"internal": 1011, "server_draining": 1012, "at_capacity": 1013, "session_elsewhere": 1013, "slow_client": 4000,
	"upstream_unavailable": 4001, "upstream_quota": 4002, "rate_limited": 4003, "max_duration": 4500, "upstream_rejected": 4501,
	"upstream_auth": 4502, "not_allowed": 4503, "bad_config": 4503, "unauthorized": 4504, "replaced": 4505,
	"session_not_found": 4506, "ended_by_operator": 4507, "budget_spent": 4508, "idle_timeout": 4509,
}

// keptCodes are the close codes after which a resumable session is kept: the client comes back.
var keptCodes = map[int]bool{1001: true, 1006: true, 1011: true, 1012: true, 1013: true, 4000: true}

// decodeMessage reads one text message strictly.
func decodeMessage(data []byte) (m serverMessage, err error) {
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("a text message that is no message: %.80q: %w", data, err)
	}
	if !uncounted[m.Type] && !known[m.Type] {
		return m, fmt.Errorf("a message of the unknown type %.40q", m.Type)
	}
	return m, nil
}

// object is a message of the client's.
type object map[string]any

func encode(m object) []byte {
	data, err := json.Marshal(m)
	if err != nil { // strings and numbers
		panic(err)
	}
	return data
}
