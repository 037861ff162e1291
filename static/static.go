// Package static serves the exported page: the Next.js export that is embedded in the binary, or a directory of
// the operator's own. Every response is prepared once, so that a request costs a look into a table and one write: no file
// is opened or compressed while people wait, and each is hashed once, when it is first asked for. A directory, in which much
// may be wrong, is read when the server starts; what is embedded, in which nothing can be, when the first page is asked for,
// so that a start does not wait for it.
//
// The export lies in dist/ and is not committed. `make client` builds it and fills dist/ through static/compress; a
// binary built without it serves a page that says so.
package static

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed all:dist
var embedded embed.FS

//go:embed placeholder.html
var placeholder []byte

// immutable is for files whose names change with their content (RFC 8246).
const immutable = "public, max-age=31536000, immutable"

// Site is all pages and their files. It is static after New and safe for concurrent use.
type Site struct {
	all   func() *responses
	built bool
}

// responses are what a Site answers. Static after build.
type responses struct {
	routes   map[string]route
	notFound *file
	hashes   []string
	policy   string
	built    bool // there is an index.html of the front end's own
}

// route is what a path leads to: a file, or the place where it is.
type route struct {
	file     *file
	location string // a path of this site, escaped; only where file is nil
}

// New reads the files and prepares the responses; of the embedded export, when they are first wanted. It fails when cfg.Dir is
// not a directory with an index.html, cannot be read, or exceeds cfg.MaxBytes. cfg must have passed Validate. log gets one
// line for each file that was left out and one at the end.
func New(cfg Config, log *slog.Logger) (*Site, error) {
	if cfg.Dir != "" {
		return siteOfDir(cfg, log)
	}
	dist, err := fs.Sub(embedded, "dist")
	if err != nil {
		return nil, fmt.Errorf("static: embedded export: %w", err)
	}
	return siteOfExport(cfg, dist, log), nil
}

func siteOfDir(cfg Config, log *slog.Logger) (*Site, error) {
	started := time.Now()
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("static.dir: open the front end's directory: %w", err)
	}
	defer root.Close() //nolint:errcheck // only read from
	all, err := build(cfg, &loader{fsys: root.FS(), budget: cfg.MaxBytes, verify: true, log: log})
	if errors.Is(err, errTooLarge) {
		return nil, fmt.Errorf("static.dir %s: %w (%d bytes): serve a smaller directory or raise it", cfg.Dir, err, cfg.MaxBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("static.dir %s: %w", cfg.Dir, err)
	}
	if !all.built {
		return nil, fmt.Errorf("static.dir %s has no index.html: name the directory that holds the built front end", cfg.Dir)
	}
	log.Info("static: serving a directory", "dir", cfg.Dir, "paths", len(all.routes), "tookMs", time.Since(started).Milliseconds())
	return &Site{all: func() *responses { return all }, built: true}, nil
}

// siteOfExport is a Site of what was built into the binary: it lies in memory, and cannot change or be unreadable.
func siteOfExport(cfg Config, dist fs.FS, log *slog.Logger) *Site {
	_, err := fs.Stat(dist, "index.html")
	s := &Site{built: err == nil}
	if !s.built {
		log.Warn("static: this binary holds no page: run `make client` and build it again, or set static.dir")
	}
	s.all = sync.OnceValue(func() *responses {
		started := time.Now()
		all, err := build(cfg, &loader{fsys: dist, budget: 1 << 40, log: log})
		if err != nil {
			log.Error("static: the embedded page cannot be served", "error", err)
			return &responses{notFound: plain404()}
		}
		if s.built {
			log.Info("static: serving the embedded page", "paths", len(all.routes), "tookMs", time.Since(started).Milliseconds())
		}
		return all
	})
	return s
}

// plain404 is the answer for what is not there, where the front end has none.
func plain404() *file {
	return newFile("text/plain; charset=utf-8", "no-cache", "", content{identity: []byte("404 page not found\n")}, place{}).as404()
}

// build turns files into routes.
func build(cfg Config, l *loader) (*responses, error) {
	files, err := l.load()
	if err != nil {
		return nil, err
	}
	exists := func(name string) bool { _, ok := files[name]; return ok }
	wasm := false
	for name := range files {
		wasm = wasm || strings.HasSuffix(name, ".wasm")
	}

	s := &responses{routes: make(map[string]route, 2*len(files)), built: exists("index.html")}
	if !s.built && cfg.Dir == "" {
		files["index.html"] = content{identity: placeholder}
	}
	places := shelve(files, l.log)
	for name, data := range files {
		cache, policy := cacheControl(cfg.MaxAge), ""
		switch {
		case isPage(name, exists):
			cache = cacheControl(cfg.HTMLMaxAge)
		case isImmutable(name, exists):
			cache = immutable
		case isServiceWorker(name):
			cache = cacheControl(0)
		}
		if isHTML(name) {
			hashes, err := scriptHashes(data[identity])
			if err != nil {
				return nil, fmt.Errorf("read the scripts of %s: %w", name, err)
			}
			policy = cfg.policyFor(hashes, wasm)
			s.hashes = append(s.hashes, hashes...)
		}
		s.add(name, newFile(contentType(name), cache, policy, data, places[name]), exists)
		if reserved([]byte("/" + name)) {
			l.log.Warn("static: the server answers this path itself; nobody can reach the file", "file", name)
		}
	}
	slices.Sort(s.hashes)
	s.hashes = slices.Compact(s.hashes)
	s.policy = cfg.policyFor(s.hashes, wasm)
	if s.notFound == nil {
		s.notFound = plain404()
	}
	return s, nil
}

// add enters the paths that lead to a file. Pages have two spellings, of which one is the place and the other leads
// there: a folder's with a slash at the end, a lone page's without.
func (s *responses) add(name string, f *file, exists func(string) bool) {
	switch name {
	case "404.html":
		s.notFound = f.as404()
		return // the page for missing pages is not a page that is there
	case "404/index.html":
		if !exists("404.html") {
			s.notFound = f.as404()
		}
		return
	case "index.html":
		s.routes["/"] = route{file: f}
	}
	s.routes["/"+name] = route{file: f}

	folder, base := path.Split(name)
	stem, page := strings.CutSuffix(base, ".html")
	switch {
	case !page:
	case base == "index.html" && folder != "":
		bare := "/" + strings.TrimSuffix(folder, "/")
		s.routes["/"+folder] = route{file: f}
		if !exists(bare[1:]) {
			s.routes[bare] = route{location: escaped("/" + folder)}
		}
	case base != "index.html" && !exists(folder+stem+"/index.html") && !exists(folder+stem):
		s.routes["/"+folder+stem] = route{file: f}
		s.routes["/"+folder+stem+"/"] = route{location: escaped("/" + folder + stem)}
	}
}

func escaped(p string) string { return (&url.URL{Path: p}).EscapedPath() }

// Built says whether there is a page to serve; false means that visitors see how to build one.
func (s *Site) Built() bool { return s.built }

// ScriptHashes returns "sha256-…", without quotes, of every inline script of every page, sorted. Pages get a policy
// with their own scripts only; this is for whoever composes a header for all of them.
func (s *Site) ScriptHashes() []string { return slices.Clone(s.all().hashes) }

// ContentSecurityPolicy returns one policy under which every page works; "" if the configuration sends none. Handler
// sets a tighter one on each page itself, so nobody needs to send this one beside it.
func (s *Site) ContentSecurityPolicy() string { return s.all().policy }
