package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// printResult shows a run to a person.
func printResult(to io.Writer, r *result.Run) {
	fmt.Fprintf(to, "%s\n%s, %s; %d sessions, frames of %d B, %.4g a second each, %.1f s measured%s\n",
		r.Machine, r.Target.URL, resumability(r.Load.Resumable), r.Load.Sessions, r.Load.FrameBytes, r.Load.Rate, float64(r.MeasuredMs)/1e3,
		map[bool]string{true: " (interrupted)"}[r.Interrupted])
	if r.Target.Upstream == expectAnswers {
		fmt.Fprintf(to, "speech of %s\n", r.Load.Speech())
	}
	printSessions(to, r)
	printLatencies(to, r)
	printCounts(to, r)
	printSearch(to, r.Search)
	for _, note := range r.Notes {
		fmt.Fprintf(to, "\nnote: %s\n", note)
	}
}

func resumability(on bool) string {
	if on {
		return "resumable"
	}
	return "not resumable"
}

func printSessions(to io.Writer, r *result.Run) {
	s := r.Sessions
	fmt.Fprintf(to, "\nsessions   asked %d, ready %d, ended in order %d, failed %d\n", s.Asked, s.Ready, s.Completed, s.Failed)
	for _, reason := range slices.Sorted(maps.Keys(s.Reasons)) {
		fmt.Fprintf(to, "           %d × %s\n", s.Reasons[reason], reason)
	}
}

// row is a line of the table of latencies.
type row struct {
	name string
	result.Latency
}

func printLatencies(to io.Writer, r *result.Run) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nmilliseconds\tp50\tp90\tp99\tp99.9\tmax\tcount\t")
	for _, l := range []row{
		{"create", r.AskMicros}, {"connect", r.ConnectMicros}, {"start", r.StartMicros}, {"ready (all three)", r.ReadyMicros},
		{"up", r.UpMicros}, {"down", r.DownMicros}, {"round trip", r.RoundTripMicros}, {"… uncorrected", r.UncorrectedMicros},
		{"answer", r.AnswerMicros}, {"… as the server says", r.ServerAnswerMicros}, {"generator's own lag", r.LagMicros},
	} {
		if l.Count > 0 {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t\n", l.name,
				tableMillis(l.P50), tableMillis(l.P90), tableMillis(l.P99), tableMillis(l.P999), tableMillis(l.Max), l.Count)
		}
	}
	_ = w.Flush() // what cannot be shown cannot be helped
}

func tableMillis(us float64) string { return fmt.Sprintf("%.3f", us/1e3) }

func printCounts(to io.Writer, r *result.Run) {
	f := r.Frames
	if r.Target.Upstream == expectEcho {
		fmt.Fprintf(to, "\nframes     sent %d, came back %d, late %d (over %d ms), lost %d, doubled %d\n", f.Sent, f.Received, f.Late, r.Load.LateMs, f.Lost, f.Doubled)
	} else {
		fmt.Fprintf(to, "\nframes     sent %d, received %d, late for playback %d; lost and doubled are not to be seen without an echo\n", f.Sent, f.Received, f.Late)
	}
	for _, s := range []struct {
		name string
		result.Side
	}{{"up", r.Traffic.Up}, {"down", r.Traffic.Down}} {
		fmt.Fprintf(to, "%-10s %d audio messages (%s), %d text messages (%s)\n", s.name,
			s.AudioMessages, bytesText(s.AudioBytes), s.TextMessages, bytesText(s.TextBytes))
	}
	if p := r.Server; p != nil {
		fmt.Fprintf(to, "server     %.2f cores, %d MB resident (%d MB before, %d MB at most)", p.Cores, p.ResidentKB>>10, p.IdleResidentKB>>10, p.PeakResidentKB>>10)
		if f.Received > 0 && r.Target.Upstream == expectEcho {
			fmt.Fprintf(to, ", %.1f µs of CPU for each round trip", 1e6*p.CPUSeconds/float64(f.Received))
		}
		fmt.Fprintf(to, "; process %s\n", strings.Trim(fmt.Sprint(p.PIDs), "[]"))
	}
	fmt.Fprintf(to, "generator  %.2f cores\n", r.Generator.Cores)
}

func printSearch(to io.Writer, s *result.Search) {
	if s == nil {
		return
	}
	most := "at most"
	if s.Bounded {
		most = "at least"
	}
	fmt.Fprintf(to, "\n%-10s %d sessions keep p99 ≤ %.4g ms and lost ≤ %d", most, s.Best, s.LimitP99Ms, s.LimitLost)
	if s.PerCoreUsed > 0 {
		fmt.Fprintf(to, ": %.0f for each core that the server used", s.PerCoreUsed)
	}
	fmt.Fprintf(to, " (%.0f for each core of the machine, which the generator shares)\n", s.PerCoreOfMachine)
	if s.Bounded {
		fmt.Fprintln(to, "           no more were tried: raise --max-sessions")
	}
	if s.GeneratorLimited {
		fmt.Fprintln(to, "           the generator was the limit: the server may carry more, give it a machine of its own")
	}
}

func bytesText(n int64) string {
	switch v := float64(n); {
	case v >= 1e9:
		return fmt.Sprintf("%.2f GB", v/1e9)
	case v >= 1e6:
		return fmt.Sprintf("%.2f MB", v/1e6)
	default:
		return fmt.Sprintf("%.1f kB", v/1e3)
	}
}
