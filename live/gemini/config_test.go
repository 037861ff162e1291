package gemini

import (
	"strings"
	"testing"
	"time"
)

func TestConfigs_areValidAsTheyComeAndNameTheKeyThatIsNot(t *testing.T) {
	if err := DefaultGeminiConfig().Validate(); err != nil {
		t.Error(err)
	}
	if err := DefaultVertexConfig().Validate(); err != nil {
		t.Error(err)
	}
	if err := DefaultDialConfig().Validate(); err != nil {
		t.Error(err)
	}
	g := func(change func(*GeminiConfig)) error { c := DefaultGeminiConfig(); change(&c); return c.Validate() }
	v := func(change func(*VertexConfig)) error { c := DefaultVertexConfig(); change(&c); return c.Validate() }
	d := func(change func(*DialConfig)) error { c := DefaultDialConfig(); change(&c); return c.Validate() }
	for _, c := range []struct {
		key string
		err error
	}{
		{"gemini.base_url", g(func(c *GeminiConfig) { c.BaseURL = "generativelanguage.googleapis.com" })},
		{"gemini.base_url", g(func(c *GeminiConfig) { c.BaseURL = "ftp://x" })},
		{"gemini.base_url", g(func(c *GeminiConfig) { c.BaseURL = "https://user:secret@x" })},
		{"gemini.base_url", g(func(c *GeminiConfig) { c.BaseURL = "https://x?key=secret" })},
		{"gemini.base_url", g(func(c *GeminiConfig) { c.BaseURL = "https://%zz" })},
		{"gemini.api_version", g(func(c *GeminiConfig) { c.APIVersion = "1/../.." })},
		{"GOOGLE_API_KEY", g(func(c *GeminiConfig) { c.APIKeys = []string{"good", "sec ret\n"} })},
		{"vertex.project_id", v(func(c *VertexConfig) { c.ProjectID = "a/b" })},
		{"vertex.locations ", v(func(c *VertexConfig) { c.Locations = nil })},
		{"vertex.locations[1]", v(func(c *VertexConfig) { c.Locations = []string{"us-central1", "evil.example.com/x"} })},
		{"vertex.locations[1]", v(func(c *VertexConfig) { c.Locations = []string{"us-central1", "us-central1"} })},
		{"vertex.base_url", v(func(c *VertexConfig) { c.BaseURL = "x" })},
		{"vertex.api_version", v(func(c *VertexConfig) { c.APIVersion = "" })},
		{"live.upstream.handshake_timeout", d(func(c *DialConfig) { c.HandshakeTimeout = 0 })},
		{"live.upstream.write_timeout", d(func(c *DialConfig) { c.WriteTimeout = time.Hour })},
		{"live.upstream.max_frame_bytes", d(func(c *DialConfig) { c.MaxFrameBytes = 1 })},
		{"live.upstream.ping_interval", d(func(c *DialConfig) { c.PingInterval = time.Millisecond })},
		{"live.upstream.close_wait", d(func(c *DialConfig) { c.CloseWait = -1 })},
		{"live.upstream.cooldown", d(func(c *DialConfig) { c.Cooldown = -1 })},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.key) || strings.Contains(c.err.Error(), "sec") && strings.Contains(c.err.Error(), "ret") {
			t.Errorf("%s: %v", c.key, c.err)
		}
	}
	off := DefaultDialConfig()
	off.PingInterval, off.Cooldown = 0, 0
	if err := off.Validate(); err != nil {
		t.Error("pings and the cooldown cannot be switched off:", err)
	}
}

func TestDialers_sayWhatIsMissing(t *testing.T) {
	if _, err := NewGemini(DefaultGeminiConfig(), DefaultDialConfig(), discardLog()); err == nil || !strings.Contains(err.Error(), "GOOGLE_API_KEY") {
		t.Error(err)
	}
	if _, err := NewVertex(DefaultVertexConfig(), DefaultDialConfig(), nil, discardLog()); err == nil || !strings.Contains(err.Error(), "PROJECT_ID") {
		t.Error(err)
	}
}
