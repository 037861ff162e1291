package handlers

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stonepot/stonepot/live"
)

// ServerConfig is the section server: the HTTP server itself. All of it is read once, at the start.
type ServerConfig struct {
	Host            string        `mapstructure:"host"`             // address to listen on; empty: all of them
	Port            int           `mapstructure:"port"`             // 0: any free one
	ReadTimeout     time.Duration `mapstructure:"read_timeout"`     // for a whole request to arrive
	WriteTimeout    time.Duration `mapstructure:"write_timeout"`    // for a response to be taken; streams of /api/chat have chat.timeout
	IdleTimeout     time.Duration `mapstructure:"idle_timeout"`     // between two requests of a connection
	BodyLimit       int           `mapstructure:"body_limit"`       // bytes of a request body
	ReadBufferSize  int           `mapstructure:"read_buffer_size"` // bytes; bounds a request's headers, and each HTTP connection holds it
	Concurrency     int           `mapstructure:"concurrency"`      // HTTP connections at a time, voice sessions not counted
	TCPKeepAlive    time.Duration `mapstructure:"tcp_keep_alive"`   // silence after which the kernel asks whether the other side still lives
	TrustedProxies  []string      `mapstructure:"trusted_proxies"`  // addresses or ranges whose X-Forwarded-* headers are believed
	ShutdownGrace   time.Duration `mapstructure:"shutdown_grace"`   // from SIGTERM to the end
	SecurityHeaders bool          `mapstructure:"security_headers"` // send them; off for those whose proxy does
}

// DefaultServerConfig is what config.yaml ships with.
func DefaultServerConfig() ServerConfig {
	return ServerConfig{
		Port:            8080,
		ReadTimeout:     15 * time.Second,
		WriteTimeout:    time.Minute,
		IdleTimeout:     2 * time.Minute,
		BodyLimit:       512 << 10,
		ReadBufferSize:  8 << 10,
		Concurrency:     16 << 10,
		TCPKeepAlive:    30 * time.Second,
		TrustedProxies:  []string{},
		ShutdownGrace:   10 * time.Second,
		SecurityHeaders: true,
	}
}

// Validate reports every value that is out of range, each in a sentence that names its key.
func (c ServerConfig) Validate() error {
	var v validator
	v.check(c.Port >= 0 && c.Port <= 65535, "server.port must be between 0 and 65535, got %d", c.Port)
	v.between("server.read_timeout", c.ReadTimeout, time.Second, 10*time.Minute)
	v.between("server.write_timeout", c.WriteTimeout, time.Second, time.Hour)
	v.between("server.idle_timeout", c.IdleTimeout, time.Second, time.Hour)
	v.within("server.body_limit", c.BodyLimit, 1<<10, 64<<20)
	v.within("server.read_buffer_size", c.ReadBufferSize, 2<<10, 64<<10)
	v.within("server.concurrency", c.Concurrency, 16, 1<<20)
	v.between("server.tcp_keep_alive", c.TCPKeepAlive, 5*time.Second, 2*time.Hour)
	v.between("server.shutdown_grace", c.ShutdownGrace, 100*time.Millisecond, time.Hour)
	for _, p := range c.TrustedProxies {
		_, err := parsePrefix(p)
		v.check(err == nil, "server.trusted_proxies must list IP addresses or ranges such as 10.0.0.0/8, got %q", p)
	}
	return v.err()
}

// CORSConfig is the section cors: which pages of other origins may use the server.
type CORSConfig struct {
	// AllowedOrigins may read the answers of the REST API: origins such as https://example.com, one level of wildcard
	// as in https://*.example.com, or * for all. Cookies and other credentials of a browser are never taken.
	AllowedOrigins []string `mapstructure:"allowed_origins"`
	// WebSocketOrigins may open voice sessions, besides pages of this server itself; * for all.
	WebSocketOrigins []string      `mapstructure:"websocket_origins"`
	MaxAge           time.Duration `mapstructure:"max_age"` // a browser may keep the answer to a preflight this long
}

// DefaultCORSConfig is what config.yaml ships with.
func DefaultCORSConfig() CORSConfig {
	return CORSConfig{AllowedOrigins: []string{"*"}, WebSocketOrigins: []string{}, MaxAge: 10 * time.Minute}
}

// Validate reports every wrong value, each in a sentence that names its key.
func (c CORSConfig) Validate() error {
	var v validator
	for key, origins := range map[string][]string{
		"cors.allowed_origins": c.AllowedOrigins, "cors.websocket_origins": c.WebSocketOrigins,
	} {
		for _, o := range origins {
			v.check(o == "*" || validOrigin(o),
				"%s must list * or origins such as https://example.com or https://*.example.com, got %q", key, o)
		}
		v.check(len(origins) < 2 || !slices.Contains(origins, "*"), "%s: * already allows every origin, take the others out", key)
	}
	v.between("cors.max_age", c.MaxAge, 0, 24*time.Hour)
	return v.err()
}

// AuthConfig is the section auth: who may use what.
type AuthConfig struct {
	// Mode says who may open sessions and chats. Only "open" exists: everybody.
	Mode string `mapstructure:"mode"`
	// Stats says who may read GET /api/session/stats: "operator" or "open".
	Stats string `mapstructure:"stats"`
	// OperatorKey opens the operator's routes as a Bearer token. It comes from STONEPOT_OPERATOR_KEY only, never
	// from the file, and is never printed. Empty: those routes answer on the machine itself only.
	OperatorKey string `mapstructure:"operator_key" json:"-" secret:"STONEPOT_OPERATOR_KEY"`
}

// DefaultAuthConfig is what config.yaml ships with.
func DefaultAuthConfig() AuthConfig { return AuthConfig{Mode: "open", Stats: "operator"} }

// minOperatorKey keeps keys that can be guessed out.
const minOperatorKey = 16

// Validate reports every wrong value, each in a sentence that names its key and not a secret's value.
func (c AuthConfig) Validate() error {
	var v validator
	v.check(c.Mode == "open", "auth.mode must be open, got %q", c.Mode)
	v.check(c.Stats == "operator" || c.Stats == "open", "auth.stats must be operator or open, got %q", c.Stats)
	v.check(c.OperatorKey == "" || len(c.OperatorKey) >= minOperatorKey,
		"STONEPOT_OPERATOR_KEY must have at least %d characters, it has %d", minOperatorKey, len(c.OperatorKey))
	return v.err()
}

// String keeps the key out of logs.
func (c AuthConfig) String() string {
	key := "unset"
	if c.OperatorKey != "" {
		key = "set"
	}
	return fmt.Sprintf("{mode:%s stats:%s operator_key:%s}", c.Mode, c.Stats, key)
}

// GoString keeps the key out of %#v.
func (c AuthConfig) GoString() string { return "handlers.AuthConfig" + c.String() }

// ChatConfig is the section chat: text conversations over REST.
type ChatConfig struct {
	// DefaultModels are the text models of requests that name none.
	DefaultModels live.DefaultModels `mapstructure:"default_models"`
	// Models are further text models that a request may name.
	Models          []string      `mapstructure:"models"`
	MaxConcurrent   int           `mapstructure:"max_concurrent"`    // chats that are being answered
	Timeout         time.Duration `mapstructure:"timeout"`           // for a whole answer
	KeepAlive       time.Duration `mapstructure:"keep_alive"`        // a stream that says nothing for this long sends a comment
	MaxMessageBytes int           `mapstructure:"max_message_bytes"` // of the message, and of each turn of the history
	MaxHistory      int           `mapstructure:"max_history"`       // turns
	MaxOutputTokens int           `mapstructure:"max_output_tokens"` // of assistants that set none; 0: the model's own limit
}

// DefaultChatConfig is what config.yaml ships with.
func DefaultChatConfig() ChatConfig {
	return ChatConfig{
		DefaultModels:   live.DefaultModels{Gemini: "gemini-2.5-flash", Vertex: "gemini-2.5-flash"},
		Models:          []string{},
		MaxConcurrent:   100,
		Timeout:         time.Minute,
		KeepAlive:       15 * time.Second,
		MaxMessageBytes: 32 << 10,
		MaxHistory:      100,
		MaxOutputTokens: 2048,
	}
}

// Validate reports every value that is out of range, each in a sentence that names its key.
func (c ChatConfig) Validate() error {
	var v validator
	v.check(validModelID(c.DefaultModels.Gemini), "chat.default_models.gemini must be a model id, got %q", c.DefaultModels.Gemini)
	v.check(validModelID(c.DefaultModels.Vertex), "chat.default_models.vertex must be a model id, got %q", c.DefaultModels.Vertex)
	for _, m := range c.Models {
		v.check(validModelID(m), "chat.models must list model ids, got %q", m)
	}
	v.within("chat.max_concurrent", c.MaxConcurrent, 1, 100_000)
	v.between("chat.timeout", c.Timeout, time.Second, 10*time.Minute)
	v.between("chat.keep_alive", c.KeepAlive, 10*time.Millisecond, 10*time.Minute)
	v.within("chat.max_message_bytes", c.MaxMessageBytes, 256, 1<<20)
	v.within("chat.max_history", c.MaxHistory, 0, 10_000)
	v.within("chat.max_output_tokens", c.MaxOutputTokens, 0, 1_000_000)
	return v.err()
}

// validModelID keeps out what would change the URL that a model's name becomes part of.
func validModelID(id string) bool {
	return id != "" && len(id) <= 128 && madeOf(id, "-._@") && !strings.Contains(id, "..")
}

// madeOf reports whether s holds nothing but ASCII letters, digits and the others.
func madeOf(s, others string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"+others) == ""
}

// validOrigin reports whether o is scheme://host[:port] and no more, the host with at most a leading wildcard label.
func validOrigin(o string) bool {
	u, err := url.Parse(strings.Replace(o, "://*.", "://", 1))
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && !strings.ContainsAny(u.Host, "*,") &&
		u.Path == "" && u.RawQuery == "" && u.Fragment == "" && u.User == nil
}

// parsePrefix reads an address or a range of addresses.
func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		return p.Masked(), err
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// validator collects sentences about wrong values.
type validator struct{ errs []error }

func (v *validator) check(ok bool, format string, args ...any) {
	if !ok {
		v.errs = append(v.errs, fmt.Errorf(format, args...))
	}
}

func (v *validator) between(key string, d, low, high time.Duration) {
	v.check(d >= low && d <= high, "%s must be between %v and %v, got %v", key, low, high, d)
}

func (v *validator) within(key string, n, low, high int) {
	v.check(n >= low && n <= high, "%s must be between %d and %d, got %d", key, low, high, n)
}

func (v *validator) err() error { return errors.Join(v.errs...) }
