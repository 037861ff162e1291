package gemini

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"time"
)

// GeminiConfig is the section `gemini`: the Gemini API, reached with an API key.
type GeminiConfig struct {
	// BaseURL is where the API lives: http, https, ws or wss. A proxy or the simulator can stand there; a path is
	// kept in front of the API's own.
	BaseURL string `mapstructure:"base_url"`
	// APIVersion is the version in the API's paths, for example v1beta.
	APIVersion string `mapstructure:"api_version"`
	// APIKeys come from the environment only and are never printed. When one is refused or its quota is used up,
	// the next one is tried.
	APIKeys []string `mapstructure:"-" json:"-"`
}

// DefaultGeminiConfig is Google's public endpoint, without a key.
func DefaultGeminiConfig() GeminiConfig {
	return GeminiConfig{BaseURL: "https://generativelanguage.googleapis.com", APIVersion: "v1beta"}
}

// Validate says in a sentence which key holds a value that cannot be used.
func (c GeminiConfig) Validate() error {
	if err := validBaseURL("gemini.base_url", c.BaseURL); err != nil {
		return err
	}
	if err := validVersion("gemini.api_version", c.APIVersion); err != nil {
		return err
	}
	for i, k := range c.APIKeys {
		if !keyPattern.MatchString(k) {
			return fmt.Errorf("the API key number %d is empty or holds characters that no key has: set GOOGLE_API_KEY to the key alone", i+1)
		}
	}
	return nil
}

// String prints no key.
func (c GeminiConfig) String() string {
	return fmt.Sprintf("{base_url: %s, api_version: %s, api_keys: %s}", c.BaseURL, c.APIVersion, setOrUnset(len(c.APIKeys)))
}

// GoString prints no key either, for %#v.
func (c GeminiConfig) GoString() string { return c.String() }

// LogValue prints no key either, for slog.
func (c GeminiConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }

// VertexConfig is the section `vertex`: Vertex AI, reached with Application Default Credentials.
type VertexConfig struct {
	ProjectID string `mapstructure:"project_id"`
	// Locations are tried in turn when one refuses: regions, "global", or the multi-regions "us" and "eu".
	Locations []string `mapstructure:"locations"`
	// BaseURL overrides Google's address for every location, for a proxy or the simulator. Empty: each location's own.
	BaseURL    string `mapstructure:"base_url"`
	APIVersion string `mapstructure:"api_version"`
}

// DefaultVertexConfig is Google's public endpoint in one region, without a project.
func DefaultVertexConfig() VertexConfig {
	return VertexConfig{Locations: []string{"us-central1"}, APIVersion: "v1beta1"}
}

// Validate says in a sentence which key holds a value that cannot be used. An empty project is valid: it means
// that Vertex AI is not configured.
func (c VertexConfig) Validate() error {
	if c.ProjectID != "" && !projectPattern.MatchString(c.ProjectID) {
		return fmt.Errorf("vertex.project_id must be a Google Cloud project id such as my-project-123, got %q", c.ProjectID)
	}
	if len(c.Locations) == 0 {
		return errors.New("vertex.locations must name at least one location, for example us-central1")
	}
	for i, l := range c.Locations {
		if !locationPattern.MatchString(l) {
			return fmt.Errorf("vertex.locations[%d] must be a location such as us-central1, global, us or eu, got %q", i, l)
		}
		if slices.Index(c.Locations, l) != i {
			return fmt.Errorf("vertex.locations[%d] repeats %s", i, l)
		}
	}
	if c.BaseURL != "" {
		if err := validBaseURL("vertex.base_url", c.BaseURL); err != nil {
			return err
		}
	}
	return validVersion("vertex.api_version", c.APIVersion)
}

// DialConfig is the section `live.upstream`: how connections to a model are opened and kept, whatever the backend.
type DialConfig struct {
	// HandshakeTimeout bounds one attempt to connect: name, TCP, TLS, HTTP upgrade and the setup message.
	HandshakeTimeout time.Duration `mapstructure:"handshake_timeout"`
	// WriteTimeout bounds each message to the model: when it passes, the connection is over.
	WriteTimeout time.Duration `mapstructure:"write_timeout"`
	// MaxFrameBytes bounds one message from the model.
	MaxFrameBytes int `mapstructure:"max_frame_bytes"`
	// PingInterval keeps the path open through NATs and proxies; 0 sends none. A pong that is late or missing
	// means nothing: Google's were measured 8 to 30 seconds late.
	PingInterval time.Duration `mapstructure:"ping_interval"`
	// CloseWait is how long a closed connection may take for its goodbye, in the background.
	CloseWait time.Duration `mapstructure:"close_wait"`
	// Cooldown is how long a key or a location that was refused, or is out of quota, is tried only after the others.
	Cooldown time.Duration `mapstructure:"cooldown"`
	// WarmPool is a section of its own, `live.warm_pool`. The zero value keeps nothing warm.
	WarmPool PoolConfig `mapstructure:"-"`
}

// PoolConfig is the section `live.warm_pool`: connections that are dialled and upgraded before a conversation needs
// them. What Google says of credentials and quota it says after a setup: by all that is known a connection that waits
// without one costs a socket, and no quota.
type PoolConfig struct {
	// Size is how many connections are kept warm for each key or location that is in use; 0: none.
	Size int `mapstructure:"size"`
	// MaxAge is when a connection that nobody took is replaced: it should be below what the model's service lets
	// pass without a message. What that is, Google does not say: connections without a setup were seen to live for
	// 12 s at least, and conversations without input die after 150 s.
	MaxAge time.Duration `mapstructure:"max_age"`
	// IdleAfter is how long a key or location counts as in use after the last connection to it was asked for. Above
	// the ten minutes that a model lets a connection live, the renewals of a lone conversation find a warm one. 0:
	// for good, and the first key or location from the start on.
	IdleAfter time.Duration `mapstructure:"idle_after"`
	// AnswerTimeout is how long the model may take to answer the setup on a warm connection. Then that one counts as
	// dead, and a new one is dialled.
	AnswerTimeout time.Duration `mapstructure:"answer_timeout"`
}

// DefaultPoolConfig covers two conversations that begin at once, and costs a quiet server nothing.
func DefaultPoolConfig() PoolConfig {
	return PoolConfig{Size: 2, MaxAge: time.Minute, IdleAfter: 15 * time.Minute, AnswerTimeout: 2 * time.Second}
}

// Validate says in a sentence which key holds a value that cannot be used. With a size of 0 nothing else counts.
func (c PoolConfig) Validate() error {
	const most = 64
	if c.Size < 0 || c.Size > most {
		return fmt.Errorf("live.warm_pool.size must be between 0 and %d, got %d", most, c.Size)
	}
	if c.Size == 0 {
		return nil
	}
	if err := within("live.warm_pool.max_age", c.MaxAge, 5*time.Second, time.Hour); err != nil {
		return err
	}
	if c.IdleAfter != 0 {
		if err := within("live.warm_pool.idle_after", c.IdleAfter, time.Minute, 24*time.Hour); err != nil {
			return err
		}
	}
	return within("live.warm_pool.answer_timeout", c.AnswerTimeout, 100*time.Millisecond, time.Minute)
}

func within(key string, d, least, most time.Duration) error {
	if d < least || d > most {
		return fmt.Errorf("%s must be between %v and %v, got %v", key, least, most, d)
	}
	return nil
}

// DefaultDialConfig suits Google's endpoints over the Internet.
func DefaultDialConfig() DialConfig {
	return DialConfig{
		HandshakeTimeout: 8 * time.Second,
		WriteTimeout:     5 * time.Second,
		MaxFrameBytes:    8 << 20,
		PingInterval:     30 * time.Second,
		CloseWait:        time.Second,
		Cooldown:         30 * time.Second,
	}
}

// Validate says in a sentence which key holds a value that cannot be used.
func (c DialConfig) Validate() error {
	for _, d := range []struct {
		key           string
		value         time.Duration
		least, most   time.Duration
		zeroIsAllowed bool
	}{
		{"handshake_timeout", c.HandshakeTimeout, 100 * time.Millisecond, time.Minute, false},
		{"write_timeout", c.WriteTimeout, 100 * time.Millisecond, time.Minute, false},
		{"ping_interval", c.PingInterval, time.Second, time.Hour, true},
		{"close_wait", c.CloseWait, 10 * time.Millisecond, 10 * time.Second, false},
		{"cooldown", c.Cooldown, time.Second, time.Hour, true},
	} {
		if d.zeroIsAllowed && d.value == 0 {
			continue
		}
		if err := within("live.upstream."+d.key, d.value, d.least, d.most); err != nil {
			return err
		}
	}
	const least, most = 64 << 10, 64 << 20
	if c.MaxFrameBytes < least || c.MaxFrameBytes > most {
		return fmt.Errorf("live.upstream.max_frame_bytes must be between %d and %d, got %d", least, most, c.MaxFrameBytes)
	}
	return c.WarmPool.Validate()
}

var (
	keyPattern      = regexp.MustCompile(`^[!-~]+$`)
	projectPattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.:_-]*$`) // also domain-scoped ids such as example.com:my-project
	locationPattern = regexp.MustCompile(`^[a-z]+(-[a-z]+[0-9]+)?$`)
	versionPattern  = regexp.MustCompile(`^v[0-9]+[a-z0-9]*$`)
)

func validBaseURL(key, s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return fmt.Errorf("%s must be a URL such as https://example.com, got %q", key, s)
	case !slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme) || u.Host == "":
		return fmt.Errorf("%s must begin with http://, https://, ws:// or wss:// and name a host, got %q", key, s)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%s must not hold a user, a query or a fragment", key)
	}
	return nil
}

func validVersion(key, s string) error {
	if !versionPattern.MatchString(s) {
		return fmt.Errorf("%s must be an API version such as v1beta, got %q", key, s)
	}
	return nil
}

func setOrUnset(n int) string {
	if n == 0 {
		return "unset"
	}
	return "set"
}
