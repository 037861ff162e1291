package handlers

import (
	"log/slog"
	"testing"
	"time"
)

// Quiet is a log that nobody reads.
var Quiet = slog.New(slog.DiscardHandler)

// OpenAPIDocument is what is served at /api/openapi.json.
var OpenAPIDocument = openAPI

// HandshakeNeverExpires leaves it to whoever sees a connection end to give its room back.
func HandshakeNeverExpires(t *testing.T) {
	before := handshakeWait
	handshakeWait = time.Hour
	t.Cleanup(func() { handshakeWait = before })
}
