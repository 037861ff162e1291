package handlers

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzOrigin sends any Origin and Host. Whatever is let in must be an http origin whose host, as net/url reads it, is the
// server's own or one that the configuration names.
func FuzzOrigin(f *testing.F) {
	for _, s := range []string{
		"https://stonepot.example", "https://stonepot.example:443", "https://a.pages.example", "https://pages.example.evil.example",
		"https://evil.example/.pages.example", "https://user@a.pages.example", "null", "", "file://", "https://[::1]:8080",
	} {
		f.Add(s, "stonepot.example")
	}
	f.Fuzz(func(t *testing.T, origin, host string) {
		if sameOrigin(origin, host) {
			u, err := url.Parse(origin)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" {
				t.Fatalf("%q is let in at host %q", origin, host)
			}
			bare := strings.TrimSuffix(strings.TrimSuffix(host, ":80"), ":443")
			if !strings.EqualFold(u.Host, host) && !strings.EqualFold(strings.TrimSuffix(strings.TrimSuffix(u.Host, ":80"), ":443"), bare) {
				t.Fatalf("%q is let in at host %q", origin, host)
			}
		}
		if matchOrigin("https://*.pages.example", origin) {
			u, err := url.Parse(origin)
			if err == nil && (!strings.EqualFold(u.Scheme, "https") || !strings.HasSuffix(strings.ToLower(u.Host), ".pages.example")) {
				t.Fatalf("%q is let in by the wildcard", origin)
			}
		}
	})
}

func TestLoopbackName(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:8080": true, "LOCALHOST": true, "127.0.0.1": true, "127.1.2.3:80": true, "[::1]": true, "[::1]:8080": true,
		"": false, "example.com": false, "localhost.example.com": false, "127.0.0.1.nip.io": false, "10.0.0.1": false, "[::]": false,
	} {
		if loopbackName(host) != want {
			t.Errorf("%q: %v, want %v", host, !want, want)
		}
	}
}
