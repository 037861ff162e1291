package static

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// Handler answers GET and HEAD for every path that is not the server's own (/api, /health, /ready, /metrics), and
// passes all else on. Mount it last: it has an answer for everything, if only the 404 page.
//
// A file is answered with an ETag and its cache rule, in the coding that the client likes best; single ranges
// are cut from the uncompressed form. A missing file under /_next/ gets a plain 404, so that no page is ever taken for
// a script.
func (s *Site) Handler() fiber.Handler {
	return func(c *fiber.Ctx) error {
		ctx := c.Context()
		if !ctx.IsGet() && !ctx.IsHead() {
			return c.Next()
		}
		var buf [256]byte
		raw := ctx.URI().PathOriginal()
		path, plain := decodePath(buf[:], raw)
		if plain && reserved(path) {
			return c.Next()
		}
		all := s.all()
		found, ok := all.routes[string(path)] // a nil path leads nowhere
		switch {
		case ok && found.file != nil:
			found.file.serve(ctx)
		case ok:
			redirect(ctx, found.location)
		case bytes.HasPrefix(raw, []byte("/_next/")):
			plainNotFound(ctx)
		default:
			all.notFound.send(ctx, all.notFound.pick(ctx))
		}
		return nil
	}
}

// serve answers with the file, or with less when the request's conditions allow (RFC 9110 §13.2.2 gives the order).
func (f *file) serve(ctx *fasthttp.RequestCtx) {
	request := &ctx.Request.Header
	chosen, ranged := f.pick(ctx), false
	if header := request.Peek(fasthttp.HeaderRange); len(header) > 0 && ctx.IsGet() && f.rangeApplies(request) {
		// Ranges count the bytes of the file itself: those of a compressed form would be of no use to a player.
		chosen, ranged = identity, true
	}

	if tags := request.PeekAll(fasthttp.HeaderIfMatch); len(tags) > 0 && !matchesAny(tags, f.tag(chosen), false) {
		f.sendHeaders(ctx, fasthttp.StatusPreconditionFailed, chosen)
		return
	}
	if tags := request.PeekAll(fasthttp.HeaderIfNoneMatch); len(tags) > 0 && matchesAny(tags, f.tag(chosen), true) {
		f.sendHeaders(ctx, fasthttp.StatusNotModified, chosen)
		return
	}
	if ranged && f.sendRange(ctx, request.Peek(fasthttp.HeaderRange)) {
		return
	}
	if ranged {
		chosen = f.pick(ctx) // the header meant nothing to us
	}
	f.send(ctx, chosen)
}

// rangeApplies says whether the client's part, if it has one, is of the file as it is now. Without a Last-Modified to
// compare with, a date in If-Range never matches.
func (f *file) rangeApplies(request *fasthttp.RequestHeader) bool {
	condition := request.Peek(fasthttp.HeaderIfRange)
	return len(condition) == 0 || bytes.Equal(condition, f.tag(identity))
}

func (f *file) pick(ctx *fasthttp.RequestCtx) coding {
	if !f.negotiated {
		return identity
	}
	return negotiate(ctx.Request.Header.PeekAll(fasthttp.HeaderAcceptEncoding), &f.available)
}

// send answers with the whole file. fasthttp leaves the body out for HEAD and keeps its length.
func (f *file) send(ctx *fasthttp.RequestCtx, chosen coding) {
	f.sendHeaders(ctx, f.status, chosen)
	if chosen != identity {
		ctx.Response.Header.SetContentEncoding(names[chosen])
	}
	f.sendBody(ctx, chosen, 0, int64(len(f.variants[chosen])))
}

// sendRange answers 206 or 416, or says false when the whole file is the answer.
func (f *file) sendRange(ctx *fasthttp.RequestCtx, header []byte) bool {
	body := f.variants[identity]
	first, last, verdict := parseRange(header, int64(len(body)))
	if verdict == rangeNone {
		return false
	}
	var buf [80]byte
	value := append(buf[:0], "bytes "...)
	if verdict == rangeUnsatisfiable {
		f.sendHeaders(ctx, fasthttp.StatusRequestedRangeNotSatisfiable, identity)
		value = append(value, '*')
	} else {
		f.sendHeaders(ctx, fasthttp.StatusPartialContent, identity)
		value = strconv.AppendInt(value, first, 10)
		value = append(value, '-')
		value = strconv.AppendInt(value, last, 10)
		f.sendBody(ctx, identity, first, last+1)
	}
	value = append(value, '/')
	value = strconv.AppendInt(value, int64(len(body)), 10)
	ctx.Response.Header.SetBytesV(fasthttp.HeaderContentRange, value)
	return true
}

var etagName = []byte("Etag") // as fasthttp spells it

// sendHeaders sets everything but the body.
func (f *file) sendHeaders(ctx *fasthttp.RequestCtx, status int, chosen coding) {
	response := &ctx.Response
	response.SetStatusCode(status)
	response.Header.SetContentType(f.contentType)
	for _, h := range f.headers {
		response.Header.SetCanonical(h.name, h.value)
	}
	if !f.hasPolicy {
		// Middleware may have set one that is meant for the API; a worker's script would be bound by it.
		response.Header.Del(fasthttp.HeaderContentSecurityPolicy)
	}
	if tag := f.tag(chosen); tag != nil {
		response.Header.SetCanonical(etagName, tag)
	}
	if f.negotiated {
		vary(&response.Header)
	}
}

// vary adds Accept-Encoding to what the answer depends on; middleware may have named Origin before.
func vary(h *fasthttp.ResponseHeader) {
	const field = fasthttp.HeaderAcceptEncoding
	before := h.Peek(fasthttp.HeaderVary)
	switch {
	case len(before) == 0:
		h.Set(fasthttp.HeaderVary, field)
	case !bytes.Contains(before, []byte(field)):
		h.Set(fasthttp.HeaderVary, string(before)+", "+field)
	}
}

// redirect sends the visitor to the page's own spelling, the query with them. location is a path from the table, so
// nothing that was sent can name another host. 308 keeps the method; not cached, because a deployment may change it.
func redirect(ctx *fasthttp.RequestCtx, location string) {
	if query := ctx.URI().QueryString(); len(query) > 0 {
		location += "?" + string(query)
	}
	ctx.Response.Header.Set(fasthttp.HeaderLocation, location)
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-cache")
	ctx.SetStatusCode(http.StatusPermanentRedirect)
}

// plainNotFound must not be kept: during a deployment the file may be on the next instance.
func plainNotFound(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.SetContentType("text/plain; charset=utf-8")
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	ctx.Response.Header.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
	ctx.SetStatusCode(fasthttp.StatusNotFound)
	ctx.SetBodyString("404 file not found\n")
}
