package main

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/stonepot/stonepot/handlers"
)

// message is what a talker has received.
type message struct {
	at    time.Time
	kind  string // the message's type; empty: audio
	audio int    // bytes of it
	text  []byte
}

// talker is one browser with a microphone. It counts and acknowledges as docs/protocol.md asks, where it resumes.
type talker struct {
	ws        *websocket.Conn
	resumable bool
	frame     time.Duration
	micRate   int // Hz
	hear      func(message)
	over      sync.WaitGroup
	stop      chan struct{}
	ended     chan struct{} // closed when nothing more can come
	left      sync.Once
	ready     chan struct{} // closed by session_ready

	muted     atomic.Bool  // the microphone sends nothing
	loudFrom  atomic.Int64 // Unix nanoseconds: from then…
	loudUntil atomic.Int64 // …until then the microphone hears speech, else a quiet room

	writing sync.Mutex // messages are written by the microphone, by the reader and by the ack's timer

	mu       sync.Mutex // guards:
	received int64
	unacked  int
	armed    bool
	err      error // what ended the connection
}

// The ack goes out after ackBytes, or after ackAfter.
const (
	ackBytes = 8 << 10
	ackAfter = 250 * time.Millisecond
)

// outputRate is what the model speaks in, in bytes a second.
const outputRate = 48000

// talkerConfig says what a talker is like. hear is called by one goroutine.
type talkerConfig struct {
	addr      string
	buffer    int // of its socket, in bytes; 0: the kernel's choice
	resumable bool
	muted     bool          // the microphone is muted in the beginning
	frame     time.Duration // of the microphone; 0: 20 ms
	micRate   int           // Hz; 0: 16000
	hear      func(message)
}

// newTalker begins a conversation and waits until it is ready.
func newTalker(c talkerConfig) (*talker, error) {
	t := &talker{
		resumable: c.resumable, hear: c.hear, frame: c.frame, micRate: c.micRate,
		stop: make(chan struct{}), ended: make(chan struct{}), ready: make(chan struct{}),
	}
	if t.frame == 0 {
		t.frame = 20 * time.Millisecond
	}
	if t.micRate == 0 {
		t.micRate = 16000
	}
	dialer := net.Dialer{Timeout: 5 * time.Second, Control: lineConfig{Buffer: c.buffer}.control}
	ws, _, err := (&websocket.Dialer{NetDialContext: dialer.DialContext, HandshakeTimeout: 20 * time.Second}).
		Dial("ws://"+c.addr+handlers.PathGemini, nil)
	if err != nil {
		return nil, err
	}
	t.ws = ws
	if err := t.write(websocket.TextMessage, fmt.Appendf(nil, `{"type":"start_session","config":{"resumable":%v,"audio":{"inputSampleRate":%d}}}`, t.resumable, t.micRate)); err != nil {
		return nil, err
	}
	t.over.Go(t.read)
	select {
	case <-t.ready:
	case <-t.ended:
		t.over.Wait()
		return nil, fmt.Errorf("the conversation did not begin: %w", t.reason())
	case <-time.After(20 * time.Second):
		_ = ws.Close()
		t.over.Wait()
		return nil, fmt.Errorf("the conversation was not ready within 20 s")
	}
	t.muted.Store(c.muted)
	t.over.Go(t.microphone)
	return t, nil
}

// close ends the conversation and waits for everything that it runs.
func (t *talker) close() {
	t.leave()
	_ = t.write(websocket.TextMessage, []byte(`{"type":"end_session"}`))
	select {
	case <-t.ended:
	case <-time.After(3 * time.Second):
	}
	_ = t.ws.Close()
	t.over.Wait()
}

// vanish drops the connection without a word.
func (t *talker) vanish() {
	t.leave()
	_ = t.ws.NetConn().Close()
	t.over.Wait()
}

// leave stops the microphone.
func (t *talker) leave() { t.left.Do(func() { close(t.stop) }) }

// reason is what ended the connection.
func (t *talker) reason() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

func (t *talker) write(kind int, data []byte) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	return t.ws.WriteMessage(kind, data)
}

// read takes what comes until the connection is over.
func (t *talker) read() {
	defer close(t.ended)
	var begun bool
	for {
		kind, data, err := t.ws.ReadMessage()
		if err != nil {
			t.mu.Lock()
			if t.err == nil {
				t.err = err
			}
			t.mu.Unlock()
			return
		}
		m := message{at: time.Now(), audio: len(data)}
		if kind == websocket.TextMessage {
			var head struct{ Type, Code string }
			_ = json.Unmarshal(data, &head) // the server's
			m.kind, m.audio, m.text = head.Type, 0, data
			if head.Type == "error" {
				t.mu.Lock()
				t.err = fmt.Errorf("the server ended it: %s", head.Code)
				t.mu.Unlock()
			}
		}
		t.count(m.kind, len(data))
		if m.kind == "session_ready" && !begun {
			begun = true
			close(t.ready)
		}
		if t.hear != nil {
			t.hear(m)
		}
	}
}

// count counts a message and acknowledges when it is time.
func (t *talker) count(kind string, size int) {
	switch kind {
	case "session_started", "session_resumed", "resume_ticket", "skipped", "ack", "pong", "error", "session_ended":
		return
	}
	t.mu.Lock()
	t.received++
	t.unacked += size
	now := t.resumable && t.unacked >= ackBytes
	arm := t.resumable && !now && !t.armed
	t.armed = t.armed || arm
	t.mu.Unlock()
	if now {
		t.acknowledge()
	}
	if arm {
		time.AfterFunc(ackAfter, func() {
			t.mu.Lock()
			t.armed = false
			news := t.unacked > 0
			t.mu.Unlock()
			if news {
				t.acknowledge()
			}
		})
	}
}

func (t *talker) acknowledge() {
	t.mu.Lock()
	t.unacked = 0
	n := t.received
	t.mu.Unlock()
	// An error shows at the reader.
	_ = t.write(websocket.TextMessage, append(strconv.AppendInt([]byte(`{"type":"ack","received":`), n, 10), '}'))
}

// speak lets the microphone hear speech from now on, for a time.
func (t *talker) speak(d time.Duration) {
	now := time.Now()
	t.loudFrom.Store(now.UnixNano())
	t.loudUntil.Store(now.Add(d).UnixNano())
	t.muted.Store(false)
}

// loud reports whether there is speech now. It pauses for a tenth of each second: what never does is a noise.
func (t *talker) loud(now int64) bool {
	const second, pause = int64(time.Second), int64(time.Second / 2)
	in := (now - t.loudFrom.Load()) % second
	return now < t.loudUntil.Load() && (in < pause || in >= pause+second/10)
}

// microphone sends frames in real time until the conversation ends.
func (t *talker) microphone() {
	n := int(t.frame*time.Duration(t.micRate)/time.Second) * 2
	quiet, loud := make([]byte, n), make([]byte, n)
	for i := 0; i < n; i += 2 { // a rectangle of 200 Hz: loud, and no fixed level that could pass for noise
		v := int16(6000)
		if i/2/(t.micRate/400)%2 == 1 {
			v = -v
		}
		loud[i], loud[i+1] = byte(v), byte(uint16(v)>>8)
		quiet[i] = byte(i * 7 % 16) // no room is without any noise
	}
	tick := time.NewTicker(t.frame)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-t.stop:
			return
		case <-t.ended:
			return
		}
		if t.muted.Load() {
			continue
		}
		frame := quiet
		if t.loud(time.Now().UnixNano()) {
			frame = loud
		}
		if t.write(websocket.BinaryMessage, frame) != nil {
			return
		}
	}
}
