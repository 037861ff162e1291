package static

import (
	"crypto/sha256"
	"encoding/base64"
	"path"
	"strings"
	"sync"
)

// file is one thing that can be answered, with everything that is known beforehand. Static after New; shared by all
// requests, which only read it.
type file struct {
	status      int
	contentType string
	headers     []header               // sent with 200, 206, 304 and 416 alike
	variants    [codings][]byte        // nil where there is none; identity always is
	place                              // of the larger variants, for those who can send from there
	etags       [codings]func() []byte // strong: each coding has its own, being different bytes
	available   [codings]bool
	negotiated  bool // more than identity is available, so the answer varies by Accept-Encoding
	hasPolicy   bool // headers has a Content-Security-Policy
}

// header is a response header in canonical spelling.
type header struct{ name, value []byte }

func newHeader(name, value string) header { return header{[]byte(name), []byte(value)} }

// newFile prepares a response. The variants are kept, not copied; on says where on the shelf they lie. An empty policy sends none.
func newFile(contentType, cache, policy string, variants [codings][]byte, on place) *file {
	f := &file{status: 200, contentType: contentType, variants: variants, place: on}
	if f.variants[identity] == nil {
		f.variants[identity] = []byte{}
	}
	for c, body := range f.variants {
		if body == nil {
			continue
		}
		f.available[c] = true
		f.etags[c] = sync.OnceValue(func() []byte { return []byte(etag(body)) }) // hashed when it is first asked for: most never are
		f.negotiated = f.negotiated || coding(c) != identity
	}
	f.headers = []header{
		newHeader("Cache-Control", cache),
		newHeader("X-Content-Type-Options", "nosniff"),
		newHeader("Accept-Ranges", "bytes"),
	}
	if f.hasPolicy = policy != ""; f.hasPolicy {
		f.headers = append(f.headers, newHeader("Content-Security-Policy", policy))
	}
	return f
}

// as404 returns the page as the answer for what is not there: nothing to revalidate, nothing to cut into ranges.
func (f *file) as404() *file {
	missing := *f
	missing.status = 404
	missing.headers = nil
	for _, h := range f.headers {
		if string(h.name) != "Accept-Ranges" && string(h.name) != "Cache-Control" {
			missing.headers = append(missing.headers, h)
		}
	}
	missing.headers = append(missing.headers, newHeader("Cache-Control", "no-cache"))
	missing.etags = [codings]func() []byte{}
	return &missing
}

// tag is the validator of a coding; nil where there is none.
func (f *file) tag(c coding) []byte {
	if f.etags[c] == nil {
		return nil
	}
	return f.etags[c]()
}

// etag is a strong validator: 128 bits of the content's SHA-256.
func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// isHTML says whether the file is a document, which carries a policy of its own.
func isHTML(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return ext == ".html" || ext == ".htm"
}

// isPage says whether the file names others by their hashes, so that it must not outlive a deployment: documents,
// and the router payloads that Next.js writes beside them (index.txt beside index.html, __next.*.txt).
func isPage(name string, exists func(string) bool) bool {
	if isHTML(name) {
		return true
	}
	stem, isText := strings.CutSuffix(name, ".txt")
	return isText && (strings.HasPrefix(path.Base(name), "__next") || exists(stem+".html"))
}

// isImmutable says whether the file's name changes with its content: everything under _next/static, except the
// folder named after the build. A build with a fixed id keeps the name of that folder and changes the files in it.
func isImmutable(name string, exists func(string) bool) bool {
	rest, ok := strings.CutPrefix(name, "_next/static/")
	if !ok {
		return false
	}
	folder, _, nested := strings.Cut(rest, "/")
	return !nested || !exists("_next/static/"+folder+"/_buildManifest.js")
}

// isServiceWorker says whether the file is the script by which a page works without a network. It lies at the top, so that
// it may serve every page, and is asked for each time: one that is kept would hold people on what it knows.
func isServiceWorker(name string) bool { return name == "sw.js" || name == "service-worker.js" }
