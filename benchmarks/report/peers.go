package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// renderPeers writes the page of one run of benchmarks/peers, or of two.
func renderPeers(w io.Writer, runs []*result.Peers) error {
	return pageTemplate.Execute(w, newPeersPage(runs))
}

func newPeersPage(runs []*result.Peers) *page {
	p := &page{Title: "Stonepot beside other relays"}
	if len(runs) == 2 {
		p.Title = "Stonepot beside other relays, before and after"
		p.Heads = []string{"before", "after"}
	}
	p.Facts = peersFacts(runs)
	p.Warnings = peersWarnings(runs, p.Facts)
	for _, g := range comparisons(runs) {
		if drawn := draw(g.forest()); drawn != nil {
			p.Plots = append(p.Plots, drawn)
		}
		p.Tables = append(p.Tables, g.table())
	}
	for _, scenario := range scenariosOf(runs) {
		for i, r := range runs {
			if t := medians(scenario, r); len(t.Rows) > 0 {
				if len(runs) == 2 {
					t.Title += []string{", before", ", after"}[i]
				}
				p.Tables = append(p.Tables, t)
			}
		}
	}
	p.Notes = peersNotes(runs)
	return p
}

// peersFacts are what was run. All but the first must be the same for a fair comparison.
func peersFacts(runs []*result.Peers) []fact {
	return []fact{
		words("when", runs, func(r *result.Peers) string { return r.Began.UTC().Format("2006-01-02 15:04:05 UTC") }),
		words("machine", runs, func(r *result.Peers) string { return r.Machine.String() }),
		words("processors", runs, func(r *result.Peers) string { return r.Pinned }),
		words("a measurement", runs, func(r *result.Peers) string {
			return fmt.Sprintf("%.4g s, after %.4g s", float64(r.DurationMs)/1e3, float64(r.WarmUpMs)/1e3)
		}),
		words("rounds", runs, func(r *result.Peers) string { return fmt.Sprint(r.Rounds) }),
		words("settings that do not ship", runs, func(r *result.Peers) string { return cmp.Or(strings.Join(r.Changed, ", "), "none") }),
	}
}

func peersWarnings(runs []*result.Peers, all []fact) (lines []string) {
	if len(runs) != 2 {
		return nil
	}
	var differ []string
	for _, f := range all[1:] {
		if f.Differ {
			differ = append(differ, f.Name)
		}
	}
	if len(differ) > 0 {
		lines = append(lines, "The runs differ in how they were made ("+strings.Join(differ, ", ")+"): unless that is the question, their ratios do not compare.")
	}
	return append(lines, "Ratios of two runs compare, because each is of measurements that were close to each other; figures in µs and KB do not. Where intervals overlap, nothing was shown.")
}

// peersNotes say what is missing in the figures.
func peersNotes(runs []*result.Peers) (notes []string) {
	notes = append(notes, "A ratio is ours by the peer's, the median of the rounds' ratios; below 1 ours takes less. The line beside it holds the true median with the confidence that the table names; fewer than six rounds do not give 95 %.")
	for i, r := range runs {
		about := ""
		if len(runs) == 2 {
			about = []string{"before: ", "after: "}[i]
		}
		for _, name := range slices.Sorted(maps.Keys(r.Missing)) {
			notes = append(notes, fmt.Sprintf("%s%s was not measured: %s", about, name, r.Missing[name]))
		}
		for _, failure := range r.Failed {
			notes = append(notes, about+"went wrong: "+failure)
		}
	}
	return notes
}

// comparison is a metric of something of ours in a scenario, beside all peers.
type comparison struct {
	scenario, metric, unit, ours string
	ratios                       [][]result.Ratio // of each run
}

func (g comparison) title() string { return g.scenario + ": " + g.metric + ", " + g.ours + " ÷ peer" }

// comparisons are all that runs hold, in their order.
func comparisons(runs []*result.Peers) (all []*comparison) {
	for i, r := range runs {
		for _, x := range r.Ratios {
			at := slices.IndexFunc(all, func(g *comparison) bool {
				return g.scenario == x.Scenario && g.metric == x.Metric && g.ours == x.Ours
			})
			if at < 0 {
				at = len(all)
				all = append(all, &comparison{x.Scenario, x.Metric, x.Unit, x.Ours, make([][]result.Ratio, len(runs))})
			}
			all[at].ratios[i] = append(all[at].ratios[i], x)
		}
	}
	return all
}

// peers are those that any run has, in their order.
func (g comparison) peers() (all []string) {
	for _, ratios := range g.ratios {
		for _, x := range ratios {
			if !slices.Contains(all, x.Peer) {
				all = append(all, x.Peer)
			}
		}
	}
	return all
}

// of is the ratio to a peer in a run.
func (g comparison) of(run int, peer string) (result.Ratio, bool) {
	at := slices.IndexFunc(g.ratios[run], func(x result.Ratio) bool { return x.Peer == peer })
	if at < 0 {
		return result.Ratio{}, false
	}
	return g.ratios[run][at], true
}

// forest draws a row for each peer: the ratio as a dot, its interval as a line.
func (g comparison) forest() chart {
	peers := g.peers()
	c := chart{title: g.title(), xLabel: "ratio", x: fitRatios, y: func([]float64) scale { return rows(peers) }, rows: len(peers)}
	for i, ratios := range g.ratios {
		s := series{name: "ratio and interval", run: i, dots: true}
		if len(g.ratios) == 2 {
			s.name = []string{"before", "after"}[i]
		}
		for _, x := range ratios {
			s.points = append(s.points, point{
				x: x.Ratio, y: float64(slices.Index(peers, x.Peer)) + apart(i, len(g.ratios)), low: x.Low, high: x.High,
				note: fmt.Sprintf("%s: %.2f (%.2f – %.2f)", x.Peer, x.Ratio, x.Low, x.High),
			})
		}
		c.series = append(c.series, s)
	}
	return c
}

// apart keeps two runs from lying on each other in a row.
func apart(run, runs int) float64 { return (float64(run) - float64(runs-1)/2) * 0.3 }

// table is what the plot shows, in figures.
func (g comparison) table() table {
	t := table{Title: g.title()}
	if len(g.ratios) == 1 {
		t.Heads = []string{"ours, " + g.unit, "peer's", "ratio", "interval", "confidence", "rounds"}
		for _, x := range g.ratios[0] {
			t.Rows = append(t.Rows, fact{Name: x.Peer, Values: []string{
				figures3(x.OurMedian), figures3(x.PeerMedian), fmt.Sprintf("%.2f", x.Ratio), fmt.Sprintf("%.2f – %.2f", x.Low, x.High),
				fmt.Sprintf("%.0f %%", 100*x.Confidence), fmt.Sprint(x.Rounds),
			}})
		}
		return t
	}
	t.Heads = []string{"before", "interval", "after", "interval", "change"}
	for _, peer := range g.peers() {
		f := fact{Name: peer}
		for i := range g.ratios {
			x, ok := g.of(i, peer)
			if !ok {
				f.Values = append(f.Values, "", "")
				continue
			}
			f.Values = append(f.Values, fmt.Sprintf("%.2f", x.Ratio), fmt.Sprintf("%.2f – %.2f", x.Low, x.High))
		}
		change := ""
		before, was := g.of(0, peer)
		after, is := g.of(1, peer)
		if was && is && before.Ratio > 0 {
			change = fmt.Sprintf("× %.2f", after.Ratio/before.Ratio)
		}
		f.Values = append(f.Values, change)
		t.Rows = append(t.Rows, f)
	}
	return t
}

// scenariosOf are those that were measured, in their order.
func scenariosOf(runs []*result.Peers) (all []string) {
	for _, r := range runs {
		for _, m := range r.Measured {
			if !slices.Contains(all, m.Scenario) {
				all = append(all, m.Scenario)
			}
		}
	}
	return all
}

// medians are what each relay did in a scenario in which sessions spoke: how many messages carried it, so that joined
// frames do not look like speed.
func medians(scenario string, r *result.Peers) table {
	t := table{Title: scenario + ": what crossed, medians", Heads: []string{"per second", "cores", "CPU µs", "KB/session", "messages up: browser", "model", "down: model", "browser"}}
	var relays []string
	for _, m := range r.Measured {
		if m.Scenario == scenario && m.Browser.MessagesUp > 0 && !slices.Contains(relays, m.Relay) {
			relays = append(relays, m.Relay)
		}
	}
	for _, relay := range relays {
		var all []result.Measurement
		for _, m := range r.Measured {
			if m.Scenario == scenario && m.Relay == relay {
				all = append(all, m)
			}
		}
		middle := func(of func(m result.Measurement) float64) float64 {
			values := make([]float64, 0, len(all))
			for _, m := range all {
				values = append(values, of(m))
			}
			return result.Median(values)
		}
		t.Rows = append(t.Rows, fact{Name: relay, Values: []string{
			figures3(middle(func(m result.Measurement) float64 { return m.PerSecond })),
			fmt.Sprintf("%.2f", middle(func(m result.Measurement) float64 { return m.Cores })),
			figures3(middle(func(m result.Measurement) float64 { return m.CPUMicros })),
			figures3(middle(func(m result.Measurement) float64 { return m.SessionKB })),
			grouped(middle(func(m result.Measurement) float64 { return float64(m.Browser.MessagesUp) })),
			grouped(middle(func(m result.Measurement) float64 { return float64(m.Upstream.MessagesUp) })),
			grouped(middle(func(m result.Measurement) float64 { return float64(m.Upstream.MessagesDown) })),
			grouped(middle(func(m result.Measurement) float64 { return float64(m.Browser.MessagesDown) })),
		}})
	}
	return t
}

// figures3 is a number with three figures, or whole.
func figures3(v float64) string {
	if v >= 100 {
		return grouped(v)
	}
	return fmt.Sprintf("%.3g", v)
}
