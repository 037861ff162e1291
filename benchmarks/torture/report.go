package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// The kinds of violations: core.md's letters, and the protocol's own.
const (
	kindU1       = "U1"
	kindU2       = "U2"
	kindU3       = "U3"
	kindU4       = "U4"
	kindD1       = "D1"
	kindD2       = "D2"
	kindD3       = "D3"
	kindD4       = "D4"
	kindProtocol = "protocol"
	kindLost     = "session lost"
)

var kinds = []string{kindU1, kindU2, kindU3, kindU4, kindD1, kindD2, kindD3, kindD4, kindProtocol, kindLost}

// counts are what is added up over the conversations of one backend.
type counts struct {
	conversations, ended              int
	asks, texts, tools                int
	answered, interrupted, reloaded   int
	violations                        map[string]int
	said                              int64 // samples
	up                                uplinkVerdict
	told                              told
	goAways, handles, inSpeech, moves int
}

// report gathers what a run has found. It is safe for concurrent use.
type report struct {
	o     options
	began time.Time

	mu       sync.Mutex
	faults   map[string]int
	manners  map[string]int // faults of the model that are no moment, by kind: how many of its connections have them in their script
	backends map[string]*counts
	samples  []string // of violations
	errors   []error  // of the test itself
	instance int      // conversations that lost their instance
	silences []silence
}

func newReport(o options) *report {
	r := &report{o: o, began: time.Now(), faults: make(map[string]int), manners: make(map[string]int), backends: make(map[string]*counts)}
	for _, b := range backends {
		r.backends[b.name] = &counts{violations: make(map[string]int)}
	}
	return r
}

// maxSamples bounds the violations that are told in words.
const maxSamples = 40

func (r *report) violation(c *conversation, kind, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.backends[c.backend].violations[kind]++
	if len(r.samples) < maxSamples {
		r.samples = append(r.samples, fmt.Sprintf("%s conversation %d (%s) at %.1f s: %s", kind, c.id, c.backend, time.Since(r.began).Seconds(), text))
	}
}

func (r *report) fault(kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[kind]++
}

// manner counts a fault that the model has no moment for.
func (r *report) manner(kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manners[kind]++
}

func (r *report) affected(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.instance += n
}

// broken notes that the test itself could not do what it should.
func (r *report) broken(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, err)
}

// total is how many faults have struck.
func (r *report) total() (n int) {
	for _, k := range r.faults {
		n += k
	}
	return n
}

// failed is what must be 0 and is not.
func (r *report) failed() (problems []string) {
	for _, name := range slices.Sorted(maps.Keys(r.backends)) {
		c := r.backends[name]
		for _, k := range kinds {
			if n := c.violations[k]; n > 0 {
				problems = append(problems, fmt.Sprintf("%s: %d of %s", name, n, k))
			}
		}
	}
	for _, err := range r.errors {
		problems = append(problems, err.Error())
	}
	if r.o.Handover {
		problems = append(problems, r.handoverProblems()...)
	}
	if n := r.total(); n < r.o.Least {
		problems = append(problems, fmt.Sprintf("only %d faults have struck, at least %d were asked for", n, r.o.Least))
	}
	return problems
}

// print writes the report for people.
func (r *report) print(out io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(out, "\nseed %d, %v of conversation, %v in all, handle lag up to %v, overlap %v\n",
		r.o.Seed, r.o.Duration, time.Since(r.began).Round(time.Second), r.o.Lag, r.o.Overlap)
	r.printFaults(out)
	r.printSilences(out)
	r.printCounts(out)
	for _, s := range r.samples {
		fmt.Fprintln(out, "  ", s)
	}
	if problems := r.failed(); len(problems) > 0 {
		fmt.Fprintln(out, "\nFAILED")
		for _, p := range problems {
			fmt.Fprintln(out, "  ", p)
		}
		return
	}
	fmt.Fprintln(out, "\neverything that must be 0 is 0")
}

func (r *report) printFaults(out io.Writer) {
	fmt.Fprintf(out, "\n%d faults, and %d times a conversation lost its instance\n", r.total(), r.instance)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, k := range slices.Sorted(maps.Keys(r.faults)) {
		fmt.Fprintf(w, "  %d\t  %s\t\n", r.faults[k], k)
	}
	for _, k := range slices.Sorted(maps.Keys(r.manners)) {
		fmt.Fprintf(w, "  (%d)\t  %s, in the script of a connection\t\n", r.manners[k], k)
	}
	_ = w.Flush() // standard output, or memory
}
