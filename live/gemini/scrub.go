package gemini

import (
	"encoding/json"
	"regexp"
	"sync"
)

// secrets are what credentials look like, and the projects that Google names when it refuses one. They are compiled when the
// first text has to be looked through: not while the server starts.
var secrets = sync.OnceValue(func() []secret {
	return []secret{
		{regexp.MustCompile(`(?i)\b(key|access_token|api_key|apikey)=[^&\s"']+`), "$1=…"},
		{regexp.MustCompile(`(?i)\b(bearer|token) [A-Za-z0-9._~+/=-]{16,}`), "$1 …"},
		{regexp.MustCompile(`AIza[0-9A-Za-z_-]{10,}`), "…"},
		{regexp.MustCompile(`\bAQ\.[0-9A-Za-z_-]{10,}`), "…"},
		{regexp.MustCompile(`ya29\.[0-9A-Za-z._-]+`), "…"},
		{regexp.MustCompile(`\bauth_tokens/[0-9A-Za-z._-]+`), "auth_tokens/…"},
		{regexp.MustCompile(`\bprojects/[^/\s"'` + "`" + `]+`), "projects/…"},
		{regexp.MustCompile(`(?i)\bproject[= ]#?[0-9]{6,}`), "project …"},
		{regexp.MustCompile(`(?i)\b(in|on resource) project [a-z0-9:.-]+`), "$1 project …"},
	}
})

type secret struct {
	pattern *regexp.Regexp
	instead string
}

// scrub takes out of a text whatever looks like a credential or names the operator's project.
func scrub(s string) string {
	for _, secret := range secrets() {
		s = secret.pattern.ReplaceAllString(s, secret.instead)
	}
	return s
}

// scrubbed is an error that prints without credentials and still unwraps to its cause.
type scrubbed struct{ err error }

func (e scrubbed) Error() string { return scrub(e.err.Error()) }
func (e scrubbed) Unwrap() error { return e.err }

// jsonFailure finds a google.rpc.Status in the body of an HTTP answer; nil: there is none.
func jsonFailure(body string) *statusError {
	var v struct {
		Error *statusError `json:"error"`
	}
	if json.Unmarshal([]byte(body), &v) != nil || v.Error == nil || v.Error.Message == "" {
		return nil
	}
	return v.Error
}
