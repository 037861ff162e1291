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
// answers, generation and turn complete) keeps its order and is sent no more than lead ahead of real time, and, to a
// client that acknowledges, no more than window bytes ahead of what it has received: so that an interruption finds
// little speech already on its way. Speech is never dropped for slowness: a browser that takes nothing for the write
// timeout is cut off as slow, and a voice lane beyond audio.outbox ends the session.
//
// A message gets its number when it is first written. Where the session can be resumed it is kept until the client
// acknowledges it; a new connection is sent what its client lacks before anything else. While no connection is there
// the lanes go on being filled.
type outbox struct {
	session      outboxOwner
	dialect      Dialect
	lead         time.Duration // 0: speech is not paced
	window       int           // bytes of speech under way; 0: not bounded
	maxVoice     time.Duration // of speech in the voice lane
	added        *added        // how long speech stayed here
	writeTimeout time.Duration
	resumable    bool // messages are kept, and the lanes go on without a connection

	telling sync.WaitGroup // the call of outboxFull; added to with mu held

	mu       sync.Mutex
	link     *link // nil: nobody is attached
	numbered int64 // counted messages written: the number of the newest
	acks     bool  // the client acknowledges
	kept     kept
	tickets  ring[issued]
	replay   int64 // number of the next message to be sent again
	replayTo int64 // and of the last

	first   ring[*outFrame] // what a resumed connection is told before anything else
	control ring[*outFrame]
	voice   ring[*outFrame]
	speech  time.Duration // in the voice lane
	paid    time.Time     // when the speech that was sent will have been played
	stalled time.Time     // since when the window has been closed; zero: it is open
	acked   AckNotice     // reused, too
	plain   bool          // speech can be written where it lies; static
	buf     []byte        // encodes a frame that is tried at once, holds its rest, or one that is sent again
	rest    []byte        // of a frame that the socket took in part; points into buf or writing.data
	writing *outFrame     // the pump's, pooled; nil: rest points into buf

	pumping  bool // a pump of the link in use runs
	full     bool // a lane is too long: only the session's last messages may follow
	unpaced  bool // draining or ending
	closed   bool // the session's last message is in the lane: nothing more may follow
	counters downlinkCounters
	frames   uint32 // of speech that went at once
}

// outboxOwner is whom an outbox belongs to. It is told without mu, each of it once.
type outboxOwner interface {
	browserFailed(l *link, err error) // the connection takes nothing any more
	outboxFull()                      // a lane is too long
}

// link is one connection of the browser.
type link struct {
	browser    Browser
	generation uint64
	bad        int            // malformed messages in a row; the reader's own
	wake       chan struct{}  // of the pump; nil: there has been none
	writers    sync.WaitGroup // who may touch the browser without the outbox's lock; added to with it held
	acked      AckNotice      // the most that its client was told; guarded by the outbox's lock
}

func newLink(b Browser, generation uint64) *link {
	return &link{browser: b, generation: generation}
}

// nudge makes the link's pump look again.
func (l *link) nudge() {
	select {
	case l.wake <- struct{}{}:
	default: // it is awake already
	}
}

// outFrame is one message in a lane, ready for the wire.
type outFrame struct {
	data    []byte // with its header; points into buf
	buf     []byte
	speech  time.Duration // of audio
	counted bool
	turn    bool   // turn_complete
	news    bool   // that, or turn_restarted: not dropped with the speech around it
	ticket  *point // of a ticket: where it goes on; else nil
}

// issued is a ticket that was written behind a message with a number: who has received that one may have the ticket, and
// what its handle knows.
type issued struct {
	number int64
	at     point
}

var outFrames = sync.Pool{New: func() any { return new(outFrame) }}

// maxSpeechFrame bounds the pieces that speech waits in, so that pace and interruption act within it.
const maxSpeechFrame = 200 * time.Millisecond

// maxControl bounds the control lane. Warnings and pongs are what a client can provoke; one that does so without
// reading is slow.
const maxControl = 1024

var errOutboxFull = errors.New("the outbox is full")

// speechTo sends or queues speech, PCM at rate Hz, which came just now.
func (o *outbox) speechTo(speech *Event, rate int, now time.Time) {
	all, framed := speech.PCM, speech.Framed
	pcm := all
	speech.Framed = nil // a part of it has no room in front
	o.mu.Lock()
	step := int(maxSpeechFrame*time.Duration(rate)/time.Second) * 2
	if o.windowed() {
		step = min(step, o.window/4&^1)
	}
	for len(pcm) > 0 && !o.refuses() {
		n := len(pcm)
		d := time.Duration(n/2) * time.Second / time.Duration(rate)
		if o.idle() && (o.lead == 0 || o.unpaced || d <= o.lead) && (!o.windowed() || n <= o.window) && o.affords(now, d, n) {
			if len(pcm) == len(all) {
				speech.Framed = framed
			}
			speech.PCM = pcm
			o.tryNow(speech, d, now)
			if o.frames++; o.frames%sampleEvery == 0 && len(o.rest) == 0 { // the rest is the browser's time
				o.added.record(time.Since(now))
			}
			break
		}
		n = min(n, step)
		d = time.Duration(n/2) * time.Second / time.Duration(rate)
		speech.PCM = pcm[:n]
		o.queue(&o.voice, speech, nil, d)
		pcm = pcm[n:]
	}
	speech.PCM, speech.Framed = all, framed
	o.unlock()
}

// windowed reports whether unacknowledged speech is bounded. Called with mu held.
func (o *outbox) windowed() bool { return o.window > 0 && o.acks && !o.unpaced }

// affords reports whether speech of a duration and a size in bytes may go now. Called with mu held.
func (o *outbox) affords(now time.Time, d time.Duration, n int) bool {
	return o.onPace(now, d) && o.inWindow(n)
}

func (o *outbox) onPace(now time.Time, d time.Duration) bool {
	return o.lead == 0 || o.unpaced || o.paid.Sub(now) <= max(0, o.lead-d)
}

func (o *outbox) inWindow(n int) bool {
	return !o.windowed() || o.kept.speech == 0 || o.kept.speech+n <= o.window
}

// voiceEvent sends or queues an event that keeps its place among the speech.
func (o *outbox) voiceEvent(e *Event) { o.put(&o.voice, e, nil) }

// voiceNotice does the same for a notice.
func (o *outbox) voiceNotice(n Notice) { o.put(&o.voice, nil, n) }

// controlEvent sends or queues an event ahead of all speech.
func (o *outbox) controlEvent(e *Event) { o.put(&o.control, e, nil) }

// notice sends or queues a notice ahead of all speech.
func (o *outbox) notice(n Notice) { o.put(&o.control, nil, n) }

// linkNotice does the same for a notice about the connection itself: without one there is nobody to tell.
func (o *outbox) linkNotice(n Notice) {
	o.mu.Lock()
	if o.link != nil && !o.refuses() {
		o.queue(&o.control, nil, n, 0)
	}
	o.unlock()
}

// ack tells a connection's client what has come from it. Callers overtake each other: what was told before is never taken back.
func (o *outbox) ack(generation uint64, received int64) {
	o.mu.Lock()
	covered := o.newest().covered // not more: the client may forget what is covered
	if l := o.link; l != nil && l.generation == generation && !o.refuses() {
		l.acked = AckNotice{max(received, l.acked.Received), max(covered, l.acked.Covered)}
		o.acked = l.acked
		o.queue(&o.control, nil, &o.acked, 0)
	}
	o.unlock()
}

// ticket tells the client of a newer ticket, behind the speech that waits: a client that has the ticket must have heard the
// answers which its handle knows, because nobody will give them again.
func (o *outbox) ticket(text string, at point) {
	o.mu.Lock()
	if o.link != nil && !o.refuses() {
		lane := &o.control
		if o.voice.len() > 0 {
			lane = &o.voice
		}
		if f := o.queue(lane, nil, TicketNotice{text}, 0); f != nil {
			f.ticket = &at
		}
	}
	o.unlock()
}

// newest is where the newest ticket that was written goes on. Called with mu held.
func (o *outbox) newest() point {
	if o.tickets.len() == 0 {
		return point{}
	}
	return o.tickets.at(o.tickets.len() - 1).at
}

func (o *outbox) put(lane *ring[*outFrame], e *Event, n Notice) {
	o.mu.Lock()
	if !o.refuses() {
		o.queue(lane, e, n, 0)
	}
	o.unlock()
}

// finish puts the session's last messages behind what may still be said: everything without pace when the speech
// is to be flushed, the control lane only when not. Nothing can be added afterwards, and nobody can attach.
func (o *outbox) finish(flush bool, last ...Notice) {
	o.mu.Lock()
	if !o.closed {
		o.unpaced = true
		if !flush {
			o.dropVoice()
			o.dropNews()
		}
		for _, n := range last {
			o.queue(&o.voice, nil, n, 0) // behind the speech that is flushed
		}
		o.closed = true
	}
	o.unlock()
}

// drained waits until everything that can be written is written. It may be called after finish.
func (o *outbox) drained() {
	o.mu.Lock()
	l := o.link
	o.mu.Unlock()
	if l != nil {
		l.writers.Wait()
	}
	o.telling.Wait()
}

// abort drops the browser's connection.
func (o *outbox) abort() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.link != nil {
		o.link.browser.Abort()
	}
}

// bye closes the browser's connection with the reason's close frame. It may be called after drained; nothing of the
// outbox touches the browser afterwards.
func (o *outbox) bye(r Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.link == nil {
		return
	}
	if r.Close == 0 {
		o.link.browser.Abort()
	} else {
		o.link.browser.Close(r)
	}
	o.unlink()
}

// release frees what is kept. Nothing may be running any more.
func (o *outbox) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for _, lane := range []*ring[*outFrame]{&o.first, &o.control, &o.voice} {
		for lane.len() > 0 {
			lane.pop().free()
		}
	}
	o.kept.clear(0)
	o.speech, o.rest, o.buf = 0, nil, nil
}

// refuses reports whether nothing may be added but the session's last messages.
func (o *outbox) refuses() bool { return o.full || o.closed || o.link == nil && !o.resumable }

// idle reports whether a frame could be written now without overtaking another. Called with mu held.
func (o *outbox) idle() bool {
	return o.link != nil && !o.pumping && len(o.rest) == 0 && o.empty()
}

// empty reports whether nothing waits to be written. Called with mu held.
func (o *outbox) empty() bool {
	return o.first.len() == 0 && o.replay > o.replayTo && o.control.len() == 0 && o.voice.len() == 0
}

// header is the room that Seal needs.
var header [frame.Room]byte

// queue encodes an event or a notice into a lane; nil: the client is told nothing of it. Called with mu held.
func (o *outbox) queue(lane *ring[*outFrame], e *Event, n Notice, speech time.Duration) *outFrame {
	f := outFrames.Get().(*outFrame)
	var op frame.Opcode
	if e != nil {
		f.buf, op = o.dialect.Encode(append(f.buf[:0], header[:]...), e)
	} else {
		f.buf, op = o.dialect.EncodeNotice(append(f.buf[:0], header[:]...), n)
	}
	if len(f.buf) <= frame.Room {
		f.free()
		return nil
	}
	f.data, f.speech, f.counted = frame.Seal(f.buf, op), speech, counted(n)
	f.ticket = nil
	_, f.turn = n.(TurnNotice)
	_, restarted := n.(RestartedNotice)
	f.news = f.turn || restarted
	lane.push(f)
	o.speech += speech
	if o.speech > o.maxVoice || o.control.len() > maxControl {
		o.overflow()
	}
	return f
}

// overflow ends the session for a lane that is too long. The browser may be well, and is told. Called with mu held.
func (o *outbox) overflow() {
	if o.full {
		return
	}
	o.full = true
	o.telling.Go(o.session.outboxFull)
}

// lose gives the connection in use up. Called with mu held.
func (o *outbox) lose(err error) {
	l := o.link
	if l == nil {
		return
	}
	o.unlink()
	l.writers.Go(func() { o.session.browserFailed(l, err) })
}

// unlock ends a turn with the outbox: what it could not write itself it leaves to the pump.
func (o *outbox) unlock() {
	switch l := o.link; {
	case l == nil:
	case o.pumping:
		l.nudge()
	case len(o.rest) > 0 || !o.empty():
		if !o.writeQueued() {
			o.pumping = true
			if l.wake == nil {
				l.wake = make(chan struct{}, 1)
			}
			l.writers.Go(func() { o.pump(l) })
		}
	}
	o.mu.Unlock()
}

// slow reports whether a browser was lost because it did not take what was sent.
func slow(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errOutboxFull)
}

// free gives f, which may be nil, back.
func (f *outFrame) free() {
	if f != nil {
		f.data = nil
		outFrames.Put(f)
	}
}
