package static

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// defaultPolicy is the policy that the exported page works under: everything from its own origin, and nothing else.
// `connect-src 'self'` covers the voice WebSocket of the same host (CSP Level 3 §6.7.2.8 lets 'self' match ws and
// wss). Styles may be inline: React writes style attributes, and those cannot be hashed.
func defaultPolicy(hashes []string, wasm bool) string {
	scripts := "'self'"
	if len(hashes) > 0 {
		scripts += " " + quoteSources(hashes)
	}
	if wasm {
		scripts += " 'wasm-unsafe-eval'"
	}
	return strings.Join([]string{
		"default-src 'self'",
		"script-src " + scripts,
		"style-src 'self' 'unsafe-inline'",
		"img-src 'self' data: blob:",
		"font-src 'self'",
		"media-src 'self' blob: data:",
		"connect-src 'self'",
		"worker-src 'self' blob:",
		"manifest-src 'self'",
		"object-src 'none'",
		"base-uri 'self'",
		"form-action 'self'",
		"frame-ancestors 'self'",
	}, "; ")
}

func quoteSources(hashes []string) string {
	quoted := make([]string, len(hashes))
	for i, h := range hashes {
		quoted[i] = "'" + h + "'"
	}
	return strings.Join(quoted, " ")
}

// scriptHashes returns "sha256-…" for each inline script of the page, each once, sorted: a browser under a strict
// policy runs exactly these. Blocks that browsers only read (JSON, templates) need no permission and are left out.
func scriptHashes(page []byte) ([]string, error) {
	var found []string
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if err := z.Err(); !errors.Is(err, io.EOF) {
				return nil, err
			}
			slices.Sort(found)
			return slices.Compact(found), nil
		case html.StartTagToken:
			token := z.Token()
			if token.Data != "script" || !runsInline(token.Attr) {
				continue
			}
			var body []byte
			if z.Next() == html.TextToken {
				body = z.Text()
			}
			if len(body) == 0 {
				continue
			}
			sum := sha256.Sum256(body)
			found = append(found, "sha256-"+base64.StdEncoding.EncodeToString(sum[:]))
		}
	}
}

// runsInline says whether a script element with these attributes carries code of its own that a browser executes
// or that steers execution (import maps, speculation rules), as the HTML standard's "prepare the script element" decides.
func runsInline(attrs []html.Attribute) bool {
	kind := ""
	for _, a := range attrs {
		switch a.Key {
		case "src":
			return false
		case "type":
			kind = strings.ToLower(strings.TrimSpace(a.Val))
		}
	}
	switch kind {
	case "", "module", "importmap", "speculationrules":
		return true
	}
	return strings.Contains(kind, "javascript") || strings.Contains(kind, "ecmascript")
}
