package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// gaps are what was heard around answers that something disturbed.
type gaps struct {
	around []time.Duration // silence from the question's end to the answer's, beyond the usual
	inside []time.Duration // silence inside the answer
}

// silenceByFault sorts the silences by what went wrong before or in them. usual is the median of those that nothing disturbed; false
// when there are none.
func (r *report) silenceByFault() (usual time.Duration, by map[string]*gaps, ok bool) {
	var quiet []time.Duration
	for _, s := range r.silences {
		if len(s.faults) == 0 {
			quiet = append(quiet, s.took)
		}
	}
	if len(quiet) == 0 {
		return 0, nil, false
	}
	slices.Sort(quiet)
	usual = quiet[len(quiet)/2]
	by = make(map[string]*gaps)
	note := func(kind string, s silence) {
		g := by[kind]
		if g == nil {
			g = new(gaps)
			by[kind] = g
		}
		g.around = append(g.around, max(0, s.took-usual))
		g.inside = append(g.inside, s.gaps)
	}
	for _, s := range r.silences {
		if len(s.faults) == 0 {
			note(undisturbed, s)
			continue
		}
		note("all faults", s)
		for _, kind := range slices.Compact(slices.Sorted(slices.Values(s.faults))) {
			note(kind, s)
		}
	}
	for _, g := range by {
		slices.Sort(g.around)
		slices.Sort(g.inside)
	}
	return usual, by, true
}

const undisturbed = "none"

// quantile is a value of sorted ones.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(q*float64(len(sorted)-1))].Round(time.Millisecond)
}

// printSilences tells what a person noticed: silence from the end of a question to the end of its answer, less what it is
// when nothing breaks, and silence inside answers.
func (r *report) printSilences(out io.Writer) {
	usual, by, ok := r.silenceByFault()
	if !ok {
		fmt.Fprintln(out, "\nno answer was left undisturbed: gaps cannot be told")
		return
	}
	fmt.Fprintf(out, "\nsilence around an answer beyond the usual %v, and inside it\n", usual.Round(time.Millisecond))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "answers\tmedian\tp99\tworst\tinside: p99\tworst\t  fault before or in it\t")
	keys := slices.SortedFunc(maps.Keys(by), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(by[b].around), len(by[a].around)), cmp.Compare(a, b))
	})
	for _, k := range keys {
		g := by[k]
		fmt.Fprintf(w, "%d\t%v\t%v\t%v\t%v\t%v\t  %s\t\n", len(g.around),
			quantile(g.around, 0.5), quantile(g.around, 0.99), quantile(g.around, 1), quantile(g.inside, 0.99), quantile(g.inside, 1), k)
	}
	_ = w.Flush() // standard output, or memory
}

// The bounds of a hand-over on goAway, with a model that answers the setup in 130 ms: what it may add at the median, and what
// nobody hears. A frame of the microphone and one of speech are between two measurements of the same thing.
const (
	handoverMedian    = 300 * time.Millisecond
	handoverInaudible = 40 * time.Millisecond
)

// handoverProblems judges a run of hand-overs.
func (r *report) handoverProblems() (problems []string) {
	_, by, ok := r.silenceByFault()
	g := by[goAwayTold]
	if !ok || g == nil {
		return []string{"no answer was disturbed by a hand-over, or none was left undisturbed"}
	}
	if m := quantile(g.around, 0.5); m >= handoverMedian {
		problems = append(problems, fmt.Sprintf("a hand-over adds %v of silence at the median, want less than %v", m, handoverMedian))
	}
	if m, usual := quantile(g.inside, 0.99), quantile(by[undisturbed].inside, 0.99); m > usual+handoverInaudible {
		problems = append(problems, fmt.Sprintf("around a hand-over answers have gaps of %v (p99), others of %v", m, usual))
	}
	return problems
}
