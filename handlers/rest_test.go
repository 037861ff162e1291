package handlers_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
)

const operatorKey = "a-key-of-the-operator-0123456789"

func TestReady_saysNoWhileNobodyCanStart(t *testing.T) {
	full := start(t, func(o *options) { o.live.Live.MaxSessions = 1 })
	full.call("GET", "/ready", "").succeeded(200)
	c := handlers.DialWS(t, full.addr, handlers.PathGemini)
	a := full.call("GET", "/ready", "")
	a.refused(503, "at_capacity")
	if a.header.Get("Retry-After") != "10" {
		t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
	full.call("GET", "/health", "").succeeded(200)
	c.Text(`{"type":"end_session"}`)
	c.End()

	none := start(t, func(o *options) { o.backends = nil })
	none.call("GET", "/ready", "").refused(503, "upstream_not_configured")

	draining := start(t, nil)
	if err := draining.gateway.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	draining.call("GET", "/ready", "").refused(503, "server_draining")
	if m := draining.call("GET", "/api/status", "").succeeded(200); m["status"] != "server_draining" {
		t.Errorf("status says %v", m["status"])
	}
	draining.call("POST", "/api/chat", `{"message":"hello"}`).refused(503, "server_draining")
	draining.call("GET", "/health", "").succeeded(200)
}

func TestConfig_offersWhatTheConfigurationHolds(t *testing.T) {
	s := start(t, nil)
	m := s.call("GET", "/api/config", "").succeeded(200)
	backends, _ := m["backends"].(map[string]any)
	gemini, _ := backends["gemini"].(map[string]any)
	vertex, _ := backends["vertex"].(map[string]any)
	if gemini["available"] != true || gemini["simulated"] != true || gemini["path"] != "/api/gemini-live-stream" ||
		gemini["defaultModel"] != live.DefaultConfig().Live.DefaultModels.Gemini {
		t.Errorf("gemini is offered as %v", gemini)
	}
	if vertex["available"] != false || vertex["simulated"] != false {
		t.Errorf("vertex is offered as %v", vertex)
	}
	models, _ := gemini["models"].([]any)
	for _, each := range models {
		model, _ := each.(map[string]any)
		if voices, _ := model["voices"].([]any); len(voices) == 0 || model["label"] == "" {
			t.Errorf("a model is offered as %v", model)
		}
		id, _ := model["id"].(string)
		takes := slices.ContainsFunc(live.DefaultConfig().Models, func(m live.Model) bool { return m.ID == id && m.LanguageCode })
		if languages, ok := model["languages"].([]any); !ok || (len(languages) > 0) != takes {
			t.Errorf("%s is offered with the languages %v; it takes one: %v", id, model["languages"], takes)
		}
	}
	if m["defaultBackend"] != "gemini" || m["defaultAssistant"] != "default" {
		t.Errorf("the defaults are %v and %v", m["defaultBackend"], m["defaultAssistant"])
	}

	changed := live.DefaultConfig()
	changed.Assistants = append(changed.Assistants, live.Assistant{Name: "tutor"})
	s.gateway.Reconfigure(changed)
	m = s.call("GET", "/api/config", "").succeeded(200)
	if list, _ := m["assistants"].([]any); len(list) != 2 || fmt.Sprint(list[1]) != "map[label:tutor name:tutor]" {
		t.Errorf("after a change of the file the assistants are %v", m["assistants"])
	}
}

func TestDefaultBackend_isARealModelBeforeTheSimulator(t *testing.T) {
	s := start(t, func(o *options) {
		o.backends = append(o.backends, live.Backend{Name: live.BackendVertex, Workflow: "vertex-ai-live", Dialer: silentModel{}})
	})
	m := s.call("POST", "/api/session/create", "{}").succeeded(200)
	if m["backend"] != "vertex" || m["simulated"] != false || m["path"] != handlers.PathVertex {
		t.Errorf("got %v", m)
	}
}

func TestCreateSession_tellsWhereOrWhyNot(t *testing.T) {
	s := start(t, func(o *options) { o.live.Live.MaxSessions = 1 })
	for _, body := range []string{"", "{}", `{"backend":null,"userId":null}`, `{"backend":"gemini","userId":"Ada","extra":1}`} {
		m := s.call("POST", "/api/session/create", body).succeeded(200)
		if want := "ws://" + s.addr + "/api/gemini-live-stream"; m["url"] != want || m["protocol"] != "stonepot.v1" {
			t.Errorf("%q: got %v, want the url %s", body, m, want)
		}
	}
	for _, c := range []struct{ body, code, field string }{
		{`{"backend":`, "bad_request", ""},
		{`{"backend":3}`, "bad_request", "backend"},
		{`{"backend":"openai"}`, "bad_request", "backend"},
		{`{"userId":["x"]}`, "bad_request", "userId"},
		{`{"userId":"` + strings.Repeat("ä", 129) + `"}`, "bad_request", "userId"},
		{`[]`, "bad_request", ""},
		{`{} {}`, "bad_request", ""},
		{"{}\xff", "bad_request", ""},
	} {
		m := s.call("POST", "/api/session/create", c.body).refused(400, c.code)
		if field, _ := m["field"].(string); field != c.field {
			t.Errorf("%s: field %q, want %q", c.body, field, c.field)
		}
	}
	s.call("POST", "/api/session/create", `{"backend":"vertex"}`).refused(503, "upstream_not_configured")

	c := handlers.DialWS(t, s.addr, handlers.PathGemini)
	if a := s.call("POST", "/api/session/create", ""); a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	} else {
		a.refused(503, "at_capacity")
	}
	c.Text(`{"type":"end_session"}`)
	c.End()
}

func TestCreateSession_urlIsTheOneTheClientSees(t *testing.T) {
	s := start(t, func(o *options) { o.deps.Server.TrustedProxies = []string{"127.0.0.1"} })
	stranger := start(t, nil)
	for _, c := range []struct {
		s       *server
		headers []string
		want    string
	}{
		{s, []string{"Host: voice.example"}, "ws://voice.example"},
		{s, []string{"Host: inner:8080", "X-Forwarded-Host: voice.example", "X-Forwarded-Proto: https"}, "wss://voice.example"},
		{s, []string{"Host: voice.example", "Origin: https://voice.example"}, "wss://voice.example"},
		{s, []string{"Host: voice.example", "Origin: https://elsewhere.example"}, "ws://voice.example"},
		{stranger, []string{"Host: voice.example", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https"}, "ws://voice.example"},
	} {
		m := c.s.call("POST", "/api/session/create", "", c.headers...).succeeded(200)
		if m["url"] != c.want+handlers.PathGemini {
			t.Errorf("%v: got %v, want %s", c.headers, m["url"], c.want)
		}
	}
}

func TestOperator_withAKey(t *testing.T) {
	s := start(t, func(o *options) { o.deps.Auth.OperatorKey = operatorKey })
	for _, path := range []string{"/api/session", "/api/session/x", "/api/session/stats"} {
		for _, authorization := range []string{"", "Bearer", "Bearer wrong", "Basic " + operatorKey, "Bearer " + operatorKey + "x"} {
			a := s.call("GET", path, "", "Authorization: "+authorization)
			a.refused(401, "unauthorized")
			if a.header.Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
		}
	}
	key := "Authorization: Bearer " + operatorKey
	s.call("GET", "/api/session", "", key, "X-Forwarded-For: 203.0.113.9").succeeded(200)
	s.call("GET", "/api/session/stats", "", key).succeeded(200)
	s.call("GET", "/api/session/none", "", key).refused(404, "session_not_found")
	s.call("PUT", "/api/session/none/end", "", key).refused(404, "session_not_found")
	s.call("DELETE", "/api/session/none", "", key).refused(404, "session_not_found")
}

func TestOperator_withoutAKeyOnlyTheMachineItself(t *testing.T) {
	s := start(t, nil)
	s.call("GET", "/api/session", "").succeeded(200)
	s.call("GET", "/api/session", "", "Host: localhost:1234").succeeded(200)
	s.call("GET", "/api/session", "", "Host: [::1]").succeeded(200)
	s.call("GET", "/api/session", "", "Host: localhost:99", "Origin: http://localhost:99").succeeded(200)
	for _, header := range []string{
		"X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1", "X-Real-Ip: 127.0.0.1", "Via: 1.1 proxy", // a proxy on this machine
		"Origin: https://evil.example", "Origin: null", // a page in the operator's own browser
		"Host: evil.example", "Host: 127.0.0.1.evil.example", // the same by a rebound name
	} {
		s.call("GET", "/api/session", "", header).refused(404, "not_found")
		s.call("DELETE", "/api/session/x", "", header).refused(404, "not_found")
		s.call("GET", "/api/session/stats", "", header).refused(404, "not_found")
	}
	open := start(t, func(o *options) { o.deps.Auth.Stats = "open" })
	open.call("GET", "/api/session/stats", "", "Host: voice.example").succeeded(200)
	open.call("GET", "/api/session", "", "Host: voice.example").refused(404, "not_found")
}

func TestSessions_areListedAndEnded(t *testing.T) {
	s := start(t, nil)
	c := handlers.DialWS(t, s.addr, handlers.PathGemini)
	c.Text(`{"type":"start_session","config":{"userId":"ada"}}`)
	id, _ := c.Message("session_ready")["sessionId"].(string)

	m := s.call("GET", "/api/session", "").succeeded(200)
	list, _ := m["sessions"].([]any)
	if len(list) != 1 || m["count"] != 1.0 {
		t.Fatalf("the list is %v", m)
	}
	one, _ := s.call("GET", "/api/session/"+id, "").succeeded(200)["session"].(map[string]any)
	if one["id"] != id || one["userId"] != "ada" || one["state"] != "live" || one["backend"] != "gemini" || one["address"] != "127.0.0.1" {
		t.Errorf("the session is %v", one)
	}
	m = s.call("PUT", "/api/session/"+id+"/end", "").succeeded(202)
	if m["id"] != id || m["reason"] != "ended_by_operator" {
		t.Errorf("got %v", m)
	}
	said, how := c.End()
	if how.Code != 4507 || said[len(said)-1]["type"] != "session_ended" {
		t.Errorf("the browser saw %v and %+v", said, how)
	}
	if err := s.gateway.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.call("GET", "/api/session/"+id, "").refused(404, "session_not_found")
	m = s.call("GET", "/api/session/stats", "").succeeded(200)
	if fmt.Sprint(m["byReason"]) != "map[ended_by_operator:1]" || fmt.Sprint(m["byAssistant"]) != "map[default:1]" || m["active"] != 0.0 || m["peak"] != 1.0 || m["total"] != 1.0 ||
		fmt.Sprint(m["warmPool"]) != "map[gemini:map[dead:0 hits:1 idle:0 misses:0]]" {
		t.Errorf("the figures are %v", m)
	}
}

func TestErrors_areJSONForEveryWrongRequest(t *testing.T) {
	s := start(t, func(o *options) { o.deps.Server.BodyLimit = 4096 })
	for _, c := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"GET", "/api", "", 404, "not_found"},
		{"GET", "/api/nothing", "", 404, "not_found"},
		{"POST", "/api/nothing", "{}", 404, "not_found"},
		{"GET", "/api/Status", "", 404, "not_found"},
		{"GET", "/metrics", "", 404, "not_found"},
		{"GET", "/page", "", 404, "not_found"}, // no pages are mounted
		{"GET", "/%2e%2e/etc/passwd", "", 404, "not_found"},
		{"DELETE", "/api/status", "", 405, "method_not_allowed"},
		{"GET", "/api/chat", "", 405, "method_not_allowed"},
		{"PUT", "/health", "", 405, "method_not_allowed"},
		{"POST", "/api/gemini-live-stream", "", 405, "method_not_allowed"},
		{"BREW", "/api/status", "", 400, ""},
		{"POST", "/api/chat", strings.Repeat(" ", 5000), 413, "body_too_large"},
	} {
		a, _ := s.raw(c.method, c.path, c.body)
		if c.code != "" {
			a.refused(c.status, c.code)
		} else if a.status != c.status {
			t.Errorf("%s answered %d", c.method, a.status)
		}
		if c.status == 405 && a.header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", c.method, c.path)
		}
		if strings.Contains(string(a.body), "etc/passwd") {
			t.Errorf("the answer repeats what was sent: %s", a.body)
		}
	}
	a, _ := s.raw("GET", "/api/status", "", "Cookie: "+strings.Repeat("c", 9000))
	a.refused(431, "headers_too_large")
	head, _ := s.raw("HEAD", "/api/status", "")
	if head.status != 200 || len(head.body) != 0 {
		t.Errorf("HEAD answered %d with %d bytes", head.status, len(head.body))
	}
}

func TestErrors_aPanicIsAnInternalErrorAndLoggedOnce(t *testing.T) {
	var log notes
	s := start(t, func(o *options) {
		o.deps.Log = log.logger(slog.LevelInfo)
		o.pages = func(*fiber.Ctx) error { panic("the page tore") }
	})
	a, _ := s.raw("GET", "/", "", "X-Request-Id: abc-1", "X-Cloud-Trace-Context: 105445aa7843bc8bf206b12000100000/1;o=1")
	a.refused(500, "internal")
	if strings.Contains(string(a.body), "tore") {
		t.Errorf("the answer tells internals: %s", a.body)
	}
	if lines := log.with("the page tore", "abc-1", "105445aa7843bc8bf206b12000100000", "handlers_test"); len(lines) != 1 {
		t.Errorf("the log has %d lines about it", len(lines))
	}
	s.call("GET", "/health", "").succeeded(200)
}

func TestRequests_areLoggedAtDebugLevelWithoutTheirQuery(t *testing.T) {
	var log notes
	s := start(t, func(o *options) { o.deps.Log = log.logger(slog.LevelDebug) })
	s.call("GET", "/api/status?ticket=very-secret", "")
	s.call("GET", "/api/session/x?key=very-secret", "").refused(404, "session_not_found")
	if len(log.with("very-secret")) != 0 {
		t.Error("a query was logged")
	}
	if len(log.with(`"path":"/api/status"`, `"status":200`, `"query":"redacted"`)) != 1 || len(log.with(`"status":404`)) != 1 {
		t.Errorf("the log has %q", log.lines)
	}
	a := s.call("GET", "/health", "", "X-Request-Id: from-the-proxy")
	if a.header.Get("X-Request-Id") != "from-the-proxy" {
		t.Error("a request id is not passed on")
	}
	if a := s.call("GET", "/health", "", "X-Request-Id: no spaces, please"); len(a.header.Get("X-Request-Id")) < 20 {
		t.Errorf("a bad request id became %q", a.header.Get("X-Request-Id"))
	}
}

func TestHeaders_keepBrowsersSafe(t *testing.T) {
	s := start(t, func(o *options) {
		o.deps.Server.TrustedProxies = []string{"127.0.0.0/8"}
		o.pages = func(c *fiber.Ctx) error {
			if c.Path() == "/own" {
				c.Set("Content-Security-Policy", "default-src 'none'")
			}
			c.Type("html")
			return c.SendString("<p>hello")
		}
	})
	for _, c := range []struct{ path, policy string }{
		{"/api/status", "default-src 'none'; frame-ancestors 'none'"},
		{"/api/nothing", "default-src 'none'; frame-ancestors 'none'"},
		{"/", "default-src 'self'"},
		{"/own", "default-src 'none'"},
	} {
		a, _ := s.raw("GET", c.path, "")
		h := a.header
		if h.Get("Content-Security-Policy") != c.policy {
			t.Errorf("%s has the policy %q", c.path, h.Get("Content-Security-Policy"))
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") == "" || h.Get("Referrer-Policy") == "" ||
			!strings.Contains(h.Get("Permissions-Policy"), "microphone=(self)") || h.Get("Server") != "" || h.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s has the headers %v", c.path, h)
		}
	}
	if a, _ := s.raw("GET", "/", "", "X-Forwarded-Proto: https"); a.header.Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS over TLS")
	}
}

func TestCORS(t *testing.T) {
	preflight := []string{"Origin: https://page.example", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: authorization"}
	all := start(t, nil)
	a, _ := all.raw("OPTIONS", "/api/session/x/end", "", preflight...)
	if a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Access-Control-Allow-Credentials") != "" ||
		a.header.Get("Access-Control-Allow-Methods") != "GET,POST,PUT,DELETE,OPTIONS" ||
		a.header.Get("Access-Control-Allow-Headers") != "Content-Type,Authorization" || a.header.Get("Access-Control-Max-Age") != "600" {
		t.Errorf("the preflight was answered with %d %v", a.status, a.header)
	}
	if a, _ := all.raw("GET", "/api/nothing", "", preflight[0]); a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error("a page cannot read an error")
	}

	some := start(t, func(o *options) {
		o.deps.CORS.AllowedOrigins = []string{"https://page.example", "https://*.pages.example"}
	})
	for origin, allowed := range map[string]bool{
		"https://page.example": true, "https://a.pages.example": true, "https://evil.example": false, "http://page.example": false,
	} {
		a := some.call("GET", "/api/status", "", "Origin: "+origin)
		if (a.header.Get("Access-Control-Allow-Origin") == origin) != allowed || !strings.Contains(a.header.Get("Vary"), "Origin") {
			t.Errorf("%s: %v", origin, a.header)
		}
	}

	none := start(t, func(o *options) { o.deps.CORS.AllowedOrigins = nil })
	if a := none.call("GET", "/api/status", "", preflight[0]); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("an empty list allows everybody")
	}
}

func TestVoice_refusesBeforeTheUpgrade(t *testing.T) {
	s := start(t, func(o *options) { o.live.Live.MaxSessions = 1 })
	a := s.call("GET", handlers.PathGemini, "")
	a.refused(426, "upgrade_required")
	if a.header.Get("Upgrade") != "websocket" {
		t.Errorf("Upgrade is %q", a.header.Get("Upgrade"))
	}
	for _, c := range []struct {
		name   string
		change map[string]string
		path   string
		status int
		code   string
	}{
		{"old version", map[string]string{"Sec-WebSocket-Version": "8"}, handlers.PathGemini, 426, "upgrade_required"},
		{"no key", map[string]string{"Sec-WebSocket-Key": ""}, handlers.PathGemini, 400, "bad_request"},
		{"short key", map[string]string{"Sec-WebSocket-Key": "c2hvcnQ="}, handlers.PathGemini, 400, "bad_request"},
		{"another origin", map[string]string{"Origin": "https://evil.example"}, handlers.PathGemini, 403, "origin_not_allowed"},
		{"no origin to speak of", map[string]string{"Origin": "null"}, handlers.PathGemini, 403, "origin_not_allowed"},
		{"another port", map[string]string{"Origin": "http://stonepot.example:3000"}, handlers.PathGemini, 403, "origin_not_allowed"},
		{"no credentials", nil, handlers.PathVertex, 503, "upstream_not_configured"},
	} {
		c2 := handlers.DialRaw(t, s.addr, handlers.Handshake(c.path, c.change))
		answer{t, c2.Status, c2.Header, c2.Body}.refused(c.status, c.code)
	}
	// Each refusal must have given its room back.
	c := handlers.DialWS(t, s.addr, handlers.PathGemini)
	full := handlers.DialRaw(t, s.addr, handlers.Handshake(handlers.PathGemini, nil))
	answer{t, full.Status, full.Header, full.Body}.refused(503, "at_capacity")
	if full.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	c.Text(`{"type":"end_session"}`)
	c.End()
	if err := s.gateway.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	late := handlers.DialRaw(t, s.addr, handlers.Handshake(handlers.PathGemini, nil))
	answer{t, late.Status, late.Header, late.Body}.refused(503, "server_draining")
}

func TestVoice_acceptsThosePagesThatItShould(t *testing.T) {
	s := start(t, func(o *options) {
		o.deps.CORS.WebSocketOrigins = []string{"https://page.example", "https://*.pages.example"}
	})
	everybody := start(t, func(o *options) { o.deps.CORS.WebSocketOrigins = []string{"*"} })
	for _, c := range []struct {
		s      *server
		origin string
		want   int
	}{
		{s, "", 101},
		{s, "http://stonepot.example", 101},
		{s, "https://STONEPOT.example:443", 101},
		{s, "https://page.example", 101},
		{s, "https://one.pages.example", 101},
		{s, "https://pages.example", 403},
		{s, "https://evil.example/.pages.example", 403},
		{s, "http://page.example", 403},
		{everybody, "https://evil.example", 101},
		{everybody, "null", 101},
	} {
		client := handlers.DialRaw(t, c.s.addr, handlers.Handshake(handlers.PathGemini, map[string]string{"Origin": c.origin}))
		if client.Status != c.want {
			t.Errorf("origin %q: %d, want %d", c.origin, client.Status, c.want)
		}
		_ = client.Conn.Close()
	}
}

func TestVoice_picksOurSubprotocolAndNeverEchoesATicket(t *testing.T) {
	s := start(t, nil)
	for offered, want := range map[string]string{
		"":                                    "",
		"stonepot.v1":                         "stonepot.v1",
		"stonepot.ticket.secret, stonepot.v1": "stonepot.v1",
		"chat, stonepot.v1, stonepot.v2":      "stonepot.v1",
		"something.else":                      "",
	} {
		c := handlers.DialRaw(t, s.addr, handlers.Handshake(handlers.PathGemini, map[string]string{
			"Sec-WebSocket-Protocol": offered, "Sec-WebSocket-Extensions": "permessage-deflate",
		}))
		if c.Status != http.StatusSwitchingProtocols || c.Header.Get("Sec-WebSocket-Protocol") != want || c.Header.Get("Sec-WebSocket-Extensions") != "" {
			t.Errorf("offered %q: %d %v", offered, c.Status, c.Header)
		}
		_ = c.Conn.Close()
	}
}

func TestVoice_aConversationOverTheRealSocket(t *testing.T) {
	s := start(t, nil)
	c := handlers.DialWS(t, s.addr, handlers.PathGemini)
	c.Text(`{"type":"start_session"}`)
	if m := c.Message("session_started"); m["workflow"] != "gemini-live" {
		t.Errorf("started with %v", m)
	}
	if m := c.Message("session_ready"); m["simulated"] != true {
		t.Errorf("ready with %v", m)
	}
	for range 10 {
		c.Binary(make([]byte, 640))
	}
	c.Text(`{"type":"ping","t":5}`)
	if m := c.Message("pong"); m["t"] != 5.0 {
		t.Errorf("pong %v", m)
	}
	c.Text(`{"type":"end_session"}`)
	said, how := c.End()
	if how.Code != 1000 || len(said) != 1 || said[0]["type"] != "session_ended" || said[0]["reason"] != "ended" {
		t.Errorf("ended with %v and %+v", said, how)
	}
	m := s.call("GET", "/api/session/stats", "").succeeded(200)
	if counters, _ := m["counters"].(map[string]any); counters["uplinkAudioMs"] != 200.0 {
		t.Errorf("the counters are %v", counters)
	}
}

func TestVoice_theAddressIsThatOfTheClientBehindTrustedProxies(t *testing.T) {
	for _, c := range []struct {
		name      string
		trusted   []string
		forwarded string
		want      string
	}{
		{"nobody is trusted", nil, "203.0.113.7", "127.0.0.1"},
		{"one proxy", []string{"127.0.0.1"}, "203.0.113.7", "203.0.113.7"},
		{"what the client made up", []string{"127.0.0.1"}, "10.9.9.9, 203.0.113.7", "203.0.113.7"},
		{"two proxies", []string{"127.0.0.0/8", "10.0.0.0/8"}, "198.51.100.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"},
		{"nonsense", []string{"127.0.0.1"}, "unknown", "127.0.0.1"},
		{"version 6", []string{"127.0.0.1"}, "2001:db8::1", "2001:db8::1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, func(o *options) { o.deps.Server.TrustedProxies = c.trusted; o.deps.Auth.OperatorKey = operatorKey })
			client := handlers.DialRaw(t, s.addr, handlers.Handshake(handlers.PathGemini, map[string]string{"X-Forwarded-For": c.forwarded}))
			client.Text(`{"type":"start_session"}`)
			id, _ := client.Message("session_ready")["sessionId"].(string)
			m := s.call("GET", "/api/session/"+id, "", "Authorization: Bearer "+operatorKey).succeeded(200)
			if one, _ := m["session"].(map[string]any); one["address"] != c.want {
				t.Errorf("the address is %v, want %s", one["address"], c.want)
			}
			_ = client.Conn.Close()
		})
	}
}

func TestShutdown_endsConversationsWithTheirReason(t *testing.T) {
	s := start(t, nil)
	c := handlers.DialWS(t, s.addr, handlers.PathGemini)
	c.Text(`{"type":"start_session"}`)
	c.Message("session_ready")
	s.stop()
	said, how := c.End()
	if how.Code != 1012 || len(said) == 0 || said[len(said)-1]["reason"] != "server_draining" {
		t.Errorf("the browser saw %v and %+v", said, how)
	}
}

func TestConfigs_nameTheKeyThatIsWrong(t *testing.T) {
	for key, wrong := range map[string]func() error{
		"server.port":             func() error { c := handlers.DefaultServerConfig(); c.Port = 70_000; return c.Validate() },
		"server.read_timeout":     func() error { c := handlers.DefaultServerConfig(); c.ReadTimeout = 0; return c.Validate() },
		"server.write_timeout":    func() error { c := handlers.DefaultServerConfig(); c.WriteTimeout = -1; return c.Validate() },
		"server.idle_timeout":     func() error { c := handlers.DefaultServerConfig(); c.IdleTimeout = 0; return c.Validate() },
		"server.body_limit":       func() error { c := handlers.DefaultServerConfig(); c.BodyLimit = 1; return c.Validate() },
		"server.read_buffer_size": func() error { c := handlers.DefaultServerConfig(); c.ReadBufferSize = 1; return c.Validate() },
		"server.concurrency":      func() error { c := handlers.DefaultServerConfig(); c.Concurrency = 0; return c.Validate() },
		"server.tcp_keep_alive":   func() error { c := handlers.DefaultServerConfig(); c.TCPKeepAlive = 0; return c.Validate() },
		"server.shutdown_grace":   func() error { c := handlers.DefaultServerConfig(); c.ShutdownGrace = 0; return c.Validate() },
		"server.trusted_proxies": func() error {
			c := handlers.DefaultServerConfig()
			c.TrustedProxies = []string{"proxy"}
			return c.Validate()
		},
		"cors.allowed_origins": func() error {
			c := handlers.DefaultCORSConfig()
			c.AllowedOrigins = []string{"example.com"}
			return c.Validate()
		},
		"cors.websocket_origins": func() error {
			c := handlers.DefaultCORSConfig()
			c.WebSocketOrigins = []string{"https://a/b"}
			return c.Validate()
		},
		"cors.max_age": func() error { c := handlers.DefaultCORSConfig(); c.MaxAge = 48 * time.Hour; return c.Validate() },
		"auth.mode":    func() error { return handlers.AuthConfig{Mode: "jwt", Stats: "open"}.Validate() },
		"auth.stats":   func() error { return handlers.AuthConfig{Mode: "open", Stats: "all"}.Validate() },
		"STONEPOT_OPERATOR_KEY": func() error {
			return handlers.AuthConfig{Mode: "open", Stats: "open", OperatorKey: "short-secret"}.Validate()
		},
		"chat.default_models.gemini": func() error { c := handlers.DefaultChatConfig(); c.DefaultModels.Gemini = "a/b"; return c.Validate() },
		"chat.default_models.vertex": func() error { c := handlers.DefaultChatConfig(); c.DefaultModels.Vertex = ""; return c.Validate() },
		"chat.models":                func() error { c := handlers.DefaultChatConfig(); c.Models = []string{"../x"}; return c.Validate() },
		"chat.max_concurrent":        func() error { c := handlers.DefaultChatConfig(); c.MaxConcurrent = 0; return c.Validate() },
		"chat.timeout":               func() error { c := handlers.DefaultChatConfig(); c.Timeout = 0; return c.Validate() },
		"chat.keep_alive":            func() error { c := handlers.DefaultChatConfig(); c.KeepAlive = 0; return c.Validate() },
		"chat.max_message_bytes":     func() error { c := handlers.DefaultChatConfig(); c.MaxMessageBytes = 0; return c.Validate() },
		"chat.max_history":           func() error { c := handlers.DefaultChatConfig(); c.MaxHistory = -1; return c.Validate() },
		"chat.max_output_tokens":     func() error { c := handlers.DefaultChatConfig(); c.MaxOutputTokens = -1; return c.Validate() },
	} {
		err := wrong()
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: got %v", key, err)
		}
		if err != nil && strings.Contains(err.Error(), "short-secret") {
			t.Errorf("the sentence tells the secret: %v", err)
		}
	}
	for _, c := range []interface{ Validate() error }{
		handlers.DefaultServerConfig(), handlers.DefaultCORSConfig(), handlers.DefaultAuthConfig(), handlers.DefaultChatConfig(),
	} {
		if err := c.Validate(); err != nil {
			t.Errorf("a default is wrong: %v", err)
		}
	}
	auth := handlers.AuthConfig{Mode: "open", OperatorKey: operatorKey}
	for _, text := range []string{fmt.Sprint(auth), fmt.Sprintf("%+v %#v", auth, auth), fmt.Sprint(errors.New(auth.String()))} {
		if strings.Contains(text, operatorKey) || !strings.Contains(text, "operator_key:set") {
			t.Errorf("printed as %s", text)
		}
	}
}
