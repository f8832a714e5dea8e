package main

import (
	"io"
	"log/slog"
)

// newLog returns a logger of lines in the platform's format, at level and above.
func newLog(to io.Writer, level slog.Level) *slog.Logger {
	return slog.New(withRequestID{slog.NewJSONHandler(to, &slog.HandlerOptions{Level: level})})
}
