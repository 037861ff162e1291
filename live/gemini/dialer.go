package gemini

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/stonepot/stonepot/live"
	"golang.org/x/oauth2"
)

// Dialer opens connections to one backend. It is safe for concurrent use. Close it after its last connection was
// closed: it owns what connections leave behind.
type Dialer struct {
	// Static after construction.
	cfg       DialConfig
	endpoints []*endpoint
	tokens    *tokenCache // nil for the Gemini API
	log       *slog.Logger
	net       *net.Dialer
	tls       *tls.Config

	wg   sync.WaitGroup // goodbyes under way and pings
	pool *pool          // nil: no connections are kept warm

	mu     sync.Mutex
	closed bool                    // guarded by mu
	hosts  map[string]*tls.Config  // tls with each endpoint's name, which its connections share; guarded by mu
	cool   map[*endpoint]time.Time // until when an endpoint is tried last; guarded by mu
	// Goodbyes under way, by the newest handle of the connection that is leaving; guarded by mu.
	leaving map[string]<-chan struct{}
}

// NewGemini makes a dialer for the Gemini API. It connects nowhere yet.
func NewGemini(cfg GeminiConfig, dial DialConfig, log *slog.Logger) (*Dialer, error) {
	if err := errors.Join(cfg.Validate(), dial.Validate()); err != nil {
		return nil, err
	}
	if len(cfg.APIKeys) == 0 {
		return nil, errors.New("the Gemini API needs an API key: set GOOGLE_API_KEY")
	}
	endpoints, err := geminiEndpoints(cfg)
	if err != nil {
		return nil, err
	}
	return newDialer(dial, endpoints, nil, log), nil
}

// NewVertex makes a dialer for Vertex AI. With nil as tokens it looks up Application Default Credentials at the
// first dial. Each dial takes a token that is fetched once and renewed before it expires.
func NewVertex(cfg VertexConfig, dial DialConfig, tokens oauth2.TokenSource, log *slog.Logger) (*Dialer, error) {
	if err := errors.Join(cfg.Validate(), dial.Validate()); err != nil {
		return nil, err
	}
	if cfg.ProjectID == "" {
		return nil, errors.New("Vertex AI needs a Google Cloud project: set vertex.project_id or PROJECT_ID") //nolint:staticcheck // a name begins it
	}
	cache := newTokenCache(tokens)
	endpoints, err := vertexEndpoints(cfg, cache.grab)
	if err != nil {
		return nil, err
	}
	return newDialer(dial, endpoints, cache, log), nil
}

func newDialer(cfg DialConfig, endpoints []*endpoint, tokens *tokenCache, log *slog.Logger) *Dialer {
	d := &Dialer{
		cfg:       cfg,
		endpoints: endpoints,
		tokens:    tokens,
		log:       log,
		net:       &net.Dialer{},
		tls: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			NextProtos:         []string{"http/1.1"}, // an upgrade needs it
			ClientSessionCache: tls.NewLRUClientSessionCache(64),
			// One record per message from the first one on: a message of 20 ms fits into one anyway, and longer ones
			// would be cut into packets for the sake of a browser that waits for a page's first bytes.
			DynamicRecordSizingDisabled: true,
		},
		hosts:   map[string]*tls.Config{},
		cool:    map[*endpoint]time.Time{},
		leaving: map[string]<-chan struct{}{},
	}
	d.pool = newPool(d, cfg.WarmPool)
	return d
}

// tlsFor is how TLS is spoken with an endpoint at addr.
func (d *Dialer) tlsFor(addr string) *tls.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	cfg := d.hosts[addr]
	if cfg == nil {
		cfg = d.tls.Clone()
		if host, _, err := net.SplitHostPort(addr); err == nil {
			cfg.ServerName = host
		}
		d.hosts[addr] = cfg
	}
	return cfg
}

// Dial implements live.Dialer. A key or location that fails is followed by the next one; those that the model
// refuses after the handshake, which is how Google refuses keys, are followed by the next one in the first
// Receive. The error is the most hopeful one that was met.
func (d *Dialer) Dial(ctx context.Context, s live.Setup) (live.Upstream, error) {
	u := newUpstream(d, s)
	if err := u.connect(ctx); err != nil {
		u.cancel()
		return nil, err
	}
	return u, nil
}

// Close ends the connections that are kept warm, and waits for the goodbyes that are under way, which takes
// live.upstream.close_wait at most.
func (d *Dialer) Close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.pool.close()
	d.wg.Wait()
	if d.tokens != nil {
		d.tokens.close()
	}
	return nil
}

// spawn runs f in a goroutine that Close waits for; false: the dialer is closed and f does not run.
func (d *Dialer) spawn(f func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.wg.Go(f)
	return true
}

// leave runs f, which says goodbye to the model for the connection that handle came from. False: the dialer is
// closed and f does not run.
func (d *Dialer) leave(handle string, f func()) bool {
	gone := make(chan struct{})
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	if handle != "" {
		d.leaving[handle] = gone
	}
	d.wg.Go(func() {
		defer func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.leaving[handle] == gone {
				delete(d.leaving, handle)
			}
			close(gone)
		}()
		f()
	})
	return true
}

// left is closed when the connection that handle came from has left; nil: nobody is leaving. Gemini refuses a
// handle (1011) whose connection it takes to be open, and a close frame alone does not tell when it has read it.
func (d *Dialer) left(handle string) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.leaving[handle]
}

// order lists the endpoints as they should be tried: where a handle came from first, then in the order of the
// configuration, then those that have just failed.
func (d *Dialer) order(tag string) []*endpoint {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	rank := func(e *endpoint) int {
		switch {
		case tag != "" && e.tag == tag:
			return 0
		case d.cool[e].After(now):
			return 2
		default:
			return 1
		}
	}
	list := slices.Clone(d.endpoints)
	slices.SortStableFunc(list, func(a, b *endpoint) int { return rank(a) - rank(b) })
	return list
}

// cooling is until when e is tried only after the others.
func (d *Dialer) cooling(e *endpoint) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cool[e]
}

// note remembers how e did.
func (d *Dialer) note(e *endpoint, failed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if failed {
		d.cool[e] = time.Now().Add(d.cfg.Cooldown)
	} else {
		delete(d.cool, e)
	}
}
