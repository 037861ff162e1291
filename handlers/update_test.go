package handlers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stonepot/stonepot/handlers"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/simulator"
)

// changeable is a conversation over a real socket with the simulator, whose client may change everything.
func changeable(t *testing.T) (*handlers.RawClient, *server, *simulator.Server) {
	t.Helper()
	cfg := simulator.DefaultConfig()
	cfg.SetupDelay, cfg.SetupJitter, cfg.ThinkingExtra = time.Millisecond, 0, 0
	cfg.Pace, cfg.PieceMax = 1000, 100*time.Millisecond
	sim, dialer := simulatorOf(t, cfg)
	s := start(t, func(o *options) {
		o.backends = []live.Backend{{Name: live.BackendGemini, Workflow: "gemini-live", Dialer: dialer, Simulated: true}}
		o.live.Live.ClientMaySet = live.ClientFields()
	})
	c := handlers.DialWS(t, s.addr, handlers.PathGemini)
	c.Text(`{"type":"start_session"}`)
	c.Message("session_ready")
	return c, s, sim
}

// asks puts a question and returns the answer, which is told to be over.
func asks(t *testing.T, c *handlers.RawClient, question string) string {
	t.Helper()
	c.Text(`{"type":"text","text":"` + question + `"}`)
	return wholeAnswer(t, c)
}

func ends(t *testing.T, c *handlers.RawClient) {
	t.Helper()
	c.Text(`{"type":"end_session"}`)
	if said, how := c.End(); how.Code != 1000 {
		t.Errorf("ended with %+v after %v", how, said)
	}
}

func TestUpdate_theConversationGoesOnWithAnotherVoice(t *testing.T) {
	t.Parallel()
	c, s, sim := changeable(t)
	if said := asks(t, c, "number a"); !strings.Contains(said, "answer 1") {
		t.Errorf("it says %q", said)
	}
	c.Text(`{"type":"update_session","config":{"voice":"Puck","language":"de-DE"}}`)
	m := c.Message("session_updated")
	if m["voice"] != "Puck" || m["language"] != "de-DE" || m["model"] != "gemini-3.8-live" {
		t.Errorf("told %v", m)
	}
	c.Text(`{"type":"text","text":"number b"}`) // and once more, in mid-answer
	c.Text(`{"type":"set_language","language":"fr-FR"}`)
	if said := wholeAnswer(t, c); !strings.Contains(said, "answer 2") || !strings.Contains(said, "number b") {
		t.Errorf("the model has forgotten the conversation, or was cut: %q", said)
	}
	if m := c.Message("session_updated"); m["voice"] != "Puck" || m["language"] != "fr-FR" {
		t.Errorf("told %v", m)
	}
	if said := asks(t, c, "number c"); !strings.Contains(said, "answer 3") {
		t.Errorf("it says %q", said)
	}
	ends(t, c)
	if n := sim.Stats().Connections; n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
	eventually(t, "the session has ended", func() bool { return s.gateway.Stats().Active == 0 })
	if st := s.gateway.Stats().Counters; st.TurnsRestarted != 0 || st.Renewals != 2 || st.LostAudioMs != 0 {
		t.Errorf("counters: %+v", st)
	}
}

func TestUpdate_anInstructionNeedsNoOtherConnection(t *testing.T) {
	t.Parallel()
	c, _, sim := changeable(t)
	c.Text(`{"type":"update_session","config":{"systemInstruction":"Speak slowly."}}`)
	c.Message("session_updated")
	if said := asks(t, c, "number a"); !strings.Contains(said, "number a") {
		t.Errorf("it says %q", said)
	}
	ends(t, c)
	if n := sim.Stats().Connections; n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestUpdate_thatTheModelRefusesChangesNothing(t *testing.T) {
	t.Parallel()
	c, _, _ := changeable(t)
	asks(t, c, "number a")
	c.Text(`{"type":"update_session","config":{"voice":"Puck","systemInstruction":"[[simulate: refuse_setup reason=\"No matching speaker voice found\"]]"}}`)
	if m := c.Message("warning"); m["code"] != "bad_config" || !strings.Contains(fmt.Sprint(m["message"]), "taken back") {
		t.Errorf("the warning is %v", m)
	}
	if said := asks(t, c, "number b"); !strings.Contains(said, "answer 2") {
		t.Errorf("it says %q", said)
	}
	c.Text(`{"type":"update_session","config":{"voice":"Charon"}}`)
	if m := c.Message("session_updated"); m["voice"] != "Charon" {
		t.Errorf("told %v", m)
	}
	if said := asks(t, c, "number c"); !strings.Contains(said, "answer 3") {
		t.Errorf("it says %q", said)
	}
	ends(t, c)
}
