package gemini

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stonepot/stonepot/live"
	"google.golang.org/api/googleapi"
	"google.golang.org/genai"
)

// ChatRequest asks for one answer in text.
type ChatRequest struct {
	Model             string // bare model id
	SystemInstruction string
	History           []live.HistoryTurn // what was said before Text
	Text              string
	MaxOutputTokens   int32 // 0: the model's own limit
	Temperature       *float32
}

// Chat generates text. It is safe for concurrent use.
type Chat interface {
	// Stream asks the model and gives its answer to yield piece by piece, in order and in the caller's goroutine.
	// An error of yield ends the answer and is returned as it is; so is the error of ctx when it is done. Whatever
	// else goes wrong is an *live.UpstreamError. The usage counts what the model reported until then.
	Stream(ctx context.Context, r ChatRequest, yield func(text string) error) (live.Usage, error)
}

// place is one endpoint with one credential.
type place interface {
	// stream asks here. An error that yield gave is returned as it is.
	stream(ctx context.Context, r *ChatRequest, yield func(string) error) (live.Usage, error)
	host() string
}

// chat asks one place after the other until one answers. It is an io.Closer: Close gives idle connections back.
type chat struct {
	places    []place
	vertex    bool
	transport *http.Transport
	close     func() // may be nil

	first atomic.Int32 // the place that answered last
}

// Stream implements Chat.
func (c *chat) Stream(ctx context.Context, r ChatRequest, yield func(string) error) (live.Usage, error) {
	var hopeful *live.UpstreamError
	first := int(c.first.Load())
	for i := range c.places {
		at := (first + i) % len(c.places)
		said, refused := false, error(nil)
		usage, err := c.places[at].stream(ctx, &r, func(text string) error {
			said = true
			refused = yield(text)
			return refused
		})
		switch {
		case err == nil:
			c.first.Store(int32(at))
			return usage, nil
		case refused != nil:
			return usage, refused
		case ctx.Err() != nil:
			return usage, ctx.Err()
		}
		trouble := restTrouble(err, c.places[at].host())
		if said || !elsewhere(trouble, c.vertex) {
			return usage, trouble
		}
		if hopeful == nil || trouble.Fault < hopeful.Fault {
			hopeful = trouble
		}
	}
	return live.Usage{}, hopeful
}

// Close ends what is kept between requests. It is called after the last Stream has returned.
func (c *chat) Close() error {
	if c.close != nil {
		c.close()
	}
	c.transport.CloseIdleConnections()
	return nil
}

// restTrouble classifies what a REST call failed with.
func restTrouble(err error, host string) *live.UpstreamError {
	var (
		known  *live.UpstreamError
		token  *tokenError
		gemini genai.APIError
		google *googleapi.Error
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &token):
		return tokenTrouble(token.err)
	case errors.As(err, &gemini):
		return statusTrouble(&statusError{Code: gemini.Code, Message: gemini.Message, Status: gemini.Status})
	case errors.As(err, &google):
		status := jsonFailure(google.Body)
		if status == nil {
			status = jsonFailure(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(google.Body), "["), "]")) // of a stream
		}
		if status == nil {
			status = &statusError{Message: google.Message}
		}
		status.Code = google.Code
		return statusTrouble(status)
	default:
		return dialTrouble(err, host)
	}
}

// blocked is an answer that the model did not give, or not to the end, because of what it would say.
func blocked(why string) *live.UpstreamError {
	return &live.UpstreamError{Fault: live.FaultRejected, Detail: "The model refused to answer (" + why + ")."}
}

// chatTransport keeps a few connections; the times are for what a model takes before its first word, not for
// the whole answer, which the caller's context bounds.
func chatTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
	}
}

// httpURL is a base URL whose scheme may be that of WebSockets, as HTTP has it.
func httpURL(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "wss":
		u.Scheme = "https"
	case "ws":
		u.Scheme = "http"
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}
