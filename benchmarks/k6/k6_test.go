// Package k6 holds a load script for k6, and what keeps it true: it is run against a real server, in Node with a shim of
// what it needs of k6.
package k6

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stonepot/stonepot/benchmarks/internal/rig"
	"github.com/stonepot/stonepot/live"
	"github.com/stonepot/stonepot/live/simulator"
)

// counted is what the shim tells of a run.
type counted struct {
	Options struct {
		Thresholds map[string][]string
	}
	Metrics map[string][]float64
	Checks  map[string]struct{ Passes, Fails int }
}

func (c counted) sum(metric string) (sum float64) {
	for _, v := range c.Metrics[metric] {
		sum += v
	}
	return sum
}

// script runs stonepot.js with settings.
func script(t *testing.T, settings map[string]string) (c counted, stderr string, err error) {
	t.Helper()
	for _, name := range []string{"stonepot.js", "shim.mjs"} {
		// So that a result is not taken from the cache of tests when they have changed: only what Go reads is noticed.
		if _, err := os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	env, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "--no-warnings", "--experimental-websocket", "shim.mjs", string(env))
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return c, said.String(), err
	}
	if err := json.Unmarshal(out, &c); err != nil {
		t.Fatalf("%q: %v\n%s", out, err, &said)
	}
	return c, said.String(), nil
}

func start(t *testing.T, model func(*simulator.Config), server func(*live.Config)) string {
	t.Helper()
	sim, err := rig.Model(model)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	s, err := rig.Start(sim.URL(), server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	return "ws://" + s.Addr
}

func echoes(c *simulator.Config) { c.Echo = true }

func TestScript_speaksAndHearsItsEcho(t *testing.T) {
	t.Parallel()
	url := start(t, echoes, nil)
	for _, resumable := range []string{"no", "yes"} {
		c, said, err := script(t, map[string]string{"URL": url, "SESSIONS": "2", "DURATION": "1", "RESUMABLE": resumable})
		if err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		if sent := c.sum("stonepot_frames_sent"); sent != 100 || c.sum("stonepot_frames_received") != sent || len(c.Metrics["stonepot_round_trip"]) != 100 {
			t.Errorf("sent %v, received %v, %d round trips", sent, c.sum("stonepot_frames_received"), len(c.Metrics["stonepot_round_trip"]))
		}
		if c.sum("stonepot_session_failed") != 0 || len(c.Metrics["stonepot_session_failed"]) != 2 || c.sum("stonepot_frames_lost") != 0 || c.sum("stonepot_frames_doubled") != 0 || len(c.Metrics["stonepot_ready"]) != 2 {
			t.Errorf("%+v", c.Metrics)
		}
		for name, check := range c.Checks {
			if check.Fails > 0 {
				t.Errorf("%s failed %d times\n%s", name, check.Fails, said)
			}
		}
		for metric := range c.Options.Thresholds {
			if len(c.Metrics[metric]) == 0 {
				t.Errorf("the threshold of %s has nothing to look at", metric)
			}
		}
	}
}

func TestScript_hearsAnswers(t *testing.T) {
	t.Parallel()
	url := start(t, func(c *simulator.Config) { c.SilenceDuration, c.ThinkingDelay, c.ThinkingExtra = 200e6, 50e6, 0 }, nil)
	c, said, err := script(t, map[string]string{"URL": url, "SESSIONS": "1", "DURATION": "3", "EXPECT": "answers", "TALK": "0.5", "SILENCE": "5"})
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if answers := c.Metrics["stonepot_answer"]; len(answers) != 1 || answers[0] < 200 || c.sum("stonepot_session_failed") != 0 {
		t.Errorf("answers after %v ms, %+v\n%s", answers, c.Checks, said)
	}
}

func TestScript_countsRefusals(t *testing.T) {
	t.Parallel()
	url := start(t, echoes, func(c *live.Config) { c.Live.MaxSessions = 1 })
	c, said, err := script(t, map[string]string{"URL": url, "SESSIONS": "2", "RAMP": "1", "DURATION": "2"})
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if c.sum("stonepot_session_failed") != 1 || len(c.Metrics["stonepot_session_failed"]) != 2 || c.Checks["a session may be opened"].Fails != 1 {
		t.Errorf("%v, %+v", c.Metrics["stonepot_session_failed"], c.Checks)
	}
}

func TestScript_refusesInWords(t *testing.T) {
	t.Parallel()
	for word, settings := range map[string]map[string]string{
		"is not this machine":          {"URL": "wss://voice.example"},
		"SESSIONS must be between":     {"SESSIONS": "0"},
		"DURATION must be between":     {"DURATION": "soon"},
		"EXPECT must be":               {"EXPECT": "noise"},
		"URL must look like":           {"URL": "127.0.0.1:8080"},
		"http://localhost.voice.examp": {"URL": "ws://localhost.voice.example"},
	} {
		if _, said, err := script(t, settings); err == nil || !strings.Contains(said, word) {
			t.Errorf("%v: %v\n%s", settings, err, said)
		}
	}
}
