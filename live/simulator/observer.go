package simulator

import "time"

// Observer is told what each connection took in and said: the ledger of a test stands on it. Observe is called for
// one event of a connection at a time and in their order, by many goroutines for many connections, without any lock
// of the simulator held, and before the client can see what follows from the event. It must be quick, because the
// connection waits for it, and it must not call the Server's Close. The event and its PCM are valid only until it
// returns. Nothing is kept for an observer that is not there.
//
// A Server with Config.Echo tells nothing of audio.
//
// # Lineages
//
// The model's memory of a conversation is a chain of connections. To rebuild it, keep the events of every connection
// in order. A connection whose Opened has no Parent began with nothing: its memory is its own events, those of kind
// Seed being the history that the client told it. A connection whose Opened names Parent and Handle began with a
// snapshot: its memory is that of the parent up to and including the event Handle with the same handle, followed by
// its own. What the parent took after that event is forgotten, unless the client has sent it again. So:
//
//	func lineage(conn uint64) []Event {
//		own := events[conn]
//		opened := own[0]
//		if opened.Parent == 0 {
//			return own
//		}
//		past := lineage(opened.Parent)
//		for i, e := range past {
//			if e.Kind == EventHandle && e.Handle == opened.Handle {
//				return append(past[:i+1:i+1], own...)
//			}
//		}
//		panic("a handle that nobody was given")
//	}
//
// The lineage that survived is the one of the connection that was opened last for a conversation; Instruction is
// where a test can say which conversation that is. The audio of the events Audio along a lineage is what the model
// has heard: Sample counts it, so that an Audio event begins at the Sample where the one before it ended. Likewise
// texts, pictures, tool answers and updates along the lineage are what the model knows, each as often as it was
// told. Answers, on the other hand, were heard by the client whether or not their connection is in the lineage:
// count them over all connections.
type Observer interface {
	Observe(e *Event)
}

// EventKind says what an Event reports.
type EventKind uint8

// The kinds of events, with the fields that each sets beside Kind, Conn, At and Index.
const (
	// EventOpened comes first: a setup was accepted and setupComplete is about to be sent. Opening is set; Parent,
	// Handle and Sample too where a conversation is resumed.
	EventOpened EventKind = iota + 1
	// EventAudio is a piece of the microphone's stream: PCM, Rate, Sample.
	EventAudio
	// EventSpeech is the end of an utterance in that stream, which the model will answer: Question, Sample and End.
	EventSpeech
	// EventText is a text in the realtime stream, or a turn of a clientContent: Text, Role, Question.
	EventText
	// EventSeed is a turn of the history that a client tells in the beginning, which is not answered: Text, Role.
	EventSeed
	// EventImage is a still of a video: Bytes.
	EventImage
	// EventToolAnswer is a function response: ID, Name, Text (its JSON) and Question, which is 0 where it is not to
	// be spoken about. Name is empty where the call is not open: cancelled, answered before, or another connection's.
	EventToolAnswer
	// EventUpdate is a contextUpdate: Text is the new instruction or empty, Functions the new ones, nil: as before.
	EventUpdate

	// EventHandle is the moment of a snapshot: Handle remembers all that is before this event in the lineage. Sample
	// is how much of the microphone that is, and Index the client message. InSpeech says that half an utterance is
	// in it, Lag how long after this moment the client will be told.
	EventHandle
	// EventHandleSent tells the client of Handle. Snapshots that something overtakes are never told of.
	EventHandleSent

	// EventToolCall asks the client to call a function: ID, Name. EventToolCancelled takes it back: ID, Name.
	EventToolCall
	EventToolCancelled
	// EventAnswer is the first of an answer: Answer, Questions.
	EventAnswer
	// EventAnswerAudio and EventAnswerText are a piece of it: Answer, PCM (24 kHz) or Text, and Bytes so far with it.
	EventAnswerAudio
	EventAnswerText
	// EventAnswerEnd is its end: Answer, Bytes, Outcome, Generated.
	EventAnswerEnd

	// EventGoAway announces the end of the connection: Lag is the time that is left.
	EventGoAway
	// EventFault is a scripted fault that strikes: Text is its kind. One that refuses the setup comes without an Opened.
	EventFault
	// EventClosed comes last: Code and Reason of the close, 1006 where there was none, and whether it came from the
	// client. It may come after the Opened of the connection that takes the conversation up.
	EventClosed
)

// Outcome is how an answer ended.
type Outcome uint8

// The outcomes.
const (
	Complete    Outcome = iota + 1 // turnComplete was sent, or was left out by a fault
	Interrupted                    // interrupted was sent
	Broken                         // the connection ended first
)

// Event is something that happened on a connection.
type Event struct {
	Kind  EventKind
	Conn  uint64    // the connection: never 0, never used twice by a Server
	At    time.Time //
	Index int64     // of the last client message that was taken; the setup is 0

	Opening Opening
	Parent  uint64 // the connection on which Handle was issued
	Handle  string

	PCM    []byte // little-endian, 16 bits, mono
	Rate   int    // Hz
	Sample int64  // in the microphone's stream of this lineage: the first of PCM, or of an utterance
	End    int64  // the first sample behind an utterance

	Text      string
	Role      string // user or model; empty for the realtime stream
	ID, Name  string // of a function call
	Functions []string

	// Question counts what the model is asked in a lineage, from 1: each utterance, each text (the turns of
	// clientContent up to its turnComplete are one), each tool answer that is to be spoken about.
	Question int64
	// Questions are those that an answer is about. Mostly there is one; what is asked before an answer has begun
	// joins the question before it.
	Questions []int64
	Answer    int64 // counts the answers in a lineage, from 1: two connections that go on from one handle use the same
	Bytes     int
	Outcome   Outcome
	Generated bool // generationComplete was sent

	InSpeech   bool
	Lag        time.Duration
	Code       int
	Reason     string
	FromClient bool
}

// Opening is what a setup says.
type Opening struct {
	Backend     string // gemini or vertex
	Model       string // its id
	Instruction string
	Functions   []string
	Transparent bool // the client is told the index that a handle includes
	Seeding     bool // a history follows
}

// Observe makes o see what all connections do. It is called before Listen.
func (s *Server) Observe(o Observer) { s.observer = o }

// note keeps an event for the observer until tell. Called with mu held.
func (c *conn) note(e Event) {
	if c.server.observer == nil {
		return
	}
	e.Conn, e.At = c.serial, time.Now()
	if e.Index == 0 {
		e.Index = c.index
	}
	c.events = append(c.events, e)
}

// tell gives the observer what was noted, in order. Whoever borrows memory to an event calls it before that memory
// is used again, even if another goroutine has taken the event: it waits for that one. Called without mu.
func (c *conn) tell() {
	o := c.server.observer
	if o == nil {
		return
	}
	c.telling.Lock()
	defer c.telling.Unlock()
	c.mu.Lock()
	events := c.events
	c.events = c.told[:0]
	c.mu.Unlock()
	for i := range events {
		o.Observe(&events[i])
	}
	clear(events)
	c.told = events
}
