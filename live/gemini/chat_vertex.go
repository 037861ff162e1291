package gemini

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"cloud.google.com/go/vertexai/genai"
	"github.com/stonepot/stonepot/live"
	"golang.org/x/oauth2"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
)

// This file is the only one that knows cloud.google.com/go/vertexai, which Google keeps no more: another library
// takes its place by changing this file. It logs one line about that when it is first used.

// NewVertexChat generates text with Vertex AI. It connects nowhere yet, and looks up Application Default
// Credentials, where tokens is nil, at the first request. The Chat is an io.Closer; the end of ctx closes it as
// well. The library speaks v1beta1, whatever vertex.api_version says.
func NewVertexChat(ctx context.Context, cfg VertexConfig, tokens oauth2.TokenSource) (Chat, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.ProjectID == "" {
		return nil, errors.New("Vertex AI needs a Google Cloud project: set vertex.project_id or PROJECT_ID") //nolint:staticcheck // a name begins it
	}
	cache := newTokenCache(tokens)
	stop := context.AfterFunc(ctx, cache.cancel)
	c := &chat{vertex: true, transport: chatTransport()}
	c.close = func() { stop(); cache.close() }
	for _, location := range cfg.Locations {
		base := cfg.BaseURL
		if base == "" {
			base = "https://" + vertexHost(location)
		}
		u, err := httpURL(base)
		if err != nil {
			return nil, err
		}
		c.places = append(c.places, &vertexPlace{
			at: u.Host,
			client: sync.OnceValues(func() (*genai.Client, error) {
				// REST, because gRPC would come with connections of its own, and could not be pointed at plain HTTP.
				return genai.NewClient(context.Background(), cfg.ProjectID, location, genai.WithREST(),
					option.WithEndpoint(u.String()),
					option.WithHTTPClient(&http.Client{Transport: &bearer{cache, c.transport}}))
			}),
		})
	}
	return c, nil
}

// bearer adds an access token to each request.
type bearer struct {
	tokens *tokenCache
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := b.tokens.get(r.Context())
	if err != nil {
		return nil, &tokenError{err}
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return b.next.RoundTrip(r)
}

// vertexPlace asks in one location.
type vertexPlace struct {
	at     string
	client func() (*genai.Client, error)
}

func (p *vertexPlace) host() string { return p.at }

func (p *vertexPlace) stream(ctx context.Context, r *ChatRequest, yield func(string) error) (usage live.Usage, err error) {
	client, err := p.client()
	if err != nil {
		return usage, err
	}
	ctx, cancel := context.WithCancel(ctx) // the library has no other way to end an answer before its end
	defer cancel()
	m := client.GenerativeModel(r.Model)
	m.Temperature = r.Temperature
	if r.MaxOutputTokens > 0 {
		m.MaxOutputTokens = &r.MaxOutputTokens
	}
	if r.SystemInstruction != "" {
		m.SystemInstruction = &genai.Content{Parts: []genai.Part{genai.Text(r.SystemInstruction)}}
	}
	session := m.StartChat()
	for _, t := range r.History {
		session.History = append(session.History, &genai.Content{Role: t.Role, Parts: []genai.Part{genai.Text(t.Text)}})
	}
	pieces := session.SendMessageStream(ctx, genai.Text(r.Text))
	finished := false
	for {
		res, err := next(pieces)
		if errors.Is(err, iterator.Done) && !finished {
			// An error in the middle of a stream is a member that the library does not know, and passes over.
			return usage, &live.UpstreamError{Fault: live.FaultBroken, Detail: "The model's answer was cut off."}
		}
		if errors.Is(err, iterator.Done) {
			return usage, nil
		}
		if err != nil {
			return usage, vertexBlocked(err)
		}
		if u := res.UsageMetadata; u != nil {
			usage = live.Usage{
				Input:  int64(u.PromptTokenCount),
				Output: int64(u.CandidatesTokenCount) + int64(u.ThoughtsTokenCount),
			}
			usage.InputBy[live.ModalityText] = usage.Input // all that this library sends and takes
			usage.OutputBy[live.ModalityText] = usage.Output
		}
		for _, c := range res.Candidates[:min(1, len(res.Candidates))] {
			if err := yieldTexts(c, yield); err != nil {
				return usage, err
			}
			finished = finished || c.FinishReason != genai.FinishReasonUnspecified
			switch c.FinishReason {
			case genai.FinishReasonRecitation, genai.FinishReasonBlocklist, genai.FinishReasonProhibitedContent, genai.FinishReasonSpii:
				return usage, blocked(c.FinishReason.String())
			}
		}
	}
}

// next is pieces.Next without its panics: the library has one for each kind of part that came after it.
func next(pieces *genai.GenerateContentResponseIterator) (res *genai.GenerateContentResponse, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &live.UpstreamError{Fault: live.FaultBroken, Detail: "The model's answer could not be read.", Err: fmt.Errorf("%v", p)}
		}
	}()
	return pieces.Next()
}

func yieldTexts(c *genai.Candidate, yield func(string) error) error {
	if c.Content == nil {
		return nil
	}
	for _, part := range c.Content.Parts {
		if text, ok := part.(genai.Text); ok && text != "" {
			if err := yield(string(text)); err != nil {
				return err
			}
		}
	}
	return nil
}

// vertexBlocked makes the library's own error for an answer that was refused one of ours.
func vertexBlocked(err error) error {
	var b *genai.BlockedError
	switch {
	case !errors.As(err, &b):
		return err
	case b.PromptFeedback != nil:
		return blocked(fmt.Sprint(b.PromptFeedback.BlockReason))
	case b.Candidate != nil:
		return blocked(b.Candidate.FinishReason.String())
	default:
		return blocked("no reason given")
	}
}
