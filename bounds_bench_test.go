package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// BenchmarkBounds is what the bounds cost a request: that of places and bodies alone, and,
// over a socket, all of them beside a server without any.
func BenchmarkBounds(b *testing.B) {
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "welcome")
	})
	cfg, err := loadConfig(environment(nil))
	if err != nil {
		b.Fatal(err)
	}
	bounded := newBounds(cfg, nil).bounded(1<<20, read)
	body := `{"email":"ann@example.com","name":"Ann"}`
	for what, h := range map[string]http.Handler{"handler alone": read, "handler with bounds": bounded} {
		b.Run(what, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), "POST", "/", strings.NewReader(body))
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
	for what, serve := range map[string]func(context.Context, net.Listener) error{
		"socket without": func(ctx context.Context, ln net.Listener) error {
			bare := &http.Server{Handler: read, ReadHeaderTimeout: time.Minute}
			defer context.AfterFunc(ctx, func() { bare.Close() })()
			return bare.Serve(ln)
		},
		"socket with bounds": func(ctx context.Context, ln net.Listener) error {
			return server{httpConfig: cfg.http, log: slog.New(slog.DiscardHandler)}.serve(ctx, ln, bounded)
		},
	} {
		b.Run(what, func(b *testing.B) { benchmarkSocket(b, serve, body) })
	}
}

func benchmarkSocket(b *testing.B, serve func(context.Context, net.Listener) error, body string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, ln) }()
	defer func() { stop(); <-ended }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	answers := bufio.NewReader(c)
	request := "POST / HTTP/1.1\r\nHost: service\r\nContent-Length: 40\r\n\r\n" + body
	b.ReportAllocs()
	for b.Loop() {
		_, _ = io.WriteString(c, request)
		res, err := http.ReadResponse(answers, nil)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
	}
}
