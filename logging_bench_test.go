package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"user-manager/metrics"
)

// BenchmarkRequestLine is what each request costs besides its handler: its id, its line in
// the log and its counts.
func BenchmarkRequestLine(b *testing.B) {
	for name, m := range map[string]*metrics.Metrics{"counted": metrics.New("test"), "not counted": nil} {
		b.Run(name, func(b *testing.B) {
			a := &api{log: newLog(io.Discard, slog.LevelInfo), neighbours: neighbours{metrics: m}}
			mux := http.NewServeMux()
			mux.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
			h := a.identify(a.logged(mux))
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/users/1", nil)
			r.Header.Set("User-Agent", "curl/8.5.0")
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(&headerOnly{header: http.Header{}}, r)
			}
		})
	}
}

// BenchmarkLog compares a line in the platform's format with one of a plain JSON handler.
func BenchmarkLog(b *testing.B) {
	for name, log := range map[string]*slog.Logger{
		"plain":    slog.New(slog.NewJSONHandler(io.Discard, nil)),
		"platform": newLog(io.Discard, slog.LevelInfo),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				log.InfoContext(b.Context(), "request completed", "method", "GET", "route", "/users/{id}", "status", 200, "took", 1.5)
			}
		})
	}
}
