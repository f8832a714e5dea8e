package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"user-manager/upstream"
)

// newLog returns a logger of lines in the platform's format, at level and above. A line is
// one JSON object with level (10 for trace to 50 for error), time (milliseconds since 1970),
// msg, pid, hostname (the machine's), and reqId where a request caused it. An attribute
// "err", an error or a text, becomes error.message; durations become milliseconds.
//
// Whatever the texts hold, a line stays one. An error is told with its causes, and without
// email addresses and what it quotes, which may be what a client or an upstream sent.
func newLog(to io.Writer, level slog.Level) *slog.Logger {
	machine, _ := os.Hostname() // a line without it is one all the same
	lines := slog.NewJSONHandler(to, &slog.HandlerOptions{Level: level, ReplaceAttr: platformAttr})
	return slog.New(withRequestID{lines.WithAttrs([]slog.Attr{slog.Int("pid", os.Getpid()), slog.String("hostname", machine)})})
}

// maxText bounds a text of a line.
const maxText = 8 << 10

// platformAttr returns an attribute as the platform has it.
func platformAttr(groups []string, a slog.Attr) slog.Attr {
	isError := len(groups) == 0 && (a.Key == "err" || a.Key == "error")
	switch a.Value.Kind() {
	case slog.KindString:
		if isError {
			return errorAttr(a.Value.String())
		}
		a.Value = slog.StringValue(printable(a.Value.String(), maxText))
	case slog.KindDuration:
		a.Value = slog.Float64Value(milliseconds(a.Value.Duration()))
	case slog.KindTime:
		if len(groups) == 0 && a.Key == slog.TimeKey {
			a.Value = slog.Int64Value(a.Value.Time().UnixMilli())
		}
	case slog.KindAny:
		return anyAttr(a, isError)
	}
	return a
}

func anyAttr(a slog.Attr, isError bool) slog.Attr {
	switch v := a.Value.Any().(type) {
	case nil: // no error
		return slog.Attr{}
	case slog.Level:
		a.Value = slog.IntValue(platformLevel(v))
	case error:
		text := unquoted(chain(v))
		if isError {
			return errorAttr(text)
		}
		a.Value = slog.StringValue(printable(masked(text), maxText))
	}
	return a
}

func errorAttr(text string) slog.Attr {
	return slog.GroupAttrs("error", slog.String("message", masked(text)))
}

// platformLevel is 10 for trace, 20 for debug, 30 for info, 40 for warn and 50 for error.
func platformLevel(level slog.Level) int { return int(level-levelTrace)*10/4 + 10 }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// withRequestID adds the id of the request to every line that is logged for it.
type withRequestID struct{ slog.Handler }

// Handle implements [slog.Handler].
func (h withRequestID) Handle(ctx context.Context, record slog.Record) error {
	if id := upstream.CallerFrom(ctx).RequestID; id != "" {
		record.AddAttrs(slog.String("reqId", id))
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs implements [slog.Handler].
func (h withRequestID) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withRequestID{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (h withRequestID) WithGroup(name string) slog.Handler {
	return withRequestID{h.Handler.WithGroup(name)}
}
