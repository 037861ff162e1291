package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// report is what a run writes down, and shows.
type report struct{ result.Peers }

// print writes a table for each scenario.
func (r *report) print(out io.Writer, all []scenario) {
	for _, sc := range all {
		if m := r.medians(sc); len(m) > 0 {
			r.printOne(out, sc, m)
		}
	}
	fmt.Fprintln(out, "\nratio: ours by the peer's, median of the rounds' ratios; below 1 ours takes less")
}

func (r *report) printOne(out io.Writer, sc scenario, rows []figures) {
	m := sc.metrics()[0]
	fmt.Fprintf(out, "\n%s: %s\n", sc, m.name)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "relay\t%s\t%s ÷ it\tinterval\tconfidence\t", m.unit, ours)
	if sc.converses() {
		fmt.Fprint(w, "per second\tcores\tp50 µs\tKB/session\tof it kept\tmessages up: browser, model\tdown: model, browser\tMB of PCM\t\t")
	}
	fmt.Fprintln(w)
	for _, f := range rows {
		fmt.Fprintf(w, "%s\t%.4g\t", f.Relay, m.of(f))
		if c, ok := r.find(sc.name, m.name, f.Relay); ok {
			fmt.Fprintf(w, "%.2f\t%.2f – %.2f\t%.0f %%\t", c.Ratio, c.Low, c.High, 100*c.Confidence)
		} else {
			fmt.Fprint(w, "\t\t\t")
		}
		if sc.converses() {
			fmt.Fprintf(w, "%.0f\t%.2f\t%s\t%.0f\t%.0f\t%d, %d\t%d, %d\t%.1f\t%s\t", f.PerSecond, f.Cores, measured(f.P50Micros), f.SessionKB, f.KeptKB,
				f.Browser.MessagesUp, f.Upstream.MessagesUp, f.Upstream.MessagesDown, f.Browser.MessagesDown,
				float64(f.Upstream.BytesUp+f.Browser.BytesDown)/1e6, sc.remark(f))
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush()
	r.printOthers(out, sc, m.name)
}

// measured is a figure, or nothing where there is none.
func measured(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", v)
}

// printOthers writes the ratios that are not in the table of a scenario: of sessions that can be resumed, and of other
// metrics than shown.
func (r *report) printOthers(out io.Writer, sc scenario, shown string) {
	last := ""
	for _, c := range r.Ratios {
		if c.Scenario != sc.name || c.Ours == ours && c.Metric == shown {
			continue
		}
		if of := c.Ours + ", " + c.Metric; of != last {
			if last != "" {
				fmt.Fprintln(out)
			}
			fmt.Fprintf(out, "  %s ÷", of)
			last = of
		}
		fmt.Fprintf(out, " %s: %.2f (%.2f – %.2f);", c.Peer, c.Ratio, c.Low, c.High)
	}
	if last != "" {
		fmt.Fprintln(out)
	}
}

// find is the ratio of ours to a peer.
func (r *report) find(scenario, metric, peer string) (ratio, bool) {
	for _, c := range r.Ratios {
		if c.Scenario == scenario && c.Metric == metric && c.Ours == ours && c.Peer == peer {
			return c, true
		}
	}
	return ratio{}, false
}

// medians are, for each relay in its order, the measurement of the scenario whose figure is the median (of an even
// number the lower one).
func (r *report) medians(sc scenario) (rows []figures) {
	of := sc.metrics()[0].of
	for _, known := range relays() {
		var all []figures
		for _, f := range r.Measured {
			if f.Scenario == sc.name && f.Relay == known.name {
				all = append(all, f)
			}
		}
		if len(all) > 0 {
			rows = append(rows, middle(all, of))
		}
	}
	return rows
}
