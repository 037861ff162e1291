// Command torture holds hundreds of conversations through Stonepot at once while everything around them breaks: connections
// of browsers and of the model, whole instances. A ledger that stands outside the server judges what the model has heard and
// what the person has heard. See README.md beside this file.
//
// The pieces: a world (world.go) of a simulator of the Live API, two instances of the built server, and fault proxies in both
// paths; conversations (conversation.go), each a strict client of docs/protocol.md (client*.go) with a person who speaks
// (person.go) and a fate (fate.go); a ledger of what the model heard (ledger*.go) and one of what the person heard (hearing*.go).
package main
