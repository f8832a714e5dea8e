package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"user-manager/upstream"
)

// maxRequestID bounds an id that a client sends.
const maxRequestID = 128

// identify gives the request an id, its own or a new one, and returns it; and tells
// the upstream calls on whose behalf they are made.
func (a *api) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(upstream.RequestIDHeader)
		if id == "" || len(id) > maxRequestID {
			id = rand.Text()
		}
		w.Header().Set(upstream.RequestIDHeader, id)
		ctx := upstream.WithCaller(r.Context(), a.forwarding.Caller(r, id))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// logged writes one line for each request, those for the state of the service only when it
// is not well. The route is logged, not the path with its ids.
func (a *api) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		seen, message := &seenWriter{ResponseWriter: w}, "request broken off"
		defer func() { // also when the answer is broken off
			level := slog.LevelInfo
			if strings.HasPrefix(r.URL.Path, "/-/") && r.Method != http.MethodPost && seen.status < http.StatusInternalServerError {
				level = levelTrace
			}
			a.log.Log(r.Context(), level, message,
				"method", r.Method, "route", r.Pattern, "status", seen.status, "bytes", seen.bytes,
				"response_time_ms", float64(time.Since(start).Microseconds())/1000)
		}()
		next.ServeHTTP(seen, r)
		message = "request completed"
	})
}

// seenWriter notes what is answered.
type seenWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// Unwrap lets [http.ResponseController] reach the writer below.
func (w *seenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (w *seenWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *seenWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// withRequestID adds the id of the request to every line that is logged for it.
type withRequestID struct{ slog.Handler }

// Handle implements [slog.Handler].
func (h withRequestID) Handle(ctx context.Context, record slog.Record) error {
	if id := upstream.CallerFrom(ctx).RequestID; id != "" {
		record.AddAttrs(slog.String("request_id", id))
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
