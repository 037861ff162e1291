package live

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestResume_twoConnectionsBringTheConversationToAnotherInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, _ := talk(t, nil)
		up2, _ := p.drained()
		other := *p
		arrived := make(chan struct{})
		var first atomic.Bool
		listening(p.gateway, func(r slog.Record) {
			if r.Message == "session started" && !first.Swap(true) {
				<-arrived
			}
		})
		p.connect(true)
		p.b.say(fmt.Sprintf(`{"type":"start_session","resume":{"sessionId":%q,"resumeTicket":%q,"received":%d}}`, p.id, p.ticket, p.received))
		synctest.Wait()
		other.connect(true)
		other.ask(other.received)
		close(arrived)
		<-p.done
		up2.says(Event{Kind: EventReady})
		other.settle()
		if find(other.heard, "session_ready") == nil {
			t.Errorf("the newest connection heard %v", types(other.heard))
		}
		other.leave()
	})
}

// handed is a slog.Handler that shows what is logged, as it is logged.
type handed struct {
	slog.Handler
	show func(slog.Record)
}

func (h handed) Enabled(context.Context, slog.Level) bool { return true }

func (h handed) Handle(_ context.Context, r slog.Record) error { h.show(r); return nil }

func (h handed) WithAttrs([]slog.Attr) slog.Handler { return h }

func (h handed) WithGroup(string) slog.Handler { return h }

func listening(g *Gateway, show func(slog.Record)) { g.log = slog.New(handed{show: show}) }

// drained ends the conversation's instance, and makes another one its instance.
func (p *person) drained() (*memUpstream, *memDialer) {
	p.t.Helper()
	go p.gateway.Drain(p.t.Context()) //nolint:errcheck // its session ends in time
	<-p.done
	p.look()
	two, up, d := instance(p.t, nil)
	p.gateway, p.ended = two, nil
	return up, d
}
