package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// crowd is the browsers of one measurement.
type crowd struct {
	sc       scenario
	sessions []*session

	working  sync.WaitGroup
	sending  atomic.Bool // false: no further frame is sent
	closing  atomic.Bool // what breaks now is no failure
	latency  atomic.Bool // round trips are written down
	upMsgs   atomic.Int64
	upBytes  atomic.Int64
	downMsgs atomic.Int64
	downByte atomic.Int64

	mu     sync.Mutex
	trips  []time.Duration
	failed error
}

// together is how many sessions begin at once.
const together = 32

// gather opens the sessions of a scenario.
func gather(ctx context.Context, r relay, host string, sc scenario) (*crowd, error) {
	c := &crowd{sc: sc, sessions: make([]*session, sc.sessions)}
	var next atomic.Int64
	var opening sync.WaitGroup
	for range min(together, sc.sessions) {
		opening.Go(func() {
			for i := next.Add(1) - 1; i < int64(sc.sessions) && c.err() == nil; i = next.Add(1) - 1 {
				s, err := begin(ctx, r, host)
				if err != nil {
					c.fail(err)
					return
				}
				c.sessions[i] = s
			}
		})
	}
	opening.Wait()
	if err := c.err(); err != nil {
		c.leave()
		return nil, err
	}
	return c, nil
}

// work starts what the scenario asks of its sessions.
func (c *crowd) work() {
	c.sending.Store(true)
	for i, s := range c.sessions {
		switch c.sc.kind {
		case saturated:
			c.working.Go(func() { c.check(c.roundTrips(s)) })
		case idle:
			c.working.Go(func() { c.check(c.hear(s, nil)) })
		default:
			sent := &clock{frame: c.sc.frame}
			phase := time.Duration(float64(i) / float64(len(c.sessions)) / c.sc.rate * float64(time.Second))
			c.working.Go(func() { c.check(c.talk(s, phase, sent)) })
			c.working.Go(func() { c.check(c.hear(s, sent)) })
		}
	}
}

// roundTrips sends a frame, waits until as many bytes have come back, and begins anew.
func (c *crowd) roundTrips(s *session) error {
	buf, pcm := frameBuffer(c.sc.frame)
	for c.sending.Load() {
		if err := c.send(s, buf, pcm); err != nil {
			return err
		}
		for missing := c.sc.frame; missing > 0; {
			n, err := c.receive(s)
			if err != nil {
				return err
			}
			missing -= n
		}
	}
	return nil
}

// talk sends frames at an even rate. A frame that is late is sent as soon as it can be.
func (c *crowd) talk(s *session, phase time.Duration, sent *clock) error {
	every := time.Duration(float64(time.Second) / c.sc.rate)
	buf, pcm := frameBuffer(c.sc.frame)
	timer := time.NewTimer(phase)
	defer timer.Stop()
	for due := time.Now().Add(phase); ; due = due.Add(every) {
		timer.Reset(time.Until(due))
		<-timer.C
		if !c.sending.Load() {
			return nil
		}
		sent.wrote(time.Now())
		if err := c.send(s, buf, pcm); err != nil {
			return err
		}
	}
}

// The rhythm of acknowledgements (docs/protocol.md).
const (
	ackEvery = 250 * time.Millisecond
	ackBytes = 8 << 10
)

// hear reads until the end. sent, which may be nil, knows when frames were written.
func (c *crowd) hear(s *session, sent *clock) error {
	acked, unacked := time.Now(), 0
	var trips []time.Duration
	defer func() {
		c.mu.Lock()
		c.trips = append(c.trips, trips...)
		c.mu.Unlock()
	}()
	for {
		n, err := c.receive(s)
		if err != nil {
			return err
		}
		if sent == nil && !s.acks {
			continue
		}
		now := time.Now()
		if sent != nil && c.sc.kind == paced {
			trips = sent.came(n, now, c.latency.Load(), trips)
		}
		if unacked += n; s.acks && (unacked >= ackBytes || now.Sub(acked) >= ackEvery) {
			if err := s.acknowledge(); err != nil {
				return err
			}
			acked, unacked = now, 0
		}
	}
}

// receive reads one message and returns its bytes of PCM.
func (c *crowd) receive(s *session) (int, error) {
	op, payload, err := s.next()
	if err != nil {
		return 0, err
	}
	if op != frame.Binary {
		return 0, nil
	}
	c.downMsgs.Add(1)
	c.downByte.Add(int64(len(payload)))
	return len(payload), nil
}

func (c *crowd) send(s *session, buf, pcm []byte) error {
	copy(buf[frame.Room:], pcm) // the last one was masked in place
	c.upMsgs.Add(1)
	c.upBytes.Add(int64(len(pcm)))
	return s.WriteFrame(buf)
}

// frameBuffer is a frame, and the room to send it from.
func frameBuffer(n int) (buf, pcm []byte) {
	pcm = make([]byte, n)
	for i := range pcm {
		pcm[i] = byte(i*7 + i>>8)
	}
	return make([]byte, frame.Room+n), pcm
}

// crossed is the audio between browsers and relay so far.
func (c *crowd) crossed() crossed {
	return crossed{MessagesUp: c.upMsgs.Load(), BytesUp: c.upBytes.Load(), MessagesDown: c.downMsgs.Load(), BytesDown: c.downByte.Load()}
}

// check keeps the first thing that went wrong.
func (c *crowd) check(err error) {
	if err != nil && !c.closing.Load() {
		c.fail(fmt.Errorf("a session broke: %w", err))
	}
}

func (c *crowd) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		c.failed = err
	}
}

func (c *crowd) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// leave ends all sessions and waits for their goroutines.
func (c *crowd) leave() {
	c.closing.Store(true)
	c.sending.Store(false)
	for _, s := range c.sessions {
		if s != nil {
			s.close()
		}
	}
	c.working.Wait()
}

// roundTrip is a quantile of what was written down; 0 where nothing was. The sessions have left.
func (c *crowd) roundTrip(share float64) float64 {
	if len(c.trips) == 0 {
		return 0
	}
	slices.Sort(c.trips)
	return float64(c.trips[int(share*float64(len(c.trips)-1)+0.5)]) / float64(time.Microsecond)
}

// clock pairs the frames of one session that were written with the bytes that came back: relays may join frames.
type clock struct {
	frame int
	mu    sync.Mutex
	times []time.Time // of frames that have not come back, oldest first
	part  int         // bytes of the oldest that have
}

func (k *clock) wrote(at time.Time) {
	k.mu.Lock()
	k.times = append(k.times, at)
	k.mu.Unlock()
}

// came takes n bytes that came at now, and appends the round trips that they completed, if keep.
func (k *clock) came(n int, now time.Time, keep bool, trips []time.Duration) []time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	done := 0
	for k.part += n; k.part >= k.frame && done < len(k.times); k.part -= k.frame {
		if keep {
			trips = append(trips, now.Sub(k.times[done]))
		}
		done++
	}
	k.times = append(k.times[:0], k.times[done:]...)
	return trips
}

var errLost = errors.New("audio was lost")
