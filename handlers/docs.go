package handlers

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// openAPI describes the HTTP interface. Tests keep it equal to the routes and to what the handlers answer.
//
//go:embed openapi.json
var openAPI []byte

//go:embed docs.html
var docsPage string

//go:embed docs.css
var docsStyle string

// endpoint is one line of the HTTP interface.
type endpoint struct {
	Method  string `json:"method"`
	Path    string `json:"path"`
	Summary string `json:"summary"`
}

// document is the description in the forms in which it is served.
type document struct {
	endpoints []endpoint
	page      []byte
	policy    string // Content-Security-Policy of page
}

// The parts of OpenAPI 3.0 that the page shows.
type (
	apiDocument struct {
		Info struct {
			Title       string `json:"title"`
			Description string `json:"description"`
		} `json:"info"`
		Tags  []apiTag                           `json:"tags"`
		Paths map[string]map[string]apiOperation `json:"paths"`
	}
	apiTag struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	}
	apiOperation struct {
		OperationID string                 `json:"operationId"`
		Tags        []string               `json:"tags"`
		Summary     string                 `json:"summary"`
		Description string                 `json:"description"`
		Security    []any                  `json:"security"`
		RequestBody *apiBody               `json:"requestBody"`
		Responses   map[string]apiResponse `json:"responses"`
	}
	apiBody struct {
		Required bool                    `json:"required"`
		Content  map[string]apiMediaType `json:"content"`
	}
	apiMediaType struct {
		Schema apiSchema `json:"schema"`
	}
	apiSchema struct {
		Required   []string             `json:"required"`
		Properties map[string]apiSchema `json:"properties"`
		Type       string               `json:"type"`
		Text       string               `json:"description"`
	}
	apiResponse struct {
		Description string `json:"description"`
	}
)

// What the page's template takes.
type (
	docsSection struct {
		Tag        apiTag
		Operations []docsOperation
	}
	docsOperation struct {
		apiOperation
		Method, Path string

		Fields    []docsField
		Responses []docsResponse
	}
	docsField struct {
		Name, Type, Text string
		Required         bool
	}
	docsResponse struct{ Status, Text string }
)

// mustDocument makes the page from the description; both are part of the program, so failing is a defect that the
// first test finds.
func mustDocument() *document {
	var api apiDocument
	if err := json.Unmarshal(openAPI, &api); err != nil {
		panic("handlers: openapi.json: " + err.Error())
	}
	d := &document{}
	sections := make([]docsSection, len(api.Tags))
	for i, tag := range api.Tags {
		sections[i].Tag = tag
	}
	for _, path := range sortedKeys(api.Paths) {
		for _, method := range sortedKeys(api.Paths[path]) {
			operation := api.Paths[path][method]
			e := endpoint{strings.ToUpper(method), path, operation.Summary}
			d.endpoints = append(d.endpoints, e)
			for i := range sections {
				if slices.Contains(operation.Tags, sections[i].Tag.Name) {
					sections[i].Operations = append(sections[i].Operations, describe(e, operation))
				}
			}
		}
	}
	page := template.Must(template.New("docs").Funcs(template.FuncMap{"code": codeSpans}).Parse(docsPage))
	var out bytes.Buffer
	err := page.Execute(&out, map[string]any{
		"Info": api.Info, "Sections": sections, "Style": template.CSS(docsStyle), //nolint:gosec // our own file
	})
	if err != nil {
		panic("handlers: docs.html: " + err.Error())
	}
	d.page = out.Bytes()
	sum := sha256.Sum256([]byte(docsStyle))
	d.policy = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
	return d
}

func describe(e endpoint, o apiOperation) docsOperation {
	d := docsOperation{apiOperation: o, Method: e.Method, Path: e.Path}
	for _, status := range sortedKeys(o.Responses) {
		d.Responses = append(d.Responses, docsResponse{status, o.Responses[status].Description})
	}
	if o.RequestBody != nil {
		schema := o.RequestBody.Content[fiber.MIMEApplicationJSON].Schema
		for _, name := range sortedKeys(schema.Properties) {
			field := schema.Properties[name]
			d.Fields = append(d.Fields, docsField{name, field.Type, field.Text, slices.Contains(schema.Required, name)})
		}
	}
	return d
}

// codeSpans escapes text and shows what stands between backquotes as code.
func codeSpans(text string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			b.WriteString("<code>" + template.HTMLEscapeString(part) + "</code>")
			continue
		}
		b.WriteString(template.HTMLEscapeString(part))
	}
	return template.HTML(b.String()) //nolint:gosec // escaped above
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// OpenAPI answers GET /api/openapi.json.
func (a *API) OpenAPI(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return c.Send(openAPI)
}

// Docs answers GET /api/docs: one page that needs nothing else, scripts included.
func (a *API) Docs(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	c.Set(fiber.HeaderContentSecurityPolicy, a.docs().policy)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return c.Send(a.docs().page)
}
