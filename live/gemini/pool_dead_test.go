package gemini

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/frame"
)

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
