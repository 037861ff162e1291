package gemini

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
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

func TestPool_aConnectionThatEndsWhileItWaitsIsNotUsed(t *testing.T) {
	for name, die := range map[string]func(p *peer){
		"closed":          func(*peer) {},
		"reset":           func(p *peer) { _ = p.conn.(*net.TCPConn).SetLinger(0) },
		"goodbye":         func(p *peer) { p.bye(1001, "going away") },
		"speaks":          func(p *peer) { p.say(`{"error":{"code":503}}`); p.drain() },
		"masked":          func(p *peer) { p.write(frame.AppendMasked(nil, frame.Ping, nil, 7)); p.drain() },
		"empty message":   func(p *peer) { p.write(frame.Append(nil, frame.Text, nil)); p.drain() },
		"empty fragments": func(p *peer) { p.write(append([]byte{0x02, 0}, make([]byte, 600)...)); p.drain() },
	} {
		t.Run(name, func(t *testing.T) {
			var conns atomic.Int32
			now := make(chan struct{})
			m := startModel(t, func(p *peer) {
				if conns.Add(1) > 1 {
					p.ready()
					p.drain()
					return
				}
				p.write(p.accepted())
				<-now
				_ = p.conn.SetDeadline(timeless) // nothing ends it but what is tested
				die(p)
			})
			d := geminiDialer(t, m.url, warmDial(1))
			warmUp(t, d, 1)
			close(now)
			eventually(t, "the death is noticed", func() bool { return d.PoolStats().Dead == 1 })
			agree(t, d, testSetup())
			if s := d.PoolStats(); s.Hits+s.Misses != 1 || s.Dead != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestPool_theSessionDoesNotHearOfAConnectionThatDiesOnItsSetup(t *testing.T) {
	for name, die := range map[string]func(p *peer){
		"closed":        func(p *peer) { p.message() },
		"reset":         func(p *peer) { p.message(); _ = p.conn.(*net.TCPConn).SetLinger(0) },
		"going away":    func(p *peer) { p.message(); p.bye(1001, "") },
		"normal end":    func(p *peer) { p.message(); p.bye(1000, "") },
		"starved":       func(p *peer) { p.message(); p.bye(1008, "The operation was aborted.") },
		"1008, unknown": func(p *peer) { p.message(); p.bye(1008, "the handshake was not followed up in time") },
		"torn":          func(p *peer) { p.message(); p.write([]byte{0x82, 20, 'x'}) },
		"not JSON":      func(p *peer) { p.message(); p.say("<html>"); p.drain() },
		"silent":        func(p *peer) { p.drain() },
	} {
		t.Run(name, func(t *testing.T) {
			var conns, setups atomic.Int32
			m := startModel(t, func(p *peer) {
				if conns.Add(1) <= 2 {
					p.write(p.accepted())
					die(p)
					return
				}
				if p.upgrade() != nil {
					setups.Add(1)
					p.say(`{"setupComplete":{}}`)
				}
				p.drain()
			})
			cfg := warmDial(2)
			cfg.WarmPool.AnswerTimeout = 100 * time.Millisecond
			d := geminiDialer(t, m.url, cfg)
			warmUp(t, d, 2)
			shelved := func() []*warm {
				d.pool.mu.Lock()
				defer d.pool.mu.Unlock()
				return slices.Clone(d.pool.shelves[0].idle)
			}
			before := shelved()
			u, err := d.Dial(context.Background(), testSetup())
			if err != nil {
				t.Fatal(err)
			}
			defer u.Close()
			receive(t, u, live.EventReady)
			if _, err := u.Send(&live.Command{Kind: live.CommandAudioStreamEnd}); err != nil {
				t.Error(err)
			}
			wantStats(t, d, 0, 1, 1)
			if setups.Load() != 1 {
				t.Errorf("%d setups", setups.Load())
			}
			if !d.cooling(d.endpoints[0]).IsZero() {
				t.Error("the key counts as failing")
			}
			eventually(t, "what had waited beside the dead one is given up", func() bool {
				return !slices.ContainsFunc(shelved(), func(w *warm) bool { return slices.Contains(before, w) })
			})
		})
	}
}

func TestPool_anInternalErrorGetsASecondChanceOnANewConnection(t *testing.T) {
	for name, fail := range map[string]func(p *peer){
		"a handle that came too early": func(p *peer) { p.bye(1011, "Internal error encountered.") },
		"unavailable":                  func(p *peer) { p.bye(1013, "") },
		"an error message":             func(p *peer) { p.say(`{"error":{"code":503,"status":"UNAVAILABLE","message":"Later."}}`); p.drain() },
	} {
		t.Run(name, func(t *testing.T) {
			var setups atomic.Int32
			m := startModel(t, func(p *peer) {
				if p.upgrade() == nil {
					return
				}
				if setups.Add(1) == 1 {
					fail(p)
					return
				}
				p.say(`{"setupComplete":{}}`)
				p.drain()
			})
			d := geminiDialer(t, m.url, warmDial(2))
			warmUp(t, d, 2)
			s := testSetup()
			s.Handle = "H"
			agree(t, d, s)
			wantStats(t, d, 0, 1, 0)
			if !d.cooling(d.endpoints[0]).IsZero() {
				t.Error("the key counts as failing")
			}
		})
	}
}

func TestPool_whereTheNewConnectionFailsTooTheSessionHearsOfIt(t *testing.T) {
	var setups atomic.Int32
	m := startModel(t, func(p *peer) {
		if p.upgrade() != nil {
			setups.Add(1)
		}
		p.bye(1011, "Internal error encountered.")
	})
	d := geminiDialer(t, m.url, warmDial(4))
	warmUp(t, d, 4)
	u, err := d.Dial(context.Background(), testSetup())
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	if e := ending(t, u); e.Fault != live.FaultBroken || e.Close != 1011 {
		t.Error(e)
	}
	if n := setups.Load(); n != 2 {
		t.Errorf("%d setups", n)
	}
}

func TestPool_aConnectionThatDiesBetweenTakingAndWritingIsFollowedByANewOneWithinDial(t *testing.T) {
	var conns atomic.Int32
	die, died := make(chan struct{}), make(chan struct{})
	m := startModel(t, func(p *peer) {
		if conns.Add(1) > 1 {
			p.ready()
			p.drain()
			return
		}
		p.write(p.accepted())
		<-die
		_ = p.conn.(*net.TCPConn).SetLinger(0)
		_ = p.conn.Close()
		close(died)
	})
	d := geminiDialer(t, m.url, warmDial(1))
	warmUp(t, d, 1)
	s := testSetup()
	s.Handle = "H"
	left := make(chan struct{}) // its old connection has not left yet
	d.mu.Lock()
	d.leaving[s.Handle] = left
	d.mu.Unlock()
	dialled := make(chan live.Upstream, 1)
	go func() {
		u, err := d.Dial(context.Background(), s)
		if err != nil {
			t.Error(err)
		}
		dialled <- u
	}()
	eventually(t, "it is taken: another one is dialled", func() bool { return conns.Load() == 2 })
	close(die)
	<-died
	close(left)
	u := <-dialled
	if u == nil {
		return
	}
	defer u.Close()
	wantStats(t, d, 0, 1, 1)
	receive(t, u, live.EventReady)
}

func TestPool_aVerdictOnTheSetupIsTheSessions(t *testing.T) {
	for text, want := range map[string]struct {
		code  int
		fault live.UpstreamFault
	}{
		"Invalid session handle":                          {1007, live.FaultDeadHandle},
		"BidiGenerateContent session not found":           {1008, live.FaultDeadHandle},
		"Request contains an invalid argument.":           {1007, live.FaultRejected},
		"models/x is not found for API version v1beta":    {1008, live.FaultRejected},
		"You exceeded your current quota":                 {1011, live.FaultQuota},
		"API key not valid. Please pass a valid API key.": {1007, live.FaultAuth},
	} {
		t.Run(text, func(t *testing.T) {
			var setups atomic.Int32
			m := startModel(t, func(p *peer) {
				if p.upgrade() != nil {
					setups.Add(1)
				}
				p.bye(want.code, text)
			})
			d := geminiDialer(t, m.url, warmDial(1))
			warmUp(t, d, 1)
			u, err := d.Dial(context.Background(), testSetup())
			if err != nil {
				t.Fatal(err)
			}
			defer u.Close()
			if e := ending(t, u); e.Fault != want.fault {
				t.Error(e)
			}
			wantStats(t, d, 1, 0, 0)
			if n := setups.Load(); n != 1 {
				t.Errorf("%d setups", n)
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
	agree(t, d, testSetup())
	if a, b := <-took, <-took; a != "two" || b != "one" {
		t.Error(a, b)
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

func TestPool_tellsOnceThatItDoesNotWork(t *testing.T) {
	var out syncBuffer
	var up atomic.Bool
	m := startModel(t, func(p *peer) {
		if !up.Load() {
			p.write([]byte("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"))
			return
		}
		p.ready()
		p.drain()
	})
	d, err := NewGemini(GeminiConfig{BaseURL: m.url, APIVersion: "v1", APIKeys: []string{"AIzaSyA1234567890abcdefghijklmnop"}},
		warmDial(1), slog.New(slog.NewJSONHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := d.pool.shelves[0]
	failed := func(n int) func() bool {
		return func() bool {
			d.pool.mu.Lock()
			defer d.pool.mu.Unlock()
			return s.failures == n
		}
	}
	d.pool.take(s.at)
	for n := 1; n < 4; n++ {
		eventually(t, "it fails", failed(n))
		d.pool.mu.Lock()
		s.notBefore = time.Time{} // the pause is over
		if n == 3 {
			up.Store(true)
		}
		d.pool.mu.Unlock()
		d.pool.nudge()
	}
	eventually(t, "it works", func() bool { return d.PoolStats().Idle == 1 })
	if !failed(3)() {
		t.Error("a connection that was not yet of use ends the row of failures")
	}
	agree(t, d, testSetup())
	if !failed(0)() {
		t.Error("a connection that was of use does not end the row of failures")
	}
	text := out.String()
	if strings.Count(text, "cannot be kept ready") != 1 || strings.Count(text, "kept ready again") != 1 || strings.Contains(text, "AIza") {
		t.Error(text)
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

func TestShelf_keepsToItsRules(t *testing.T) {
	now := time.Now()
	cfg := DefaultPoolConfig()
	at := func(d time.Duration) time.Time { return now.Add(d) }
	s := &shelf{}
	if old, next := s.sort(now, cfg); len(old) != 0 || !next.IsZero() {
		t.Error("an endpoint that nobody asked for", old, next)
	}
	if n, _ := s.missing(now, cfg.Size, time.Time{}); n != 0 {
		t.Error("dials for nobody")
	}
	s.wanted = now
	if _, next := s.sort(now, cfg); !next.Equal(at(cfg.IdleAfter)) {
		t.Error(next)
	}
	for _, c := range []struct {
		idle, dialling, want int
	}{{0, 0, 2}, {1, 0, 1}, {0, 1, 1}, {1, 1, 0}, {2, 0, 0}, {0, 3, 0}} {
		s.idle, s.dialling = make([]*warm, c.idle), c.dialling
		if n, hold := s.missing(now, 2, time.Time{}); n != c.want || !hold.IsZero() {
			t.Errorf("%+v: %d, %v", c, n, hold)
		}
	}
	s.idle, s.dialling = nil, 0
	if n, hold := s.missing(now, 2, at(time.Minute)); n != 0 || !hold.Equal(at(time.Minute)) {
		t.Error("dials what is cooling", n, hold)
	}
	if n, _ := s.missing(now, 2, now); n != 2 {
		t.Error("is held back by what has cooled")
	}
	s.fail(now)
	if n, hold := s.missing(now, 2, time.Time{}); n != 0 || !hold.Equal(s.notBefore) {
		t.Error("does not pause", n, hold)
	}
	s.failures = 5
	young, old, flushed := &warm{due: at(time.Second)}, &warm{due: at(-time.Second)}, &warm{}
	s.idle = []*warm{flushed, young}
	if aged, next := s.sort(now, cfg); len(aged) != 1 || aged[0] != flushed || !next.Equal(young.due) || s.failures != 5 {
		t.Error(aged, next, s.failures)
	}
	s.idle = []*warm{old, young}
	if aged, _ := s.sort(now, cfg); len(aged) != 1 || aged[0] != old || s.failures != 0 {
		t.Error(aged, s.failures)
	}
	if aged, next := s.sort(at(cfg.IdleAfter), cfg); len(aged) != 1 || !next.IsZero() || len(s.idle) != 0 {
		t.Error("is kept though nobody asks", aged, next)
	}
}

func TestShelf_pausesLongerAndLongerButCountsOneTroubleOnce(t *testing.T) {
	now := time.Now()
	s := &shelf{}
	longest := time.Duration(0)
	for n := range 12 {
		s.fail(now)
		s.fail(now) // what struck both connections
		if s.failures != n+1 {
			t.Fatal(s.failures)
		}
		pause := s.notBefore.Sub(now)
		if want := min(firstPause<<n, longestPause); pause > want || pause <= want/2 {
			t.Errorf("failure %d: a pause of %v", n+1, pause)
		}
		longest = max(longest, pause)
		now = s.notBefore
	}
	if longest < longestPause/2 {
		t.Error(longest)
	}
}

func TestPassed_believesEitherClock(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		t    time.Time
		want bool
	}{
		"later":   {now.Add(time.Second), false},
		"earlier": {now.Add(-time.Second), true},
		// A machine that slept: the wall clock alone has gone on.
		"wall only": {now.Round(0).Add(-time.Second), true},
		"never set": {time.Time{}, true},
	} {
		if passed(now, c.t) != c.want {
			t.Error(name)
		}
	}
}

func TestPool_theAnswerTimeoutEndsWithTheAnswer(t *testing.T) {
	cfg := warmDial(1)
	cfg.WarmPool.AnswerTimeout = 100 * time.Millisecond
	m := startModel(t, func(p *peer) {
		if p.ready() == nil {
			return
		}
		time.Sleep(3 * cfg.WarmPool.AnswerTimeout) // it thinks
		p.say(`{"serverContent":{"turnComplete":true}}`)
		p.drain()
	})
	d := geminiDialer(t, m.url, cfg)
	warmUp(t, d, 1)
	u := agree(t, d, testSetup())
	receive(t, u, live.EventTurnComplete)
	wantStats(t, d, 1, 0, 0)
}

func TestPool_aSessionThatGivesUpIsNeitherHitNorMiss(t *testing.T) {
	m := startModel(t, func(p *peer) { p.upgrade(); p.drain() })
	d := geminiDialer(t, m.url, warmDial(1))
	warmUp(t, d, 1)
	u, err := d.Dial(context.Background(), testSetup())
	if err != nil {
		t.Fatal(err)
	}
	go u.Wake()
	if e := ending(t, u); !errors.Is(e, ErrSilent) {
		t.Error(e)
	}
	u.Close()
	wantStats(t, d, 0, 0, 0)
}

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
