package handlers_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/gemini"
	"github.com/stonepot/stonepot/live/simulator"
)

// The connection to the model lives 0.9 s here, and breaks without a goodbye, or in the middle of an answer: the
// person hears every answer, in one conversation that the model remembers. Or it stands and nothing comes of it any more; or each
// that is resumed hears and never answers.
func TestRenewal_theConversationOutlivesItsConnectionsToTheModel(t *testing.T) {
	cases := map[string]func(*simulator.Config){
		"goAway": func(c *simulator.Config) { c.ClockScale, c.StarveAfter = 600, 24*time.Hour },
		"broken after a while": func(c *simulator.Config) {
			c.Faults = []simulator.Fault{{Kind: simulator.FaultDrop, After: 900 * time.Millisecond}}
		},
		"broken in the first answer of each connection": func(c *simulator.Config) {
			c.Faults = []simulator.Fault{{Kind: simulator.FaultInternal, Turn: 2}}
		},
		"silent in the second answer of each connection": func(c *simulator.Config) {
			c.Faults = []simulator.Fault{{Kind: simulator.FaultStall, Turn: 2}}
		},
		"poisoned by each resumption": func(c *simulator.Config) {
			c.Faults = []simulator.Fault{{Kind: simulator.FaultInternal, Turn: 2}, {Kind: simulator.FaultPoisonedResume}}
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait for answers to be played
			cfg := simulator.DefaultConfig()
			cfg.SetupDelay, cfg.SetupJitter, cfg.ThinkingExtra = time.Millisecond, 0, 0 // it thinks longer than a message is on its way
			cfg.Pace, cfg.PieceMax = 1000, 100*time.Millisecond
			change(&cfg)
			sim, dialer := warmSimulatorOf(t, cfg, 2)
			s := start(t, func(o *options) {
				o.backends = []live.Backend{{Name: live.BackendGemini, Workflow: "gemini-live", Dialer: dialer, Simulated: true}}
				o.live.Resume.StableAfter, o.live.Resume.Watchdog = 0, 2*time.Second
			})
			c := handlers.DialWS(t, s.addr, handlers.PathGemini)
			c.Text(`{"type":"start_session"}`)
			c.Message("session_ready")
			questions, watched := 4, strings.HasPrefix(name, "silent") || strings.HasPrefix(name, "poisoned")
			if watched { // the second one is answered once the watchdog has barked
				questions = 2
			}
			for i := range questions {
				c.Text(`{"type":"text","text":"number ` + string(rune('a'+i)) + `"}`)
				said := wholeAnswer(t, c)
				if want := "number " + string(rune('a'+i)); !strings.Contains(said, want) {
					t.Fatalf("the answer to %q was %q", want, said)
				}
			}
			c.Text(`{"type":"end_session"}`)
			if _, how := c.End(); how.Code != 1000 {
				t.Errorf("ended with %+v", how)
			}
			eventually(t, "the session has ended", func() bool { return s.gateway.Stats().Active == 0 })
			stats := s.gateway.Stats().Counters
			if sim.Stats().Connections < 2 || stats.Renewals < 1 || stats.Turns != int64(questions) {
				t.Errorf("%d connections, %d renewals, %d turns", sim.Stats().Connections, stats.Renewals, stats.Turns)
			}
			if watched != (stats.WatchdogRenewals > 0) {
				t.Errorf("%d renewals by the watchdog", stats.WatchdogRenewals)
			}
			// A model that closes by itself may have yet to clear the old connection away when a warm one comes with its handle: then it
			// refuses that one, and a new one comes later.
			quick := strings.HasPrefix(name, "broken in") || strings.HasPrefix(name, "poisoned")
			if pool := dialer.PoolStats(); pool.Hits == 0 && !quick || pool.Dead != 0 {
				t.Errorf("%d renewals, of which %+v found a connection ready", stats.Renewals, pool)
			}
		})
	}
}

// simulatorOf is a simulator and a dialer that leads to it.
func simulatorOf(t *testing.T, cfg simulator.Config) (*simulator.Server, *gemini.Dialer) {
	t.Helper()
	return warmSimulatorOf(t, cfg, 0)
}

// warmSimulatorOf is the same with n connections that are kept warm.
func warmSimulatorOf(t *testing.T, cfg simulator.Config, n int) (*simulator.Server, *gemini.Dialer) {
	t.Helper()
	sim, err := simulator.New(cfg, handlers.Quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err = sim.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	account := gemini.DefaultGeminiConfig()
	account.BaseURL, account.APIKeys = sim.URL(), []string{"a-key-for-the-simulator"}
	dial := gemini.DefaultDialConfig()
	dial.WarmPool = gemini.DefaultPoolConfig()
	dial.WarmPool.Size = n
	dialer, err := gemini.NewGemini(account, dial, handlers.Quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dialer.Close(); err != nil {
			t.Errorf("dialer: %v", err)
		}
		if err := sim.Close(); err != nil {
			t.Errorf("simulator: %v", err)
		}
	})
	return sim, dialer
}

// wholeAnswer takes messages up to the end of a turn, and returns what the model said of it: what turn_restarted took back
// does not count.
func wholeAnswer(t *testing.T, c *handlers.RawClient) (said string) {
	t.Helper()
	for {
		head, payload, err := c.Frame()
		if err != nil {
			t.Fatal(err)
		}
		if head&0x0F == handlers.OpBinary {
			continue
		}
		var m struct{ Type, Text, Error string }
		if err := json.Unmarshal(payload, &m); err != nil {
			t.Fatal(err)
		}
		switch m.Type {
		case "output_transcript":
			said += m.Text
		case "turn_restarted":
			said = ""
		case "error":
			t.Fatal(m.Error)
		case "turn_complete":
			return said
		}
	}
}
