package main

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// TestCommand_measuresEveryScenario runs each scenario, in small, with what is in every checkout.
func TestCommand_measuresEveryScenario(t *testing.T) {
	r := &report{result.Peers{Began: time.Unix(0, 0).UTC(), Relays: map[string]string{}, Missing: map[string]string{}, Kind: result.PeersKind, Version: result.PeersVersion}}
	o := options{rounds: 1, duration: 500 * time.Millisecond, warmUp: 0, relays: relays()[:3], stonepot: built.stonepot}
	b := &bench{o: o, root: built.root, dir: t.TempDir(), goPeers: built.peers}
	var out bytes.Buffer
	here := b.present(r, &out)
	all := scenarios()
	for i := range all {
		all[i].sessions = min(all[i].sessions, 5)
		b.run(t.Context(), all[i], here, r, &out)
		r.Ratios = append(r.Ratios, compare(all[i], r.Measured)...)
	}
	if len(r.Failed) > 0 {
		t.Fatalf("%s\n%s", strings.Join(r.Failed, "\n"), out.String())
	}
	r.print(&out, all)
	for _, sc := range all {
		for _, x := range here {
			if !sc.takes(x) {
				continue
			}
			f, ok := find(r.Measured, sc.name, x.name)
			if !ok {
				t.Errorf("%s was not measured with %s", x.name, sc.name)
				continue
			}
			if sc.converses() && (f.Browser.BytesUp == 0 || f.Browser.BytesDown == 0 || f.Upstream.BytesUp == 0 || f.Upstream.MessagesDown == 0 || f.PerSecond == 0) {
				t.Errorf("%s, %s: %+v", sc.name, x.name, f)
			}
			if (sc.converses() || sc.kind == files) && (f.CPUMicros <= 0 || f.Cores <= 0) {
				t.Errorf("%s, %s: no CPU: %+v", sc.name, x.name, f)
			}
			if sc.hop && f.P50Micros <= 0 {
				t.Errorf("%s, %s: no latency: %+v", sc.name, x.name, f)
			}
		}
		if !strings.Contains(out.String(), "\n"+sc.name) {
			t.Errorf("the table of %s is missing", sc.name)
		}
	}
	name, err := result.SavePeers(filepath.Join(t.TempDir(), "deep"), &r.Peers)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := result.ReadPeers(name); err != nil || !reflect.DeepEqual(back, &r.Peers) {
		t.Errorf("what was saved is not what was measured: %v", err)
	}
}

func find(all []figures, scenario, relay string) (figures, bool) {
	for _, f := range all {
		if f.Scenario == scenario && f.Relay == relay {
			return f, true
		}
	}
	return figures{}, false
}

func TestRun_goesOnWhenOneMeasurementFails(t *testing.T) {
	broken := relay{name: "broken", path: "/nowhere", command: compiled("forwarder")}
	r := &report{}
	b := &bench{o: options{rounds: 2, duration: 100 * time.Millisecond}, root: built.root, dir: t.TempDir(), goPeers: built.peers}
	var out bytes.Buffer
	b.run(t.Context(), scenario{name: "x", kind: saturated, sessions: 1, frame: 640}, []relay{broken, relays()[2]}, r, &out)
	if len(r.Failed) != 2 || len(r.Measured) != 2 || !strings.Contains(r.Failed[0], "404") {
		t.Errorf("failed: %q, measured: %d", r.Failed, len(r.Measured))
	}
}
