package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/valyala/fasthttp"
)

// restError is an error of Google's APIs: google.rpc.Status as they write it (AIP-193).
type restError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
	Details []any  `json:"details,omitempty"`
}

// statusNames are the gRPC codes' names for the HTTP statuses that the simulator answers with.
var statusNames = map[int]string{
	http.StatusBadRequest:      "INVALID_ARGUMENT",
	http.StatusUnauthorized:    "UNAUTHENTICATED",
	http.StatusForbidden:       "PERMISSION_DENIED",
	http.StatusNotFound:        "NOT_FOUND",
	http.StatusTooManyRequests: "RESOURCE_EXHAUSTED",
}

// write answers with the error; in an array where the answer would have been one.
func (e restError) write(ctx *fasthttp.RequestCtx, array bool) {
	if e.Status == "" {
		e.Status = statusNames[e.Code]
	}
	var body any = map[string]restError{"error": e}
	if array {
		body = []any{body}
	}
	writeREST(ctx, e.Code, body)
}

// writeREST writes v as Google does: indented by two, a newline at the end, nothing escaped for HTML.
func writeREST(ctx *fasthttp.RequestCtx, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		ctx.Error("the simulator could not encode its answer", http.StatusInternalServerError)
		return
	}
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json; charset=UTF-8")
	ctx.SetBody(b.Bytes())
}

// errorInfo is a google.rpc.ErrorInfo.
func errorInfo(reason string, vertex bool) any {
	service := "generativelanguage.googleapis.com"
	if vertex {
		service = "aiplatform.googleapis.com"
	}
	return map[string]any{
		"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com",
		"metadata": map[string]string{"service": service},
	}
}

func errBadKey(vertex bool) *restError {
	const text = "API key not valid. Please pass a valid API key."
	return &restError{Code: http.StatusBadRequest, Message: text, Details: []any{
		errorInfo("API_KEY_INVALID", vertex),
		map[string]any{"@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "en-US", "message": text},
	}}
}

func errNoKey() *restError {
	return &restError{
		Code: http.StatusForbidden,
		Message: "Method doesn't allow unregistered callers (callers without established identity). " +
			"Please use API Key or other form of API consumer identity to call this API.",
	}
}

const wantsToken = "Expected OAuth 2 access token, login cookie or other valid authentication credential. " +
	"See https://developers.google.com/identity/sign-in/web/devconsole-project."

func errNoToken() *restError {
	return &restError{
		Code:    http.StatusUnauthorized,
		Message: "Request is missing required authentication credential. " + wantsToken,
		Details: []any{errorInfo("CREDENTIALS_MISSING", true)},
	}
}

func errBadToken() *restError {
	return &restError{
		Code:    http.StatusUnauthorized,
		Message: "Request had invalid authentication credentials. " + wantsToken,
		Details: []any{errorInfo("ACCESS_TOKEN_TYPE_UNSUPPORTED", true)},
	}
}

func errNoModel(c *restCall) *restError {
	e := &restError{Code: http.StatusNotFound}
	if c.vertex {
		e.Message = fmt.Sprintf("Publisher Model `%s` was not found or your project does not have access to it. "+
			"Please ensure you are using a valid model version. For more information, see: "+
			"https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions", c.resource)
		return e
	}
	method := c.method
	if method == "" || method == "streamGenerateContent" {
		method = "generateContent"
	}
	e.Message = fmt.Sprintf("%s is not found for API version %s, or is not supported for %s. "+
		"Call ListModels to see the list of available models and their supported methods.", c.resource, c.version, method)
	return e
}

func errQuota(c *restCall) *restError {
	return &restError{
		Code: http.StatusTooManyRequests,
		Message: "You exceeded your current quota, please check your plan and billing details. For more information on this error, " +
			"head to: https://ai.google.dev/gemini-api/docs/rate-limits. (simulated)",
		Details: []any{
			map[string]any{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []any{map[string]any{
				"quotaMetric":     "generativelanguage.googleapis.com/generate_content_simulated_requests",
				"quotaId":         "SimulatedGenerateRequestsPerMinute",
				"quotaDimensions": map[string]string{"model": c.model},
			}}},
			map[string]any{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"},
		},
	}
}
