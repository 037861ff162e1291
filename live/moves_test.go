package live

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
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

// The transcript of an instance begins where the conversation came to it: the handle knows more.
func TestResume_theTranscriptOfHalfAConversationTakesNoHandlesPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		up.says(counting(0, 40), Event{Kind: EventTurnComplete}, Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
		time.Sleep(2 * time.Second)
		p.settle()
		up2, d2 := p.drained()
		third := newMemUpstream()
		d2.later = []later{{up: third}}
		up2.says(Event{Kind: EventReady})
		if !p.resume() {
			t.Fatal("the conversation did not go on")
		}
		p.say(`{"type":"text","text":"and then?"}`)
		time.Sleep(time.Second)
		up2.says(counting(0, 40), Event{Kind: EventOutputTranscript, Text: "Then."}, Event{Kind: EventGenerationComplete}, Event{Kind: EventTurnComplete})
		time.Sleep(10 * time.Second)
		up2.ended <- io.ErrUnexpectedEOF
		third.says(Event{Kind: EventReady})
		time.Sleep(time.Second)
		p.settle()
		if got := d2.asked(); len(got) != 2 || got[1].Handle != "h" {
			t.Errorf("the next connection was asked for with %+v", got[len(got)-1])
		}
		p.leave()
	})
}

// The line may break again before the client hears that its conversation has moved.
func TestResume_aClientThatMissedThatItMovedIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		up.says(Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
		time.Sleep(2 * time.Second)
		p.settle()
		up2, _ := p.drained()
		up2.says(Event{Kind: EventReady})
		p.connect(true)
		p.b.say(fmt.Sprintf(`{"type":"start_session","resume":{"sessionId":%q,"resumeTicket":%q,"received":%d}}`, p.id, p.ticket, p.received))
		synctest.Wait()
		p.cut(0)
		for _, lost := range []any{nil, 0.0} {
			if !p.resume() {
				t.Fatal("the conversation did not go on")
			}
			if got := p.resumed.JSON; got["lost"] != lost {
				t.Errorf("session_resumed: %v, want lost %v", got, lost)
			}
			p.settle()
			p.cut(0)
		}
		p.resume()
		p.leave()
	})
}

func TestResume_theOldHolderIsNotWaitedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		up.says(Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
		time.Sleep(2 * time.Second)
		p.settle()
		p.cut(0)
		two, up2, _ := instance(t, nil)
		p.gateway = two
		for range elsewhereTries {
			p.resume()
			<-p.done
		}
		up2.says(Event{Kind: EventReady})
		if !p.resume() {
			t.Fatal("the conversation did not go on")
		}
		time.Sleep(10 * time.Second)
		at := time.Now()
		up2.ended <- io.ErrUnexpectedEOF // and no other connection can be had
		<-p.done
		if took := time.Since(at); took > DefaultConfig().Live.ConnectTimeout+time.Second {
			t.Errorf("the conversation was over after %v", took)
		}
		time.Sleep(2 * time.Minute) // of the first instance's session
	})
}

// Nobody knows the messages any more that only a dead handle knew, and the client has them still.
func TestResume_whatADeadHandleKnewIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := newMemUpstream()
		p, up, _ := talk(t, func(_ *Config, d *memDialer) {
			d.later = []later{{err: &UpstreamError{Fault: FaultDeadHandle, Detail: "unknown"}}, {up: second}}
		})
		p.speak(tone(20, 16000)) // within the overlap
		p.say(`{"type":"text","text":"known"}`)
		time.Sleep(time.Second)
		up.says(counting(0, 40), Event{Kind: EventTurnComplete}, Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
		time.Sleep(2 * time.Second)
		second.says(Event{Kind: EventReady})
		up.ended <- io.ErrUnexpectedEOF
		time.Sleep(2 * time.Second)
		p.settle()
		if m := find(p.heard, "warning"); m == nil || m.JSON["code"] != "memory_lost" {
			t.Errorf("told %v of a memory that is lost", m)
		}
		up2, _ := p.drained()
		up2.says(Event{Kind: EventReady})
		if !p.resume() {
			t.Fatal("the conversation did not go on")
		}
		p.settle()
		if got := texts(up2.got()); len(got) != 1 {
			t.Errorf("the model was told the texts %v", got)
		}
		p.leave()
	})
}

// A handle that is only suspected is worth more to another instance than none.
func TestResume_aSuspectedHandleGoesToAnotherInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var next []*memUpstream
		p, up, d := talk(t, func(_ *Config, d *memDialer) {
			for range suspicious + 1 {
				u := newMemUpstream()
				u.says(Event{Kind: EventReady})
				next = append(next, u)
				d.later = append(d.later, later{up: u})
			}
		})
		p.say(`{"type":"text","text":"known"}`)
		time.Sleep(time.Second)
		up.says(counting(0, 40), Event{Kind: EventOutputTranscript, Text: "Yes."}, Event{Kind: EventTurnComplete}, Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
		time.Sleep(10 * time.Second)
		up.ended <- io.ErrUnexpectedEOF
		for _, u := range next[:suspicious] { // accepted, and ended before they have lived
			u.ended <- io.ErrUnexpectedEOF
		}
		time.Sleep(10 * time.Second)
		p.settle()
		asked := d.asked()
		if last := asked[len(asked)-1]; last.Handle != "" || len(last.History) == 0 {
			t.Fatalf("the connection in use was asked for with %q", last.Handle)
		}
		if p.gateway.find(p.id).portable() {
			t.Error("a drain would not wait for a handle that knows everything")
		}
		up2, d2 := p.drained()
		up2.says(Event{Kind: EventReady})
		if !p.resume() {
			t.Fatal("the conversation did not go on")
		}
		if got := d2.asked(); got[0].Handle != "h" {
			t.Errorf("the other instance asked for a connection with %q", got[0].Handle)
		}
		p.leave()
	})
}

// Nobody else holds the conversation once a connection here has been ready: then the handle is suspected as everywhere, and a model that
// remembers nothing is better than no conversation.
func TestResume_aHandleThatCameFromAnotherInstanceIsSuspectedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, ups := moved(t, verySuspicious+2)
		time.Sleep(10 * time.Second)
		for _, up := range ups[:verySuspicious+1] {
			up.ended <- io.ErrUnexpectedEOF
		}
		time.Sleep(20 * time.Second)
		want := append(slices.Repeat([]string{"h"}, verySuspicious+1), "")
		st.wantHandles(t, want...)
		if m := find(st.browser.heard(), "warning"); m == nil || m.JSON["code"] != "memory_lost" {
			t.Errorf("that the model has forgotten everything was not told: %v", types(st.browser.heard()))
		}
		st.end()
	})
}

func TestResume_figuresOfAnotherInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		up.says(counting(0, 40), Event{Kind: EventUsage, Usage: Usage{Input: 100, Output: 10}}, Event{Kind: EventTurnComplete})
		up.says(Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
		time.Sleep(10 * time.Minute / 3)
		p.settle()
		up2, _ := p.drained()
		time.Sleep(time.Second)
		up2.says(Event{Kind: EventReady})
		if !p.resume() {
			t.Fatal("the conversation did not go on")
		}
		up2.says(counting(0, 40), Event{Kind: EventUsage, Usage: Usage{Input: 7, Output: 3}}, Event{Kind: EventTurnComplete})
		p.settle()
		info, _ := p.gateway.Session(p.id)
		if info.StartupMs > 1000 {
			t.Errorf("the model was ready after %d ms", info.StartupMs)
		}
		p.leave()
		if u := p.ended.JSON["usage"].(map[string]any); u["inputTokens"] != 107.0 || p.ended.JSON["turns"] != 2.0 {
			t.Errorf("the client was told %v", p.ended.JSON)
		}
		if st := p.gateway.Stats(); st.Usage.InputTokens != 7 || st.Counters.Turns != 1 {
			t.Errorf("this instance counts %d tokens and %d turns; the others were the first one's", st.Usage.InputTokens, st.Counters.Turns)
		}
	})
}
