package static

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/net/html"
)

// TestNew_embedded holds for a clean clone, where dist has nothing to serve, and for one with a built client.
func TestNew_embedded(t *testing.T) {
	s, err := New(DefaultConfig(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, err = fs.Stat(embedded, "dist/index.html")
	if s.Built() != (err == nil) {
		t.Errorf("Built is %t, but stat of dist/index.html says %v", s.Built(), err)
	}
	a := serve(t, s).get("/")
	a.status(t, 200)
	a.header(t, "Content-Type", "text/html; charset=utf-8")
	if want := string(placeholder); !s.Built() && a.body != want {
		t.Errorf("body is %.80q, want the built-in page", a.body)
	}
}

func TestNew_withoutAnExportSaysHowToBuildIt(t *testing.T) {
	var logged bytes.Buffer
	s := siteOfExport(DefaultConfig(), fstest.MapFS{".gitkeep": {}}, slog.New(slog.NewTextHandler(&logged, nil)))
	if s.Built() {
		t.Error("Built is true")
	}
	if !strings.Contains(logged.String(), "make client") {
		t.Errorf("the log does not say `make client` before a page is asked for: %q", logged.String())
	}
	server := serve(t, s)
	a := server.get("/")
	a.status(t, 200)
	a.header(t, "Cache-Control", "no-cache")
	if !strings.Contains(a.body, "make client") {
		t.Error("the page does not say `make client`")
	}
	if !strings.Contains(a.body, `<html lang="en">`) || !strings.Contains(a.body, "<main>") || !strings.Contains(a.body, "<title>") {
		t.Error("the page lacks a language, a title or a main landmark")
	}
	if _, err := html.Parse(strings.NewReader(a.body)); err != nil {
		t.Errorf("the page is no HTML: %v", err)
	}
	if hashes := s.ScriptHashes(); len(hashes) != 0 {
		t.Errorf("the page has scripts: %q", hashes)
	}
	server.get("/.gitkeep").status(t, 404)
	server.get("/health").status(t, 200)
}

func TestNew_refusesADirectoryThatIsNoFrontEnd(t *testing.T) {
	file := filepath.Join(directory(t, map[string]string{"index.html": page}), "index.html")
	for name, c := range map[string]struct {
		dir  string
		want []string
	}{
		"not there":     {filepath.Join(t.TempDir(), "gone"), []string{"static.dir", "gone"}},
		"a file":        {file, []string{"static.dir", "index.html"}},
		"no index.html": {directory(t, map[string]string{"readme.md": "x"}), []string{"static.dir", "no index.html"}},
		"too large":     {directory(t, map[string]string{"index.html": page, "big.bin": strings.Repeat("x", 1<<20)}), []string{"static.dir", "static.max_bytes", "1048576"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Dir, cfg.MaxBytes = c.dir, 1<<20
			_, err := New(cfg, slog.New(slog.DiscardHandler))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestNew_linksStayInTheDirectory(t *testing.T) {
	outside := directory(t, map[string]string{"secret.txt": "SECRET"})
	dir := directory(t, map[string]string{"index.html": page, "real.txt": "real"})
	for link, target := range map[string]string{
		"out.txt":  filepath.Join(outside, "secret.txt"),
		"up.txt":   filepath.Join("..", filepath.Base(outside), "secret.txt"),
		"folder":   outside,
		"gone.txt": "nothing",
		"in.txt":   "real.txt",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	var logged bytes.Buffer
	cfg := DefaultConfig()
	cfg.Dir = dir
	s, err := New(cfg, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	server := serve(t, s)
	for _, target := range []string{"/out.txt", "/up.txt", "/folder", "/folder/", "/folder/secret.txt", "/gone.txt"} {
		a := server.get(target)
		a.status(t, 404)
		if strings.Contains(a.body, "SECRET") {
			t.Errorf("%s serves a file from outside of the directory", target)
		}
	}
	for _, link := range []string{"out.txt", "up.txt", "folder", "gone.txt"} {
		if !strings.Contains(logged.String(), link) {
			t.Errorf("the log does not name %s:\n%s", link, logged.String())
		}
	}
	if a := server.get("/in.txt"); a.body != "real" {
		t.Errorf("a link inside of the directory answers %d %q", a.StatusCode, a.body)
	}
}

func TestNew_leavesOutCompressedFormsOfSomethingElse(t *testing.T) {
	files := export()
	files["icon.svg.br"] = pack("br", "another picture")
	files["icon.svg.gz"] = "not gzip"
	files["data.json.gz"] = pack("gzip", files["data.json"]+strings.Repeat(" ", 1<<20))
	files["lonely.gz"] = pack("gzip", "an archive of its own")
	s := serve(t, site(t, files, nil))
	for _, target := range []string{"/icon.svg", "/data.json"} {
		a := s.get(target, "Accept-Encoding: br, gzip")
		a.header(t, "Content-Encoding", "")
		if a.body != files[target[1:]] {
			t.Errorf("%s answers %.40q", target, a.body)
		}
	}
	a := s.get("/lonely.gz", "Accept-Encoding: gzip")
	a.header(t, "Content-Type", "application/gzip")
	a.header(t, "Content-Encoding", "")
}

func TestNew_readsTheDirectoryOnce(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Dir = directory(t, export())
	made, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(cfg.Dir); err != nil {
		t.Fatal(err)
	}
	a := serve(t, made).get("/icon.svg")
	a.status(t, 200)
	if a.body != export()["icon.svg"] {
		t.Errorf("body is %q after the files are gone", a.body)
	}
}

func TestConfig_validateNamesTheKey(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	for key, change := range map[string]func(*Config){
		"static.max_age must be between":                  func(c *Config) { c.MaxAge = -time.Second },
		"static.max_age must be whole seconds":            func(c *Config) { c.MaxAge = 1500 * time.Millisecond },
		"static.html_max_age must be between":             func(c *Config) { c.HTMLMaxAge = 366 * 24 * time.Hour },
		"static.max_bytes must be between":                func(c *Config) { c.MaxBytes = 1 },
		"static.content_security_policy must be one line": func(c *Config) { c.ContentSecurityPolicy = "default-src 'self'\r\nX-Evil: 1" },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("error is %v, want one that begins with %q", err, key)
		}
	}
}

func TestScriptHashes_countsWhatABrowserRuns(t *testing.T) {
	const run = "<script>a()</script>"
	one, err := scriptHashes([]byte(run))
	if err != nil || len(one) != 1 {
		t.Fatalf("hashes of %s are %q, %v", run, one, err)
	}
	for text, want := range map[string]int{
		run + run:                                                   1,
		"<SCRIPT TYPE=' Module '>a()</SCRIPT>":                      1,
		"<script type=text/javascript>a()</script>":                 1,
		"<script type=importmap>{}</script>":                        1,
		"<script type=application/json>{}</script>":                 0,
		"<script src=/a.js>ignored()</script>":                      0,
		"<script></script>":                                         0,
		"<!-- <script>a()</script> -->":                             0,
		"<textarea><script>a()</script></textarea>":                 0,
		"<script>if (a &lt; b) c('&amp;')</script>":                 1,
		"<script>unfinished":                                        1,
		"<title><script>a()</script></title><script>b()</script>":   1,
		"<p onclick='a()'>attributes are not covered by a hash</p>": 0,
	} {
		if got, err := scriptHashes([]byte(text)); err != nil || len(got) != want {
			t.Errorf("hashes of %s are %q, %v; want %d", text, got, err, want)
		}
	}
}
