package live

import (
	"sync"
	"sync/atomic"
	"time"
)

// uplink is the way to the model. Whoever holds mu is the sender; whoever has something to send and finds mu
// taken may go on, because the holder looks again after unlocking.
type uplink struct {
	mu       sync.Mutex
	upstream Upstream // nil until the setup was accepted

	missed atomic.Bool // somebody with something to send found mu taken

	owned  atomic.Pointer[Upstream] // from the dial on, for those who end it without being the sender
	waking *time.Timer              // armed by a failed send; guarded by mu
	pcm    []byte                   // joined audio on its way into the encoder
	audio  *Command                 // reused, so that audio allocates nothing; nil: none has come

	lastSent atomic.Int64 // Unix nanoseconds
	index    int64        // the last message's index at the upstream; guarded by mu
	silence  atomic.Int64 // bytes of silence sent
}

// own makes up the session's upstream, to which nothing may be sent yet.
func (u *uplink) own(up Upstream) { u.owned.Store(&up) }

// open lets senders send.
func (u *uplink) open(up Upstream) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.upstream = up
}

// close ends the upstream; whoever is sending fails at once, and nothing is sent until the next one is opened. It may
// be called more than once.
func (u *uplink) close() {
	up := u.owned.Load()
	if up == nil {
		return
	}
	(*up).Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.upstream = nil
	if u.waking != nil { // only now: a sender that Close made fail has armed it
		u.waking.Stop()
		u.waking = nil
	}
}

// lastWords is how long the owner may still receive, after a send has failed, what the upstream said before.
const lastWords = 500 * time.Millisecond

// wakeLater makes the owner's Receive return soon. Called with mu held.
func (u *uplink) wakeLater() {
	if u.upstream != nil && u.waking == nil {
		u.waking = time.AfterFunc(lastWords, u.upstream.Wake)
	}
}

// silenceLength is the silence that keeps an upstream from closing for want of input.
const silenceLength = 100 * time.Millisecond

// sendUp sends everything in the inbox that may go now. flush sends short audio too.
func (s *Session) sendUp(flush bool) { s.sendFresh(lent{}, flush, time.Now()) }

// sendFresh is sendUp for who has just put a frame into the inbox that still lies where it was read.
func (s *Session) sendFresh(fresh lent, flush bool, now time.Time) {
	u := &s.up
	for {
		if !u.mu.TryLock() {
			u.missed.Store(true)
			if !u.mu.TryLock() {
				return // the holder sees it when it has unlocked
			}
		}
		sent, left, err := s.sendAll(fresh, flush, now)
		if err != nil {
			s.upstreamFailed(err)
		}
		u.mu.Unlock()
		if err != nil {
			return
		}
		missed := u.missed.Load() && u.missed.Swap(false)
		if !sent || !missed || !s.sendable(flush) {
			if left || missed {
				s.armFlush()
			}
			return
		}
		now = time.Now()
	}
}

// sendable reports whether another round of sendUp would find something: what arrived while the sender was busy.
func (s *Session) sendable(flush bool) bool {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	if s.tools.holdsAudio() {
		return s.in.aside.next() != nil || s.in.ahead() >= 0
	}
	return s.in.commands > 0 || s.in.unsent > 0 && (flush || s.in.unsent >= s.minChunk)
}

// wholeFrame is how much of a frame that came as one message goes up as one: it has arrived, and to cut it costs a message,
// a mask and a system call for each piece, without the model hearing any of it earlier. Longer frames are cut, because
// nobody says how long a message of audio models take.
const wholeFrame = time.Second

// longMessage is what a session keeps of the memory that joins audio, when its messages are short again.
const longMessage = 8 << 10

// sendAll is called with up.mu held. It reports whether there is an upstream to send to, and whether audio was left that waits for
// more to come.
func (s *Session) sendAll(fresh lent, flush bool, now time.Time) (ready, left bool, err error) {
	u := &s.up
	if u.upstream == nil {
		return false, true, nil
	}
	rule := takeRule{minBytes: s.minChunk, flush: flush, maxBytes: s.maxChunk, whole: int(wholeFrame/time.Second) * s.inputRate * 2, fresh: fresh}
	for {
		rule.holdAudio = s.tools.holdsAudio()
		pcm, c, at := s.in.take(u.pcm[:0], rule)
		rule.gave = gave{}
		if len(pcm) > 0 && len(fresh.pcm) > 0 && &pcm[0] == &fresh.pcm[0] {
			rule.fresh = lent{}
		} else if u.pcm = pcm; cap(pcm) > longMessage && len(pcm) > 0 && len(pcm) <= longMessage {
			u.pcm = nil // pcm itself lives until it was sent
		}
		switch {
		case c != nil && c.Kind == CommandToolResponse:
			still := *c // c is kept as it is
			if still.Responses = s.tools.asked(c.Responses); len(still.Responses) == 0 {
				continue // the connection that asked is gone, or has taken the calls back
			}
			c = &still
		case c != nil:
		case len(pcm) > 0:
			if u.audio == nil {
				u.audio = &Command{Kind: CommandAudio}
			}
			u.audio.PCM, u.audio.Now = pcm, now
			c = u.audio
		default:
			return true, s.in.left, nil
		}
		now, err = s.send(c)
		if u.audio != nil {
			u.audio.PCM = nil
		}
		if err != nil {
			return true, true, err
		}
		rule.gave = gave{u.index, at, now.UnixNano()}
	}
}

// send is called with up.mu held and an upstream. It returns when c was sent.
func (s *Session) send(c *Command) (now time.Time, err error) {
	index, err := s.up.upstream.Send(c)
	if err != nil {
		return now, err
	}
	now = time.Now()
	s.up.index = index
	s.up.lastSent.Store(now.UnixNano())
	for _, r := range c.Responses {
		s.tools.close(r.ID)
	}
	return now, nil
}

// armFlush makes sure that short audio, which waits for more to come, goes up when it has waited long enough.
func (s *Session) armFlush() {
	if !s.live.Load() || s.tools.holdsAudio() {
		return // whoever ends this sends what waits
	}
	since, ok := s.in.waiting()
	if !ok || !s.flushArmed.CompareAndSwap(false, true) {
		return
	}
	wait := max(s.config.Audio.MinUpstreamChunk-time.Since(since), time.Millisecond)
	if !s.flushTimer.again(wait) {
		s.flushTimer.first(wait, s.flushShort)
	}
}

// flushShort is the flush timer's function.
func (s *Session) flushShort() {
	if !s.life.enter() {
		return
	}
	defer s.life.leave()
	s.flushArmed.Store(false)
	if since, ok := s.in.waiting(); ok {
		s.sendUp(time.Since(since) >= s.config.Audio.MinUpstreamChunk)
	}
}

// keepAlive sends silence when nothing else went up for live.silence_interval, and returns when to look again.
func (s *Session) keepAlive(now time.Time) time.Duration {
	interval := s.config.Live.SilenceInterval
	if left := interval - now.Sub(time.Unix(0, s.up.lastSent.Load())); left > 0 {
		return left
	}
	if !s.up.mu.TryLock() {
		return interval // something is being sent just now
	}
	var err error
	if s.up.upstream != nil && !s.tools.holdsAudio() {
		n := int(time.Duration(s.setup().InputRate)*silenceLength/time.Second) * 2
		_, err = s.send(&Command{Kind: CommandAudio, PCM: make([]byte, n)})
		s.up.silence.Add(int64(n))
	}
	if err != nil {
		s.upstreamFailed(err)
	}
	s.up.mu.Unlock()
	s.sendUp(false) // what came while the lock was held
	return interval
}
