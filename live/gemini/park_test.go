//go:build linux

package gemini

import (
	"context"
	"sync"
	"testing"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
)

type alarm chan struct{}

func (a alarm) Wake() { a <- struct{}{} }

// parks relieves whoever receives from u, or is about to, and parks the connection.
func parks(t *testing.T, u live.Upstream) alarm {
	t.Helper()
	p, a := u.(live.Parker), make(alarm, 9)
	var e live.Event
	for !p.Park(a) {
		p.Relieve()
		if err := u.Receive(&e); err != live.ErrRelieved { //nolint:errorlint // as it is
			t.Fatalf("%+v, %v", e, err)
		}
	}
	return a
}

// With TLS and without it a connection is parked between any two messages, and inside what is not yet one, and nothing is
// lost of what comes.
func TestUpstream_isParkedAndLosesNothing(t *testing.T) {
	script := func(goOn <-chan struct{}) func(p *peer) {
		text := func(s string) []byte { return frame.Append(nil, frame.Binary, []byte(s)) }
		return func(p *peer) {
			p.upgrade()
			p.write(append(text(`{"setupComplete":{}}`), text(`{"serverContent":{"generationComplete":true}}`)...)) // at once
			for range 50 {
				<-goOn
				whole := text(`{"serverContent":{"turnComplete":true},"usageMetadata":{"promptTokenCount":5}}`)
				p.write(whole[:1])
				<-goOn
				p.write(whole[1:])
			}
			p.drain()
		}
	}
	for name, connect := range map[string]func(goOn <-chan struct{}) *Dialer{
		"plain": func(goOn <-chan struct{}) *Dialer {
			return geminiDialer(t, startModel(t, script(goOn)).url, testDial())
		},
		"TLS": func(goOn <-chan struct{}) *Dialer {
			url, roots := startTLS(t, script(goOn))
			d := geminiDialer(t, url, testDial())
			d.tls.RootCAs = roots
			return d
		},
	} {
		t.Run(name, func(t *testing.T) {
			goOn := make(chan struct{})
			d := connect(goOn)
			u, err := d.Dial(context.Background(), testSetup())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(u.Close)
			receive(t, u, live.EventReady)
			if u.(live.Parker).Park(make(alarm, 1)) {
				t.Fatal("it was parked with a message in its memory")
			}
			receive(t, u, live.EventGenerationComplete)
			for range 50 {
				woken := parks(t, u)
				goOn <- struct{}{}
				<-woken
				goOn <- struct{}{}
				receive(t, u, live.EventTurnComplete)
				receive(t, u, live.EventUsage)
			}
		})
	}
}

func TestUpstream_isWokenByItsEnd(t *testing.T) {
	for name, end := range map[string]func(u live.Upstream, p *peer){
		"Wake":           func(u live.Upstream, _ *peer) { u.Wake() },
		"Close":          func(u live.Upstream, _ *peer) { u.Close() },
		"goodbye":        func(_ live.Upstream, p *peer) { p.write(frame.Append(nil, frame.Close, frame.ClosePayload(1000, ""))) },
		"end of stream":  func(_ live.Upstream, p *peer) { _ = p.conn.Close() },
		"write deadline": func(u live.Upstream, _ *peer) { u.(*upstream).sendFailed(context.DeadlineExceeded) },
	} {
		t.Run(name, func(t *testing.T) {
			there, over := make(chan *peer), make(chan struct{})
			finish := sync.OnceFunc(func() { close(over) })
			defer finish()
			m := startModel(t, func(p *peer) {
				p.ready()
				there <- p
				<-over
			})
			d := geminiDialer(t, m.url, testDial())
			u, err := d.Dial(context.Background(), testSetup())
			if err != nil {
				t.Fatal(err)
			}
			p := <-there
			receive(t, u, live.EventReady)
			woken := parks(t, u)
			end(u, p)
			<-woken
			if name != "write deadline" {
				ending(t, u)
			}
			finish()
			u.Close()
			_ = d.Close()
			if len(woken) > 0 {
				t.Error("it was woken more than once")
			}
		})
	}
}
