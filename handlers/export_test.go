package handlers

import "log/slog"

// Quiet is a log that nobody reads.
var Quiet = slog.New(slog.DiscardHandler)

// OpenAPIDocument is what is served at /api/openapi.json.
var OpenAPIDocument = openAPI
