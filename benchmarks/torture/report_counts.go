package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// add takes one conversation's figures.
func (r *report) add(c *conversation, f func(*counts)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r.backends[c.backend])
	c.mu.Lock()
	defer c.mu.Unlock()
	r.silences = append(r.silences, c.silences...)
}

// printCounts tells what the ledger says, backend by backend.
func (r *report) printCounts(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\n")
	row := func(what string, f func(*counts) any) {
		fmt.Fprintf(w, "%s\t", what)
		for _, b := range backends {
			fmt.Fprintf(w, "%v\t", f(r.backends[b.name]))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, "\t")
	for _, b := range backends {
		fmt.Fprintf(w, "%s\t", b.name)
	}
	fmt.Fprintln(w)
	ms := func(samples int64) time.Duration { return lasting(samples).Round(time.Millisecond) }
	row("conversations", func(c *counts) any { return c.conversations })
	row("ended before their time, as scripted", func(c *counts) any { return c.ended })
	row("speech and silence sent", func(c *counts) any { return ms(c.said) })
	row("questions", func(c *counts) any { return c.asks })
	row("of them typed", func(c *counts) any { return c.texts })
	row("of them with a tool", func(c *counts) any { return c.tools })
	row("answers heard to their end", func(c *counts) any { return c.answered })
	row("interrupted", func(c *counts) any { return c.interrupted })
	row("cut by a page reload", func(c *counts) any { return c.reloaded })
	row("upstreams renewed, in the lineage", func(c *counts) any { return c.up.renewals })
	row("with a transcript", func(c *counts) any { return c.up.seeded })
	row("goAways", func(c *counts) any { return c.goAways })
	row("handles", func(c *counts) any { return c.handles })
	row("handles in mid-speech", func(c *counts) any { return c.inSpeech })
	row("moves to another instance", func(c *counts) any { return c.moves })
	row("U1 lost", func(c *counts) any { return ms(c.up.lost) })
	row("U1 of it speech", func(c *counts) any { return ms(c.up.lostLoud) })
	row("forgotten by the model, after its answer", func(c *counts) any { return ms(c.up.forgotten) })
	row("given up by the client (reloads)", func(c *counts) any { return ms(c.up.excused) })
	row("U2 doubled at renewals", func(c *counts) any { return ms(c.up.doubled) })
	row("U2 at the worst renewal", func(c *counts) any { return ms(c.up.doubledMax) })
	row("U2 beyond what is allowed", func(c *counts) any { return ms(c.up.beyond) })
	row("U3 out of order", func(c *counts) any { return ms(c.up.reordered) })
	row("told: lost", func(c *counts) any { return c.told.lost })
	row("told: lost audio, ms", func(c *counts) any { return c.told.lostAudioMs })
	row("told: replayed audio, ms", func(c *counts) any { return c.told.replayedMs })
	row("told: skipped by the server", func(c *counts) any { return c.told.skippedDown })
	row("told: skipped by the client", func(c *counts) any { return c.told.skippedUp })
	row("told: reconnected", func(c *counts) any { return c.told.reconnects })
	row("told: turn_restarted", func(c *counts) any { return c.told.restarts })
	row("told: memory_lost", func(c *counts) any { return c.told.forgotten })
	row("told: audio_dropped", func(c *counts) any { return c.told.dropped })
	for _, k := range kinds {
		row("violations of "+k, func(c *counts) any { return c.violations[k] })
	}
	_ = w.Flush() // standard output, or memory
}
