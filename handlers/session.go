package handlers

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/stonepot/stonepot/live"
)

// maxUserID bounds the name that a client's own application gives a person.
const maxUserID = 128

// CreateSession answers POST /api/session/create: where to open the voice WebSocket, or why not now. A page asks
// here first because a browser cannot read why an upgrade was refused. Nothing is reserved.
func (a *API) CreateSession(c *fiber.Ctx) error {
	var body struct {
		Backend *string `json:"backend"`
		UserID  *string `json:"userId"`
	}
	if err := decodeBody(c, &body, true); err != nil {
		return err
	}
	if body.UserID != nil && utf8.RuneCountInString(*body.UserID) > maxUserID {
		return badRequest("userId", "The field userId must not be longer than %d characters.", maxUserID)
	}
	backend := a.defaultBackend()
	if body.Backend != nil {
		backend = *body.Backend
	}
	path, err := voicePath(backend)
	if err != nil {
		return err
	}
	if p := a.check(backend); p != nil {
		return p
	}
	b, _ := a.gateway.Backend(backend)
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.JSON(struct {
		Success   bool        `json:"success"`
		Backend   string      `json:"backend"`
		URL       string      `json:"url"`
		Path      string      `json:"path"`
		Protocol  string      `json:"protocol"`
		Simulated bool        `json:"simulated"`
		Limits    limitsOffer `json:"limits"`
	}{true, backend, a.socketURL(c, path), path, subprotocol, b.Simulated, limitsOf(a.gateway.Config().Limits)})
}

func voicePath(backend string) (string, error) {
	for _, v := range voicePaths {
		if v.backend == backend {
			return v.path, nil
		}
	}
	return "", badRequest("backend", "The field backend must be %s or %s.", live.BackendGemini, live.BackendVertex)
}

// socketURL is the absolute address of a voice WebSocket as the client sees this server. A page of this very host
// knows best whether it was fetched over TLS, and a wrong Origin only misleads its sender.
func (a *API) socketURL(c *fiber.Ctx, path string) string {
	host := a.proxies.host(c)
	scheme := "ws"
	origin := c.Get(fiber.HeaderOrigin)
	if _, tls := cutPrefixFold(origin, "https://"); a.proxies.secure(c) || tls && sameOrigin(origin, host) {
		scheme = "wss"
	}
	return scheme + "://" + host + path
}

// Stats answers GET /api/session/stats.
func (a *API) Stats(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.JSON(struct {
		Success  bool  `json:"success"`
		UptimeMs int64 `json:"uptimeMs"`
		live.Stats
	}{true, a.uptimeMs(), a.gateway.Stats()})
}

// ListSessions answers GET /api/session: those that are alive, the oldest first.
func (a *API) ListSessions(c *fiber.Ctx) error {
	sessions := a.gateway.Sessions()
	slices.SortFunc(sessions, func(x, y live.SessionInfo) int {
		return cmp.Or(x.StartedAt.Compare(y.StartedAt), cmp.Compare(x.ID, y.ID))
	})
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.JSON(struct {
		Success  bool               `json:"success"`
		Count    int                `json:"count"`
		Sessions []live.SessionInfo `json:"sessions"`
	}{true, len(sessions), sessions})
}

// GetSession answers GET /api/session/:id.
func (a *API) GetSession(c *fiber.Ctx) error {
	info, ok := a.gateway.Session(c.Params("id"))
	if !ok {
		return errNoSession
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.JSON(struct {
		Success bool             `json:"success"`
		Session live.SessionInfo `json:"session"`
	}{true, info})
}

var errNoSession = &problem{
	status: fiber.StatusNotFound, code: live.ReasonSessionNotFound.Code,
	message: "There is no such conversation here: it is over, or lives on another instance.",
}

// EndSession answers PUT /api/session/:id/end: the browser is told why, then its connection is closed.
func (a *API) EndSession(c *fiber.Ctx) error { return a.endSession(c, false) }

// DeleteSession answers DELETE /api/session/:id: the connection is dropped.
func (a *API) DeleteSession(c *fiber.Ctx) error { return a.endSession(c, true) }

// endSession does not wait for the end: a browser may take its time to say goodbye.
func (a *API) endSession(c *fiber.Ctx, now bool) error {
	id := c.Params("id")
	if !a.gateway.End(id, now) {
		return errNoSession
	}
	return c.Status(fiber.StatusAccepted).JSON(struct {
		Success bool   `json:"success"`
		ID      string `json:"id"`
		Reason  string `json:"reason"`
	}{true, id, live.ReasonEndedByOperator.Code})
}
