package live

import (
	"slices"
	"time"
)

// interrupt drops all speech that was not written and tells the client to drop what it has.
func (o *outbox) interrupt() {
	o.mu.Lock()
	if !o.refuses() {
		o.counters.Interruptions++
		o.queue(&o.control, nil, InterruptedNotice{}, 0) // before the turn_complete of an answer whose rest is dropped
		o.dropVoice()
	}
	o.unlock()
}

// restart drops what was not written of the answer in progress and tells the client that it will be spoken anew. What waits of
// answers before it, whose turns are over, goes on in front of that.
func (o *outbox) restart(why string) {
	o.mu.Lock()
	if !o.refuses() {
		o.dropTurn()
		lane := &o.control
		if o.voice.len() > 0 {
			lane = &o.voice
		}
		o.queue(lane, nil, RestartedNotice{why}, 0)
	}
	o.unlock()
}

// dropTurn drops what lies behind the last turn's end in the voice lane. Called with mu held.
func (o *outbox) dropTurn() {
	var tickets []*outFrame
	for n := o.voice.len(); n > 0; n-- {
		f := *o.voice.at(n - 1)
		if f.turn {
			break
		}
		o.voice.drop()
		if f.ticket != nil {
			tickets = append(tickets, f)
			continue
		}
		o.counters.DownlinkDroppedMs += milliseconds(f.speech)
		o.speech -= f.speech
		f.free()
	}
	if o.voice.len() == 0 {
		o.paid = time.Time{}
	}
	for _, f := range slices.Backward(tickets) {
		o.voice.push(f)
	}
}

// dropVoice is called with mu held.
func (o *outbox) dropVoice() {
	o.counters.DownlinkDroppedMs += milliseconds(o.speech)
	for o.voice.len() > 0 {
		if f := o.voice.pop(); f.news || f.ticket != nil {
			o.control.push(f) // how a turn ended is news though its speech is not
		} else {
			f.free()
		}
	}
	o.speech = 0
	o.paid = time.Time{}
}

// dropNews forgets how turns ended whose speech was dropped with the session: session_ended says how many there were.
// Called with mu held.
func (o *outbox) dropNews() {
	for range o.control.len() {
		if f := o.control.pop(); f.news {
			f.free()
		} else {
			o.control.push(f)
		}
	}
}
