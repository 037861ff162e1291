// Package live is the core of Stonepot: it carries one conversation between a person's browser and a live
// model, and knows neither HTTP, nor Fiber, nor Google's wire format, nor any model's name.
//
// A [Gateway] admits, tracks and drains sessions. A [Session] stands between two ends: a [Browser], the
// person's socket, and an [Upstream], the model's, which a [Dialer] opens. What a browser asks for is a
// [Command], what an upstream reports is an [Event]; a [Dialect] translates between commands and events and
// the messages on the browser's socket. Why a session ended is a [Reason].
package live
