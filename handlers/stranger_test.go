package handlers_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame/rfc6455"
)

// FuzzConversation sends any bytes behind a handshake, with and without a start before them, to a whole server: what comes back
// is well-formed, says why it ends when it is the server that ends it, and is over when the client is.
func FuzzConversation(f *testing.F) {
	s := begin(f, func(o *options) {
		mirrored(o)
		o.live.Limits.WriteTimeout = time.Second // too much is refused soon
	})
	start := handlers.Masked(handlers.Fin|handlers.OpText, []byte(`{"type":"start_session"}`))
	for _, c := range rfc6455.Table(browserPeer(live.DefaultConfig().Limits)) {
		if len(c.Wire) < 300 {
			f.Add(c.Wire, true)
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte, started bool) {
		if started {
			wire = append(start[:len(start):len(start)], wire...)
		}
		c := cutAfter(t, s.addr, append([]byte(handlers.Handshake(handlers.PathGemini, nil)), wire...))
		defer func() { _ = c.Conn.Close() }()
		c.Answer()
		var told string
		closed := 0
		for {
			head, payload, err := c.Frame()
			if errors.Is(err, io.EOF) || isReset(err) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if closed != 0 {
				t.Fatalf("%#x %q came behind the close frame", head, payload)
			}
			switch head {
			case handlers.Fin | handlers.OpText:
				var m struct{ Type, Code string }
				if err := json.Unmarshal(payload, &m); err != nil || m.Type == "" {
					t.Fatalf("%q: %v", payload, err)
				}
				if m.Type == "error" {
					told = m.Code
				}
			case handlers.Fin | handlers.OpClose:
				if closed = 1005; len(payload) >= 2 {
					closed = int(payload[0])<<8 | int(payload[1])
				}
			case handlers.Fin | handlers.OpBinary, handlers.Fin | handlers.OpPong:
			default:
				t.Fatalf("a frame with the head %#x came", head)
			}
		}
		if r := reasonOf(told); told != "" && (r.Code == live.ReasonInternal.Code || r.Close != closed) {
			t.Fatalf("it was told %q and closed with %d", told, closed)
		}
	})
}

// FuzzChatBody sends any body to the text chat: it is answered, or refused in a sentence.
func FuzzChatBody(f *testing.F) {
	s := begin(f, nil)
	for _, body := range []string{
		`{"message":"hi"}`, `{"message":"hi","stream":true}`, `{"message":"hi","history":[{"role":"user","text":"a"},{"role":"model","text":"b"}],"assistant":"default"}`,
		`{"message":7}`, `{}`, `[]`, `{"message":"hi"} x`, `{"message":"\ud800"}`, ``,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		request := httptest.NewRequest(http.MethodPost, "/api/chat", strings.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		response, err := s.app.Test(request, -1)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		content, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		var m struct{ Error string }
		switch {
		case response.StatusCode == http.StatusOK:
		case response.StatusCode >= 400 && response.StatusCode < 500 && json.Unmarshal(content, &m) == nil && strings.HasSuffix(m.Error, "."):
		default:
			t.Fatalf("%q was answered with %d %s", body, response.StatusCode, content)
		}
	})
}
