package live

import (
	"errors"
	"os"
	"sync"
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// outbox is the way to the browser. Whoever holds mu may write without waiting; what the socket does not take at
// once is left to the pump, a goroutine that lives only while there is something to write. While the pump runs
// nobody else writes, so that frames leave whole and in order.
//
// Two lanes wait for the pump. Control goes first and has no pace; voice (speech, output transcripts, text
// answers, generation and turn complete) keeps its order and is sent no more than lead ahead of real time, so that
// an interruption finds little speech already on its way. Speech is never dropped for slowness: a browser that
// takes nothing for the write timeout is cut off as slow, and a voice lane beyond audio.outbox ends the session.
type outbox struct {
	browser  Browser
	dialect  Dialect
	lead     time.Duration // 0: speech is not paced
	maxVoice time.Duration // of speech in the voice lane
	failed   func(error)   // told, once and without mu, that the browser is lost

	work sync.WaitGroup // the pump, and the one call of failed; added to with mu held

	mu         sync.Mutex
	generation uint64
	numbered   int64 // counted messages written: the number of the newest
	acked      int64 // of them, how many the client says it has

	control ring[*outFrame]
	voice   ring[*outFrame]
	speech  time.Duration // in the voice lane
	paid    time.Time     // when the speech that was sent will have been played
	event   Event         // reused, so that speech allocates nothing
	buf     []byte        // encodes a frame that is tried at once
	rest    []byte        // of a frame that the socket took in part; points into buf or writing.data
	writing *outFrame     // the pump's, pooled; nil: rest points into buf

	pumping  bool
	lost     bool // nothing can be written any more
	full     bool // a lane is too long: only the session's last messages may follow
	unpaced  bool // draining or ending
	closed   bool // the session's last message is in the lane: nothing more may follow
	wake     chan struct{}
	counters Counters // the downlink's share
}

// outFrame is one message in a lane, ready for the wire.
type outFrame struct {
	data    []byte // with its header; points into buf
	buf     []byte
	speech  time.Duration // of audio
	counted bool
	turn    bool // turn_complete
}

var outFrames = sync.Pool{New: func() any { return new(outFrame) }}

// maxSpeechFrame bounds the pieces that speech waits in, so that pace and interruption act within it.
const maxSpeechFrame = 200 * time.Millisecond

// maxControl bounds the control lane. Warnings and pongs are what a client can provoke; one that does so without
// reading is slow.
const maxControl = 1024

var errOutboxFull = errors.New("the outbox is full")

// speechTo sends or queues speech: pcm at rate Hz.
func (o *outbox) speechTo(pcm []byte, rate int) {
	o.mu.Lock()
	e := &o.event
	e.Kind = EventAudio
	step := int(maxSpeechFrame*time.Duration(rate)/time.Second) * 2
	for len(pcm) > 0 && !o.refuses() {
		n := len(pcm)
		d := time.Duration(n/2) * time.Second / time.Duration(rate)
		now := time.Now()
		if o.idle() && (o.lead == 0 || o.unpaced || d <= o.lead) && o.affords(now, d) {
			e.PCM = pcm
			o.tryNow(e, d, now)
			break
		}
		n = min(n, step)
		d = time.Duration(n/2) * time.Second / time.Duration(rate)
		e.PCM = pcm[:n]
		o.queue(&o.voice, e, nil, d)
		pcm = pcm[n:]
	}
	e.PCM = nil
	o.unlock()
}

// affords reports whether d of speech may go now.
func (o *outbox) affords(now time.Time, d time.Duration) bool {
	return o.lead == 0 || o.unpaced || o.paid.Sub(now) <= max(0, o.lead-d)
}

// voiceEvent sends or queues an event that keeps its place among the speech.
func (o *outbox) voiceEvent(e *Event) { o.put(&o.voice, e, nil) }

// voiceNotice does the same for a notice.
func (o *outbox) voiceNotice(n Notice) { o.put(&o.voice, nil, n) }

// controlEvent sends or queues an event ahead of all speech.
func (o *outbox) controlEvent(e *Event) { o.put(&o.control, e, nil) }

// notice sends or queues a notice ahead of all speech.
func (o *outbox) notice(n Notice) { o.put(&o.control, nil, n) }

func (o *outbox) put(lane *ring[*outFrame], e *Event, n Notice) {
	o.mu.Lock()
	if !o.refuses() {
		o.queue(lane, e, n, 0)
	}
	o.unlock()
}

// interrupt drops all speech that was not written and tells the client to drop what it has.
func (o *outbox) interrupt() {
	o.mu.Lock()
	if !o.refuses() {
		o.dropVoice()
		o.counters.Interruptions++
		o.queue(&o.control, nil, InterruptedNotice{}, 0)
	}
	o.unlock()
}

// restart drops all speech that was not written and tells the client that the answer will be spoken anew.
func (o *outbox) restart(why string) {
	o.mu.Lock()
	if !o.refuses() {
		o.dropVoice()
		o.queue(&o.control, nil, RestartedNotice{why}, 0)
	}
	o.unlock()
}

// dropVoice is called with mu held.
func (o *outbox) dropVoice() {
	o.counters.DownlinkDroppedMs += milliseconds(o.speech)
	for o.voice.len() > 0 {
		if f := o.voice.pop(); f.turn {
			o.control.push(f) // the end of a turn is news though its speech is not
		} else {
			f.free()
		}
	}
	o.speech = 0
	o.paid = time.Time{}
}

// finish puts the session's last messages behind what may still be said: everything without pace when the speech
// is to be flushed, the control lane only when not. Nothing can be added afterwards.
func (o *outbox) finish(flush bool, last ...Notice) {
	o.mu.Lock()
	if !o.shut() {
		o.unpaced = true
		if !flush {
			o.dropVoice()
		}
		for _, n := range last {
			o.queue(&o.voice, nil, n, 0) // behind the speech that is flushed
		}
		o.closed = true
	}
	o.unlock()
}

// drained waits until everything that can be written is written. It may be called after finish.
func (o *outbox) drained() { o.work.Wait() }

// attach makes b the browser whose socket is written, and detaches the one before. It returns the new generation.
func (o *outbox) attach(b Browser) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.generation++
	o.browser, o.lost = b, false
	return o.generation
}

// detach stops all writing: the browser of that generation is gone.
func (o *outbox) detach(generation uint64) {
	o.mu.Lock()
	if generation == o.generation {
		o.lost = true
	}
	o.unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// abort drops the browser's connection.
func (o *outbox) abort() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.browser != nil {
		o.browser.Abort()
	}
}

// bye closes the browser's connection: with the reason's close frame, or without one when the connection is lost.
// It may be called after drained.
func (o *outbox) bye(r Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.browser == nil:
	case o.lost || r.Close == 0:
		o.browser.Abort()
	default:
		o.browser.Close(r)
	}
}

// acknowledge takes a client's count of messages received; counts may come late or be nonsense.
func (o *outbox) acknowledge(count int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if count > o.acked && count <= o.numbered {
		o.acked = count
	}
}

// release frees what is kept. Nothing may be running any more.
func (o *outbox) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for o.control.len() > 0 {
		o.control.pop().free()
	}
	for o.voice.len() > 0 {
		o.voice.pop().free()
	}
	o.speech, o.rest, o.buf = 0, nil, nil
	o.browser = nil
}

// shut reports whether nothing more can be said.
func (o *outbox) shut() bool { return o.browser == nil || o.lost || o.closed }

// refuses reports whether nothing may be added but the session's last messages.
func (o *outbox) refuses() bool { return o.full || o.shut() }

// idle reports whether a frame could be written now without overtaking another.
func (o *outbox) idle() bool {
	return !o.pumping && len(o.rest) == 0 && o.control.len() == 0 && o.voice.len() == 0
}

// header is the room that Seal needs.
var header [frame.Room]byte

// queue encodes an event or a notice into a lane. Called with mu held.
func (o *outbox) queue(lane *ring[*outFrame], e *Event, n Notice, speech time.Duration) {
	f := outFrames.Get().(*outFrame)
	var op frame.Opcode
	if e != nil {
		f.buf, op = o.dialect.Encode(append(f.buf[:0], header[:]...), e)
	} else {
		f.buf, op = o.dialect.EncodeNotice(append(f.buf[:0], header[:]...), n)
	}
	if len(f.buf) <= frame.Room {
		f.free()
		return
	}
	f.data, f.speech, f.counted = frame.Seal(f.buf, op), speech, counted(n)
	_, f.turn = n.(TurnNotice)
	lane.push(f)
	o.speech += speech
	if o.speech > o.maxVoice || o.control.len() > maxControl {
		o.overflow()
	}
}

// counted reports whether a message counts for resuming: those about the connection itself do not.
func counted(n Notice) bool {
	switch n.(type) {
	case StartedNotice, PongNotice, ErrorNotice, EndedNotice:
		return false
	default:
		return true
	}
}

// overflow ends the session for a lane that is too long. The browser may be well, and is told. Called with mu held.
func (o *outbox) overflow() {
	if o.lost || o.full {
		return
	}
	o.full = true
	o.work.Go(func() { o.failed(errOutboxFull) })
}

// lose gives the browser up. Called with mu held; unlock tells.
func (o *outbox) lose(err error) {
	if o.lost {
		return
	}
	o.lost = true
	o.work.Go(func() { o.failed(err) })
}

// unlock ends a turn with the outbox: what it could not write itself it leaves to the pump.
func (o *outbox) unlock() {
	switch {
	case o.lost || o.browser == nil:
	case o.pumping:
		select {
		case o.wake <- struct{}{}:
		default: // it is awake already
		}
	case len(o.rest) > 0 || o.control.len() > 0 || o.voice.len() > 0:
		if !o.writeQueued() {
			o.pumping = true
			o.work.Go(o.pump)
		}
	}
	o.mu.Unlock()
}

// slow reports whether a browser was lost because it did not take what was sent.
func slow(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errOutboxFull)
}

func (f *outFrame) free() {
	f.data = nil
	outFrames.Put(f)
}
