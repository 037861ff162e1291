package main

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/socket"
	"github.com/stonepot/stonepot/live/frame"
)

// conversation is one session: open, then speak and listen in a goroutine each, then hangUp.
type conversation struct {
	// Static after newConversation.
	r *run
	n uint32 // its number, from 0

	sock *socket.Conn // once open has returned without an error
	acks acks

	// Shared by speak and listen.
	spoke   atomic.Int64  // when speech ended that no answer has begun to, in nanoseconds of the run's clock; 0: none
	next    atomic.Uint32 // the first frame that was not written yet
	sent    atomic.Int64  // measured frames
	arrived atomic.Int64  // of them, those that came back
	leaving atomic.Bool   // the end is asked for
	atModel [kept]atomic.Int64

	// Owned by listen.
	seen    seen
	frames  deframer
	rate    int // Hz of the model's voice
	talking bool
	playEnd time.Duration // when what came of the answer will have been played
	left    bool          // with a session_ended
}

// kept is of how many frames under way the time at the model's end is remembered.
const kept = 1024

func newConversation(r *run, n uint32) *conversation {
	return &conversation{r: r, n: n, frames: deframer{frame: r.o.frame}, rate: 24000}
}

// open brings the conversation to session_ready.
func (c *conversation) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.r.o.timeout)
	defer cancel()
	began := c.r.clock()
	ad := c.r.api.bare()
	if c.r.o.create {
		var err error
		if ad, err = c.r.api.admit(ctx); err != nil {
			return err
		}
	}
	asked := c.r.clock()
	sock, err := c.r.dialer.open(ctx, ad.path, ad.protocols)
	if err != nil {
		return err
	}
	connected := c.r.clock()
	c.sock = sock
	stop := context.AfterFunc(ctx, sock.Close)
	m, err := c.begin()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		sock.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return failed("start", err)
	}
	now := c.r.clock()
	f := c.r.figures
	if c.r.o.create {
		f.began(partAsk, asked-began)
	}
	f.began(partConnect, connected-asked)
	f.began(partStart, now-connected)
	f.began(partReady, now-began)
	f.isReady(m)
	return nil
}

// begin sends start_session and waits for session_ready.
func (c *conversation) begin() (ready message, err error) {
	if err := c.text(startSession(c.r.o.resumable, c.r.o.voice.hz)); err != nil {
		return ready, err
	}
	for ready.Type != "session_ready" {
		op, payload, err := c.sock.Next()
		if err != nil {
			return ready, err
		}
		if op != frame.Text {
			continue // before it is ready it has nothing to say
		}
		if ready, err = c.take(payload); err != nil {
			return ready, err
		}
	}
	if hz := ready.Audio.Output.SampleRate; hz > 0 {
		c.rate = hz
	}
	return ready, nil
}

// text sends a text message.
func (c *conversation) text(p []byte) error {
	c.r.figures.up.text(len(p))
	return c.sock.Write(frame.Text, p)
}

// speak sends frames when they are due until the run's end. What goes wrong shows at listen.
func (c *conversation) speak(ctx context.Context) {
	r := c.r
	p := pace{begin: r.clock() + r.phase(c.n), interval: r.interval}
	p.taken = p.begin
	buf := make([]byte, frame.Room+r.o.frame)
	timer := time.NewTimer(0)
	defer timer.Stop()
	speaking := false
	for k := uint32(0); ; k++ {
		due := p.due(k)
		if !r.goesOn(due) {
			return
		}
		if wait := due - r.clock(); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		} else if ctx.Err() != nil {
			return
		}
		speech := r.script.fill(buf[frame.Room:], k)
		if speaking && !speech {
			c.spoke.Store(int64(p.due(k - 1)))
		}
		speaking = speech
		if !c.say(&p, k, due, buf) {
			return
		}
	}
}

// say writes frame k and whatever ack is due, and reports whether the connection took them.
func (c *conversation) say(p *pace, k uint32, due time.Duration, buf []byte) bool {
	r := c.r
	now := r.clock()
	queued, lag := p.writing(k, now)
	measured := r.measures(due)
	if r.echo {
		mark{r.number, c.n, k, queued, measured, now}.put(buf[frame.Room:])
	}
	if measured {
		c.sent.Add(1)
		r.figures.sent.Add(1)
	}
	c.next.Store(k + 1)
	if err := c.sock.WriteFrame(buf); err != nil {
		return false
	}
	p.written(k, r.clock()-now)
	r.figures.up.audio(r.o.frame)
	r.figures.everSent.Add(1)
	r.figures.record(c.n, func(d *distributions) {
		d.recentLag.Record(lag)
		if measured {
			d.lag.Record(lag)
		}
	})
	return c.acknowledge() == nil
}

// acknowledge sends an ack if one is due.
func (c *conversation) acknowledge() error {
	if !c.r.o.resumable {
		return nil
	}
	if ack := c.acks.due(c.r.clock()); ack != nil {
		return c.text(ack)
	}
	return nil
}

// listen takes what comes until the connection is over, and says how that came.
func (c *conversation) listen() error {
	for {
		op, payload, err := c.sock.Next()
		if err != nil {
			return c.over(err)
		}
		now := c.r.clock()
		if op == frame.Text {
			if _, err := c.take(payload); err != nil {
				return c.over(err)
			}
			continue
		}
		c.r.figures.down.audio(len(payload))
		c.acks.count(1, len(payload))
		if c.r.echo {
			c.frames.feed(payload, func(f []byte) { c.echoed(f, now) })
		} else {
			c.heard(len(payload), now)
		}
		_ = c.acknowledge() // what is wrong with the connection shows when reading
	}
}

// over makes of the connection's end what it means: nil is the end that was asked for.
func (c *conversation) over(err error) error {
	var closed *frame.CloseError
	if c.leaving.Load() && c.left && errors.As(err, &closed) && closed.Code == 1000 {
		return nil
	}
	if c.leaving.Load() {
		return failed("end", err)
	}
	return failed("in the middle", err)
}

// echoed takes a frame that came back.
func (c *conversation) echoed(p []byte, now time.Duration) {
	f := c.r.figures
	f.everReceived.Add(1)
	m, ok := readMark(p)
	if !ok || m.session != c.n || m.run != c.r.number || m.seq >= c.next.Load() {
		f.strange.Add(1)
		return
	}
	if !c.seen.add(m.seq) {
		f.doubled.Add(1)
		return
	}
	trip := corrected(m.sent, m.queued, now)
	if !m.measured {
		f.record(c.n, func(d *distributions) { d.recentTrip.Record(trip) })
		return
	}
	c.arrived.Add(1)
	f.received.Add(1)
	if trip > c.r.o.late {
		f.late.Add(1)
	}
	atModel := time.Duration(c.atModel[m.seq%kept].Swap(0))
	f.record(c.n, func(d *distributions) {
		d.recentTrip.Record(trip)
		d.trip.Record(trip)
		d.uncorrected.Record(now - m.sent)
		if atModel > 0 {
			d.up.Record(corrected(m.sent, m.queued, atModel))
			d.down.Record(now - atModel)
		}
	})
}

// reached notes when a frame came to the model's end. It is called by that end's goroutines.
func (c *conversation) reached(seq uint32, at time.Duration) { c.atModel[seq%kept].Store(int64(at)) }

// heard takes n bytes of an answer.
func (c *conversation) heard(n int, now time.Duration) {
	f := c.r.figures
	lasts := time.Duration(n/2) * time.Second / time.Duration(c.rate)
	measured := c.r.measures(now)
	f.everReceived.Add(1)
	if measured {
		f.received.Add(1)
	}
	if !c.talking {
		c.talking = true
		c.playEnd = now + c.r.o.late // what a player keeps ready before it begins
		if spoke := time.Duration(c.spoke.Swap(0)); spoke > 0 && c.r.measures(spoke) {
			f.record(c.n, func(d *distributions) { d.answer.Record(now - spoke); d.recentTrip.Record(now - spoke) })
		}
	}
	if now > c.playEnd && measured {
		f.late.Add(1)
	}
	c.playEnd = max(c.playEnd, now) + lasts
}

// take reads a text message. The error is the server's, or that it cannot be read.
func (c *conversation) take(p []byte) (m message, err error) {
	f := c.r.figures
	f.down.text(len(p))
	if err := json.Unmarshal(p, &m); err != nil {
		return m, &failure{"a message of the server is no JSON", err}
	}
	if !uncounted[m.Type] {
		c.acks.count(1, len(p))
	}
	switch m.Type {
	case "error":
		return m, &failure{"error " + m.Code, errors.New(m.Error)}
	case "skipped":
		c.acks.count(m.Messages, 0)
		f.note("skipped", m.Messages)
	case "warning":
		f.note("warning "+m.Code, 1)
	case "reconnecting", "turn_restarted":
		f.note(m.Type, 1)
	case "interrupted":
		c.talking = false
	case "turn_complete":
		c.talking = false
		if ms := m.Turn.ResponseMs; ms > 0 && c.r.measures(c.r.clock()) {
			f.record(c.n, func(d *distributions) { d.serverAnswer.Record(time.Duration(ms) * time.Millisecond) })
		}
	case "session_ended":
		c.left = true
	}
	return m, nil
}

// goodbyeWait is how long a server may take to say goodbye.
const goodbyeWait = 10 * time.Second

// hangUp asks for an orderly end; listen returns when it has come, or did not come in time.
func (c *conversation) hangUp() {
	c.leaving.Store(true)
	_ = c.sock.SetReadDeadline(time.Now().Add(goodbyeWait))
	_ = c.text([]byte(endSession)) // what is wrong with the connection shows at listen
}

// missing is how many measured frames have not come back.
func (c *conversation) missing() int64 { return c.sent.Load() - c.arrived.Load() }
