package main

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"
)

// maxMarkers is how many faults the simulator reads out of one system instruction.
const maxMarkers = 16

// scriptable are faults of the model for one of its connections: each a few markers of the simulator. They strike by
// chance: a conversation comes back to the same place with the same handle, and would never get beyond it.
var scriptable = []struct {
	weight int
	make   func(r *rand.Rand, connection int) []string
}{
	{5, func(r *rand.Rand, n int) []string {
		return one(n, "go_away after=%s length=%s probability=0.6", span10(r, 2, 9), span10(r, 6, 9))
	}},
	{3, func(r *rand.Rand, n int) []string {
		return one(n, "go_away turn=%d at=inside length=%s probability=0.5", turn(r), span10(r, 6, 9))
	}},
	{2, func(r *rand.Rand, n int) []string {
		return one(n, "go_away turn=%d at=before length=5500ms probability=0.5", turn(r))
	}},
	{6, func(r *rand.Rand, n int) []string {
		return one(n, "drop turn=%d at=%s probability=0.5", turn(r), where(r))
	}},
	{4, func(r *rand.Rand, n int) []string { return one(n, "drop after=%s probability=0.6", span10(r, 1, 9)) }},
	{4, func(r *rand.Rand, n int) []string {
		return one(n, "internal_error turn=%d at=%s probability=0.5", turn(r), where(r))
	}},
	{3, func(r *rand.Rand, n int) []string {
		return one(n, `close code=1008 reason="The operation was aborted." after=%s probability=0.6`, span10(r, 2, 9))
	}},
	{3, func(r *rand.Rand, n int) []string {
		return append(one(n, "dead_handles"), one(n, "drop turn=%d at=%s probability=0.5", turn(r)+1, where(r))...)
	}},
	{4, func(r *rand.Rand, n int) []string {
		return append(one(n, "handle_in_speech"), one(n, "drop turn=%d at=%s probability=0.5", turn(r), where(r))...)
	}},
	{2, func(_ *rand.Rand, n int) []string { return one(n, "poisoned_resume probability=0.6") }},
	{2, func(r *rand.Rand, n int) []string { return one(n, "stall after=%s probability=0.6", span10(r, 2, 6)) }},
	{2, func(_ *rand.Rand, n int) []string {
		return one(n, "refuse_setup code=1011 reason=\"Internal error encountered.\" probability=0.3")
	}},
	{1, func(_ *rand.Rand, n int) []string { return one(n, "silent_setup probability=0.1") }},
	{1, func(r *rand.Rand, n int) []string { return one(n, "slow_setup length=%s", span10(r, 1, 3)) }},
	{1, func(r *rand.Rand, n int) []string {
		return append(one(n, "slow_pongs"), one(n, "drop after=%s probability=0.6", span10(r, 5, 9))...)
	}},
	{1, func(r *rand.Rand, n int) []string {
		return append(one(n, "odd_pieces"), one(n, "internal_error after=%s probability=0.6", span10(r, 3, 9))...)
	}},
	{1, func(r *rand.Rand, n int) []string {
		return append(one(n, "burst"), one(n, "drop turn=%d at=inside probability=0.5", turn(r))...)
	}},
	{1, func(r *rand.Rand, n int) []string {
		return append(one(n, "omit_turn_complete"), one(n, "go_away after=%s length=6s probability=0.6", span10(r, 3, 6))...)
	}},
}

// manners are the faults that change how things are done, of which the simulator cannot tell that they strike.
var manners = []string{"model: dead_handles", "model: slow_pongs", "model: odd_pieces", "model: burst", "model: omit_turn_complete"}

func one(connection int, format string, args ...any) []string {
	return []string{fmt.Sprintf("[[simulate: "+format+" connection=%d]]", append(args, connection)...)}
}

// span10 is a random time between two numbers of seconds.
func span10(r *rand.Rand, low, high int) time.Duration {
	return time.Duration(low*10+r.IntN((high-low)*10)) * 100 * time.Millisecond
}

func turn(r *rand.Rand) int { return 1 + r.IntN(2) }

func where(r *rand.Rand) string { return []string{"before", "inside", "after"}[r.IntN(3)] }

// quotaOf is how many conversations there are for one whose quota runs out in the end.
const quotaOf = 40

// maxConnections is how many connections of one conversation the script thinks of.
const maxConnections = 40

// script writes what the model does to a conversation, connection by connection, and the error code that it ends with, if any.
// Every other connection lives a while, because a server gives a model up that never does (live.connect_timeout, resume.stable_after):
// the first one too, which is where a conversation stands again when its handle was dead. For the same reason setups fail seldom: they do so
// for every try with the same handle, and a silent one takes a third of the time that there is.
func script(r *rand.Rand, only *regexp.Regexp) (markers []string, ending string) {
	quota := 0
	if r.IntN(quotaOf) == 0 && only.MatchString("model: quota") {
		quota, ending = 3+r.IntN(4), "upstream_quota"
	}
	for n := 1; n <= maxConnections; n++ {
		if n == quota {
			return append(markers, one(n, "quota")...), ending
		}
		next := healthy(r, n)
		if n%2 == 0 {
			next = wild(r, n)
		}
		if len(markers)+len(next) > maxMarkers-1 {
			break
		}
		if only.MatchString(kindOf(next[0])) {
			markers = append(markers, next...)
		}
	}
	return markers, ending
}

// handovers lets every connection of a conversation say goAway early, with time for a turn's end, and nothing else go wrong.
func handovers(r *rand.Rand) (markers []string) {
	for n := 1; n < maxMarkers; n++ {
		if n%3 == 0 {
			markers = append(markers, one(n, "go_away turn=1 at=inside length=30s")...)
		} else {
			markers = append(markers, one(n, "go_away after=%s length=30s", span10(r, 5, 9))...)
		}
	}
	return markers
}

// healthy is a fault that lets the connection live for a while.
func healthy(r *rand.Rand, n int) []string {
	after := span10(r, 6, 11)
	switch r.IntN(4) {
	case 0:
		return one(n, "go_away after=%s length=%s", after, span10(r, 6, 9))
	case 1:
		return one(n, "drop after=%s", after)
	case 2:
		return one(n, "internal_error after=%s", after)
	default:
		return one(n, `close code=1008 reason="The operation was aborted." after=%s`, after)
	}
}

// wild is any fault.
func wild(r *rand.Rand, n int) []string {
	total := 0
	for _, s := range scriptable {
		total += s.weight
	}
	x := r.IntN(total)
	for _, s := range scriptable {
		if x -= s.weight; x < 0 {
			return s.make(r, n)
		}
	}
	panic("unreachable: the weights add up to the total")
}

// kindOf is the name of a marker's fault in the report.
func kindOf(marker string) string {
	kind, _, _ := strings.Cut(strings.TrimPrefix(marker, "[[simulate: "), " ")
	return "model: " + kind
}
