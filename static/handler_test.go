package static

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

func TestHandler_servesFilesWithTheirRules(t *testing.T) {
	s := serve(t, site(t, export(), nil))
	const hour = "public, max-age=3600"
	for _, c := range []struct{ target, contentType, cache, body string }{
		{"/", "text/html; charset=utf-8", "no-cache", page},
		{"/?lang=de", "text/html; charset=utf-8", "no-cache", page},
		{"/index.html", "text/html; charset=utf-8", "no-cache", page},
		{"/sessions/", "text/html; charset=utf-8", "no-cache", export()["sessions/index.html"]},
		{"/a%20b/", "text/html; charset=utf-8", "no-cache", export()["a b/index.html"]},
		{"/about", "text/html; charset=utf-8", "no-cache", export()["about.html"]},
		{"/%61bout", "text/html; charset=utf-8", "no-cache", export()["about.html"]},
		{"/index.txt", "text/plain; charset=utf-8", "no-cache", "router payload of the home page"},
		{"/sessions/__next._tree.txt?_rsc=1a2b3", "text/plain; charset=utf-8", "no-cache", "router tree"},
		{"/" + chunk, "text/javascript; charset=utf-8", immutable, script},
		{"/_next/static/media/f.woff2", "font/woff2", immutable, "wOF2"},
		{"/_next/static/stonepot/_buildManifest.js", "text/javascript; charset=utf-8", hour, "self.__BUILD_MANIFEST={}"},
		{"/_next/static/stonepot/_ssgManifest.js", "text/javascript; charset=utf-8", hour, "self.__SSG_MANIFEST=new Set"},
		{"/sw.js", "text/javascript; charset=utf-8", "no-cache", export()["sw.js"]},
		{"/icon.svg", "image/svg+xml", hour, export()["icon.svg"]},
		{"/data.json", "application/json; charset=utf-8", hour, `{"a":1}`},
		{"/empty.txt", "text/plain; charset=utf-8", hour, ""},
		{"/%C3%BCn%C3%AFcode.txt", "text/plain; charset=utf-8", hour, "grüezi"},
		{"/strange.xyz", "application/octet-stream", hour, "<script>alert(1)</script>"},
		{"/.well-known/security.txt", "text/plain; charset=utf-8", hour, "Contact: mailto:security@example.com"},
	} {
		t.Run(c.target, func(t *testing.T) {
			a := s.get(c.target)
			a.status(t, http.StatusOK)
			a.header(t, "Content-Type", c.contentType)
			a.header(t, "Cache-Control", c.cache)
			a.header(t, "X-Content-Type-Options", "nosniff")
			a.header(t, "Accept-Ranges", "bytes")
			a.length(t, len(c.body))
			a.header(t, "Etag", etag([]byte(c.body)))
			if a.body != c.body {
				t.Errorf("body is %.80q, want %.80q", a.body, c.body)
			}

			head := s.do(http.MethodHead, c.target)
			head.status(t, http.StatusOK)
			if head.body != "" {
				t.Errorf("HEAD has a body: %.40q", head.body)
			}
			if c.body != "" { // fasthttp leaves out a length of 0 for HEAD, as RFC 9110 §8.6 allows
				head.length(t, len(c.body))
			}
			for _, name := range []string{"Content-Type", "Cache-Control", "Etag", "Vary", "Content-Security-Policy"} {
				head.header(t, name, strings.Join(a.Header.Values(name), " | "))
			}
		})
	}
}

func TestHandler_agesAreTheConfigs(t *testing.T) {
	s := serve(t, site(t, export(), func(c *Config) { c.MaxAge, c.HTMLMaxAge = 0, 60e9 }))
	s.get("/icon.svg").header(t, "Cache-Control", "no-cache")
	s.get("/").header(t, "Cache-Control", "public, max-age=60")
	s.get("/"+chunk).header(t, "Cache-Control", immutable)
}

func TestHandler_redirectsToThePagesOwnSpelling(t *testing.T) {
	s := serve(t, site(t, export(), nil))
	for target, want := range map[string]string{
		"/sessions":                      "/sessions/",
		"/sessions?tab=1&q=%2F":          "/sessions/?tab=1&q=%2F",
		"/a%20b":                         "/a%20b/",
		"/about/":                        "/about",
		"/sessions?next=//evil.example/": "/sessions/?next=//evil.example/",
		"http://evil.example/sessions":   "/sessions/",
		"/%73essions":                    "/sessions/",
		"/data":                          "/data/",
	} {
		a := s.get(target)
		t.Run(target, func(t *testing.T) {
			a.status(t, http.StatusPermanentRedirect)
			a.header(t, "Location", want)
			a.header(t, "Cache-Control", "no-cache")
		})
	}
}

func TestHandler_whatIsNotThere(t *testing.T) {
	s := serve(t, site(t, export(), nil))
	for _, target := range []string{
		"/nothing", "/nothing/", "/404", "/404/", "/404.html", "/sessions/index", "/nothing.js",
		"/.env", "/.git/config", "/%2eenv", "/.gitkeep", "/.well-known", "/.well-known/",
		"/../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "/sessions/../.env", "/sessions/%2e%2e/.env",
		"/sessions%2findex.html", "/%5c..%5cetc", "/..\\..\\etc", "/sessions//", "/sessions/./", "/./", "/%", "/%zz", "/%2", "/index.html%00.js", "/%0d%0aX:%20y", "//evil.example/sessions",
		"/" + chunk[len("_next/"):], "/_Next/static/x.js", "/index.html/", "/INDEX.HTML",
	} {
		t.Run(target, func(t *testing.T) {
			a := s.get(target)
			a.status(t, http.StatusNotFound)
			a.header(t, "Content-Type", "text/html; charset=utf-8")
			a.header(t, "Cache-Control", "no-cache")
			a.header(t, "Etag", "")
			if a.body != missing {
				t.Errorf("body is %.80q, want the export's 404 page", a.body)
			}
		})
	}
	t.Run("no body for HEAD", func(t *testing.T) {
		a := s.do(http.MethodHead, "/nothing")
		a.status(t, http.StatusNotFound)
		a.length(t, len(missing))
		if a.body != "" {
			t.Errorf("body is %q", a.body)
		}
	})
	t.Run("conditions do not apply", func(t *testing.T) {
		s.get("/nothing", "If-None-Match: *", "Range: bytes=0-1").status(t, http.StatusNotFound)
	})
}

func TestHandler_missingAssetIsNoPage(t *testing.T) {
	s := serve(t, site(t, export(), nil))
	for _, target := range []string{"/_next/static/chunks/gone-123.js", "/_next/", "/_next/static/", "/_next/%2e%2e/.env", "/" + chunk + ".br", "/" + chunk + ".gz"} {
		a := s.get(target)
		a.status(t, http.StatusNotFound)
		a.header(t, "Content-Type", "text/plain; charset=utf-8")
		a.header(t, "Cache-Control", "no-store")
		a.header(t, "X-Content-Type-Options", "nosniff")
		if a.body != "404 file not found\n" {
			t.Errorf("%s: body is %.80q", target, a.body)
		}
	}
}

func TestHandler_withoutA404PageSaysSoInText(t *testing.T) {
	s := serve(t, site(t, map[string]string{"index.html": page}, nil))
	a := s.get("/nothing")
	a.status(t, http.StatusNotFound)
	a.header(t, "Content-Type", "text/plain; charset=utf-8")
}

func TestHandler_leavesTheServersOwnPathsAlone(t *testing.T) {
	s := serve(t, site(t, export(), nil))
	if a := s.get("/health"); a.body != "healthy" {
		t.Errorf("/health answers %q: a file of the front end shadows it", a.body)
	}
	for _, target := range []string{"/api/status", "/api", "/api/", "/api/nothing", "/%61pi/status", "/ready", "/metrics"} {
		s.get(target).status(t, http.StatusTeapot)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch} {
		s.do(method, "/", "Content-Length: 0").status(t, http.StatusTeapot)
	}
}

func TestHandler_codings(t *testing.T) {
	s := serve(t, site(t, export(), nil))
	for _, c := range []struct{ accept, want string }{
		{"Accept-Encoding: gzip, deflate, br, zstd", "br"},
		{"Accept-Encoding: gzip", "gzip"},
		{"Accept-Encoding: br;q=0.2, gzip;q=0.9", "gzip"},
		{"Accept-Encoding: identity;q=1, br;q=0.5", ""},
		{"Accept-Encoding: zstd", ""},
		{"X-Nothing: at all", ""},
	} {
		t.Run(c.accept, func(t *testing.T) {
			a := s.get("/"+chunk, c.accept)
			a.status(t, http.StatusOK)
			a.header(t, "Content-Encoding", c.want)
			a.header(t, "Vary", "Accept-Encoding")
			if want := etag([]byte(a.body)); a.Header.Get("Etag") != want {
				t.Errorf("ETag is %s, want %s, that of the bytes sent", a.Header.Get("Etag"), want)
			}
			if got := unpack(t, c.want, a.body); got != script {
				t.Errorf("unpacks to %d bytes, want the script's %d", len(got), len(script))
			}
			head := s.do(http.MethodHead, "/"+chunk, c.accept)
			head.header(t, "Content-Encoding", c.want)
			head.length(t, len(a.body))
		})
	}
	t.Run("a file without compressed forms does not vary", func(t *testing.T) {
		a := s.get("/icon.svg", "Accept-Encoding: br")
		a.header(t, "Vary", "")
		a.header(t, "Content-Encoding", "")
	})
}

func unpack(t *testing.T, coding, body string) string {
	t.Helper()
	var from io.Reader = strings.NewReader(body)
	switch coding {
	case "br":
		from = brotli.NewReader(from)
	case "gzip":
		z, err := gzip.NewReader(from)
		if err != nil {
			t.Fatal(err)
		}
		from = z
	}
	data, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestHandler_revalidation(t *testing.T) {
	s := serve(t, site(t, export(), nil))
	const brotli = "Accept-Encoding: br"
	tag := s.get("/"+chunk, brotli).Header.Get("Etag")
	plain := s.get("/" + chunk).Header.Get("Etag")
	if tag == plain || tag == "" {
		t.Fatalf("tags of the two forms are %q and %q; different bytes need different tags", tag, plain)
	}
	for _, c := range []struct {
		condition string
		want      int
	}{
		{"If-None-Match: " + tag, 304},
		{"If-None-Match: W/" + tag, 304},
		{`If-None-Match: "other", W/"x",` + tag + `, "more"`, 304},
		{"If-None-Match: *", 304},
		{"If-None-Match: " + plain, 200},
		{`If-None-Match: "other"`, 200},
		{"If-None-Match: " + strings.Trim(tag, `"`), 200},
		{"If-None-Match: ", 200},
		{"If-Match: " + tag, 200},
		{"If-Match: *", 200},
		{"If-Match: W/" + tag, 412},
		{`If-Match: "other"`, 412},
	} {
		t.Run(c.condition, func(t *testing.T) {
			a := s.get("/"+chunk, brotli, c.condition)
			a.status(t, c.want)
			a.header(t, "Etag", tag)
			a.header(t, "Vary", "Accept-Encoding")
			a.header(t, "Cache-Control", immutable)
			if c.want != 200 && a.body != "" {
				t.Errorf("status %d has a body of %d bytes", c.want, len(a.body))
			}
		})
	}
	t.Run("a page is asked for each time and costs a 304", func(t *testing.T) {
		tag := s.get("/").Header.Get("Etag")
		a := s.do(http.MethodHead, "/", "If-None-Match: "+tag)
		a.status(t, 304)
		a.header(t, "Cache-Control", "no-cache")
	})
}

func TestHandler_ranges(t *testing.T) {
	s := serve(t, site(t, export(), nil))
	size := len(script)
	tag := s.get("/" + chunk).Header.Get("Etag")
	for _, c := range []struct {
		name, ranges, condition string
		status                  int
		contentRange            string
		first, last             int
	}{
		{"first bytes", "bytes=0-9", "", 206, "bytes 0-9/6600", 0, 9},
		{"from the middle on", "bytes=6000-", "", 206, "bytes 6000-6599/6600", 6000, 6599},
		{"the last ones", "bytes=-100", "", 206, "bytes 6500-6599/6600", 6500, 6599},
		{"more than there is", "bytes=6590-9999", "", 206, "bytes 6590-6599/6600", 6590, 6599},
		{"all by a long suffix", "bytes=-99999", "", 206, "bytes 0-6599/6600", 0, 6599},
		{"behind the end", "bytes=6600-", "", 416, "bytes */6600", 0, -1},
		{"no bytes at all", "bytes=-0", "", 416, "bytes */6600", 0, -1},
		{"several", "bytes=0-1,4-5", "", 200, "", 0, size - 1},
		{"backwards", "bytes=9-0", "", 200, "", 0, size - 1},
		{"another unit", "lines=0-1", "", 200, "", 0, size - 1},
		{"of this version", "bytes=0-9", "If-Range: " + tag, 206, "bytes 0-9/6600", 0, 9},
		{"of another version", "bytes=0-9", `If-Range: "other"`, 200, "", 0, size - 1},
		{"of a weak version", "bytes=0-9", "If-Range: W/" + tag, 200, "", 0, size - 1},
		{"since a date", "bytes=0-9", "If-Range: Mon, 23 Nov 2026 00:00:00 GMT", 200, "", 0, size - 1},
		{"not needed", "bytes=0-9", "If-None-Match: " + tag, 304, "", 0, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			headers := []string{"Range: " + c.ranges}
			if c.condition != "" {
				headers = append(headers, c.condition)
			}
			a := s.get("/"+chunk, headers...)
			a.status(t, c.status)
			a.header(t, "Content-Range", c.contentRange)
			a.header(t, "Etag", tag)
			if want := script[c.first : c.last+1]; a.body != want {
				t.Errorf("body has %d bytes, want %d: %.40q", len(a.body), len(want), a.body)
			}
		})
	}
	t.Run("counts the bytes of the file, not of a compressed form", func(t *testing.T) {
		a := s.get("/"+chunk, "Range: bytes=0-9", "Accept-Encoding: br")
		a.status(t, 206)
		a.header(t, "Content-Encoding", "")
		a.header(t, "Vary", "Accept-Encoding")
		if a.body != script[:10] {
			t.Errorf("body is %q", a.body)
		}
	})
	t.Run("an unusable range leaves the coding alone", func(t *testing.T) {
		s.get("/"+chunk, "Range: lines=1-2", "Accept-Encoding: br").header(t, "Content-Encoding", "br")
	})
	t.Run("of nothing", func(t *testing.T) {
		s.get("/empty.txt", "Range: bytes=0-").status(t, 416)
		s.get("/empty.txt", "Range: bytes=-5").status(t, 200)
	})
	t.Run("HEAD has none", func(t *testing.T) {
		a := s.do(http.MethodHead, "/"+chunk, "Range: bytes=0-9")
		a.status(t, 200)
		a.length(t, size)
	})
}

func TestHandler_policyAllowsTheScriptsOfThePageAndNoOthers(t *testing.T) {
	files := export()
	files["other.html"] = `<script type="application/json">{"no":"code"}</script><script src="/x.js"></script><script>other()</script>`
	made := site(t, files, nil)
	s := serve(t, made)

	home := s.get("/").Header.Get("Content-Security-Policy")
	if !strings.Contains(home, "script-src 'self' '"+inlineHash+"';") {
		t.Errorf("the home page's policy is %q, want script-src with exactly '%s'", home, inlineHash)
	}
	other := s.get("/other").Header.Get("Content-Security-Policy")
	if strings.Contains(other, inlineHash) || strings.Count(other, "sha256-") != 1 {
		t.Errorf("the other page's policy is %q, want its one script", other)
	}
	// What middleware set for the API would bind a worker's script.
	s.get("/"+chunk).header(t, "Content-Security-Policy", "")
	if got := s.get("/nothing").Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'self'") {
		t.Errorf("the 404 page's policy is %q", got)
	}

	if got := made.ScriptHashes(); len(got) != 2 || (got[0] != inlineHash && got[1] != inlineHash) {
		t.Errorf("ScriptHashes is %q, want those of both pages", got)
	}
	for _, hash := range made.ScriptHashes() {
		if !strings.Contains(made.ContentSecurityPolicy(), "'"+hash+"'") {
			t.Errorf("ContentSecurityPolicy %q lacks %s", made.ContentSecurityPolicy(), hash)
		}
	}
}

func TestHandler_policyOfOnesOwn(t *testing.T) {
	s := serve(t, site(t, export(), func(c *Config) { c.ContentSecurityPolicy = "script-src 'self' {script_hashes}; object-src 'none'" }))
	s.get("/").header(t, "Content-Security-Policy", "script-src 'self' '"+inlineHash+"'; object-src 'none'")
	s.get("/sessions/").header(t, "Content-Security-Policy", "script-src 'self'; object-src 'none'")

	off := site(t, export(), func(c *Config) { c.ContentSecurityPolicy = "off" })
	serve(t, off).get("/").header(t, "Content-Security-Policy", "")
	if got := off.ContentSecurityPolicy(); got != "" {
		t.Errorf("ContentSecurityPolicy is %q though the config says off", got)
	}
}
