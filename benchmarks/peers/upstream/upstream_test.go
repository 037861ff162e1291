package upstream

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const live = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(cfg, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func dial(t *testing.T, s *Server, path string) *websocket.Conn {
	t.Helper()
	c, res, err := websocket.DefaultDialer.Dial(strings.Replace(s.URL(false), "http", "ws", 1)+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c
}

func say(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	_, data, err := c.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const setup = `{"setup":{"model":"models/x"}}`

func TestServer_echoesTheTextOfTheAudio(t *testing.T) {
	s := start(t, Config{})
	c := dial(t, s, live)
	say(t, c, setup)
	if got := hear(t, c); got != setupComplete {
		t.Errorf("%q", got)
	}
	for _, pcm := range []string{"ab", "abcd", "abcdef"} { // two, one and no characters of padding
		text := base64.StdEncoding.EncodeToString([]byte(pcm))
		say(t, c, `{"realtimeInput":{"audio":{"data":"`+text+`","mimeType":"audio/pcm;rate=16000"}}}`)
		if got := hear(t, c); got != beforeAudio+text+behindAudio {
			t.Errorf("%q", got)
		}
	}
	if got, want := s.Counts(), (Counts{3, 12, 3, 12, 0}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}

func TestServer_refusesWhatTheLiveAPIWouldNotTake(t *testing.T) {
	for name, messages := range map[string][]string{
		"no setup":     {`{"realtimeInput":{}}`},
		"another rate": {setup, `{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=8000","data":"YWI="}}}`},
		"no padding":   {setup, `{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"YWI"}}}`},
		"mediaChunks":  {setup, `{"realtimeInput":{"mediaChunks":[{"mimeType":"audio/pcm;rate=16000","data":"YWI="}]}}`},
		"not base64":   {setup, `{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"Y.I="}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{Heard: func([]byte) {}})
			c := dial(t, s, live)
			for _, m := range messages {
				say(t, c, m)
			}
			for {
				if _, _, err := c.ReadMessage(); err != nil {
					break
				}
			}
			// What was refused is written down before the connection ends.
			if s.Err() == nil || s.Counts().Refused != 1 {
				t.Errorf("%v, %+v", s.Err(), s.Counts())
			}
		})
	}
}

func TestServer_speaksByItself(t *testing.T) {
	heard := make(chan string, 10)
	s := start(t, Config{TalkBytes: 30, Every: time.Millisecond, Heard: func(p []byte) { heard <- string(p) }})
	c := dial(t, s, Raw)
	say(t, c, `{"type":"start_session"}`)
	if got := hear(t, c); !strings.Contains(got, "session_ready") {
		t.Fatal(got)
	}
	if err := c.WriteMessage(websocket.BinaryMessage, []byte("mine")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := hear(t, c); got != string(pattern(30)) {
			t.Errorf("%q", got)
		}
	}
	if got := <-heard; got != "mine" {
		t.Errorf("it heard %q", got)
	}
}

func TestServer_answersOrdinaryRequests(t *testing.T) {
	s := start(t, Config{})
	for path, want := range map[string]int{"/health": 200, "/other": 404, live: 426} {
		res, err := http.Get(s.URL(false) + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, res.Status, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
