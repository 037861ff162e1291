package handlers

import (
	"time"

	"github.com/gofiber/fiber/v2"
)

// Health answers GET /health: the process lives. Probes that restart it ask here, so it says nothing of load.
func (a *API) Health(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.JSON(struct {
		Success  bool   `json:"success"`
		Status   string `json:"status"`
		Version  string `json:"version"`
		UptimeMs int64  `json:"uptimeMs"`
	}{true, "ok", a.version, a.uptimeMs()})
}

// Ready answers GET /ready: a new conversation would find room on some backend. Whoever spreads load asks here; 503
// while draining, full, or without a backend.
func (a *API) Ready(c *fiber.Ctx) error {
	p := a.check(a.defaultBackend())
	if p != nil {
		return p
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.JSON(struct {
		Success bool   `json:"success"`
		Status  string `json:"status"`
	}{true, "ready"})
}

func (a *API) uptimeMs() int64 { return time.Since(a.began).Milliseconds() }
