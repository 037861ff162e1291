package live

import (
	"encoding/json"
	"time"
)

// EventKind says what an upstream reports.
type EventKind uint8

// The events of an upstream.
const (
	EventNone               EventKind = iota
	EventReady                        // the setup was accepted (setupComplete)
	EventAudio                        // PCM: the model's voice
	EventText                         // Text: the model's answer in the text modality
	EventInputTranscript              // Text, Final
	EventOutputTranscript             // Text, Final
	EventInterrupted                  // the answer was cut short by the person
	EventGenerationComplete           // everything of this turn was generated; it may still be playing
	EventTurnComplete                 // the turn is over; Cause where the model gave one; Final unless the model goes on by itself
	EventToolCall                     // Calls
	EventToolCallCancelled            // IDs
	EventUsage                        // Usage
	EventVoiceActivity                // Started: the upstream heard speech begin or end
	EventGoAway                       // TimeLeft: the connection is about to be closed by the upstream
	EventResumption                   // Handle, Resumable, Consumed
	EventWaiting                      // the model waits for the person to go on (waitingForInput)
)

// Event is one thing that an upstream reports. One message of an upstream can hold several events; Receive
// gives them one at a time. PCM and Raw are borrowed until the next Receive.
type Event struct {
	Kind EventKind

	// PCM is signed 16-bit little-endian mono at the model's output rate, of even length: the codec carries
	// an odd byte over to the next piece.
	PCM []byte
	// Framed is PCM behind frame.Room bytes that may be overwritten, so that it can be written as a frame where it lies; nil:
	// there is no such room. It is borrowed as PCM is.
	Framed []byte
	// Raw is the upstream's own message that the event came in, for dialects that pass it on as it is.
	Raw []byte

	Text  string
	Final bool

	Cause   string // of a turn that completed: turnCompleteReason, or empty
	Started bool   // of voice activity

	Calls []ToolCall
	IDs   []string
	Usage Usage

	TimeLeft  time.Duration
	Handle    string
	Resumable bool
	Consumed  int64 // index of the last client message that the handle includes; -1 when not told
}

// Reset makes e an empty event that keeps nothing of what it held.
func (e *Event) Reset() { *e = Event{Consumed: -1} }

// ToolCall asks for a function that the browser declared. Args is a JSON object.
type ToolCall struct {
	ID   string          `json:"id"`
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
}

// Usage is a count of tokens: as one upstream message reports it, or as a session adds it up.
type Usage struct {
	Input  int64
	Output int64
	// The same by kind of content, as far as the upstream tells; indexed by Modality.
	InputBy  [numModalities]int64
	OutputBy [numModalities]int64
}

// Modality is a kind of content that tokens are counted for.
type Modality uint8

// The modalities that Google bills apart. Video frames are counted as images on some models.
const (
	ModalityText Modality = iota
	ModalityAudio
	ModalityImage
	ModalityVideo
	ModalityDocument
	numModalities
)

var modalityNames = [numModalities]string{"Text", "Audio", "Image", "Video", "Document"}

// String is the name that browsers see in usage.byModality, behind input or output.
func (m Modality) String() string { return modalityNames[m] }

// Modalities lists every modality in order.
func Modalities() []Modality {
	return []Modality{ModalityText, ModalityAudio, ModalityImage, ModalityVideo, ModalityDocument}
}

// Add counts o in.
func (u *Usage) Add(o Usage) { u.add(o, 1) }

// Sub takes o out again.
func (u *Usage) Sub(o Usage) { u.add(o, -1) }

func (u *Usage) add(o Usage, sign int64) {
	u.Input += sign * o.Input
	u.Output += sign * o.Output
	for i := range u.InputBy {
		u.InputBy[i] += sign * o.InputBy[i]
		u.OutputBy[i] += sign * o.OutputBy[i]
	}
}
