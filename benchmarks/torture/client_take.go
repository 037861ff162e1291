package main

import (
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

const (
	// ackEvery and ackBytes are when a client acknowledges (docs/protocol.md, "Counting").
	ackEvery = 250 * time.Millisecond
	ackBytes = 8 << 10
	// pingEvery keeps an open line from looking dead.
	pingEvery = 2 * time.Second
)

// take handles one message of the server.
func (k *client) take(s *socket, op frame.Opcode, payload []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if op == frame.Ping {
		s.control = append(s.control, frame.AppendMasked(nil, frame.Pong, payload, maskKey()))
		s.signal()
		return
	}
	if k.conn != s || op == frame.Pong {
		return // a tab that nobody looks at
	}
	if s.told != "" && op == frame.Binary {
		k.c.fail(kindProtocol, "audio came after the error %s", s.told)
	}
	if op == frame.Binary {
		k.counted(s, "audio", len(payload))
		if len(payload)%2 != 0 {
			k.c.fail(kindProtocol, "an audio message of %d bytes", len(payload))
		}
		k.c.ears.audio(payload)
		k.c.person.hears(time.Now(), len(payload))
		k.acknowledge(false)
		return
	}
	m, err := decodeMessage(payload)
	if err != nil {
		k.c.fail(kindProtocol, "%v", err)
		return
	}
	if m.Type != "ack" && m.Type != "pong" && m.Type != "output_transcript" && m.Type != "resume_ticket" {
		k.c.log.say("< %.300s", payload)
	}
	if s.told != "" && m.Type != "session_ended" && m.Type != "pong" {
		k.c.fail(kindProtocol, "%s came after the error %s", m.Type, s.told)
	}
	if !uncounted[m.Type] {
		k.counted(s, m.Type, len(payload))
	}
	if k.sessionID != "" && m.SessionID != k.sessionID && m.Type != "error" {
		k.c.fail(kindProtocol, "%s names the session %q, want %q", m.Type, m.SessionID, k.sessionID)
	}
	k.handle(s, &m)
	k.acknowledge(false)
}

// counted counts a message, which may not come before the session is accepted on this connection.
func (k *client) counted(s *socket, what string, n int) {
	if !s.flowing {
		k.c.fail(kindProtocol, "%s came before the connection was accepted", what)
	}
	k.received++
	k.unacked += n
}

// acknowledge tells what has been received where it is time to.
func (k *client) acknowledge(now bool) {
	if k.conn == nil || !k.conn.flowing || k.received == k.acked {
		return
	}
	if now || k.unacked >= ackBytes || time.Since(k.ackedAt) >= ackEvery {
		k.control(object{"type": "ack", "received": k.received})
		k.acked, k.unacked, k.ackedAt = k.received, 0, time.Now()
	}
}

// beat is called with each frame of the microphone.
func (k *client) beat(now time.Time) {
	k.acknowledge(false)
	if s := k.conn; s != nil && s.flowing && now.Sub(s.proved) > s.patient {
		k.c.log.say("nothing that was said arrives")
		s.end(true)
		return
	}
	if now.Sub(k.pingedAt) >= pingEvery && k.conn != nil && k.conn.flowing {
		k.control(object{"type": "ping", "t": now.UnixMilli()})
		k.pingedAt = now
	}
}

// handle does what a message asks for.
func (k *client) handle(s *socket, m *serverMessage) {
	switch m.Type {
	case "session_started":
		k.started(s, m)
	case "session_resumed":
		k.resumed(s, m)
	case "session_ready":
		k.ready = true
	case "resume_ticket":
		k.newTicket(ticket{m.ResumeTicket, s.instance})
	case "ack":
		if m.Received > k.up.received {
			s.proved = time.Now()
		}
		k.takeAck(m)
	case "pong":
		s.proved = time.Now()
	case "skipped":
		k.received += m.Messages
		k.told.skippedDown += m.Messages
		k.told.skippedDownMs += m.AudioMs
		k.c.ears.skipped(m.AudioMs)
	case "error":
		k.failed(s, m)
	case "session_ended":
		k.ended = m.Reason
		k.c.log.say("the session has ended: %s", m.Reason)
	case "warning":
		switch {
		case m.Code == "audio_dropped":
			k.told.dropped++
		case m.Code == "memory_lost":
			k.told.forgotten++
			if !k.c.forgetful() {
				k.c.fail(kindProtocol, "%s, although there is a transcript", m.Code)
			}
			k.c.person.forgotten()
		case !k.c.w.allowed[m.Code]:
			k.c.fail(kindProtocol, "an unexpected warning %s: %s", m.Code, m.Message)
		}
	case "reconnected":
		k.told.reconnects++
		k.told.lostAudioMs += m.LostAudioMs
		k.told.replayedMs += m.ReplayedAudioMs
	default:
		k.conversational(m)
	}
}

// conversational handles what belongs to the conversation itself.
func (k *client) conversational(m *serverMessage) {
	now := time.Now()
	switch m.Type {
	case "interrupted":
		k.c.ears.end(endInterrupted)
		k.c.person.interrupted(now)
	case "turn_restarted":
		k.told.restarts++
		k.c.ears.end(endRestarted)
		k.c.person.restarted(now)
	case "generation_complete":
		k.c.ears.generated()
		k.c.person.whole = k.c.person.mood == waiting
	case "turn_complete":
		if m.Turn == nil {
			k.c.fail(kindProtocol, "turn_complete without its turn")
			return
		}
		if m.Turn.Index <= k.turnIndex {
			k.c.fail(kindProtocol, "turn_complete %d came after turn_complete %d", m.Turn.Index, k.turnIndex)
		}
		k.turnIndex = m.Turn.Index
		how := endComplete
		if m.Turn.Interrupted {
			how = endTurnInterrupted
		}
		k.c.ears.turn(how, m.Turn.AudioMs)
		k.c.person.turned(now, m.Turn.Interrupted)
	case "tool_call":
		for _, call := range m.Calls {
			k.c.person.called(now, call.ID, call.Name, string(call.Args))
		}
	case "tool_call_cancelled":
		k.c.person.cancelled(m.IDs)
	}
}

func (k *client) started(s *socket, m *serverMessage) {
	if k.sessionID != "" || s.flowing {
		k.c.fail(kindProtocol, "a second session_started")
		return
	}
	if m.Protocol != 1 || m.SessionID == "" {
		k.c.fail(kindProtocol, "session_started of protocol %d for the session %q", m.Protocol, m.SessionID)
	}
	if m.ResumeTicket == "" && k.c.w.resuming {
		k.c.fail(kindProtocol, "session_started of a resumable session has no ticket")
	}
	k.sessionID, k.ticket, k.instance = m.SessionID, ticket{m.ResumeTicket, s.instance}, s.instance
	s.flowing, s.proved = true, time.Now()
	k.up.rewind(0)
	k.c.person.begin(time.Now())
	s.signal()
}

// ticket is what the client comes back with, and the instance that made it.
type ticket struct{ text, instance string }

func (k *client) newTicket(t ticket) {
	if t.text == "" {
		k.c.fail(kindProtocol, "an empty resume ticket")
		return
	}
	if k.tickets = append(k.tickets, k.ticket); len(k.tickets) > 8 {
		k.tickets = k.tickets[1:]
	}
	k.ticket = t
}

func (k *client) takeAck(m *serverMessage) {
	switch {
	case m.Received < k.up.received || m.Received >= k.up.next:
		k.c.fail(kindProtocol, "ack.received is %d, after %d, with %d sent", m.Received, k.up.received, k.up.next-1)
	case m.Covered < k.up.covered || m.Covered > m.Received:
		k.c.fail(kindProtocol, "ack.covered is %d, after %d, with %d received", m.Covered, k.up.covered, m.Received)
	default:
		if m.Covered != k.up.covered {
			k.c.log.say("covered: %d of %d", m.Covered, m.Received)
		}
		k.up.received = m.Received
		k.up.forget(m.Covered)
	}
}

// failed takes an error, which the close that the table names follows.
func (k *client) failed(s *socket, m *serverMessage) {
	if _, known := closeCodes[m.Code]; !known {
		k.c.fail(kindProtocol, "an error of the unknown code %s", m.Code)
	}
	s.told = m.Code
	if !keptCodes[closeCodes[m.Code]] && m.Code != "replaced" {
		k.ended = m.Code
		if !k.c.expects(m.Code) {
			k.c.fail(kindLost, "the session was ended: %s: %s", m.Code, m.Error)
		}
	}
}
