package upstream

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// maxMessage bounds what a relay may say at once, as the simulator's does.
const maxMessage = 4 << 20

// writeTimeout is how long a relay may not take a message.
const writeTimeout = 10 * time.Second

// What the Live API says, as its servers write it: indented JSON in binary messages.
const (
	setupComplete = "{\n  \"setupComplete\": {}\n}\n"
	beforeAudio   = "{\n  \"serverContent\": {\n    \"modelTurn\": {\n      \"parts\": [\n        {\n          \"inlineData\": {\n" +
		"            \"mimeType\": \"audio/pcm;rate=24000\",\n            \"data\": \""
	behindAudio = "\"\n          }\n        }\n      ]\n    }\n  }\n}\n"
)

// conn is one relay's connection. serve is its reader; with Config.Every a second goroutine speaks.
type conn struct {
	*Server
	net    net.Conn
	reader *frame.Reader
	raw    bool

	mu  sync.Mutex // one writer at a time
	out []byte     // guarded by mu

	pcm []byte // the reader's
}

func newConn(s *Server, c net.Conn, from io.Reader, raw bool) *conn {
	return &conn{Server: s, net: c, reader: frame.NewReader(from, frame.Server, maxMessage), raw: raw}
}

// serve goes on to the connection's end. The error is what the relay should not have said; an end of the connection,
// whatever its kind, is none.
func (c *conn) serve() error {
	done := make(chan struct{})
	var speaker sync.WaitGroup
	defer speaker.Wait()
	defer close(done)
	begun := false
	for {
		op, payload, err := c.reader.Next()
		var violation *frame.Error
		switch {
		case errors.As(err, &violation):
			return violation
		case err != nil || op == frame.Close:
			return nil
		case op == frame.Ping:
			err = c.write(frame.Pong, "", payload, "")
		case op == frame.Pong:
		case !begun:
			if err := c.begin(payload); err != nil {
				return err
			}
			begun = true
			if c.cfg.Every > 0 {
				speaker.Go(func() { c.speak(done) })
			}
		case c.raw:
			err = c.takeRaw(op, payload)
		default:
			if err := c.takeLive(payload); err != nil {
				return err
			}
		}
		if err != nil {
			return nil // the connection is lost
		}
	}
}

// begin takes the first message.
func (c *conn) begin(payload []byte) error {
	if c.raw {
		if !bytes.Contains(payload, []byte("start_session")) {
			return fmt.Errorf("the first message was %.80q instead of start_session", payload)
		}
		_ = c.write(frame.Text, `{"type":"session_ready"}`, nil, "")
		return nil
	}
	if !bytes.HasPrefix(bytes.TrimSpace(payload), []byte(`{"setup"`)) {
		return fmt.Errorf("the first message was %.80q instead of a setup", payload)
	}
	_ = c.write(frame.Binary, setupComplete, nil, "") // a lost connection is seen by the reader
	return nil
}

// takeRaw takes what a browser sent. Text is control, which nobody here needs.
func (c *conn) takeRaw(op frame.Opcode, pcm []byte) error {
	if op != frame.Binary {
		return nil
	}
	c.heard(pcm)
	if c.cfg.Every > 0 {
		return nil
	}
	c.said(pcm)
	return c.write(frame.Binary, "", pcm, "")
}

// The parts of a realtimeInput that are looked for.
var (
	realtimeInput = []byte(`"realtimeInput"`)
	audioField    = []byte(`"audio"`)
	dataField     = []byte(`"data":"`)
	mimeType      = []byte(`"mimeType":"audio/pcm;rate=16000"`)
)

// takeLive takes a message of the Live API. Only audio is expected.
func (c *conn) takeLive(payload []byte) error {
	head, rest, found := bytes.Cut(payload, dataField)
	text, tail, ended := bytes.Cut(rest, []byte{'"'})
	if !found || !ended || !bytes.Contains(head, realtimeInput) || !bytes.Contains(head, audioField) ||
		!bytes.Contains(head, mimeType) && !bytes.Contains(tail, mimeType) {
		return fmt.Errorf("%.120q is no realtimeInput with audio at 16 kHz", payload)
	}
	n := decodedLen(text)
	if n < 0 {
		return fmt.Errorf("the audio of %.120q is no base64 with padding", payload)
	}
	c.messagesIn.Add(1)
	c.bytesIn.Add(int64(n))
	if c.cfg.Heard != nil || c.cfg.Said != nil {
		if err := c.decode(text); err != nil {
			return err
		}
	}
	if c.cfg.Every > 0 {
		return nil
	}
	c.messagesOut.Add(1)
	c.bytesOut.Add(int64(n))
	_ = c.write(frame.Binary, beforeAudio, text, behindAudio) // a lost connection is seen by the reader
	return nil
}

// decode tells those who want to know what was said, and what is answered.
func (c *conn) decode(text []byte) (err error) {
	if c.pcm, err = base64.StdEncoding.AppendDecode(c.pcm[:0], text); err != nil {
		return fmt.Errorf("audio: %w", err)
	}
	if c.cfg.Heard != nil {
		c.cfg.Heard(c.pcm)
	}
	if c.cfg.Said != nil && c.cfg.Every == 0 {
		c.cfg.Said(c.pcm)
	}
	return nil
}

// decodedLen is how many bytes padded base64 stands for; -1 if its length cannot be right.
func decodedLen(text []byte) int {
	n := len(text)
	if n%4 != 0 {
		return -1
	}
	return n/4*3 - bytes.Count(text[max(0, n-2):], []byte{'='})
}

func (c *conn) heard(pcm []byte) {
	c.messagesIn.Add(1)
	c.bytesIn.Add(int64(len(pcm)))
	if c.cfg.Heard != nil {
		c.cfg.Heard(pcm)
	}
}

func (c *conn) said(pcm []byte) {
	c.messagesOut.Add(1)
	c.bytesOut.Add(int64(len(pcm)))
	if c.cfg.Said != nil {
		c.cfg.Said(pcm)
	}
}

// speak sends audio at an even rate until done, or until the connection is lost. What it could not send in time it
// sends later: the rate holds.
func (c *conn) speak(done <-chan struct{}) {
	text := []byte(base64.StdEncoding.EncodeToString(c.talking))
	tick := time.NewTicker(c.cfg.Every)
	defer tick.Stop()
	began := time.Now()
	for sent := 0; ; {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		for ; sent < int(time.Since(began)/c.cfg.Every); sent++ {
			var err error
			if c.raw {
				err = c.write(frame.Binary, "", c.talking, "")
			} else {
				err = c.write(frame.Binary, beforeAudio, text, behindAudio)
			}
			if err != nil {
				return
			}
			c.said(c.talking)
		}
	}
}

// write sends one message made of three parts.
func (c *conn) write(op frame.Opcode, before string, middle []byte, behind string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cap(c.out) < frame.Room {
		c.out = make([]byte, frame.Room)
	}
	c.out = append(append(append(c.out[:frame.Room], before...), middle...), behind...)
	if err := c.net.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := c.net.Write(frame.Seal(c.out, op))
	return err
}
