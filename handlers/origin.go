package handlers

import (
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// originAllowed reports whether a page that wants to open a voice session may. Browsers do not apply CORS to
// WebSockets, so the server must look itself. Clients that are no browsers send no Origin.
func (a *API) originAllowed(c *fiber.Ctx) bool {
	origin := c.Get(fiber.HeaderOrigin)
	if origin == "" || sameOrigin(origin, a.proxies.host(c)) {
		return true
	}
	for _, allowed := range a.cors.WebSocketOrigins {
		if allowed == "*" || matchOrigin(allowed, origin) {
			return true
		}
	}
	return false
}

// matchOrigin compares with an origin of the configuration, https://*.example.com included.
func matchOrigin(allowed, origin string) bool {
	scheme, domain, wild := strings.Cut(allowed, "://*.")
	if !wild {
		return strings.EqualFold(allowed, origin)
	}
	name, ok := cutPrefixFold(origin, scheme+"://")
	if !ok {
		return false
	}
	name, ok = cutSuffixFold(name, "."+domain)
	return ok && name != "" && !strings.ContainsAny(name, "/@:?#")
}

// sameOrigin compares an Origin with the Host of the same request. The scheme is not compared: behind a proxy that
// ends TLS the server does not know it. A port that is the scheme's own may be left out on either side.
func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || host == "" {
		return false
	}
	port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	if port == "" {
		return false
	}
	return strings.EqualFold(strings.TrimSuffix(u.Host, port), strings.TrimSuffix(host, port))
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func cutSuffixFold(s, suffix string) (string, bool) {
	at := len(s) - len(suffix)
	if at < 0 || !strings.EqualFold(s[at:], suffix) {
		return s, false
	}
	return s[:at], true
}
