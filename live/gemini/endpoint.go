package gemini

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// endpoint is one place to dial with one credential: an API key, or a Vertex location.
type endpoint struct {
	name string // for logs: a location, or the number of a key; never the key
	tag  string // marks the handles that came from here, see tagHandle
	url  string // ws or wss
	host string // as a person reads it

	vertex bool
	key    string                                       // Gemini API
	token  func(context.Context) (*oauth2.Token, error) // Vertex AI
	model  func(id string) string                       // the resource name of setup.model
}

// header is what authenticates the handshake, and when that expires; zero: never. The key goes into a header and
// never into the URL, which ends up in logs of proxies and in error texts.
func (e *endpoint) header(ctx context.Context) (h http.Header, expires time.Time, err error) {
	h = http.Header{"User-Agent": {userAgent}}
	if !e.vertex {
		h["X-Goog-Api-Key"] = []string{e.key}
		return h, time.Time{}, nil
	}
	token, err := e.token(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	h["Authorization"] = []string{"Bearer " + token.AccessToken}
	return h, token.Expiry, nil
}

const userAgent = "stonepot"

// geminiEndpoints are one endpoint per key. The method follows the service after a dot here and after a slash on
// Vertex AI (go-genai live.go).
func geminiEndpoints(cfg GeminiConfig) ([]*endpoint, error) {
	u, err := socketURL(cfg.BaseURL, "ws/google.ai.generativelanguage."+cfg.APIVersion+".GenerativeService.BidiGenerateContent")
	if err != nil {
		return nil, err
	}
	var es []*endpoint
	for i, key := range cfg.APIKeys {
		sum := sha256.Sum256([]byte("stonepot handle tag " + key))
		es = append(es, &endpoint{
			name:  "key " + strconv.Itoa(i+1),
			tag:   hex.EncodeToString(sum[:4]),
			url:   u.String(),
			host:  u.Host,
			key:   key,
			model: geminiModel,
		})
	}
	return es, nil
}

// vertexEndpoints are one endpoint per location.
func vertexEndpoints(cfg VertexConfig, token func(context.Context) (*oauth2.Token, error)) ([]*endpoint, error) {
	var es []*endpoint
	for _, location := range cfg.Locations {
		base := cfg.BaseURL
		if base == "" {
			base = "https://" + vertexHost(location)
		}
		u, err := socketURL(base, "ws/google.cloud.aiplatform."+cfg.APIVersion+".LlmBidiService/BidiGenerateContent")
		if err != nil {
			return nil, err
		}
		es = append(es, &endpoint{
			name:   location,
			tag:    location,
			url:    u.String(),
			host:   u.Host,
			vertex: true,
			token:  token,
			model: func(id string) string {
				return vertexModel(cfg.ProjectID, location, id)
			},
		})
	}
	return es, nil
}

// vertexHost is Google's host for a location: a region, "global", or the multi-regions "us" and "eu".
func vertexHost(location string) string {
	switch location {
	case "global":
		return "aiplatform.googleapis.com"
	case "us", "eu":
		return "aiplatform." + location + ".rep.googleapis.com"
	default:
		return location + "-aiplatform.googleapis.com"
	}
}

// geminiModel expands a bare id; a resource name stays as it is.
func geminiModel(id string) string {
	if strings.Contains(id, "/") {
		return id
	}
	return "models/" + id
}

func vertexModel(project, location, id string) string {
	switch {
	case strings.HasPrefix(id, "projects/"):
		return id
	case strings.HasPrefix(id, "publishers/"):
		return "projects/" + project + "/locations/" + location + "/" + id
	default:
		return "projects/" + project + "/locations/" + location + "/publishers/google/models/" + strings.TrimPrefix(id, "models/")
	}
}

// socketURL puts the API's path behind a base URL whose scheme may be that of HTTP or of WebSockets.
func socketURL(base, method string) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "https":
		u.Scheme = "wss"
	case "http":
		u.Scheme = "ws"
	}
	u.Path = path.Join("/", u.Path, method)
	return u, nil
}

// tagHandle marks a resumption handle with the endpoint that gave it, because a handle is worth nothing at
// another project or location. Untagged handles stay as they are: with one endpoint there is nothing to mark.
func tagHandle(tag, handle string) string {
	if handle == "" {
		return ""
	}
	return handleMark + tag + ":" + handle
}

// untagHandle is the reverse; the tag is empty where there is none.
func untagHandle(s string) (tag, handle string) {
	rest, found := strings.CutPrefix(s, handleMark)
	if !found {
		return "", s
	}
	tag, handle, found = strings.Cut(rest, ":")
	if !found {
		return "", s
	}
	return tag, handle
}

const handleMark = "at:"
