package handlers_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stonepot/stonepot/handlers"
)

func TestVoice_leavesItsHandlerAndIsServedOn(t *testing.T) {
	s := start(t, nil)
	// More than takeOver reads at once, and cut inside a message: all of it comes behind the handshake.
	var early bytes.Buffer
	early.Write(handlers.Masked(handlers.Fin|handlers.OpText, []byte(`{"type":"ping","t":1,"pad":"`+strings.Repeat("x", 2000)+`"}`)))
	early.Write(handlers.Masked(handlers.Fin|handlers.OpText, []byte(`{"type":"start_session"}`)))
	last := handlers.Masked(handlers.Fin|handlers.OpText, []byte(`{"type":"ping","t":2}`))
	c := handlers.DialRaw(t, s.addr, handlers.Handshake(handlers.PathGemini, nil)+early.String()+string(last[:5]))
	c.Message("pong")
	c.Message("session_started")

	until := time.Now().Add(handlers.Patience)
	for inHandler() && time.Now().Before(until) {
		runtime.Gosched()
	}
	if inHandler() {
		t.Error("fasthttp still waits for the handler of a voice connection")
	}
	c.Write(last[5:])
	c.Message("pong")
}

// inHandler reports whether any goroutine is in a hijack handler of fasthttp's.
func inHandler() bool {
	buf := make([]byte, 1<<20)
	return strings.Contains(string(buf[:runtime.Stack(buf, true)]), "fasthttp.hijackConnHandler")
}
