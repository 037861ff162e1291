// Package heap holds the collection of garbage back while the process starts: the packages that are linked make more of
// it, before main begins, than Go collects at first, and a collection is a fifth of a start.
//
// It holds from the moment when this package is initialised, so it imports nothing but what sets it: Go initialises
// packages that wait for few others first.
package heap

import "runtime/debug"

// startPercent is Go's GOGC meanwhile. It is not off: of 4 MB, the smallest heap that Go collects, it makes 32, so that a
// process which nobody ever tells to collect is bounded too.
const startPercent = 800

// Usual is the percentage that was in force before: what GOGC says, or Go's own 100.
var Usual = hold()

func hold() int {
	usual := debug.SetGCPercent(startPercent)
	if usual < 0 || usual > startPercent { // somebody wants even less of it
		debug.SetGCPercent(usual)
	}
	return usual
}

// Collect ends that: garbage may be percent of what is in use from now on.
func Collect(percent int) { debug.SetGCPercent(percent) }
