package handlers

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// FuzzProxies gives what strangers may send as X-Forwarded-* to servers with and without proxies in front: an address
// is always an address, nobody but a trusted proxy changes what is known of a client, and what stands before the
// first address that is not a proxy's changes nothing.
func FuzzProxies(f *testing.F) {
	for _, forwarded := range []string{
		"", "203.0.113.7", "198.51.100.1, 203.0.113.7, 10.1.2.3", "10.1.2.3,10.1.2.4", "unknown, 10.1.2.3", "::ffff:10.1.2.3", "fe80::1%eth0", "[2001:db8::1]:443",
		",,,", " \t", "10.1.2.3\x00", "203.0.113.7,", strings.Repeat("10.1.2.3,", 200),
	} {
		f.Add(forwarded, "voice.example", "https")
	}
	f.Add("203.0.113.7", "evil.example, voice.example", "HTTPS ,http")
	believed := newProxies([]string{"10.0.0.0/8", "2001:db8::/32"})
	f.Fuzz(func(t *testing.T, forwarded, host, proto string) {
		for _, remote := range []string{"192.0.2.1", "10.9.9.9", "2001:db8::9", "::ffff:10.9.9.9"} {
			c := forwardedBy(t, remote, forwarded, host, proto)
			for _, p := range []proxies{nil, believed} {
				checkForwarded(t, p, c, netip.MustParseAddr(remote).Unmap())
			}
			// Whatever a stranger puts in front is the stranger's.
			address, from := believed.address(c), netip.MustParseAddr(remote)
			if told, err := netip.ParseAddr(address); err == nil && believed.contain(from) && !believed.contain(told) {
				if again := believed.address(forwardedBy(t, remote, "8.8.8.8,"+forwarded, host, proto)); again != address {
					t.Errorf("%q behind %s is %s, and %s with a stranger's address before it", forwarded, remote, address, again)
				}
			}
		}
	})
}

func checkForwarded(t *testing.T, p proxies, c *fiber.Ctx, remote netip.Addr) {
	t.Helper()
	address, host, secure := p.address(c), p.host(c), p.secure(c)
	told, err := netip.ParseAddr(address)
	if err != nil || told.Zone() != "" || told.Is4In6() {
		t.Errorf("the address of a client behind %v is %q (%v)", remote, address, err)
	}
	if !p.contain(remote) {
		if told != remote || host != "inner.example" || secure {
			t.Errorf("%v is no proxy, and made the server believe in %s, %q, secure %v", remote, address, host, secure)
		}
		return
	}
	var hops []string
	for _, line := range c.Request().Header.PeekAll(fiber.HeaderXForwardedFor) {
		hops = append(hops, strings.Split(string(line), ",")...)
	}
	if told != remote && !slices.ContainsFunc(hops, func(hop string) bool {
		a, err := netip.ParseAddr(strings.TrimSpace(hop))
		return err == nil && a.Unmap().WithZone("") == told
	}) {
		t.Errorf("%s stands nowhere in %q", address, hops)
	}
}

// forwardedBy is a request whose connection comes from remote.
func forwardedBy(t *testing.T, remote, forwarded, host, proto string) *fiber.Ctx {
	t.Helper()
	app := fiber.New(fiber.Config{DisableStartupMessage: true, EnableTrustedProxyCheck: true})
	var request fasthttp.Request
	request.Header.SetMethod(fiber.MethodGet)
	request.Header.SetHost("inner.example")
	request.Header.Add(fiber.HeaderXForwardedFor, forwarded)
	request.Header.Set(fiber.HeaderXForwardedHost, host)
	request.Header.Set(fiber.HeaderXForwardedProto, proto)
	var ctx fasthttp.RequestCtx
	ctx.Init(&request, &net.TCPAddr{IP: net.ParseIP(remote), Port: 1}, nil)
	c := app.AcquireCtx(&ctx)
	t.Cleanup(func() { app.ReleaseCtx(c) })
	return c
}
