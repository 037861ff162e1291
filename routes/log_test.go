package routes_test

import "log/slog"

var handlersLog = slog.New(slog.DiscardHandler)
