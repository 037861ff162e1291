package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// page is what the template shows: one run, or two to be compared.
type page struct {
	Title    string
	Heads    []string // of the columns: nothing for one run, before and after for two
	Warnings []string
	Facts    []fact // what was run
	Tables   []table
	Plots    []*plot
	Notes    []string
}

// fact is a line of a table: a value for each run, and how the second compares with the first.
type fact struct {
	Name   string
	Values []string
	Ratio  string
	Differ bool
}

// table is a group of facts. Its columns are those of the page, and a ratio, unless it has heads of its own.
type table struct {
	Title string
	Heads []string
	Rows  []fact
}

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("page").Parse(pageSource))

// render writes the page of one run, or of two.
func render(w io.Writer, runs []*result.Run) error {
	return pageTemplate.Execute(w, newPage(runs))
}

func newPage(runs []*result.Run) *page {
	p := &page{Title: "Load on " + runs[0].Target.URL}
	if len(runs) == 2 {
		p.Title = "Two loads compared"
		p.Heads = []string{"before", "after"}
	}
	p.Facts = facts(runs)
	p.Warnings = warnings(runs, p.Facts)
	p.Tables = []table{
		{Title: "Sessions", Rows: sessions(runs)}, {Title: "Frames and bytes", Rows: counts(runs)},
		{Title: "CPU and memory", Rows: processes(runs)}, {Title: "The most sessions", Rows: searches(runs)},
		{Title: "Latencies in milliseconds", Rows: latencies(runs)},
	}
	p.Tables = slices.DeleteFunc(p.Tables, func(t table) bool { return len(t.Rows) == 0 })
	for _, c := range charts(runs) {
		if drawn := draw(c); drawn != nil {
			p.Plots = append(p.Plots, drawn)
		}
	}
	for i, r := range runs {
		for _, note := range r.Notes {
			p.Notes = append(p.Notes, named(runs, i, note))
		}
	}
	return p
}

// named says which of two runs a text is about.
func named(runs []*result.Run, i int, text string) string {
	if len(runs) == 1 {
		return text
	}
	return []string{"before", "after"}[i] + ": " + text
}

// words makes a fact of a text for each run.
func words[R any](name string, runs []R, get func(r R) string) fact {
	f := fact{Name: name}
	for _, r := range runs {
		f.Values = append(f.Values, get(r))
	}
	f.Differ = f.Values[0] != f.Values[len(f.Values)-1]
	return f
}

// figure makes a fact of a number for each run, with their ratio.
func figure(name, format string, runs []*result.Run, get func(r *result.Run) float64) fact {
	f := words(name, runs, func(r *result.Run) string {
		if format == "%.0f" {
			return grouped(get(r))
		}
		return fmt.Sprintf(format, get(r))
	})
	if len(runs) == 2 && get(runs[0]) > 0 {
		f.Ratio = fmt.Sprintf("× %.2f", get(runs[1])/get(runs[0]))
	}
	return f
}

// grouped is a whole number, its thousands apart.
func grouped(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// facts are what was run. All but the first must be the same for a fair comparison.
func facts(runs []*result.Run) []fact {
	return []fact{
		words("when", runs, func(r *result.Run) string { return r.Began.UTC().Format("2006-01-02 15:04:05 UTC") }),
		words("server", runs, func(r *result.Run) string { return strings.TrimSpace(r.Target.URL + " " + r.Target.Version) }),
		words("machine", runs, func(r *result.Run) string { return r.Machine.String() }),
		words("model's end", runs, modelEnd),
		words("sessions", runs, func(r *result.Run) string { return fmt.Sprint(r.Load.Sessions) }),
		words("frames", runs, func(r *result.Run) string {
			return fmt.Sprintf("%d bytes, %.4g a second, %d Hz", r.Load.FrameBytes, r.Load.Rate, r.Load.InputHz)
		}),
		words("speech", runs, func(r *result.Run) string { return r.Load.Speech() }),
		words("measured", runs, func(r *result.Run) string {
			return fmt.Sprintf("%.1f s%s", float64(r.MeasuredMs)/1e3, map[bool]string{true: ", interrupted"}[r.Interrupted])
		}),
		words("resumable", runs, func(r *result.Run) string { return map[bool]string{true: "yes", false: "no"}[r.Load.Resumable] }),
	}
}

func modelEnd(r *result.Run) string {
	end := r.Target.Upstream
	if r.Target.OneWay {
		end += ", in the generator"
	}
	if !r.Target.Simulated && !r.Target.OneWay {
		end += ", a real model"
	}
	if r.Target.Model != "" {
		end += " (" + r.Target.Model + ")"
	}
	return end
}

// warnings say why two runs cannot be compared fairly.
func warnings(runs []*result.Run, all []fact) (lines []string) {
	if len(runs) != 2 {
		return nil
	}
	var differ []string
	for _, f := range all {
		if f.Differ && f.Name != "when" && f.Name != "server" {
			differ = append(differ, f.Name)
		}
	}
	if len(differ) > 0 {
		lines = append(lines, "The runs differ in what was asked of them ("+strings.Join(differ, ", ")+"): unless that is the question, their figures do not compare.")
	}
	return append(lines, "This is one run each. On a busy machine single runs differ by 15 % and more: repeat them in turn before you believe a ratio.")
}

func sessions(runs []*result.Run) []fact {
	rows := []fact{
		figure("asked", "%.0f", runs, func(r *result.Run) float64 { return float64(r.Sessions.Asked) }),
		figure("ready", "%.0f", runs, func(r *result.Run) float64 { return float64(r.Sessions.Ready) }),
		figure("ended in order", "%.0f", runs, func(r *result.Run) float64 { return float64(r.Sessions.Completed) }),
		figure("failed", "%.0f", runs, func(r *result.Run) float64 { return float64(r.Sessions.Failed) }),
	}
	reasons := map[string]bool{}
	for _, r := range runs {
		for reason := range r.Sessions.Reasons {
			reasons[reason] = true
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		rows = append(rows, figure("… "+reason, "%.0f", runs, func(r *result.Run) float64 { return float64(r.Sessions.Reasons[reason]) }))
	}
	return rows
}

// distributions are the latencies of a run, in the order of their telling.
var distributions = []struct {
	name string
	get  func(r *result.Run) result.Latency
}{
	{"time to ready", func(r *result.Run) result.Latency { return r.ReadyMicros }},
	{"round trip", func(r *result.Run) result.Latency { return r.RoundTripMicros }},
	{"round trip, uncorrected", func(r *result.Run) result.Latency { return r.UncorrectedMicros }},
	{"up", func(r *result.Run) result.Latency { return r.UpMicros }},
	{"down", func(r *result.Run) result.Latency { return r.DownMicros }},
	{"answer", func(r *result.Run) result.Latency { return r.AnswerMicros }},
	{"answer, as the server says", func(r *result.Run) result.Latency { return r.ServerAnswerMicros }},
	{"generator's own lag", func(r *result.Run) result.Latency { return r.LagMicros }},
}

func latencies(runs []*result.Run) (rows []fact) {
	for _, d := range distributions {
		if !slices.ContainsFunc(runs, func(r *result.Run) bool { return d.get(r).Count > 0 }) {
			continue
		}
		for _, q := range []struct {
			name string
			get  func(l result.Latency) float64
		}{
			{"p50", func(l result.Latency) float64 { return l.P50 }},
			{"p90", func(l result.Latency) float64 { return l.P90 }},
			{"p99", func(l result.Latency) float64 { return l.P99 }},
			{"p99.9", func(l result.Latency) float64 { return l.P999 }},
			{"max", func(l result.Latency) float64 { return l.Max }},
		} {
			rows = append(rows, figure(d.name+" "+q.name, "%.3f", runs, func(r *result.Run) float64 { return q.get(d.get(r)) / 1e3 }))
		}
	}
	return rows
}

func counts(runs []*result.Run) []fact {
	count := func(name string, get func(r *result.Run) int64) fact {
		return figure(name, "%.0f", runs, func(r *result.Run) float64 { return float64(get(r)) })
	}
	return []fact{
		count("frames sent", func(r *result.Run) int64 { return r.Frames.Sent }),
		count("frames received", func(r *result.Run) int64 { return r.Frames.Received }),
		count("late", func(r *result.Run) int64 { return r.Frames.Late }),
		count("lost", func(r *result.Run) int64 { return r.Frames.Lost }),
		count("doubled", func(r *result.Run) int64 { return r.Frames.Doubled }),
		count("audio up, messages", func(r *result.Run) int64 { return r.Traffic.Up.AudioMessages }),
		count("audio up, bytes", func(r *result.Run) int64 { return r.Traffic.Up.AudioBytes }),
		count("audio down, messages", func(r *result.Run) int64 { return r.Traffic.Down.AudioMessages }),
		count("audio down, bytes", func(r *result.Run) int64 { return r.Traffic.Down.AudioBytes }),
		count("text up, messages", func(r *result.Run) int64 { return r.Traffic.Up.TextMessages }),
		count("text down, messages", func(r *result.Run) int64 { return r.Traffic.Down.TextMessages }),
	}
}

func processes(runs []*result.Run) []fact {
	rows := []fact{figure("generator, cores", "%.2f", runs, func(r *result.Run) float64 { return r.Generator.Cores })}
	if slices.ContainsFunc(runs, func(r *result.Run) bool { return r.Server == nil }) {
		return rows
	}
	return append(rows,
		figure("server, cores", "%.2f", runs, func(r *result.Run) float64 { return r.Server.Cores }),
		figure("server, CPU µs for each frame received", "%.1f", runs, func(r *result.Run) float64 {
			return 1e6 * r.Server.CPUSeconds / float64(max(r.Frames.Received, 1))
		}),
		figure("server, resident MB at the end", "%.1f", runs, func(r *result.Run) float64 { return float64(r.Server.ResidentKB) / 1024 }),
		figure("server, resident MB before", "%.1f", runs, func(r *result.Run) float64 { return float64(r.Server.IdleResidentKB) / 1024 }),
	)
}

func searches(runs []*result.Run) []fact {
	if slices.ContainsFunc(runs, func(r *result.Run) bool { return r.Search == nil }) {
		return nil
	}
	return []fact{
		words("limits", runs, func(r *result.Run) string {
			return fmt.Sprintf("p99 ≤ %.4g ms, lost ≤ %d", r.Search.LimitP99Ms, r.Search.LimitLost)
		}),
		figure("sessions", "%.0f", runs, func(r *result.Run) float64 { return float64(r.Search.Best) }),
		figure("for each core that the server used", "%.0f", runs, func(r *result.Run) float64 { return r.Search.PerCoreUsed }),
		figure("for each core of the machine", "%.0f", runs, func(r *result.Run) float64 { return r.Search.PerCoreOfMachine }),
		words("the limit was", runs, limitedBy),
	}
}

func limitedBy(r *result.Run) string {
	switch {
	case r.Search.Bounded:
		return "what was to be tried"
	case r.Search.GeneratorLimited:
		return "the generator's, too"
	default:
		return "the server's"
	}
}
