package live

import "github.com/stonepot/stonepot/live/frame"

// Dialect is what a client speaks on a browser's socket. It turns the frames of a browser into commands, and
// events and notices into the payloads of frames. A value belongs to one session; Decode is called by the
// browser's reader, Encode and EncodeNotice by the holder of the outbox.
type Dialect interface {
	// Decode reads f into c. c's borrowed fields point into f or into the dialect, until the next Decode. The
	// error is a *MessageError.
	Decode(f Frame, c *Command) error
	// Encode appends what the client is told of e to dst; nothing appended: nothing is told.
	Encode(dst []byte, e *Event) ([]byte, frame.Opcode)
	// EncodeNotice does the same for what the session itself has to say.
	EncodeNotice(dst []byte, n Notice) ([]byte, frame.Opcode)
	Traits() Traits
}

// Traits say how a session treats a dialect's client.
type Traits struct {
	Paced   bool // speech is sent no more than audio.playback_lead ahead of real time
	Counted bool // both sides count messages, so that a lost connection can be resumed
	Plain   bool // speech goes as binary frames of PCM and nothing else
}

// MessageError is a message of a client that cannot be carried out: a warning, or, where Ends names a reason,
// the end of the connection.
type MessageError struct {
	Code    string
	Message string // a sentence for people
	Field   string // of the configuration, or empty
	Ends    *Reason

	Uncounted bool // it was about the connection itself
}

func (e *MessageError) Error() string { return e.Code + ": " + e.Message }

func badMessage(text string) *MessageError {
	return &MessageError{Code: ReasonBadMessage.Code, Message: text}
}

func fatal(r Reason, field, text string) *MessageError {
	return &MessageError{Code: r.Code, Message: text, Field: field, Ends: &r}
}

// Notice is something that the session itself tells a browser. Each kind is a struct below.
type Notice interface{ notice() }

type (
	// StartedNotice answers start_session at once.
	StartedNotice struct {
		Workflow string `json:"workflow"`
		Protocol int    `json:"protocol"`
		Ticket   string `json:"resumeTicket,omitempty"` // empty: the session cannot be resumed
		Time     int64  `json:"timestamp"`              // Unix milliseconds
	}
	// ResumedNotice is the first message of a connection that resumes a session.
	ResumedNotice struct {
		Received int64  `json:"received"` // client messages that the server has
		Lost     *int64 `json:"lost"`     // client messages that were given up for want of room; nil: not known
		Ticket   string `json:"resumeTicket"`
		Upstream string `json:"upstream"` // kept, renewing, renewed or fresh
	}
	// TicketNotice replaces the ticket that the client has.
	TicketNotice struct {
		Ticket string `json:"resumeTicket"`
	}
	// UpdatedNotice says that what update_session asked for is in effect.
	UpdatedNotice struct {
		Model    string `json:"model"`
		Voice    string `json:"voice"`
		Language string `json:"language"`
	}
	// SkippedNotice says that the sender gave messages up; the receiver counts them as received.
	SkippedNotice struct {
		Messages int64  `json:"messages"`
		AudioMs  int64  `json:"audioMs"`
		Reason   string `json:"reason"`
	}
	// AckNotice says how many client messages have come, and how many of them the newest ticket's handle includes.
	// It goes by pointer, so that telling it allocates nothing.
	AckNotice struct{ Received, Covered int64 }
	// ReadyNotice says that the upstream accepted the setup.
	ReadyNotice struct {
		Model     string      `json:"model"`
		Voice     string      `json:"voice"`
		Language  string      `json:"language"`
		Assistant string      `json:"assistant"`
		Simulated bool        `json:"simulated"`
		Audio     AudioFormat `json:"audio"`
		Limits    ReadyLimits `json:"limits"`
		StartupMs int64       `json:"startupMs"`
	}
	// InterruptedNotice tells the client to drop all speech that it has queued.
	InterruptedNotice struct{}
	// TurnNotice says that a turn is over.
	TurnNotice struct {
		Turn TurnFigures `json:"turn"`
	}
	// UsageNotice holds the totals of the session so far.
	UsageNotice struct{ Totals }
	// ExpiringNotice says that the session will end soon.
	ExpiringNotice struct {
		TimeLeftMs int64 `json:"timeLeftMs"`
	}
	// ReconnectingNotice says that the connection to the model is being renewed, and that it takes long.
	ReconnectingNotice struct {
		Reason  string `json:"reason"`
		Attempt int    `json:"attempt"`
	}
	// ReconnectedNotice ends what ReconnectingNotice began.
	ReconnectedNotice struct {
		GapMs           int64 `json:"gapMs"`
		ReplayedAudioMs int64 `json:"replayedAudioMs"`
		LostAudioMs     int64 `json:"lostAudioMs"`
	}
	// RestartedNotice says that the answer in progress was lost and will be spoken anew.
	RestartedNotice struct {
		Reason string `json:"reason"`
	}
	// WarningNotice says that something was not done; nothing ends.
	WarningNotice struct {
		Code     string `json:"code"`
		Message  string `json:"message"`
		Field    string `json:"field,omitempty"`
		AudioMs  int64  `json:"audioMs,omitempty"`  // of audio_dropped: how much since the last one
		Messages int    `json:"messages,omitempty"` // of messages_lost: how many
	}
	// ErrorNotice says why the close that follows comes.
	ErrorNotice struct {
		Error     string `json:"error"`
		Code      string `json:"code"`
		Retryable bool   `json:"retryable"`
		Field     string `json:"field,omitempty"`
	}
	// EndedNotice is the last message of a session.
	EndedNotice struct {
		Reason     string `json:"reason"`
		DurationMs int64  `json:"durationMs"`
		Turns      int64  `json:"turns"`
		Usage      Totals `json:"usage"`
	}
	// PongNotice answers a ping with its own t.
	PongNotice struct {
		T    []byte
		Time int64 // Unix milliseconds
	}
)

func (StartedNotice) notice()      {}
func (ResumedNotice) notice()      {}
func (TicketNotice) notice()       {}
func (UpdatedNotice) notice()      {}
func (SkippedNotice) notice()      {}
func (*AckNotice) notice()         {}
func (ReadyNotice) notice()        {}
func (InterruptedNotice) notice()  {}
func (TurnNotice) notice()         {}
func (UsageNotice) notice()        {}
func (ExpiringNotice) notice()     {}
func (ReconnectingNotice) notice() {}
func (ReconnectedNotice) notice()  {}
func (RestartedNotice) notice()    {}
func (WarningNotice) notice()      {}
func (ErrorNotice) notice()        {}
func (EndedNotice) notice()        {}
func (PongNotice) notice()         {}

// AudioFormat is the PCM of both directions.
type AudioFormat struct {
	Input  PCMFormat `json:"input"`
	Output PCMFormat `json:"output"`
}

// PCMFormat is always signed 16-bit little-endian mono; the rate is in Hz.
type PCMFormat struct {
	SampleRate int    `json:"sampleRate"`
	Channels   int    `json:"channels"`
	Encoding   string `json:"encoding"`
}

func pcmFormat(rate int) PCMFormat { return PCMFormat{rate, 1, "pcm_s16le"} }

// ReadyLimits are the limits that a client may want to show.
type ReadyLimits struct {
	MaxDurationMs int64 `json:"maxDurationMs"`
	IdleTimeoutMs int64 `json:"idleTimeoutMs"`
}

// TurnFigures measure one turn. ResponseMs is from the end of the person's speech, as seen at the server, to the
// first audio of the answer; 0 when either is not known.
type TurnFigures struct {
	Index       int64 `json:"index"`
	ResponseMs  int64 `json:"responseMs"`
	AudioMs     int64 `json:"audioMs"`
	Interrupted bool  `json:"interrupted"`
}
