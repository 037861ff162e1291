// Package gemini dials the Live API of Google's models and generates text with them: one codec, and two
// endpoints that differ in address, credentials and a few fields, the Gemini API (an API key) and Vertex AI
// (Application Default Credentials).
//
// A [Dialer] is a live.Dialer. The handshake is done by a WebSocket library; the frames are this project's own
// (package frame), because a relay needs one buffer and one write per message. Audio passes without a JSON
// encoder or decoder and without an allocation, in both directions. Event.Raw is not filled: audio is decoded
// in place, over the upstream's message.
//
// The facts about the wire come from Google's SDKs (google.golang.org/genai v1.77.0, @google/genai 2.32.0), from
// ai.google.dev/api/live and, where neither says it, from captures published by others; comments name them.
package gemini
