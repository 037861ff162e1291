package live

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/stonepot/stonepot/live/frame"
)

// door is a connection that belongs to no session yet: it waits for the first message, which begins a session or
// resumes one.
type door struct {
	gateway *Gateway
	browser Browser
	client  Client
	dialect Dialect
	limits  Limits

	messages limiter
	bad      int // malformed messages in a row

	mu   sync.Mutex // held while the browser is written to
	shut bool       // the connection was refused, or belongs to a session
}

func newDoor(g *Gateway, cfg *Config, b Browser, c Client) *door {
	return &door{
		gateway: g, browser: b, client: c, limits: cfg.Limits,
		dialect:  newStonepot("", &cfg.Limits),
		messages: newLimiter(cfg.Limits.MessageRate, float64(cfg.Limits.MessageBurst)),
	}
}

// wait reads until the connection says what it wants. nil: it is over.
func (d *door) wait() *Start {
	late := time.AfterFunc(d.limits.FirstMessage, func() {
		d.refuse(ReasonIdleTimeout, "No start_session came within "+d.limits.FirstMessage.String()+".", "")
	})
	defer late.Stop()
	var f Frame
	var c Command
	for {
		if err := d.browser.Read(&f); err != nil {
			d.gone(err)
			return nil
		}
		if d.isShut() {
			continue // until the closing handshake ends
		}
		if wait, paused := d.messages.take(1, time.Now()); paused+wait > d.limits.WriteTimeout {
			d.refuse(ReasonRateLimited, "", "")
			continue
		} else if wait > 0 {
			time.Sleep(wait)
		}
		if err := d.dialect.Decode(f, &c); err != nil {
			d.wrong(err)
			continue
		}
		d.bad = 0
		switch c.Kind {
		case CommandStart:
			return c.Start
		case CommandAudio:
			d.refuse(ReasonBadAudio, "Audio came before start_session: the first message must be start_session.", "")
		case CommandPing:
			d.tell(PongNotice{T: c.Time, Time: time.Now().UnixMilli()})
		case CommandEnd:
			d.refuse(ReasonEnded, "", "")
		default:
			d.tell(WarningNotice{Code: "not_started", Message: "The first message must be start_session; this one was ignored."})
		}
	}
}

// wrong answers a message that cannot be carried out.
func (d *door) wrong(err error) {
	m := asMessageError(err)
	if m.Code != ReasonBadMessage.Code {
		d.bad = 0
	} else if d.bad++; d.bad >= maxBadMessages {
		d.refuse(ReasonBadMessage, tooManyBad(m), "")
		return
	}
	if m.Ends != nil {
		d.refuse(*m.Ends, m.Message, m.Field)
		return
	}
	d.tell(WarningNotice{Code: m.Code, Message: m.Message, Field: m.Field})
}

// gone ends a connection that is over, or that violated the protocol and can still be told.
func (d *door) gone(err error) {
	var violation *frame.Error
	if errors.As(err, &violation) {
		d.refuse(violationReason(violation), "", "")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.shut {
		d.shut = true
		d.browser.Abort()
	}
}

// enter lets the connection into a session. false: it has been refused meanwhile.
func (d *door) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	open := !d.shut
	d.shut = true
	return open
}

func (d *door) isShut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shut
}

// tell writes a notice.
func (d *door) tell(n Notice) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.shut {
		d.write(n)
	}
}

// write is called with mu held. A browser that takes nothing is not there any more, as its reader will find.
func (d *door) write(n Notice) {
	buf, op := d.dialect.EncodeNotice(append([]byte(nil), header[:]...), n)
	if err := d.browser.Write(frame.Seal(buf, op)); err != nil {
		d.browser.Abort()
	}
}

// refuse tells why there will be no session, and says goodbye. It may be called from anywhere until wait has returned,
// any number of times; only the first call counts. detail is a sentence for the person, or empty for the reason's own.
func (d *door) refuse(r Reason, detail, field string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return
	}
	d.turnAway(r, detail, field)
}

// turnAway does it. Called with mu held, or by a caller for whom enter has answered true.
func (d *door) turnAway(r Reason, detail, field string, last ...Notice) {
	d.shut = true
	if detail == "" {
		detail = r.Text
	}
	if r != ReasonEnded {
		d.write(ErrorNotice{Error: detail, Code: r.Code, Retryable: r.Retryable(), Field: field})
	}
	for _, n := range last {
		d.write(n)
	}
	d.browser.Close(r)
	if r == ReasonEnded {
		return
	}
	d.gateway.statics.refused(r)
	d.gateway.log.Info("connection refused", "reason", r.Code, "detail", detail, slog.String("address", d.client.Address), slog.String("trace", d.client.Trace))
}

// drain reads what still comes until the closing handshake has ended.
func (d *door) drain() (relieved bool) {
	var f Frame
	for d.browser.Read(&f) == nil {
	}
	return false
}

func asMessageError(err error) *MessageError {
	var m *MessageError
	if errors.As(err, &m) {
		return m
	}
	return fatal(ReasonInternal, "", ReasonInternal.Text)
}

func tooManyBad(last *MessageError) string {
	return fmt.Sprintf("%d messages in a row could not be read; the last one: %s", maxBadMessages, last.Message)
}
