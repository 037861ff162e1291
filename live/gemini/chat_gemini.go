package gemini

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/stonepot/stonepot/live"
	"google.golang.org/genai"
)

// NewGeminiChat generates text with the Gemini API. It connects nowhere yet. The Chat is an io.Closer.
func NewGeminiChat(cfg GeminiConfig) (Chat, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if len(cfg.APIKeys) == 0 {
		return nil, errors.New("the Gemini API needs an API key: set GOOGLE_API_KEY")
	}
	base, err := httpURL(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	c := &chat{transport: chatTransport()}
	for _, key := range cfg.APIKeys {
		c.places = append(c.places, &geminiPlace{
			at: base.Host,
			client: sync.OnceValues(func() (*genai.Client, error) {
				return genai.NewClient(context.Background(), &genai.ClientConfig{
					Backend:     genai.BackendGeminiAPI,
					APIKey:      key,
					HTTPClient:  &http.Client{Transport: c.transport},
					HTTPOptions: genai.HTTPOptions{BaseURL: base.String(), APIVersion: cfg.APIVersion},
				})
			}),
		})
	}
	return c, nil
}

// geminiPlace asks with one API key.
type geminiPlace struct {
	at     string
	client func() (*genai.Client, error)
}

func (p *geminiPlace) host() string { return p.at }

func (p *geminiPlace) stream(ctx context.Context, r *ChatRequest, yield func(string) error) (usage live.Usage, err error) {
	client, err := p.client()
	if err != nil {
		return usage, err
	}
	var contents []*genai.Content
	for _, t := range r.History {
		contents = append(contents, &genai.Content{Role: t.Role, Parts: []*genai.Part{{Text: t.Text}}})
	}
	contents = append(contents, &genai.Content{Role: genai.RoleUser, Parts: []*genai.Part{{Text: r.Text}}})
	cfg := &genai.GenerateContentConfig{MaxOutputTokens: r.MaxOutputTokens, Temperature: r.Temperature}
	if r.SystemInstruction != "" {
		cfg.SystemInstruction = &genai.Content{Parts: []*genai.Part{{Text: r.SystemInstruction}}}
	}
	for res, err := range client.Models.GenerateContentStream(ctx, r.Model, contents, cfg) {
		if err != nil {
			return usage, err
		}
		if u := res.UsageMetadata; u != nil {
			usage = geminiUsage(u) // each piece counts all before it
		}
		if f := res.PromptFeedback; f != nil && f.BlockReason != "" && f.BlockReason != genai.BlockedReasonUnspecified {
			return usage, blocked(string(f.BlockReason))
		}
		if len(res.Candidates) == 0 {
			continue
		}
		c := res.Candidates[0]
		if err := yieldParts(c.Content, yield); err != nil {
			return usage, err
		}
		if refusals[string(c.FinishReason)] {
			return usage, blocked(string(c.FinishReason))
		}
	}
	return usage, nil
}

// refusals are the reasons to finish that leave an answer out or cut it off because of what it says.
var refusals = map[string]bool{
	"SAFETY": true, "RECITATION": true, "BLOCKLIST": true, "PROHIBITED_CONTENT": true, "SPII": true, "LANGUAGE": true,
}

func yieldParts(c *genai.Content, yield func(string) error) error {
	if c == nil {
		return nil
	}
	for _, part := range c.Parts {
		if part == nil || part.Thought || part.Text == "" {
			continue
		}
		if err := yield(part.Text); err != nil {
			return err
		}
	}
	return nil
}

func geminiUsage(u *genai.GenerateContentResponseUsageMetadata) live.Usage {
	usage := live.Usage{
		Input:  int64(u.PromptTokenCount) + int64(u.ToolUsePromptTokenCount),
		Output: int64(u.CandidatesTokenCount) + int64(u.ThoughtsTokenCount),
	}
	for _, d := range u.PromptTokensDetails {
		countTokens(&usage, false, []byte(d.Modality), int64(d.TokenCount))
	}
	for _, d := range u.CandidatesTokensDetails {
		countTokens(&usage, true, []byte(d.Modality), int64(d.TokenCount))
	}
	return usage
}
