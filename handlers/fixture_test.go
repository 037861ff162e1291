package handlers

import "log/slog"

var Quiet = slog.New(slog.DiscardHandler)
