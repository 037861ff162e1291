package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

const (
	// maxRESTBody bounds a request to the text API. Google's bound is 20 MB, for pictures; the simulator answers text.
	maxRESTBody = 4 << 20
	// bodyMargin is how much more is still read, to be refused politely; beyond it the connection ends.
	bodyMargin = 64 << 10
)

// unreadable answers what fasthttp refuses on its own, in the form of every other error.
func unreadable(ctx *fasthttp.RequestCtx, err error) {
	text := "Simulator: the request could not be read: " + err.Error() + "."
	if errors.Is(err, fasthttp.ErrBodyTooLarge) {
		text = tooLarge
	}
	badRequest(text).write(ctx, false)
}

var tooLarge = fmt.Sprintf("Request payload size exceeds the limit: %d bytes.", maxRESTBody)

// restCall is one request to the text API: what its path says, and how the caller wants to be answered.
type restCall struct {
	vertex  bool
	version string // v1, v1beta, v1alpha, v1beta1
	// resource is what an error names: models/m, or the publisher model's whole name on Vertex AI.
	resource string
	model    string // the bare id
	method   string // generateContent, streamGenerateContent, countTokens; empty: GET of a model, or of all of them

	sse  bool // alt=sse
	ints bool // enums as numbers: $alt=json;enum-encoding=int, which Google's generated REST clients ask for
}

// rest answers plain HTTP on the simulator's port: text generation as the Gemini API and Vertex AI speak it, and the
// list of models. It is called for every request that does not open a Live connection.
func (s *Server) rest(ctx *fasthttp.RequestCtx) {
	c, ok := parseRESTCall(ctx)
	if !ok {
		restError{Code: http.StatusNotFound, Message: "Simulator: nothing is served at this path."}.write(ctx, false)
		return
	}
	if e := s.authorizeREST(ctx, &c); e != nil {
		e.write(ctx, c.array())
		return
	}
	switch {
	case ctx.IsGet() && c.method == "" && c.model == "":
		s.listModels(ctx)
	case ctx.IsGet() && c.method == "":
		s.getModel(ctx, &c)
	case ctx.IsPost() && c.method != "":
		s.generate(ctx, &c)
	default:
		restError{Code: http.StatusNotFound, Message: "Simulator: this path does not take " + string(ctx.Method()) + "."}.write(ctx, c.array())
	}
}

// array reports whether the answer, errors included, is a JSON array: streams are, unless asked for as events.
func (c *restCall) array() bool { return c.method == "streamGenerateContent" && !c.sse }

// parseRESTCall reads the path: the Gemini API's models and tunedModels, Vertex AI's publisher models in a project,
// and the same without a project, for callers with an API key (express mode).
func parseRESTCall(ctx *fasthttp.RequestCtx) (c restCall, ok bool) {
	segments := strings.Split(strings.Trim(string(ctx.Path()), "/"), "/")
	if len(segments) < 2 {
		return c, false
	}
	c.version = segments[0]
	last := len(segments) - 1
	// Behind the last colon stands the method; a marker for a fault in the model's name has one of its own.
	if i := strings.LastIndexByte(segments[last], ':'); i >= 0 {
		segments[last], c.method = segments[last][:i], segments[last][i+1:]
	}
	c.model = segments[last]
	query := ctx.QueryArgs()
	alt := string(query.Peek("alt"))
	if alt == "" {
		alt = string(query.Peek("$alt"))
	}
	c.sse = alt == "sse"
	c.ints = strings.Contains(alt, "enum-encoding=int")

	vertexVersion := c.version == "v1" || c.version == "v1beta1"
	switch rest := segments[1:]; {
	case len(rest) == 1 && rest[0] == "models" && c.method == "":
		c.model = ""
		return c, geminiVersion(c.version)
	case len(rest) == 2 && rest[0] == "models":
		c.resource = "models/" + c.model
		return c, geminiVersion(c.version) && c.model != ""
	case len(rest) == 4 && slices.Equal(rest[:3], []string{"publishers", "google", "models"}):
		c.vertex, c.resource = true, strings.Join(rest, "/")
		return c, vertexVersion && c.model != ""
	case len(rest) == 8 && rest[0] == "projects" && rest[2] == "locations" && slices.Equal(rest[4:7], []string{"publishers", "google", "models"}):
		c.vertex, c.resource = true, strings.Join(rest, "/")
		return c, vertexVersion && c.model != ""
	default:
		return c, false
	}
}

func geminiVersion(v string) bool { return v == "v1" || v == "v1beta" || v == "v1alpha" }

// authorizeREST refuses like Google: the Gemini API takes an API key in a header or in the query, Vertex AI an access
// token, and, without a project, an API key. Which keys are bad is configured; every token passes but those.
func (s *Server) authorizeREST(ctx *fasthttp.RequestCtx, c *restCall) *restError {
	key := string(ctx.Request.Header.Peek("X-Goog-Api-Key"))
	if key == "" {
		key = string(ctx.QueryArgs().Peek("key"))
	}
	kind, token, _ := strings.Cut(string(ctx.Request.Header.Peek("Authorization")), " ")
	token = strings.TrimSpace(token)
	bearer := strings.EqualFold(kind, "Bearer") && token != ""
	express := c.vertex && strings.HasPrefix(c.resource, "publishers/")
	switch {
	case bearer && s.badKey(token):
		return errBadToken()
	case bearer:
		return nil
	case c.vertex && !express:
		return errNoToken()
	case key == "":
		return errNoKey()
	case s.badKey(key):
		return errBadKey(c.vertex)
	default:
		return nil
	}
}

func (s *Server) badKey(key string) bool {
	return slices.ContainsFunc(s.cfg.BadKeys, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
}

// modelInfo is a model as the Gemini API describes it.
type modelInfo struct {
	Name             string   `json:"name"`
	Version          string   `json:"version"`
	DisplayName      string   `json:"displayName"`
	Description      string   `json:"description"`
	InputTokenLimit  int      `json:"inputTokenLimit"`
	OutputTokenLimit int      `json:"outputTokenLimit"`
	Methods          []string `json:"supportedGenerationMethods"`
}

func describeModel(id string) modelInfo {
	return modelInfo{
		Name:             "models/" + id,
		Version:          "simulated",
		DisplayName:      id + " (simulated)",
		Description:      "Simulated: no model answers under this name, the simulator does.",
		InputTokenLimit:  131072,
		OutputTokenLimit: 65536,
		Methods:          []string{"generateContent", "bidiGenerateContent"},
	}
}

// listModels names the configured models, on one page. Without a list there is none to show, though every name that
// begins with gemini- is answered.
func (s *Server) listModels(ctx *fasthttp.RequestCtx) {
	var list struct {
		Models []modelInfo `json:"models,omitempty"`
	}
	for _, id := range s.cfg.Models {
		list.Models = append(list.Models, describeModel(id))
	}
	writeREST(ctx, http.StatusOK, list)
}

func (s *Server) getModel(ctx *fasthttp.RequestCtx, c *restCall) {
	if !s.cfg.known(c.model) {
		errNoModel(c).write(ctx, false)
		return
	}
	info := describeModel(c.model)
	if c.vertex {
		info.Name = c.resource
	}
	writeREST(ctx, http.StatusOK, info)
}
