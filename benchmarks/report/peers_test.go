package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// compared is a run beside peers, in which ours takes slow times as much as the forwarder.
func compared(began time.Time, slow float64) *result.Peers {
	r := &result.Peers{
		Kind: result.PeersKind, Version: result.PeersVersion, Began: began, Machine: result.ThisMachine(), Pinned: "the relay on processor 1",
		Rounds: 2, DurationMs: 4000, WarmUpMs: 1000, Missing: map[string]string{"nginx": "there is no nginx"}, Failed: []string{"round 1: bun: 4 bytes <lost>"},
	}
	for _, peer := range []string{"forwarder", "bun"} {
		r.Ratios = append(r.Ratios, result.Ratio{
			Scenario: "duplex", Metric: "CPU for a second of conversation", Unit: "µs", Ours: "stonepot", Peer: peer,
			OurMedian: 1827 * slow, PeerMedian: 1827, Ratio: slow, Low: 0.9 * slow, High: 1.2 * slow, Confidence: 0.5, Rounds: 2,
		})
	}
	for round := range 2 {
		for _, relay := range []string{"stonepot", "forwarder"} {
			r.Measured = append(r.Measured, result.Measurement{
				Scenario: "duplex", Relay: relay, Round: round, CPUMicros: 1000 * float64(round+1), PerSecond: 200, Cores: 0.4, SessionKB: 17.9,
				Browser: result.Crossed{MessagesUp: 10_000, MessagesDown: 5000}, Upstream: result.Crossed{MessagesUp: 9000, MessagesDown: 5001},
			})
		}
	}
	return r
}

func peersPageOf(t *testing.T, runs ...*result.Peers) (string, document) {
	t.Helper()
	var b bytes.Buffer
	if err := renderPeers(&b, runs); err != nil {
		t.Fatal(err)
	}
	return b.String(), read(t, b.String())
}

func TestRenderPeers_drawsOneRun(t *testing.T) {
	source, d := peersPageOf(t, compared(time.Unix(0, 0), 1.25))
	selfContained(t, source, d)
	if d.count["figure"] != 1 || d.count["circle"] != 2 || strings.Count(source, `class="interval"`) != 2 {
		t.Errorf("%d plots with %d dots", d.count["figure"], d.count["circle"])
	}
	for _, want := range []string{
		"duplex: CPU for a second of conversation, stonepot ÷ peer", "ours, µs", "1.25", "1.12 – 1.50", "50 %", "forwarder: 1.25 (1.12 – 1.50)",
		"what crossed", "1\u202f500", "10\u202f000", "9\u202f000", "nginx was not measured: there is no nginx", "went wrong: round 1: bun: 4 bytes <lost>",
	} {
		if !strings.Contains(d.text, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

func TestRenderPeers_comparesTwo(t *testing.T) {
	after := compared(time.Unix(1, 0), 1)
	after.Rounds, after.Ratios = 3, after.Ratios[:1] // without Bun
	source, d := peersPageOf(t, compared(time.Unix(0, 0), 1.25), after)
	selfContained(t, source, d)
	if d.count["figure"] != 1 || d.count["circle"] != 3 {
		t.Errorf("%d plots with %d dots", d.count["figure"], d.count["circle"])
	}
	for _, want := range []string{"before and after", "× 0.80", "differ in how they were made (rounds)", "duplex: what crossed, medians, before", "after: nginx was not measured"} {
		if !strings.Contains(d.text, want) {
			t.Errorf("%q is missing", want)
		}
	}
}
