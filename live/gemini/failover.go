package gemini

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
)

// A conversation has one endpoint from the moment on that its setup was accepted. Until then it goes from one that
// refuses to the next: at the handshake, which is Dial's, or when the model closes, which is Receive's.

// connect opens a connection to the first endpoint that is left and lets one. The error is an
// *live.UpstreamError, the most hopeful one of all.
func (u *upstream) connect(ctx context.Context) error {
	for len(u.left) > 0 {
		e := u.left[0]
		u.left = u.left[1:]
		setup, err := buildSetup(u.setup, e)
		if err != nil {
			return err
		}
		sock, warm, err := u.reach(ctx, e, setup)
		if err == nil {
			return u.use(&link{&writer{conn: sock, timeout: u.d.cfg.WriteTimeout}, sock, e, warm})
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
	if u.stale(trouble) {
		if trouble.Close < 1011 && u.msg.failure == nil {
			u.d.pool.spoiled(u.link.at) // else somebody lives there, and has a trouble of his own
		}
		u.cold = true
		u.left = slices.Insert(u.left, 0, u.link.at)
		return u.moveOn()
	}
	u.answered()
	at := u.link.at
	if trouble.Fault == live.FaultQuota || trouble.Fault == live.FaultAuth {
		u.d.note(at, true) // quota often strikes after the setup was accepted: the next dial goes elsewhere
	}
	if u.ready.Load() || u.ctx.Err() != nil || !elsewhere(trouble, at.vertex) {
		return u.end(trouble)
	}
	u.failed(at, trouble)
	return u.moveOn()
}

// moveOn leaves the connection for one to the next endpoint that is left.
func (u *upstream) moveOn() error {
	u.link.trySayClose(1000, u.d.cfg.CloseWait)
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

// reach opens a connection to e and sends the setup: on one that was kept warm, or else on a new one.
func (u *upstream) reach(ctx context.Context, e *endpoint, setup []byte) (sock *socket, warm bool, err error) {
	left := u.d.left(u.setup.Handle)
	if !u.cold {
		if sock := u.d.pool.take(e); sock != nil {
			if u.d.begin(ctx, sock, setup, left) == nil {
				return sock, true, nil
			}
			if ctx.Err() != nil {
				return nil, false, context.Cause(ctx)
			}
			u.d.pool.spoiled(e)
			u.cold = true
		}
	}
	u.d.pool.missed()
	sock, err = u.d.open(ctx, e, setup, left)
	return sock, false, err
}

// stale reports whether trouble may say nothing of the setup, but that the warm connection it was sent on had been
// dead already: it broke, stayed silent, or was closed for a reason that is none of the setup's. The session does
// not hear of that. An internal error (1011) counts in because a handle that comes before its old connection has been
// cleared away is refused like this, and a warm connection is quick: a new one comes later.
func (u *upstream) stale(trouble *live.UpstreamError) bool {
	if !u.link.warm || u.ready.Load() || u.ctx.Err() != nil {
		return false
	}
	switch trouble.Fault {
	case live.FaultBroken, live.FaultEnded:
		return true
	case live.FaultRejected:
		// 1008 also stands for a service's patience, in words that nobody has seen yet. A new connection tells.
		var c *frame.CloseError
		return errors.As(trouble.Err, &c) && c.Code == 1008 && match(c.Text) == nil
	default:
		return false
	}
}

// answered notes that the model has said what it thinks of the setup.
func (u *upstream) answered() {
	if u.ready.Load() || u.ctx.Err() != nil {
		return
	}
	u.mu.Lock()
	if u.link.warm && !u.woken {
		_ = u.link.sock.SetReadDeadline(time.Time{})
	}
	u.mu.Unlock()
	u.d.pool.answered(u.link.at, u.link.warm)
}
