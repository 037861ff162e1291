// Command load puts voice conversations on a Stonepot server and says how it did.
//
//	go run ./benchmarks/load [flags] ws://127.0.0.1:8080
//	go run ./benchmarks/load --start bin/stonepot --find-max
//
// Each session is a person: it asks POST /api/session/create, opens the WebSocket, speaks in frames at an even rate
// whatever the server does, and looks at what comes back. How it works is told where it happens: pace.go (the schedule,
// and why a slow server cannot slow the questions down), mark.go (how a frame is known again), conversation.go (a
// session), run.go (a run), search.go (--find-max), figures.go (what is counted). ../README.md says what the figures mean.
package main
