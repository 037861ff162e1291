package handlers

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/netip"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/stonepot/stonepot/live"
)

// Operator lets only the operator through: whoever has the key, or without one, whoever sits at the machine itself.
// Others are told that there is nothing here.
func (a *API) Operator(c *fiber.Ctx) error {
	if a.auth.OperatorKey == "" {
		if !fromThisMachine(c) {
			return fiber.ErrNotFound
		}
		return c.Next()
	}
	key, ok := bearer(c)
	// Hashed first: the comparison then takes the same time whatever was sent, its length included.
	got, want := sha256.Sum256([]byte(key)), sha256.Sum256([]byte(a.auth.OperatorKey))
	if !ok || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="stonepot operator"`)
		return &problem{
			status: fiber.StatusUnauthorized, code: live.ReasonUnauthorized.Code,
			message: "The operator's key is missing or wrong: send it as Authorization: Bearer.",
		}
	}
	return c.Next()
}

// StatsReader is Operator, unless the configuration opens the statistics to everybody.
func (a *API) StatsReader(c *fiber.Ctx) error {
	if a.auth.Stats == "open" {
		return c.Next()
	}
	return a.Operator(c)
}

func bearer(c *fiber.Ctx) (string, bool) {
	scheme, token, ok := strings.Cut(c.Get(fiber.HeaderAuthorization), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// fromThisMachine believes the connection and no header. A proxy on this machine also connects from loopback, and so
// does the operator's own browser on behalf of any page that it shows: what bears the marks of either is not let in.
func fromThisMachine(c *fiber.Ctx) bool {
	if !remote(c).IsLoopback() {
		return false
	}
	for _, header := range []string{
		fiber.HeaderXForwardedFor, fiber.HeaderXForwardedHost, fiber.HeaderXForwardedProto, fiber.HeaderForwarded, "X-Real-Ip", fiber.HeaderVia,
	} {
		if c.Get(header) != "" {
			return false
		}
	}
	// A page of another origin names itself; one whose name was rebound to 127.0.0.1 uses that name as the host.
	host := string(c.Context().Host())
	return loopbackName(host) && (c.Get(fiber.HeaderOrigin) == "" || sameOrigin(c.Get(fiber.HeaderOrigin), host))
}

// loopbackName reports whether a Host header names the machine itself.
func loopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}
