package gemini

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stonepot/stonepot/live"
	"golang.org/x/oauth2"
)

// tokenFunc is a token source.
type tokenFunc func() (*oauth2.Token, error)

func (f tokenFunc) Token() (*oauth2.Token, error) { return f() }

func lasting(d time.Duration, name string) *oauth2.Token {
	return &oauth2.Token{AccessToken: name, Expiry: time.Now().Add(d)}
}

func TestTokenCache_fetchesOnceAndRenewsInTheBackground(t *testing.T) {
	var n atomic.Int32
	renewed := make(chan struct{})
	c := newTokenCache(tokenFunc(func() (*oauth2.Token, error) {
		if n.Add(1) == 1 {
			return lasting(time.Minute, "first"), nil // good for a dial, but near its end
		}
		defer close(renewed)
		return lasting(time.Hour, "second"), nil
	}))
	defer c.close()
	for range 2 { // the second one starts the renewal and does not wait for it
		if got, err := c.get(context.Background()); err != nil || got == "" {
			t.Fatal(got, err)
		}
	}
	<-renewed
	c.wg.Wait()
	for range 3 {
		if got, _ := c.get(context.Background()); got != "second" {
			t.Fatal(got)
		}
	}
	if n.Load() != 2 {
		t.Fatal(n.Load())
	}
}

func TestTokenCache_waitsNoLongerThanItsCaller(t *testing.T) {
	hold := make(chan struct{})
	c := newTokenCache(tokenFunc(func() (*oauth2.Token, error) { <-hold; return lasting(time.Hour, "late"), nil }))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.get(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(hold)
	if got, err := c.get(context.Background()); got != "late" {
		t.Fatal(got, err)
	}
	c.close()
	c.token = nil
	if _, err := c.get(context.Background()); !errors.Is(err, errDialerClosed) {
		t.Fatal(err)
	}
}

func TestDialer_tellsMissingCredentialsFromATokenServerThatIsDown(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		fault live.UpstreamFault
	}{
		"none":    {errors.New("google: could not find default credentials"), live.FaultAuth},
		"refused": {&oauth2.RetrieveError{Response: &http.Response{StatusCode: 400}, ErrorCode: "invalid_grant"}, live.FaultAuth},
		"down":    {&oauth2.RetrieveError{Response: &http.Response{StatusCode: 503}}, live.FaultBroken},
		"slow":    {os.ErrDeadlineExceeded, live.FaultBroken},
	} {
		source := tokenFunc(func() (*oauth2.Token, error) { return nil, c.err })
		d, err := NewVertex(VertexConfig{ProjectID: "p", Locations: []string{"global"}, BaseURL: "http://127.0.0.1:1", APIVersion: "v1"}, testDial(), source, discardLog())
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Dial(context.Background(), testSetup())
		var e *live.UpstreamError
		if !errors.As(err, &e) || e.Fault != c.fault {
			t.Errorf("%s: %v", name, err)
		}
		_ = d.Close()
	}
}

func TestDialer_findsApplicationDefaultCredentialsAtTheFirstDial(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "nothing.json"))
	d, err := NewVertex(VertexConfig{ProjectID: "p", Locations: []string{"global"}, BaseURL: "http://127.0.0.1:1", APIVersion: "v1"}, testDial(), nil, discardLog())
	if err != nil {
		t.Fatal("construction looks for credentials already:", err)
	}
	defer d.Close()
	_, err = d.Dial(context.Background(), testSetup())
	var e *live.UpstreamError
	if !errors.As(err, &e) || e.Fault != live.FaultAuth || !strings.Contains(e.Err.Error(), "nothing.json") {
		t.Fatal(err)
	}
}
