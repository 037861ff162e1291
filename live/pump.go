package live

import (
	"fmt"
	"os"
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// pumpBatch is how much room the lead must have before the pump goes on: ten wake-ups a second are enough.
const pumpBatch = 100 * time.Millisecond

// writeQueued writes what is due without waiting, and reports whether that was everything.
func (o *outbox) writeQueued() bool {
	for o.link != nil && len(o.rest) == 0 {
		data, f, _ := o.next(time.Now())
		if data == nil {
			break
		}
		n, err := o.link.browser.TryWrite(data)
		if err != nil || n == len(data) {
			f.free()
		}
		if err != nil {
			o.lose(err)
			return true
		}
		if n < len(data) {
			o.rest, o.writing = data[n:], f
			o.counters.SlowWrites++
			return false
		}
	}
	return o.link == nil || len(o.rest) == 0 && o.empty()
}

// next takes the message that is due and accounts for it: its bytes, and its frame when those are the frame's. wait is
// how long to wait for the next one when none is due, 0 when there is none. Called with mu held.
func (o *outbox) next(now time.Time) (data []byte, f *outFrame, wait time.Duration) {
	switch {
	case o.first.len() > 0:
		f = o.first.pop()
	case o.replay <= o.replayTo:
		o.buf = o.kept.appendTo(o.buf[:0], o.replay)
		o.replay++
		o.counters.DownlinkRepeated++
		return o.buf, nil, 0
	case o.control.len() > 0:
		f = o.control.pop()
	case o.voice.len() > 0:
		v := *o.voice.at(0)
		if v.speech > 0 && !o.onPace(now, v.speech) {
			return nil, nil, max(o.paid.Sub(now)-max(0, o.lead-v.speech-pumpBatch), time.Millisecond)
		}
		if v.speech > 0 && !o.inWindow(len(v.data)) {
			return nil, nil, o.stall(now)
		}
		f = o.voice.pop()
		o.speech -= f.speech
	default:
		return nil, nil, 0
	}
	o.number(f.data, len(f.buf)-frame.Room, f.counted, f.speech, now)
	if f.ticket != nil {
		o.issue(*f.ticket)
	}
	return f.data, f, 0
}

// stall waits for the client to acknowledge, and gives it up as slow when it has not for the write timeout. Called
// with mu held.
func (o *outbox) stall(now time.Time) (wait time.Duration) {
	if o.stalled.IsZero() {
		o.stalled = now
	}
	if wait = o.stalled.Add(o.writeTimeout).Sub(now); wait <= 0 {
		o.lose(fmt.Errorf("the browser acknowledged nothing within the write timeout: %w", os.ErrDeadlineExceeded))
		return time.Millisecond
	}
	return wait
}

// pump writes until nothing is left, waiting for the socket, for the pace and for the window. It ends when l is not
// the connection in use any more; what it was writing then is its own to forget.
func (o *outbox) pump(l *link) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.link == l {
		if len(o.rest) > 0 {
			o.writeRest(l)
			continue
		}
		data, f, wait := o.next(time.Now())
		if data != nil {
			o.rest, o.writing = data, f
			continue
		}
		if wait == 0 {
			break
		}
		o.mu.Unlock()
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-l.wake:
		}
		o.mu.Lock()
	}
	if o.link == l {
		o.pumping = false
	}
}

// writeRest writes what is left of a frame, without mu while it waits. Called with mu held.
func (o *outbox) writeRest(l *link) {
	p := o.rest
	o.mu.Unlock()
	err := l.browser.Write(p)
	o.mu.Lock()
	if o.link != l {
		return // unlink has left the memory to this goroutine
	}
	o.writing.free()
	o.rest, o.writing = nil, nil
	if err != nil {
		o.pumping = false
		o.lose(err)
	}
}

// number accounts for a message whose first byte is about to be written: wire is its frame, of which payload bytes are
// the message. Called with mu held.
func (o *outbox) number(wire []byte, payload int, counted bool, speech time.Duration, now time.Time) {
	if counted {
		o.numbered++
		if o.resumable || o.acks {
			o.kept.push(wire, speech)
			o.replay, o.replayTo = o.numbered+1, o.numbered
		}
	}
	o.counters.DownlinkMessages++
	o.counters.DownlinkBytes += int64(payload)
	if speech > 0 {
		o.counters.DownlinkAudioMs += milliseconds(speech)
		if o.paid.Before(now) {
			o.paid = now
		}
		o.paid = o.paid.Add(speech)
	}
}

// tryNow writes as much of an event as the socket takes without waiting: from where it lies, or else encoded into buf. Called
// with mu held and a connection that is idle.
func (o *outbox) tryNow(e *Event, speech time.Duration, now time.Time) {
	buf, op, lent := e.Framed, frame.Binary, o.plain && e.Framed != nil
	if !lent {
		buf, op = o.dialect.Encode(append(o.buf[:0], header[:]...), e)
		o.buf = buf
	}
	if len(buf) == frame.Room {
		return
	}
	wire := frame.Seal(buf, op)
	o.number(wire, len(buf)-frame.Room, true, speech, now)
	n, err := o.link.browser.TryWrite(wire)
	if err != nil {
		o.lose(err)
		return
	}
	if n < len(wire) {
		o.rest = wire[n:]
		if lent {
			o.buf = append(o.buf[:0], o.rest...)
			o.rest = o.buf
		}
		o.counters.SlowWrites++
	}
}
