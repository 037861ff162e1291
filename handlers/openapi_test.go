package handlers_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stonepot/stonepot/handlers"
)

func TestOpenAPI_isValid(t *testing.T) {
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestOpenAPI_listsExactlyTheRoutes(t *testing.T) {
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	var described, routed []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	for _, r := range start(t, nil).app.GetRoutes(true) {
		if r.Method != http.MethodHead {
			routed = append(routed, r.Method+" "+strings.ReplaceAll(r.Path, ":id", "{id}"))
		}
	}
	slices.Sort(described)
	slices.Sort(routed)
	if !slices.Equal(described, routed) {
		t.Errorf("openapi.json has\n%s\nthe routes are\n%s", strings.Join(described, "\n"), strings.Join(routed, "\n"))
	}
}

// TestOpenAPI_everySuccessIsAsDescribed asks each operation for a success; call compares it with the document.
func TestOpenAPI_everySuccessIsAsDescribed(t *testing.T) {
	s := start(t, nil)
	c := handlers.DialWS(t, s.addr, handlers.PathGemini)
	c.Text(`{"type":"start_session","config":{"userId":"ada"}}`)
	id, _ := c.Message("session_ready")["sessionId"].(string)
	other := handlers.DialWS(t, s.addr, handlers.PathGemini)
	other.Text(`{"type":"start_session"}`)
	second, _ := other.Message("session_ready")["sessionId"].(string)

	asked := map[string]bool{ // "METHOD path"
		handlers.PathGemini: true, handlers.PathVertex: true} // by the voice tests
	for _, r := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/health", "", 200},
		{"GET", "/ready", "", 200},
		{"GET", "/api/status", "", 200},
		{"GET", "/api/config", "", 200},
		{"GET", "/api/openapi.json", "", 200},
		{"GET", "/api/docs", "", 200},
		{"POST", "/api/session/create", "", 200},
		{"GET", "/api/session/stats", "", 200},
		{"GET", "/api/session", "", 200},
		{"GET", "/api/session/" + id, "", 200},
		{"POST", "/api/chat", `{"message":"hello","stream":false}`, 200},
		{"POST", "/api/chat", `{"message":"hello"}`, 200},
		{"PUT", "/api/session/" + id + "/end", "", 202},
		{"DELETE", "/api/session/" + second, "", 202},
	} {
		a := s.call(r.method, r.path, r.body)
		if a.status != r.status {
			t.Errorf("%s %s answered %d %s", r.method, r.path, a.status, a.body)
		}
		request, _ := http.NewRequestWithContext(context.Background(), r.method, "http://x"+r.path, nil)
		route, _ := findOperation(t, request)
		asked[r.method+" "+route.Path] = true
	}
	if _, how := c.End(); how.Code != 4507 {
		t.Errorf("the first conversation ended with %+v", how)
	}
	if _, how := other.End(); how.Code == 1000 {
		t.Errorf("the second conversation ended with %+v", how)
	}
	doc, _ := loadDocument()
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if !asked[method+" "+path] && !asked[path] {
				t.Errorf("%s %s is described but was never asked for", method, path)
			}
		}
	}
}

func TestDocs_needNothingButThemselves(t *testing.T) {
	a := start(t, nil).call("GET", "/api/docs", "")
	page := string(a.body)
	for _, needed := range []string{`<html lang="en">`, "<title>", "<main>", "/api/session/{id}/end", "For the operator.", "<code>stream</code>"} {
		if !strings.Contains(page, needed) {
			t.Errorf("the page lacks %s", needed)
		}
	}
	for _, foreign := range []string{"<script", "http://", "src=", "@import", "style=\""} {
		if strings.Contains(page, foreign) {
			t.Errorf("the page holds %s", foreign)
		}
	}
	policy := a.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "style-src 'sha256-") {
		t.Errorf("its policy is %q", policy)
	}
}
