package handlers_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
)

// event is one server-sent event.
type event struct {
	name string
	data map[string]any
}

// events reads a whole stream.
func events(t *testing.T, stream io.Reader) (all []event) {
	t.Helper()
	lines := bufio.NewScanner(stream)
	var e event
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			e.name = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				t.Fatalf("%q: %v", value, err)
			}
		case "":
			if e.name != "" {
				all = append(all, e)
			}
			e = event{}
		}
	}
	if err := lines.Err(); err != nil {
		t.Error(err)
	}
	return all
}

func withChat(p parrot) func(*options) {
	return func(o *options) { o.deps.Chats = map[string]handlers.Chat{live.BackendGemini: p} }
}

func TestChat_streamsAnAnswerPieceByPiece(t *testing.T) {
	var got handlers.ChatRequest
	s := start(t, withChat(parrot{asked: func(r handlers.ChatRequest) { got = r }}))
	a := s.call("POST", "/api/chat", `{"message":"good <morning>\n you","history":[{"role":"user","text":"hi"},{"role":"model","text":"hello"}]}`)
	if a.status != 200 || a.header.Get("Content-Type") != "text/event-stream" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %v", a.status, a.header)
	}
	all := events(t, strings.NewReader(string(a.body)))
	var spoken string
	for _, e := range all[:len(all)-1] {
		piece, _ := e.data["text"].(string)
		spoken += piece
		if e.name != "delta" {
			t.Errorf("event %s", e.name)
		}
	}
	last := all[len(all)-1]
	want := map[string]any{
		"success": true, "text": "good <morning>\n you", "usage": map[string]any{"inputTokens": 3.0, "outputTokens": 3.0},
		"model": "gemini-2.5-flash", "backend": "gemini", "simulated": true,
	}
	if len(all) != 4 || spoken != "good <morning>\n you" || last.name != "done" || !reflect.DeepEqual(last.data, want) {
		t.Errorf("got %v", all)
	}
	instruction := live.DefaultConfig().Assistants[0].SystemInstruction
	if got.SystemInstruction != instruction || got.MaxOutputTokens != 2048 || len(got.History) != 2 || got.History[1] != (live.HistoryTurn{Role: "model", Text: "hello"}) {
		t.Errorf("the model was asked %+v", got)
	}
}

func TestChat_answersInOnePieceWhenAsked(t *testing.T) {
	s := start(t, nil)
	m := s.call("POST", "/api/chat", `{"message":"good morning","stream":false,"backend":"gemini","assistant":"default"}`).succeeded(200)
	if m["text"] != "good morning" {
		t.Errorf("got %v", m)
	}
}

func TestChat_refusesWhatItCannotAnswer(t *testing.T) {
	s := start(t, func(o *options) {
		o.deps.Chat.MaxMessageBytes, o.deps.Chat.MaxHistory, o.deps.Chat.Models = 300, 2, []string{"gemini-other"}
	})
	long := strings.Repeat("x", 301)
	for _, c := range []struct {
		body, code, field string
		status            int
	}{
		{``, "bad_request", "", 400},
		{`{"message":"hi"`, "bad_request", "", 400},
		{`"hi"`, "bad_request", "", 400},
		{`{}`, "bad_request", "message", 400},
		{`{"message":"  "}`, "bad_request", "message", 400},
		{`{"message":7}`, "bad_request", "message", 400},
		{`{"message":"hi","stream":"yes"}`, "bad_request", "stream", 400},
		{`{"message":"hi","history":"before"}`, "bad_request", "history", 400},
		{`{"message":"hi","history":[{"role":7}]}`, "bad_request", "history.role", 400},
		{`{"message":"hi","history":[{"role":"system","text":"x"}]}`, "bad_request", "history[0].role", 400},
		{`{"message":"hi","history":[{"role":"user"}]}`, "bad_request", "history[0].text", 400},
		{`{"message":"hi","history":[{"role":"user","text":"a"},{"role":"user","text":"b"},{"role":"user","text":"c"}]}`, "bad_request", "history", 400},
		{`{"message":"` + long + `"}`, "body_too_large", "message", 413},
		{`{"message":"hi","history":[{"role":"user","text":"` + long + `"}]}`, "body_too_large", "history[0].text", 413},
		{`{"message":"hi","assistant":"nobody"}`, "bad_config", "assistant", 400},
		{`{"message":"hi","model":"gpt"}`, "bad_config", "model", 400},
		{`{"message":"hi","backend":"openai"}`, "bad_request", "backend", 400},
		{`{"message":"hi","backend":"vertex"}`, "upstream_not_configured", "", 503},
	} {
		m := s.call("POST", "/api/chat", c.body).refused(c.status, c.code)
		if field, _ := m["field"].(string); field != c.field {
			t.Errorf("%s: field %q, want %q", c.body, field, c.field)
		}
	}
	if m := s.call("POST", "/api/chat", `{"message":"hi","model":"gemini-other","stream":false}`).succeeded(200); m["model"] != "gemini-other" {
		t.Errorf("got %v", m)
	}

	cfg := s.gateway.Config()
	cfg.Live.ClientMaySet = nil
	cfg.Assistants = append(cfg.Assistants, live.Assistant{Name: "tutor"})
	s.gateway.Reconfigure(cfg)
	s.call("POST", "/api/chat", `{"message":"hi","model":"gemini-other"}`).refused(403, "not_allowed")
	s.call("POST", "/api/chat", `{"message":"hi","assistant":"tutor"}`).refused(403, "not_allowed")
}

func TestChat_tellsWhatIsWrongWithTheModel(t *testing.T) {
	for _, c := range []struct {
		err      error
		status   int
		code     string
		sentence string
	}{
		{&live.UpstreamError{Fault: live.FaultQuota, Detail: "The quota is used up."}, 503, "upstream_quota", "The quota is used up."},
		{&live.UpstreamError{Fault: live.FaultRejected, Detail: "The model refused the content."}, 422, "upstream_rejected", "The model refused the content."},
		{&live.UpstreamError{Fault: live.FaultAuth, Detail: "API key secret-key is wrong."}, 502, "upstream_auth", live.ReasonUpstreamAuth.Text},
		{&live.UpstreamError{Fault: live.FaultBroken, Detail: "The model cannot be reached."}, 502, "upstream_unavailable", "The model cannot be reached."},
		{errors.New("secret-key"), 500, "internal", live.ReasonInternal.Text},
	} {
		var log notes
		s := start(t, func(o *options) {
			o.deps.Chats = map[string]handlers.Chat{live.BackendGemini: parrot{err: c.err}}
			o.deps.Log = log.logger(slog.LevelInfo)
		})
		for _, body := range []string{`{"message":"hi"}`, `{"message":"hi","stream":false}`} {
			a, _ := s.raw("POST", "/api/chat", body)
			if m := a.refused(c.status, c.code); m["error"] != c.sentence {
				t.Errorf("the sentence is %q, want %q", m["error"], c.sentence)
			}
		}
		if len(log.with("request failed", c.code)) != 2 || len(log.with("chat ended", `"result":"`+c.code+`"`)) != 2 {
			t.Errorf("%s: the log has %q", c.code, log.lines)
		}
	}
}

func TestChat_anErrorAfterTheFirstWordIsAnEvent(t *testing.T) {
	s := start(t, withChat(parrot{after: &live.UpstreamError{Fault: live.FaultBroken, Detail: "The connection broke."}}))
	all := events(t, strings.NewReader(string(s.call("POST", "/api/chat", `{"message":"hi"}`).body)))
	want := event{"error", map[string]any{"success": false, "code": "upstream_unavailable", "error": "The connection broke."}}
	if len(all) != 2 || all[0].name != "delta" || !reflect.DeepEqual(all[1], want) {
		t.Errorf("got %v", all)
	}
	s.call("POST", "/api/chat", `{"message":"hi","stream":false}`).refused(502, "upstream_unavailable")
}

func TestChat_endsWhenTheModelTakesTooLong(t *testing.T) {
	s := start(t, func(o *options) {
		withChat(parrot{hold: make(chan struct{})})(o)
		o.deps.Chat.Timeout = time.Second
	})
	s.call("POST", "/api/chat", `{"message":"hi"}`).refused(504, "upstream_unavailable")
}

func TestChat_isBoundedAndSaysSo(t *testing.T) {
	hold := make(chan struct{})
	asked := make(chan struct{}, 1)
	s := start(t, func(o *options) {
		withChat(parrot{hold: hold, asked: func(handlers.ChatRequest) { asked <- struct{}{} }})(o)
		o.deps.Chat.MaxConcurrent = 1
	})
	first := make(chan answer, 1)
	go func() {
		a, _ := s.raw("POST", "/api/chat", `{"message":"hi","stream":false}`)
		first <- a
	}()
	<-asked
	a := s.call("POST", "/api/chat", `{"message":"me too"}`)
	a.refused(503, "at_capacity")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	close(hold)
	(<-first).succeeded(200)
	s.call("POST", "/api/chat", `{"message":"me too","stream":false}`).succeeded(200)
}

func TestChat_stopsAskingWhenTheClientGoes(t *testing.T) {
	for _, stream := range []string{"true", "false"} {
		told := make(chan struct{})
		asked := make(chan struct{}, 1)
		s := start(t, withChat(parrot{
			hold: make(chan struct{}), stuck: told, asked: func(handlers.ChatRequest) { asked <- struct{}{} },
		}))
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		body := `{"message":"hi","stream":` + stream + `}`
		_, _ = io.WriteString(conn, "POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: "+itoa(len(body))+"\r\n\r\n"+body)
		<-asked
		_ = conn.Close()
		select {
		case <-told:
		case <-time.After(handlers.Patience):
			t.Fatalf("stream %s: the model is still asked", stream)
		}
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestChat_firstWordsArriveBeforeTheLast(t *testing.T) {
	more := make(chan struct{})
	s := start(t, func(o *options) {
		o.deps.Chats = map[string]handlers.Chat{live.BackendGemini: slowTalker{more}}
		o.deps.Chat.KeepAlive = 10 * time.Millisecond
	})
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.addr+"/api/chat", strings.NewReader(`{"message":"hi"}`))
	response, err := s.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewReader(response.Body)
	for want := range map[string]bool{"event: delta\n": true} {
		if line, err := lines.ReadString('\n'); line != want || err != nil {
			t.Fatalf("%q %v", line, err)
		}
	}
	for { // the model is silent, the connection is not
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, ":") {
			break
		}
	}
	close(more)
	if all := events(t, lines); len(all) != 2 || all[1].name != "done" || all[1].data["text"] != "one two" {
		t.Errorf("got %v", all)
	}
}

// slowTalker says one word, and the second when it may.
type slowTalker struct{ more chan struct{} }

func (s slowTalker) Stream(ctx context.Context, _ handlers.ChatRequest, yield func(string) error) (live.Usage, error) {
	if err := yield("one "); err != nil {
		return live.Usage{}, err
	}
	select {
	case <-s.more:
	case <-ctx.Done():
		return live.Usage{}, ctx.Err()
	}
	return live.Usage{}, yield("two")
}

func TestChat_endsWithTheServer(t *testing.T) {
	s := start(t, func(o *options) {
		o.deps.Chats = map[string]handlers.Chat{live.BackendGemini: slowTalker{make(chan struct{})}}
	})
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.addr+"/api/chat", strings.NewReader(`{"message":"hi"}`))
	response, err := s.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	s.stop()
	all := events(t, response.Body)
	if len(all) != 2 || all[1].name != "error" || all[1].data["code"] != "server_draining" {
		t.Errorf("got %v", all)
	}
}

func TestChat_aPanicOfAModelsLibraryEndsOneChatOnly(t *testing.T) {
	s := start(t, withChat(parrot{asked: func(handlers.ChatRequest) { panic("nil map") }}))
	for range 2 {
		a, _ := s.raw("POST", "/api/chat", `{"message":"hi"}`)
		a.refused(500, "internal")
	}
}
