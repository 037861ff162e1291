package gemini

import (
	"context"
	"errors"

	"github.com/stonepot/stonepot/live"
)

// A conversation has one endpoint from the moment on that its setup was accepted. Until then it goes from one that
// refuses to the next: at the handshake, which is Dial's, or when the model closes, which is Receive's.

// connect opens a connection to the first endpoint that is left and lets one. The error is an
// *live.UpstreamError, the most hopeful one of all.
func (u *upstream) connect(ctx context.Context) error {
	for len(u.left) > 0 {
		e := u.left[0]
		u.left = u.left[1:]
		setup, err := buildSetup(&u.setup, e)
		if err != nil {
			return err
		}
		sock, err := u.d.open(ctx, e, setup, u.d.left(u.setup.Handle))
		if err == nil {
			return u.use(&link{&writer{conn: sock, timeout: u.d.cfg.WriteTimeout}, sock, e})
		}
		trouble := dialTrouble(err, e.host)
		if ctx.Err() != nil {
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				trouble.Fault, trouble.Detail = live.FaultBroken, "Connecting to the model was given up."
			}
			return trouble
		}
		u.failed(e, trouble)
	}
	return u.hopeful
}

// failed notes what became of an attempt at e. It is an error that names what can be done about it that the
// session should hear in the end: one that heals rather than one that does not.
func (u *upstream) failed(e *endpoint, trouble *live.UpstreamError) {
	u.d.note(e, true)
	if u.hopeful == nil || trouble.Fault < u.hopeful.Fault {
		u.hopeful = trouble
	}
	if len(u.left) > 0 {
		u.d.log.Warn("the model cannot be used here, trying elsewhere", "at", e.name, "host", e.host, "error", trouble)
	}
}

// refused ends the connection, or, as long as the setup was not accepted and another key or location may do
// better, opens one there: nil means that there is a new one to read from.
func (u *upstream) refused(trouble *live.UpstreamError) error {
	at := u.link.at
	if trouble.Fault == live.FaultQuota || trouble.Fault == live.FaultAuth {
		u.d.note(at, true) // quota often strikes after the setup was accepted: the next dial goes elsewhere
	}
	if u.ready.Load() || u.ctx.Err() != nil || !elsewhere(trouble, at.vertex) {
		return u.end(trouble)
	}
	u.failed(at, trouble)
	_ = u.link.sock.Close()
	u.msg.reset()
	if err := u.connect(u.ctx); err != nil {
		var e *live.UpstreamError
		if !errors.As(err, &e) {
			e = u.givenUp()
		}
		return u.end(e)
	}
	return nil
}
