// Package simulator is a server that speaks Google's Live API (BidiGenerateContent) on both backends' paths, with
// no model behind it: it listens to the person and plays the person's own words back. It is what newcomers, tests
// and load tests talk to, so it is right rather than clever: it refuses what Google refuses, with Google's close
// codes and reasons, and frames what it says as Google does. Faults can be scripted.
//
// It shares no code with live/gemini: a mistake made twice in the same way would hide. Google's own SDKs are its
// conformance clients. Facts about the Live API come from google.golang.org/genai v1.77.0 (live.go, types.go),
// @google/genai 2.32.0, https://ai.google.dev/api/live and published wire captures.
package simulator
