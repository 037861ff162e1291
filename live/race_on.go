//go:build race

package live

// raceDetector is whether the race detector runs, under which pools forget some of what they are given.
const raceDetector = true
