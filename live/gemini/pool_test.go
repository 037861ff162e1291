package gemini

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
	"golang.org/x/oauth2"
)

// warmDial is a configuration that keeps n connections warm.
func warmDial(n int) DialConfig {
	c := testDial()
	c.WarmPool = DefaultPoolConfig()
	c.WarmPool.Size = n
	return c
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never came to this: " + what)
		}
	}
}

// warmUp asks for connections to every endpoint as a conversation would, and waits until there are n of them.
func warmUp(t *testing.T, d *Dialer, n int64) {
	t.Helper()
	for _, e := range d.endpoints {
		if d.pool.take(e) != nil {
			t.Fatal("there was a warm connection already")
		}
	}
	eventually(t, "the pool is full", func() bool { return d.PoolStats().Idle == n })
}

// agree dials and waits until the setup is accepted.
func agree(t *testing.T, d *Dialer, s live.Setup) live.Upstream {
	t.Helper()
	u, err := d.Dial(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	receive(t, u, live.EventReady)
	return u
}

func wantStats(t *testing.T, d *Dialer, hits, misses, dead int64) {
	t.Helper()
	if s := d.PoolStats(); s.Hits != hits || s.Misses != misses || s.Dead != dead {
		t.Errorf("%+v; want %d hits, %d misses, %d dead", s, hits, misses, dead)
	}
}

func TestPool_theSecondConversationFindsAConnectionReady(t *testing.T) {
	script := func(p *peer) {
		p.ready()
		p.message()
		p.say(audioFrame(sample(40_000)))
		p.drain()
	}
	for _, scheme := range []string{"plain", "TLS"} {
		t.Run(scheme, func(t *testing.T) {
			var d *Dialer
			if scheme == "TLS" {
				url, roots := startTLS(t, script)
				d = geminiDialer(t, url, warmDial(1))
				d.tls.RootCAs = roots
			} else {
				d = geminiDialer(t, startModel(t, script).url, warmDial(1))
			}
			for n := range int64(3) {
				u := agree(t, d, testSetup())
				wantStats(t, d, n, 1, 0)
				if _, err := u.Send(&live.Command{Kind: live.CommandAudio, PCM: sample(3200)}); err != nil {
					t.Fatal(err)
				}
				if e := receive(t, u, live.EventAudio); !bytes.Equal(e.PCM, sample(40_000)) {
					t.Error("the audio is not what was sent")
				}
				u.Close()
				eventually(t, "the pool is full again", func() bool { return d.PoolStats().Idle == 1 })
			}
		})
	}
}

func TestPool_aWarmConnectionWithoutQuotaIsFollowedByTheNextKey(t *testing.T) {
	m := byKey(t, map[string]func(p *peer){
		"one": func(p *peer) { p.upgrade(); p.bye(1011, "You exceeded your current quota") },
		"two": func(p *peer) { p.ready(); p.drain() },
	})
	d := geminiDialer(t, m.url, warmDial(1), "one", "two")
	warmUp(t, d, 2)
	agree(t, d, testSetup())
	wantStats(t, d, 2, 0, 0)
	if d.cooling(d.endpoints[0]).IsZero() || !d.cooling(d.endpoints[1]).IsZero() {
		t.Error(d.cool)
	}
}

func TestPool_aHandleGoesToItsOwnKeyOnly(t *testing.T) {
	took := make(chan string, 3)
	m := startModel(t, func(p *peer) {
		if p.ready() != nil {
			took <- p.request.Header.Get("x-goog-api-key")
		}
		p.drain()
	})
	d := geminiDialer(t, m.url, warmDial(1), "one", "two", "three")
	warmUp(t, d, 3)
	s := testSetup()
	s.Handle = tagHandle(d.endpoints[1].tag, "H")
	agree(t, d, s)
	if key := <-took; key != "two" {
		t.Errorf("the handle went to key %s", key)
	}
	agree(t, d, testSetup())
	if key := <-took; key != "one" {
		t.Errorf("the conversation without a handle went to key %s", key)
	}
	wantStats(t, d, 2, 0, 0)
}

func TestPool_noTwoConversationsShareAConnection(t *testing.T) {
	m := startModel(t, func(p *peer) {
		if p.ready() == nil {
			return
		}
		if again := p.message(); again != nil {
			t.Errorf("a second conversation came: %v", again)
		}
	})
	d := geminiDialer(t, m.url, warmDial(8))
	warmUp(t, d, 8)
	const takers = 32
	var wg sync.WaitGroup
	for range takers {
		wg.Go(func() {
			u, err := d.Dial(context.Background(), testSetup())
			if err != nil {
				t.Error(err)
				return
			}
			defer u.Close()
			var e live.Event
			if err := u.Receive(&e); err != nil || e.Kind != live.EventReady {
				t.Error(e.Kind, err)
			}
		})
	}
	wg.Wait()
	if s := d.PoolStats(); s.Hits+s.Misses != takers || s.Hits < 8 || s.Dead != 0 {
		t.Errorf("%+v", s)
	}
}

func TestPool_answersPingsAndLosesNoByteOfAFrameThatIsHalfThere(t *testing.T) {
	for _, scheme := range []string{"plain", "TLS"} {
		t.Run(scheme, func(t *testing.T) {
			var conns atomic.Int32
			answered := make(chan struct{})
			script := func(p *peer) {
				p.write(p.accepted())
				if conns.Add(1) > 1 {
					p.drain()
					return
				}
				p.write(frame.Append(nil, frame.Ping, []byte("still there?")))
				half := frame.Append(nil, frame.Ping, []byte("and now?"))
				p.write(half[:5])
				if got := p.until(frame.Pong); string(got) != "still there?" {
					t.Errorf("pong %q", got)
				}
				p.write(half[5:6])
				close(answered)
				p.message()
				p.write(half[6:])
				p.say(`{"setupComplete":{}}`)
				if got := p.until(frame.Pong); string(got) != "and now?" {
					t.Errorf("pong %q", got)
				}
				p.say(`{"serverContent":{"turnComplete":true}}`)
				p.drain()
			}
			var d *Dialer
			if scheme == "TLS" {
				url, roots := startTLS(t, script)
				d = geminiDialer(t, url, warmDial(1))
				d.tls.RootCAs = roots
			} else {
				d = geminiDialer(t, startModel(t, script).url, warmDial(1))
			}
			warmUp(t, d, 1)
			<-answered
			u := agree(t, d, testSetup())
			receive(t, u, live.EventTurnComplete)
			wantStats(t, d, 1, 0, 0)
		})
	}
}

func TestPool_aTokenThatHasExpiredIsNotUsed(t *testing.T) {
	took := make(chan string, 1)
	m := startModel(t, func(p *peer) {
		if p.ready() != nil {
			took <- p.request.Header.Get("Authorization")
		}
		p.drain()
	})
	var n atomic.Int32
	first := lasting(tooOld+30*time.Second, "first")
	source := tokenFunc(func() (*oauth2.Token, error) {
		if n.Add(1) == 1 {
			return first, nil
		}
		return lasting(time.Hour, "second"), nil
	})
	cfg := VertexConfig{ProjectID: "p", Locations: []string{"global"}, BaseURL: m.url, APIVersion: "v1"}
	dial := warmDial(1)
	dial.WarmPool.MaxAge = time.Hour
	d, err := NewVertex(cfg, dial, source, discardLog())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	warmUp(t, d, 1)
	d.pool.mu.Lock()
	w := d.pool.shelves[0].idle[0]
	if !w.due.Equal(first.Expiry.Add(-tooOld)) {
		t.Errorf("used until %v with a token that expires at %v", w.due, first.Expiry)
	}
	w.due = time.Now() // and now that time has come
	d.pool.mu.Unlock()
	if _, err := d.tokens.get(context.Background()); err != nil { // asks for the next one in the background
		t.Fatal(err)
	}
	d.tokens.wg.Wait()
	agree(t, d, testSetup())
	if got := <-took; got != "Bearer second" {
		t.Error(got)
	}
	wantStats(t, d, 0, 1, 0)
}

func TestPool_aTokenThatIsAboutToExpireIsNoReasonToDialOverAndOver(t *testing.T) {
	m := startModel(t, func(p *peer) { p.ready(); p.drain() })
	source := tokenFunc(func() (*oauth2.Token, error) { return lasting(tooOld, "short"), nil })
	cfg := VertexConfig{ProjectID: "p", Locations: []string{"global"}, BaseURL: m.url, APIVersion: "v1"}
	d, err := NewVertex(cfg, warmDial(1), source, discardLog())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.pool.take(d.endpoints[0])
	eventually(t, "the dial counts as a failure", func() bool {
		d.pool.mu.Lock()
		defer d.pool.mu.Unlock()
		return d.pool.shelves[0].failures > 0
	})
	if s := d.PoolStats(); s.Idle != 0 {
		t.Errorf("%+v", s)
	}
}

func TestPool_closesPolitelyWhatWaits(t *testing.T) {
	codes := make(chan string, 2)
	m := startModel(t, func(p *peer) {
		p.write(p.accepted())
		codes <- string(p.until(frame.Close))
	})
	d := geminiDialer(t, m.url, warmDial(2))
	warmUp(t, d, 2)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := <-codes; got != "\x03\xe8" {
			t.Errorf("close frame %q", got)
		}
	}
	if d.pool.take(d.endpoints[0]) != nil || d.PoolStats().Idle != 0 {
		t.Error("the pool is not empty")
	}
}

func TestPool_closeEndsADialThatIsUnderWay(t *testing.T) {
	m := startModel(t, func(p *peer) { p.drain() }) // no answer to the upgrade
	d := geminiDialer(t, m.url, warmDial(2))
	d.pool.take(d.endpoints[0])
	eventually(t, "it dials", func() bool { return len(m.seen()) == 2 })
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d.pool.mu.Lock()
	defer d.pool.mu.Unlock()
	if n := d.pool.shelves[0].dialling; n != 0 {
		t.Errorf("Close left %d dials behind", n)
	}
}

func TestPool_withoutASizeNothingIsKept(t *testing.T) {
	m := startModel(t, func(p *peer) { p.ready(); p.drain() })
	d := geminiDialer(t, m.url, testDial())
	agree(t, d, testSetup())
	wantStats(t, d, 0, 0, 0)
	if d.pool != nil {
		t.Error("there is a pool")
	}
}

func TestPool_neverIdleItIsWarmFromTheStartAtTheFirstKey(t *testing.T) {
	m := startModel(t, func(p *peer) { p.ready(); p.drain() })
	cfg := warmDial(1)
	cfg.WarmPool.IdleAfter = 0
	d := geminiDialer(t, m.url, cfg, "one", "two")
	eventually(t, "it is warm", func() bool { return d.PoolStats().Idle == 1 })
	agree(t, d, testSetup())
	wantStats(t, d, 1, 0, 0)
	if strings.Contains(keysSeen(m), "two") {
		t.Error(keysSeen(m))
	}
}

func TestPool_servesBothBackendsOfTheSimulator(t *testing.T) {
	sim := startSimulator(t, nil)
	tokens := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "a-token"})
	v, err := NewVertex(VertexConfig{ProjectID: "p", Locations: []string{"global"}, BaseURL: sim.URL(), APIVersion: "v1beta1"}, warmDial(2), tokens, discardLog())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for name, d := range map[string]*Dialer{"gemini": geminiDialer(t, sim.URL(), warmDial(2)), "vertex": v} {
		warmUp(t, d, 2)
		c := talkTo(t, d, simulated())
		resumed := simulated()
		resumed.Handle = c.until(live.EventResumption).handle
		c.Close()
		c = talkTo(t, d, resumed) // a renewal
		c.send(live.Command{Kind: live.CommandText, Text: "Hello", TurnComplete: true})
		c.until(live.EventAudio)
		c.Close()
		if s := d.PoolStats(); s.Hits != 2 || s.Misses != 0 || s.Dead != 0 {
			t.Error(name, s)
		}
	}
}
