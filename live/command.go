package live

import (
	"encoding/json"
	"time"
)

// CommandKind says what a browser asks for.
type CommandKind uint8

// The commands of a browser. Those up to CommandInstruction travel upstream; the others are the session's own.
const (
	CommandNone           CommandKind = iota
	CommandAudio                      // PCM: microphone samples
	CommandText                       // Text, TurnComplete
	CommandVideo                      // MIMEType, Data: one still picture
	CommandActivityStart              // push-to-talk pressed
	CommandActivityEnd                // push-to-talk released
	CommandAudioStreamEnd             // the microphone was muted or the turn is over: flush what was heard
	CommandToolResponse               // Responses
	CommandInstruction                // Text: the new system instruction, of a model that takes contextUpdate
	CommandStart                      // Start: the first message of a session
	CommandInterrupt                  // stop the answer that is being spoken
	CommandUpdate                     // Update: change the setup in mid-conversation
	CommandAck                        // Count: server messages the browser has received
	CommandSkipped                    // Count: messages the browser gave up sending
	CommandPing                       // Time
	CommandEnd                        // a graceful end
)

// Command is what a browser asks for. PCM and Data are borrowed: they are valid until the call that was given
// the command returns, and must be copied to be kept longer.
type Command struct {
	Kind CommandKind

	// PCM is signed 16-bit little-endian mono at the session's input rate (Setup.InputRate), of even length.
	PCM []byte
	Now time.Time // when an upstream is given it, where the session has just looked at the clock; else zero

	Text         string
	TurnComplete bool // of a text: the model should answer now

	MIMEType string // of a picture: image/jpeg, image/png or image/webp
	Data     []byte // of a picture: standard base64 with padding, already checked

	Responses []ToolResponse
	Start     *Start
	Update    *StartConfig // what is to change; it may hold anything that start_session may
	Count     int64
	Time      json.RawMessage // of a ping: sent back as it came

	given int64 // of one that the inbox keeps: when it went up, Unix nanoseconds
}

// size is what a queued command costs in memory, about.
func (c *Command) size() int {
	n := len(c.Data) + len(c.Text)
	for _, r := range c.Responses {
		n += len(r.Response)
	}
	return n
}

// bound reports whether a command is of no use to another connection than the one it was meant for: the calls that a tool
// response answers are not known there, and an instruction is part of what it was asked for.
func (c *Command) bound() bool { return c.Kind == CommandToolResponse || c.Kind == CommandInstruction }

// cost is size and what the command itself takes, about: many small ones must not be kept for nothing.
func (c *Command) cost() int { return c.size() + 256 }

// ToolResponse answers one ToolCall. Response is a JSON object.
type ToolResponse struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Response   json.RawMessage `json:"response"`
	Scheduling string          `json:"scheduling,omitempty"` // INTERRUPT, WHEN_IDLE, SILENT or empty
}
