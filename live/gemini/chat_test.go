package gemini

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stonepot/stonepot/live"
	"golang.org/x/oauth2"
)

// rest is a stand-in for the REST endpoint of both backends.
type rest struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func startREST(t *testing.T, handler func(w http.ResponseWriter, r *http.Request)) *rest {
	t.Helper()
	s := &rest{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.requests, s.bodies = append(s.requests, r), append(s.bodies, string(body))
		s.mu.Unlock()
		handler(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// chats are both backends against one endpoint.
func chats(t *testing.T, url string) map[string]Chat {
	t.Helper()
	g, err := NewGeminiChat(GeminiConfig{BaseURL: url, APIVersion: "v1beta", APIKeys: []string{"test-key"}})
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewVertexChat(context.Background(), VertexConfig{ProjectID: "p", Locations: []string{"global"}, BaseURL: url, APIVersion: "v1beta1"},
		oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "a-token"}))
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]Chat{"gemini": g, "vertex": v}
	for _, c := range list {
		t.Cleanup(func() { _ = c.(io.Closer).Close() })
	}
	return list
}

// answer streams pieces in the form that the path asks for: server-sent events, or a JSON array.
func answer(w http.ResponseWriter, r *http.Request, pieces ...string) {
	if r.URL.Query().Get("alt") == "sse" {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, p := range pieces {
			_, _ = fmt.Fprintf(w, "data: %s\r\n\r\n", p)
			w.(http.Flusher).Flush()
		}
		return
	}
	w.Header().Set("Content-Type", "application/json")
	for i, p := range pieces {
		_, _ = io.WriteString(w, map[bool]string{true: "[", false: ",\r\n"}[i == 0]+p)
		w.(http.Flusher).Flush()
	}
	_, _ = io.WriteString(w, "]")
}

const (
	piece1 = `{"candidates":[{"content":{"role":"model","parts":[{"text":"Hello "}]}}],"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7}}`
	piece2 = `{"candidates":[{"content":{"role":"model","parts":[{"text":"Ada."}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3,"totalTokenCount":10,"promptTokensDetails":[{"modality":"TEXT","tokenCount":7}],"candidatesTokensDetails":[{"modality":"TEXT","tokenCount":3}]}}`
)

func TestChat_streamsAnAnswer(t *testing.T) {
	s := startREST(t, func(w http.ResponseWriter, r *http.Request) { answer(w, r, piece1, piece2) })
	temperature := float32(0.25)
	for name, c := range chats(t, s.URL) {
		var got []string
		usage, err := c.Stream(context.Background(), ChatRequest{
			Model: "gemini-x", SystemInstruction: "Be brief.", Text: "Greet me.", MaxOutputTokens: 50, Temperature: &temperature,
			History: []live.HistoryTurn{{Role: "user", Text: "I am Ada."}, {Role: "model", Text: "Noted."}},
		}, func(text string) error { got = append(got, text); return nil })
		if err != nil || strings.Join(got, "|") != "Hello |Ada." {
			t.Fatal(name, got, err)
		}
		if usage.Input != 7 || usage.Output != 3 || usage.InputBy[live.ModalityText] != 7 || usage.OutputBy[live.ModalityText] != 3 {
			t.Error(name, usage)
		}
		r, body := s.requests[len(s.requests)-1], s.bodies[len(s.bodies)-1]
		wantPath, wantAuth := "/v1beta/models/gemini-x:streamGenerateContent", "test-key"
		auth := r.Header.Get("x-goog-api-key")
		if name == "vertex" {
			wantPath, wantAuth = "/v1beta1/projects/p/locations/global/publishers/google/models/gemini-x:streamGenerateContent", "Bearer a-token"
			auth = r.Header.Get("Authorization")
		}
		if r.URL.Path != wantPath || auth != wantAuth || strings.Contains(r.URL.RawQuery, "key") {
			t.Error(r.URL, auth)
		}
		var sent struct {
			Contents []struct {
				Role  string
				Parts []struct{ Text string }
			}
			SystemInstruction struct{ Parts []struct{ Text string } }
			GenerationConfig  struct {
				MaxOutputTokens int
				Temperature     float64
			}
		}
		if err := json.Unmarshal([]byte(body), &sent); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(sent) != "{[{user [{I am Ada.}]} {model [{Noted.}]} {user [{Greet me.}]}] {[{Be brief.}]} {50 0.25}}" {
			t.Error(name, sent, body)
		}
	}
}

func TestChat_tellsTroubleApart(t *testing.T) {
	status := func(code int, body string) func(w http.ResponseWriter, r *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	for _, c := range []struct {
		name    string
		handler func(w http.ResponseWriter, r *http.Request)
		fault   live.UpstreamFault
		detail  string
	}{
		{"quota", status(429, `{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}`), live.FaultQuota, "quota"},
		{"quota without a word", status(429, ``), live.FaultQuota, "quota"},
		{"bad key", status(400, `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}`), live.FaultAuth, "API key"},
		{"unauthorized", status(401, `[{"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED"}}]`), live.FaultAuth, "credentials"},
		{"forbidden", status(403, `{"error":{"code":403,"message":"Permission denied on resource project my-project.","status":"PERMISSION_DENIED"}}`), live.FaultAuth, "credentials"},
		{"unknown model", status(404, `{"error":{"code":404,"message":"models/gemini-9 is not found for API version v1beta, or is not supported for generateContent.","status":"NOT_FOUND"}}`), live.FaultRejected, "gemini-9"},
		{"overloaded", status(503, `{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}`), live.FaultBroken, "overloaded"},
		{"broken gateway", status(502, `<html>502</html>`), live.FaultBroken, "unavailable"},
		{"not JSON", func(w http.ResponseWriter, r *http.Request) { answer(w, r, "<html>") }, live.FaultBroken, ""},
		{"blocked prompt", func(w http.ResponseWriter, r *http.Request) {
			answer(w, r, `{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}`)
		}, live.FaultRejected, "refused to answer"},
		{"blocked answer", func(w http.ResponseWriter, r *http.Request) {
			answer(w, r, piece1, `{"candidates":[{"finishReason":"PROHIBITED_CONTENT"}]}`)
		}, live.FaultRejected, "refused to answer"},
		{"an error in the middle", func(w http.ResponseWriter, r *http.Request) {
			answer(w, r, piece1, `{"error":{"code":500,"message":"Internal error encountered.","status":"INTERNAL"}}`)
		}, live.FaultBroken, ""},
		{"cut off", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5000")
			answer(w, r, piece1)
		}, live.FaultBroken, ""},
	} {
		s := startREST(t, c.handler)
		for name, chat := range chats(t, s.URL) {
			_, err := chat.Stream(context.Background(), ChatRequest{Model: "m", Text: "x"}, func(string) error { return nil })
			var e *live.UpstreamError
			if !errors.As(err, &e) || e.Fault != c.fault || !strings.Contains(e.Detail, c.detail) {
				t.Errorf("%s, %s: %v", c.name, name, err)
				continue
			}
			if text := e.Error(); strings.Contains(text, "my-project") || strings.Contains(text, "test-key") || strings.Contains(text, "a-token") {
				t.Errorf("%s, %s: %s", c.name, name, text)
			}
		}
	}
	for name, chat := range chats(t, "http://127.0.0.1:1") {
		_, err := chat.Stream(context.Background(), ChatRequest{Model: "m", Text: "x"}, func(string) error { return nil })
		var e *live.UpstreamError
		if !errors.As(err, &e) || e.Fault != live.FaultBroken || !strings.Contains(e.Detail, "refused the connection") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChat_passesOnAnEndOfTheCaller(t *testing.T) {
	gone := make(chan struct{}, 4)
	s := startREST(t, func(w http.ResponseWriter, r *http.Request) {
		answer := map[bool]string{true: "data: " + piece1 + "\n\n", false: "[" + piece1}[r.URL.Query().Get("alt") == "sse"]
		_, _ = io.WriteString(w, answer)
		w.(http.Flusher).Flush()
		<-r.Context().Done() // the answer never ends by itself
		gone <- struct{}{}
	})
	hangup := errors.New("the browser has gone")
	for name, chat := range chats(t, s.URL) {
		if _, err := chat.Stream(context.Background(), ChatRequest{Model: "m", Text: "x"}, func(string) error { return hangup }); err != hangup { //nolint:errorlint // as it is
			t.Error(name, err)
		}
		<-gone
		ctx, cancel := context.WithCancel(context.Background())
		if _, err := chat.Stream(ctx, ChatRequest{Model: "m", Text: "x"}, func(string) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
			t.Error(name, err)
		}
		<-gone
	}
}

func TestChat_aRefusedKeyOrLocationIsFollowedByTheNext(t *testing.T) {
	s := startREST(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("x-goog-api-key") == "spent" || strings.Contains(r.URL.Path, "/us-central1/") {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		answer(w, r, piece1, piece2)
	})
	g, err := NewGeminiChat(GeminiConfig{BaseURL: s.URL, APIVersion: "v1beta", APIKeys: []string{"spent", "good"}})
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewVertexChat(context.Background(), VertexConfig{ProjectID: "p", Locations: []string{"us-central1", "eu"}, BaseURL: s.URL, APIVersion: "v1beta1"},
		oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "a-token"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Chat{g, v} {
		for range 2 {
			var got string
			if _, err := c.Stream(context.Background(), ChatRequest{Model: "m", Text: "x"}, func(text string) error { got += text; return nil }); err != nil || got != "Hello Ada." {
				t.Error(got, err)
			}
		}
		_ = c.(io.Closer).Close()
	}
	if len(s.requests) != 6 { // the one that answered is asked first
		t.Error(len(s.requests))
	}
}

func TestChat_aPartThatTheVertexLibraryDoesNotKnowIsAnErrorNotAPanic(t *testing.T) {
	s := startREST(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, `{"candidates":[{"content":{"role":"model","parts":[{"partOfNextYear":{}}]}}]}`)
	})
	_, err := chats(t, s.URL)["vertex"].Stream(context.Background(), ChatRequest{Model: "m", Text: "x"}, func(string) error { return nil })
	var e *live.UpstreamError
	if !errors.As(err, &e) || e.Fault != live.FaultBroken {
		t.Fatal(err)
	}
}

func TestChat_isMadeWithoutCredentialsBeingLookedFor(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/credentials.json")
	var logged bytes.Buffer
	log.SetOutput(&logged)
	defer log.SetOutput(io.Discard)
	c, err := NewVertexChat(context.Background(), VertexConfig{ProjectID: "p", Locations: []string{"global"}, BaseURL: "http://127.0.0.1:1", APIVersion: "v1beta1"}, nil)
	if err != nil || logged.Len() != 0 {
		t.Fatal("construction is not lazy:", err, logged.String())
	}
	defer c.(io.Closer).Close()
	_, err = c.Stream(context.Background(), ChatRequest{Model: "m", Text: "x"}, func(string) error { return nil })
	var e *live.UpstreamError
	if !errors.As(err, &e) || e.Fault != live.FaultAuth {
		t.Fatal(err)
	}
}
