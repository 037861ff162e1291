// Package upstream is the model's end for relays that are measured: it accepts any setup at once, and then gives each
// frame of audio back, or speaks at an even rate. It does as little as it can, so that its share of a busy machine is
// small: base64 goes back as the text that came.
//
// Relays that translate meet the Live API (any path that names BidiGenerateContent). Relays that only pass bytes on
// meet what a browser would say to the others: binary PCM, at Raw.
package upstream
