// Command benchmarks measures Stonepot's whole path: a browser's frame in to the upstream's frame out, and back.
//
// It runs two processes. The parent is both ends: browsers over WebSockets, and the simulator of the Live API, which
// answers each frame of audio at once with the same bytes. The child is the gateway between them, made of the same
// packages as the server. One clock at both ends gives latencies each way, and what the child has used gives CPU and
// allocations of the gateway alone.
//
// Beside that path it measures, by name, what outliving connections takes: start (from start_session to session_ready),
// interrupt and playback (browsers behind emulated lines), handover (the model's connection is replaced) and memory. See README.md
// beside this file.
package main
