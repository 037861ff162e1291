package live

import (
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// pumpBatch is how much room the lead must have before the pump goes on: ten wake-ups a second are enough.
const pumpBatch = 100 * time.Millisecond

// writeQueued writes what is due without waiting, and reports whether that was everything.
func (o *outbox) writeQueued() bool {
	for !o.lost && len(o.rest) == 0 {
		f, _ := o.next(time.Now())
		if f == nil {
			break
		}
		n, err := o.browser.TryWrite(f.data)
		if err != nil {
			f.free()
			o.lose(err)
			return true
		}
		if n < len(f.data) {
			o.rest, o.writing = f.data[n:], f
			o.counters.SlowWrites++
			return false
		}
		f.free()
	}
	return o.lost || len(o.rest) == 0 && o.control.len() == 0 && o.voice.len() == 0
}

// next takes the frame that is due from the lanes and accounts for it; wait is how long to wait for the next one
// when none is due, 0 when the lanes are empty. Called with mu held.
func (o *outbox) next(now time.Time) (f *outFrame, wait time.Duration) {
	switch {
	case o.control.len() > 0:
		f = o.control.pop()
	case o.voice.len() > 0:
		v := *o.voice.at(0)
		if v.speech > 0 && !o.affords(now, v.speech) {
			return nil, max(o.paid.Sub(now)-max(0, o.lead-v.speech-pumpBatch), time.Millisecond)
		}
		f = o.voice.pop()
		o.speech -= f.speech
	default:
		return nil, 0
	}
	o.number(f.counted, len(f.buf)-frame.Room, f.speech, now)
	return f, 0
}

// pump writes until nothing is left, waiting for the socket and for the pace.
func (o *outbox) pump() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	o.mu.Lock()
	for !o.lost {
		if len(o.rest) > 0 {
			p := o.rest
			o.mu.Unlock()
			err := o.browser.Write(p)
			o.mu.Lock()
			o.rest = nil
			if o.writing != nil {
				o.writing.free()
				o.writing = nil
			}
			if err != nil {
				o.lose(err)
			}
			continue
		}
		f, wait := o.next(time.Now())
		if f != nil {
			o.rest, o.writing = f.data, f
			continue
		}
		if wait == 0 {
			break
		}
		o.mu.Unlock()
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-o.wake:
		}
		o.mu.Lock()
	}
	o.pumping = false
	o.mu.Unlock()
}

// number accounts for a frame whose first byte is about to be written.
func (o *outbox) number(counted bool, payload int, speech time.Duration, now time.Time) {
	if counted {
		o.numbered++
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

// tryNow encodes an event into buf and writes as much as the socket takes without waiting.
func (o *outbox) tryNow(e *Event, speech time.Duration, now time.Time) {
	buf, op := o.dialect.Encode(append(o.buf[:0], header[:]...), e)
	o.buf = buf
	if len(buf) == frame.Room {
		return
	}
	f := frame.Seal(buf, op)
	o.number(true, len(buf)-frame.Room, speech, now)
	n, err := o.browser.TryWrite(f)
	if err != nil {
		o.lose(err)
		return
	}
	if n < len(f) {
		o.rest = f[n:]
		o.counters.SlowWrites++
	}
}
