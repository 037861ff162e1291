package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

func TestMain(m *testing.M) {
	if err := build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	_ = os.RemoveAll(built.peers)
	os.Exit(code)
}

func TestProfile_liftsExactlyThreeSettings(t *testing.T) {
	data, err := os.ReadFile("../config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]map[string]any
	if err := yaml.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for section, settings := range got {
		for key := range settings {
			keys[section+"."+key] = true
		}
	}
	if want := map[string]bool{"limits.audio_rate": true, "limits.message_rate": true, "audio.playback_lead": true}; !reflect.DeepEqual(keys, want) {
		t.Errorf("benchmarks/config.yaml sets %v", keys)
	}
}

func TestPresent_saysWhatIsMissing(t *testing.T) {
	r := &report{result.Peers{Relays: map[string]string{}, Missing: map[string]string{}}}
	b := &bench{o: options{relays: relays()[:1], stonepot: filepath.Join(t.TempDir(), "absent")}, root: built.root}
	var out bytes.Buffer
	if here := b.present(r, &out); len(here) != 0 || !strings.Contains(r.Missing[ours], "make build") || !strings.Contains(out.String(), "NOT MEASURED: stonepot") {
		t.Errorf("%v %q %s", here, r.Missing, out.String())
	}
}

func TestParse_refusesInWords(t *testing.T) {
	for line, word := range map[string]string{
		"--rounds 0":           "--rounds must be between",
		"--duration 1h":        "--duration must be between",
		"--warm-up -1s":        "--warm-up must be between",
		"--scenarios fast":     `names "fast", which is none of saturated-640`,
		"--relays caddy":       `names "caddy", which is none of stonepot`,
		"saturated-640":        "is no flag",
		"--no-such":            "not defined",
		"--relays stonepot,,x": `names ""`,
	} {
		if _, err := parse(strings.Fields(line), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", line, err)
		}
	}
	o, err := parse([]string{"--relays", "bun, stonepot", "--scenarios", "paced"}, &bytes.Buffer{})
	if err != nil || len(o.relays) != 2 || o.relays[0].name != ours || len(o.scenarios) != 1 || o.rounds != 6 {
		t.Errorf("%+v %v", o, err)
	}
}

func TestUnits_areWhatTheRelayHandedOn(t *testing.T) {
	f := &figures{Browser: crossed{BytesUp: 1 << 40, BytesDown: 48000 * 3}, Upstream: crossed{BytesUp: 32000 * 3, BytesDown: 1 << 40}}
	if got := (scenario{kind: duplex, frame: 640, rate: 50}).units(f); got != 3 {
		t.Errorf("%v seconds of conversation", got)
	}
	f = &figures{Browser: crossed{BytesUp: 1 << 40, BytesDown: 640 * 5}, Upstream: crossed{BytesUp: 640 * 5}}
	if got := (scenario{kind: saturated, frame: 640}).units(f); got != 5 {
		t.Errorf("%v round trips", got)
	}
}

func TestRemark_saysWhenALoadWasNotWhatItIsCalled(t *testing.T) {
	load := scenario{kind: paced, sessions: 10, rate: 10}
	for _, c := range []struct {
		sc   scenario
		f    figures
		want string
	}{
		{scenario{kind: saturated}, figures{Cores: 0.5, PerSecond: 9}, "not busy all the time"},
		{scenario{kind: saturated}, figures{Cores: 0.95, PerSecond: 9}, ""},
		{load, figures{Cores: 0.1, PerSecond: 99}, ""},
		{load, figures{PerSecond: 50}, "did 50 % of what was asked"},
		{load, figures{PerSecond: 50, Others: 0.46}, "did 50 % of what was asked; others used 46 % of its processor"},
		{load, figures{PerSecond: 99, Others: 0.05}, ""},
	} {
		if got := c.sc.remark(c.f); got != c.want {
			t.Errorf("%+v, %+v: %q, want %q", c.sc, c.f, got, c.want)
		}
	}
}

func TestChanged_namesOurSettingsWithoutTheirValues(t *testing.T) {
	got := changed([]string{"PATH=/bin", "STONEPOT_OPERATOR_KEY=secret", "STONEPOT_AUDIO_OUTBOX=1m", "X=STONEPOT_Y"})
	if want := []string{"STONEPOT_AUDIO_OUTBOX", "STONEPOT_OPERATOR_KEY"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
