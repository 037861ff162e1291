package main

import (
	"fmt"
	"os"
	"text/tabwriter"
)

// table prints lines of cells, the first line being the heading.
func table(lines func(row func(cells ...any))) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w)
	lines(func(cells ...any) {
		for _, c := range cells {
			if f, ok := c.(float64); ok {
				c = fmt.Sprintf("%.0f", f)
			}
			fmt.Fprint(w, c, "\t")
		}
		fmt.Fprintln(w)
	})
	_ = w.Flush() // standard output
}

func printInterruptions(all []interruption) {
	table(func(row func(...any)) {
		row("link", "after", "interruptions", "median ms", "p90", "worst", "bound", "B under way", "late B")
		for _, r := range all {
			bound := any("none")
			if r.Bound > 0 {
				bound = r.Bound
			}
			row(r.Link, r.After, len(r.Delays), quantile(r.Delays, 0.5), quantile(r.Delays, 0.9), quantile(r.Delays, 1), bound, quantile(r.UnderWay, 0.5), r.Late)
		}
	})
}

func printPlaybacks(all []playback) {
	table(func(row func(...any)) {
		row("link", "answers", "underruns", "silent ms", "lead ms", "kB/s at first", "window/round trip kB/s")
		for _, p := range all {
			row(p.Link, p.Answers, p.Underrun, quantile(p.SilentMs, 0.5), quantile(p.LeadMs, 0.5), quantile(p.Rates, 0.5)/1000, p.Window/1000)
		}
	})
}

func printHandovers(all []silences) {
	type path struct {
		away float64
		warm bool
	}
	usual := map[path]float64{} // the wait without a hand-over
	for _, s := range all {
		if s.Place == noHandOver {
			usual[path{s.Away, s.Warm}] = quantile(s.WaitMs, 0.5)
		}
	}
	table(func(row func(...any)) {
		row("goAway", "model away ms", "warm pool", "conversations", "renewed", "restarted", "before the answer ms", "worst", "within it ms", "worst")
		for _, s := range all {
			again := 0.0 // what the model thought about an answer that it gave twice
			if s.Restarted > 0 {
				again = milliseconds(thinking)
			}
			before := usual[path{s.Away, s.Warm}]
			row(s.Place, s.Away, s.Warm, len(s.WaitMs), s.Renewed, s.Restarted,
				quantile(s.WaitMs, 0.5)-before, quantile(s.WaitMs, 1)-before,
				max(0, quantile(s.GapMs, 0.5)-again), max(0, quantile(s.GapMs, 1)-again))
		}
	})
}

func printMemories(all []held) {
	table(func(row func(...any)) {
		row("state", "conversations", "resumable", "heap KB each", "stacks KB each", "resident KB each", "process MB", "kept MB", "given up s", "broken")
		for _, h := range all {
			row(h.State, h.Sessions, h.Resumable, h.HeapKB, h.StacksKB, h.ResidentKB, h.ResidentMB, h.KeptMB, h.GivenUp, h.Broken)
		}
	})
}
