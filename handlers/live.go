package handlers

import (
	"encoding/base64"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/stonepot/stonepot/live"
)

// subprotocol is the name of protocol version 1 in the handshake. Clients that offer none are served as well.
const subprotocol = "stonepot.v1"

// resuming is offered beside it by a client that comes to resume a conversation: it finds room on a full server too.
const resuming = "stonepot.resume"

// handshakeWait is how long the answer to an upgrade may take to leave: then the room for its session is given back.
var handshakeWait = 10 * time.Second

// visit is what the upgrade request leaves for the connection that it becomes.
type visit struct {
	slot   *live.Slot
	client live.Client
	expire *time.Timer // releases the slot
}

// cancel gives the room back, unless a session has it.
func (v *visit) cancel() {
	v.expire.Stop()
	v.slot.Release()
}

// Watch lets the API know of app's connections that end before they have become voice connections: fasthttp drops one that
// does not take the answer to its upgrade, and nobody's handler hears of it. It is called once, before app serves.
func (a *API) Watch(app *fiber.App) {
	app.Server().ConnState = func(conn net.Conn, state fasthttp.ConnState) {
		if state != fasthttp.StateClosed {
			return
		}
		if v, ok := a.arriving.LoadAndDelete(conn); ok {
			v.(*visit).cancel()
		}
	}
}

const visitKey = "visit"

// Voice answers the voice WebSocket of a backend. What can be refused is refused before the upgrade, where a client
// sees a status code; the session does the rest in words of the voice protocol.
func (a *API) Voice(backend string) fiber.Handler {
	upgrade := websocket.New(a.serveVoice, websocket.Config{
		Subprotocols: []string{subprotocol},
		// originAllowed has looked already, and knows more than a list can say.
		Origins:        []string{"*"},
		RecoverHandler: a.recoverVoice,
		// Never used, because frames are read and written on the socket itself: as small as they can be.
		ReadBufferSize:  128,
		WriteBufferSize: 128,
		// 20 ms of PCM do not shrink, and deflate costs more than the whole relay.
		EnableCompression: false,
	})
	return func(c *fiber.Ctx) error {
		if err := checkHandshake(c); err != nil {
			return err
		}
		if !a.originAllowed(c) {
			return &problem{
				status: fiber.StatusForbidden, code: codeOriginNotAllowed,
				message: "Pages of this origin may not open conversations here; cors.websocket_origins lists those that may.",
			}
		}
		slot, err := a.gateway.Admit(backend, offers(c, resuming))
		if err != nil {
			return err
		}
		v := &visit{slot: slot, client: clientOf(c), expire: time.AfterFunc(handshakeWait, slot.Release)}
		c.Locals(visitKey, v)
		a.arriving.Store(c.Context().Conn(), v)
		if err := upgrade(c); err != nil {
			a.arriving.Delete(c.Context().Conn())
			v.cancel()
			return badRequest("", "The WebSocket handshake could not be completed.")
		}
		return nil
	}
}

// offers reports whether the client's handshake offers a subprotocol.
func offers(c *fiber.Ctx, name string) bool {
	for list := range strings.SplitSeq(c.Get(fiber.HeaderSecWebSocketProtocol), ",") {
		if strings.TrimSpace(list) == name {
			return true
		}
	}
	return false
}

// checkHandshake refuses what is not the opening handshake of RFC 6455 §4.2.1, in words.
func checkHandshake(c *fiber.Ctx) error {
	if c.Method() != fiber.MethodGet || !websocket.IsWebSocketUpgrade(c) || c.Get(fiber.HeaderSecWebSocketVersion) != "13" {
		c.Set(fiber.HeaderUpgrade, "websocket")
		c.Set(fiber.HeaderConnection, "Upgrade") // RFC 9110 §7.8: Upgrade is named there too
		c.Set(fiber.HeaderSecWebSocketVersion, "13")
		return fiber.ErrUpgradeRequired
	}
	const nonceBytes = 16
	if nonce, err := base64.StdEncoding.DecodeString(c.Get(fiber.HeaderSecWebSocketKey)); err != nil || len(nonce) != nonceBytes {
		return badRequest("", "The header Sec-WebSocket-Key must hold 16 bytes in base64.")
	}
	return nil
}

// serveVoice takes over a connection that was upgraded, seats it, and leaves it to a goroutine of its own, once something
// comes, and to Shutdown, which waits for its end: nothing of fasthttp's or contrib's is held any more when it returns, and no deep stack.
func (a *API) serveVoice(conn *websocket.Conn) {
	v, ok := conn.Locals(visitKey).(*visit)
	socket, early, err := takeOver(conn.NetConn())
	a.arriving.Delete(socket)
	if !ok || err != nil || !v.expire.Stop() {
		_ = socket.Close() // the slot was given back, or will be
		return
	}
	if !a.enter() {
		v.slot.Release()
		_ = socket.Close()
		return
	}
	c := &voice{api: a}
	defer func() {
		if c.carry == nil { // a panic, which recoverVoice sees
			c.part()
		}
	}()
	limits := a.gateway.Config().Limits
	c.browser = newFiberBrowser(socket, early, limits.MaxMessageBytes(), limits.WriteTimeout)
	c.carry = v.slot.Open(c.browser, v.client)
	if !c.browser.park(c) {
		go c.run()
	}
}

// voice is a connection that has left its handler.
type voice struct {
	api     *API
	browser *fiberBrowser
	carry   func() (relieved bool) // the session's; false: nobody touches the browser any more
}

// run is the goroutine of a connection, until it is over or parked.
func (c *voice) run() {
	parked := false
	defer func() {
		if !parked {
			c.part()
		}
	}()
	defer c.api.recoverVoice(nil)
	for c.carry() {
		if parked = c.browser.park(c); parked {
			return // the next one may be at work already
		}
	}
}

// Wake implements wire.Waker.
func (c *voice) Wake() { go c.run() }

// part is the end of a connection.
func (c *voice) part() {
	defer c.api.work.Done()
	c.browser.linger()
}

// recoverVoice keeps a panic in one connection from ending all of them. It is deferred by contrib's handler and by
// voice.run themselves, which is what lets recover work here.
func (a *API) recoverVoice(*websocket.Conn) {
	if v := recover(); v != nil {
		a.log.Error("voice connection failed", slog.Any("err", &panicError{value: v}), slog.String("stack", string(debug.Stack())))
	}
}
