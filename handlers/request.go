package handlers

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/stonepot/stonepot/live"
)

const (
	headerRequestID  = "X-Request-Id"
	headerCloudTrace = "X-Cloud-Trace-Context"

	requestIDKey = "requestId"
	proxiesKey   = "proxies"
)

// Identify gives each request an id and finds out where it comes from, for everything behind it.
func (a *API) Identify(c *fiber.Ctx) error {
	id := c.Get(headerRequestID)
	if plainToken(id) {
		id = strings.Clone(id)
	} else {
		id = newRequestID()
	}
	c.Locals(requestIDKey, id)
	c.Locals(proxiesKey, &a.proxies)
	c.Response().Header.SetCanonical(requestIDName, []byte(id))
	return c.Next()
}

var requestIDName = []byte(headerRequestID)

// newRequestID is unlike every other. It is no secret: anybody may guess it.
func newRequestID() string {
	var raw [16]byte
	binary.LittleEndian.PutUint64(raw[:], rand.Uint64())
	binary.LittleEndian.PutUint64(raw[8:], rand.Uint64())
	var text [2 * len(raw)]byte
	hex.Encode(text[:], raw[:])
	return string(text[:])
}

// plainToken reports whether s is fit for a log line and a header.
func plainToken(s string) bool {
	return s != "" && len(s) <= 128 && madeOf(s, "-_.:/;=+")
}

func requestID(c *fiber.Ctx) string {
	id, _ := c.Locals(requestIDKey).(string)
	return id
}

// address is the client's, as far as server.trusted_proxies lets it be known.
func address(c *fiber.Ctx) string {
	if p, ok := c.Locals(proxiesKey).(*proxies); ok {
		return p.address(c)
	}
	return c.Context().RemoteIP().String()
}

// trace is the Cloud Trace context of a request: "TRACE_ID/SPAN_ID;o=OPTIONS", or empty.
func trace(c *fiber.Ctx) string {
	t := c.Get(headerCloudTrace)
	if !plainToken(t) {
		return ""
	}
	return strings.Clone(t)
}

// clientOf is what the core wants to know of whoever opens a session.
func clientOf(c *fiber.Ctx) live.Client {
	const longest = 256 // of a user agent, in a log line
	agent := c.Get(fiber.HeaderUserAgent)
	return live.Client{
		Address:   address(c),
		UserAgent: strings.ToValidUTF8(strings.Clone(agent[:min(len(agent), longest)]), "?"),
		Trace:     trace(c),
	}
}

// requestAttrs says in a log line which request it is about. Queries are left out: they can hold tickets.
func requestAttrs(c *fiber.Ctx) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("method", strings.Clone(c.Method())),
		slog.String("path", strings.Clone(c.Path())),
		slog.String("address", address(c)),
		slog.String("requestId", requestID(c)),
	}
	if t := trace(c); t != "" {
		attrs = append(attrs, slog.String("trace", t))
	}
	return attrs
}

// proxies are those whose X-Forwarded-* headers are believed.
type proxies []netip.Prefix

func newProxies(list []string) proxies {
	var p proxies
	for _, s := range list {
		if prefix, err := parsePrefix(s); err == nil { // ServerConfig.Validate has told of others
			p = append(p, prefix)
		}
	}
	return p
}

func (p proxies) contain(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, prefix := range p {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// trusted reports whether the request came through a proxy that is believed.
func (p proxies) trusted(c *fiber.Ctx) bool { return len(p) > 0 && p.contain(remote(c)) }

// remote is the other side of the connection itself.
func remote(c *fiber.Ctx) netip.Addr {
	if tcp, ok := c.Context().RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// address is the nearest address that is not a trusted proxy's. X-Forwarded-For is read from its end: everything
// before the first address that a trusted proxy has not written can be made up.
func (p proxies) address(c *fiber.Ctx) string {
	addr := remote(c)
	if !addr.IsValid() {
		return c.Context().RemoteIP().String()
	}
	var hops []string
	for _, line := range c.Request().Header.PeekAll(fiber.HeaderXForwardedFor) {
		hops = append(hops, strings.Split(string(line), ",")...)
	}
	for i := len(hops) - 1; i >= 0 && p.contain(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
	}
	return addr.WithZone("").String()
}

// host is the name that the client used for this server.
func (p proxies) host(c *fiber.Ctx) string {
	if p.trusted(c) {
		if h, _, _ := strings.Cut(c.Get(fiber.HeaderXForwardedHost), ","); h != "" {
			return strings.Clone(strings.TrimSpace(h))
		}
	}
	return string(c.Context().Host())
}

// secure reports whether the client speaks TLS, with this server or with a trusted proxy in front of it.
func (p proxies) secure(c *fiber.Ctx) bool {
	if c.Context().IsTLS() {
		return true
	}
	if !p.trusted(c) {
		return false
	}
	proto, _, _ := strings.Cut(c.Get(fiber.HeaderXForwardedProto), ",")
	return strings.EqualFold(strings.TrimSpace(proto), "https")
}

// decodeBody reads a JSON object into v. An empty body is an empty object where optional. Unknown fields are
// ignored, as in the voice protocol.
func decodeBody(c *fiber.Ctx, v any, optional bool) error {
	body := bytes.TrimSpace(c.Body())
	if len(body) == 0 && optional {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
		return badRequest("", "The body must be one JSON object; something follows it.")
	}
	var (
		wrongType *json.UnmarshalTypeError
		syntax    *json.SyntaxError
	)
	switch {
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return badRequest(wrongType.Field, "The field %s must be %s, not a JSON %s.", wrongType.Field, jsonKind(wrongType), wrongType.Value)
	case errors.As(err, &wrongType):
		return badRequest("", "The body must be a JSON object, not a JSON %s.", wrongType.Value)
	case errors.As(err, &syntax):
		return badRequest("", "The body is not valid JSON: see byte %d.", syntax.Offset)
	default:
		return badRequest("", "The body is not valid JSON: it ends too early.")
	}
}

// jsonKind names in JSON's words what a field should have been.
func jsonKind(e *json.UnmarshalTypeError) string {
	switch e.Type.Kind().String() {
	case "string":
		return "a string"
	case "bool":
		return "true or false"
	case "slice", "array":
		return "an array"
	case "struct", "map":
		return "an object"
	default:
		return "a number"
	}
}
