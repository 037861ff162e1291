package gemini

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
	"github.com/stonepot/stonepot/live/frame/rfc6455"
)

// modelPeer says everything in captions, whatever kind of message holds them.
func modelPeer(limit int) *rfc6455.Peer {
	caption := func(said string, size int) []byte {
		head, tail := `{"serverContent":{"outputTranscription":{"text":"`+said+`"}}`, `}`
		return []byte(head + strings.Repeat(" ", max(0, size-len(head)-len(tail))) + tail)
	}
	return &rfc6455.Peer{Limit: limit, Text: caption, Binary: caption}
}

// TestConformance_towardsTheModel is sent everything that the table of RFC 6455 holds by a model, which reads what comes
// back frame by frame.
func TestConformance_towardsTheModel(t *testing.T) {
	cfg := testDial()
	model := modelPeer(cfg.MaxFrameBytes)
	cases := make(chan rfc6455.Case, 1)
	replies := make(chan *reply, 1)
	m := startModel(t, func(p *peer) {
		p.ready()
		c, r := <-cases, &reply{}
		step := len(c.Wire)
		if c.Name[0] == '|' {
			step = 1
		}
		for wire := c.Wire; len(wire) > 0; wire = wire[min(step, len(wire)):] {
			p.write(wire[:min(step, len(wire))])
		}
		if c.Close == 0 {
			p.write(append(model.Frame(0x81, model.Text("over", 0)), 0x88, 2, 0x03, 0xE8))
		}
		r.read(p.in)
		replies <- r
	})
	d := geminiDialer(t, m.url, cfg)
	for _, c := range rfc6455.Table(model) {
		t.Run(c.Name, func(t *testing.T) {
			conform(t, d, c, cases, replies)
			if len(c.Wire) < 1500 {
				c.Name = "|" + c.Name // byte by byte
				conform(t, d, c, cases, replies)
			}
		})
	}
}

// conform plays one case to a conversation that has begun.
func conform(t *testing.T, d *Dialer, c rfc6455.Case, cases chan<- rfc6455.Case, replies <-chan *reply) {
	t.Helper()
	u, err := d.Dial(context.Background(), testSetup())
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	receive(t, u, live.EventReady)
	cases <- c
	said, end := listen(t, u)
	var want []string
	for _, m := range c.Messages {
		want = append(want, caption(t, m.Payload))
	}
	if c.Close == 0 {
		want = append(want, "over")
	}
	if !slices.Equal(said, want) {
		t.Errorf("heard %q, want %q", said, want)
	}
	code, told := 1000, []byte{0x03, 0xE8}
	switch {
	case c.Close == rfc6455.NoCode:
		code, told = 0, nil
	case c.Close != 0:
		code, told = c.Close, binary.BigEndian.AppendUint16(nil, uint16(c.Close))
	}
	if c.Violation {
		code = 0
		if end.Fault != live.FaultBroken || !strings.HasPrefix(end.Detail, "The model violated") && !strings.Contains(end.Detail, "too long") {
			t.Errorf("it ended with %v", end)
		}
	}
	if end.Close != code {
		t.Errorf("it ended with code %d (%v), want %d", end.Close, end, code)
	}
	r := <-replies
	if !slices.Equal(r.pings, c.Pings) {
		t.Errorf("the pongs %q came, want %q", r.pings, c.Pings)
	}
	if len(r.closes) != 1 || !bytes.Equal(r.closes[0], told) {
		t.Errorf("close frames with %x came, want one with %x", r.closes, told)
	}
	if r.trouble != "" {
		t.Error(r.trouble)
	}
}

// listen takes captions until the conversation ends.
func listen(t *testing.T, u live.Upstream) (said []string, end *live.UpstreamError) {
	t.Helper()
	for {
		var e live.Event
		err := u.Receive(&e)
		switch {
		case errors.As(err, &end):
			return said, end
		case err != nil:
			t.Fatalf("%T %v is no upstream error", err, err)
		case e.Kind == live.EventOutputTranscript:
			said = append(said, e.Text)
		default:
			t.Fatalf("event %+v", e)
		}
	}
}

func caption(t *testing.T, payload []byte) string {
	t.Helper()
	var m struct {
		ServerContent struct{ OutputTranscription struct{ Text string } }
	}
	if err := json.Unmarshal(payload, &m); err != nil {
		t.Fatal(err)
	}
	return m.ServerContent.OutputTranscription.Text
}

// reply is what came back, read by hand.
type reply struct {
	pings   []string
	closes  [][]byte
	trouble string
}

// read reads frames until the stream ends.
func (r *reply) read(in *bufio.Reader) {
	var keys [][4]byte
	for {
		var head [6]byte
		switch _, err := io.ReadFull(in, head[:]); {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			r.trouble = err.Error()
			return
		}
		key := [4]byte(head[2:])
		payload := make([]byte, head[1]&0x7F)
		if _, err := io.ReadFull(in, payload); err != nil {
			r.trouble = err.Error()
			return
		}
		for i := range payload {
			payload[i] ^= key[i%4]
		}
		switch {
		case head[1] < 0x80 || head[1]&0x7F > 125:
			r.trouble = fmt.Sprintf("the frame %x is not masked, or too long", head)
			return
		case slices.Contains(keys, key):
			r.trouble = fmt.Sprintf("the key %x was used twice", key)
			return
		case len(r.closes) > 0:
			r.trouble = fmt.Sprintf("the frame %x came behind the close frame", head)
			return
		}
		keys = append(keys, key)
		switch head[0] {
		case 0x8A:
			r.pings = append(r.pings, string(payload))
		case 0x88:
			r.closes = append(r.closes, payload)
		default:
			r.trouble = fmt.Sprintf("the frame %x came", head)
			return
		}
	}
}

// The model pings while a message to it is half written: the answer comes behind the message, to the newest ping.
func TestConformance_theModelPingsWhileAMessageIsHalfWritten(t *testing.T) {
	stuck, read := make(chan struct{}), make(chan struct{})
	pcm := sample(8 << 20) // more than the kernel takes
	m := startModel(t, func(p *peer) {
		p.ready()
		<-stuck
		for _, payload := range []string{"old", "older", "newest"} {
			p.write(frame.Append(nil, frame.Ping, []byte(payload)))
		}
		p.say(`{"serverContent":{"turnComplete":true}}`)
		<-read
		reader := frame.NewReader(p.in, frame.Server, 1<<25)
		if op, data, err := reader.Next(); err != nil || op != frame.Text || !json.Valid(data) {
			t.Errorf("the message was torn: %v %d bytes, %v", op, len(data), err)
		}
		if op, data, err := reader.Next(); err != nil || op != frame.Pong || string(data) != "newest" {
			t.Errorf("behind the message came %v %q, %v", op, data, err)
		}
		p.say(`{"serverContent":{"generationComplete":true}}`)
		p.drain()
	})
	u := dial(t, m)
	receive(t, u, live.EventReady)
	sent := make(chan error, 1)
	go func() {
		_, err := u.Send(&live.Command{Kind: live.CommandAudio, PCM: pcm})
		sent <- err
	}()
	writing := u.(*upstream).link.writer
	for writing.mu.TryLock() { // until somebody writes
		writing.mu.Unlock()
	}
	close(stuck)
	receive(t, u, live.EventTurnComplete) // the pings have been read
	close(read)
	if err := <-sent; err != nil {
		t.Error(err)
	}
	receive(t, u, live.EventGenerationComplete)
}
