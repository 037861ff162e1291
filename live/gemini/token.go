package gemini

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

const (
	cloudScope = "https://www.googleapis.com/auth/cloud-platform"

	// refreshEarly is how long before its expiry a token is renewed in the background, so that no dial waits for
	// it. Google's metadata server keeps handing out a token until about then (golang.org/x/oauth2/google).
	refreshEarly = 225 * time.Second
	// tooOld is the remaining life below which a token is not used any more: a handshake takes a while.
	tooOld = 20 * time.Second
	// tokenTimeout bounds one request for a token.
	tokenTimeout = 10 * time.Second
)

// tokenCache keeps one access token and renews it before it expires. It is safe for concurrent use.
type tokenCache struct {
	ctx    context.Context // ends with the dialer
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	source   oauth2.TokenSource // nil until Application Default Credentials were looked up
	token    *oauth2.Token
	err      error
	inflight chan struct{} // closed when the request under way is done; nil when there is none
}

func newTokenCache(source oauth2.TokenSource) *tokenCache {
	ctx, cancel := context.WithCancel(context.Background())
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Timeout: tokenTimeout})
	return &tokenCache{ctx: ctx, cancel: cancel, source: source}
}

// get is grab for those who do not ask how long it holds.
func (c *tokenCache) get(ctx context.Context) (string, error) {
	token, err := c.grab(ctx)
	if err != nil {
		return "", err
	}
	return token.AccessToken, nil
}

// grab gives a token that is good for a handshake. It waits only when there is none, and no longer than ctx. The
// token must not be changed.
func (c *tokenCache) grab(ctx context.Context) (*oauth2.Token, error) {
	c.mu.Lock()
	left := c.left()
	if left < refreshEarly && c.inflight == nil {
		if c.ctx.Err() != nil {
			c.mu.Unlock()
			return nil, errDialerClosed
		}
		c.inflight = make(chan struct{})
		c.wg.Go(c.renew)
	}
	if left > tooOld {
		defer c.mu.Unlock()
		return c.token, nil
	}
	done := c.inflight
	c.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left() > 0 {
		return c.token, nil
	}
	if c.err == nil {
		return nil, errors.New("the token source gave a token that has expired")
	}
	return nil, c.err
}

// left is the remaining life of the token; mu is held.
func (c *tokenCache) left() time.Duration {
	switch {
	case c.token == nil || c.token.AccessToken == "":
		return 0
	case c.token.Expiry.IsZero():
		return time.Hour
	default:
		return time.Until(c.token.Expiry)
	}
}

func (c *tokenCache) renew() {
	c.mu.Lock()
	source := c.source
	c.mu.Unlock()
	var token *oauth2.Token
	var err error
	if source == nil {
		if source, err = google.DefaultTokenSource(c.ctx, cloudScope); err == nil {
			// It caches on its own, until seconds before the expiry: this makes it let go as early as we ask.
			source = oauth2.ReuseTokenSourceWithExpiry(nil, source, refreshEarly)
		}
	}
	if err == nil {
		token, err = source.Token()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.source, c.err = source, err
	if err == nil {
		c.token = token
	}
	close(c.inflight)
	c.inflight = nil
}

// close ends the requests for Application Default Credentials that are under way and waits for all.
func (c *tokenCache) close() {
	c.cancel()
	c.wg.Wait()
}
