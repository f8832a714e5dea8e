package main

import (
	"context"
	"log/slog"
	"math"
	"net"
	"net/http"
	"time"
)

// httpConfig bounds what clients may ask of the server.
type httpConfig struct {
	maxBody                        int64
	maxHeader, maxDepth            int
	maxRequests, maxConnections    int
	readHeaderTimeout, readTimeout time.Duration
	writeTimeout, idleTimeout      time.Duration
	shutdownTimeout                time.Duration
}

func (r *reader) http() httpConfig {
	return httpConfig{
		maxBody:           int64(r.number("HTTP_MAX_BODY_BYTES", 1, math.MaxInt32)),
		maxHeader:         r.number("HTTP_MAX_HEADER_BYTES", 4096, 16<<20),
		maxDepth:          r.number("HTTP_MAX_JSON_DEPTH", 1, 10_000),
		maxRequests:       r.number("HTTP_MAX_REQUESTS", 1, 1_000_000),
		maxConnections:    r.number("HTTP_MAX_CONNECTIONS", 1, 1_000_000),
		readHeaderTimeout: r.duration("HTTP_READ_HEADER_TIMEOUT"),
		readTimeout:       r.duration("HTTP_READ_TIMEOUT"),
		writeTimeout:      r.duration("HTTP_WRITE_TIMEOUT"),
		idleTimeout:       r.duration("HTTP_IDLE_TIMEOUT"),
		shutdownTimeout:   r.duration("SHUTDOWN_TIMEOUT"),
	}
}

// serve answers requests until ctx is done, and then lets those under way finish.
func serve(ctx context.Context, cfg httpConfig, log *slog.Logger, ln net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: cfg.readHeaderTimeout,
		ReadTimeout:       cfg.readTimeout,
		IdleTimeout:       cfg.idleTimeout,
		MaxHeaderBytes:    cfg.maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.shutdownTimeout)
		defer cancel()
		stopped <- server.Shutdown(ctx)
	})
	err := server.Serve(ln)
	if stop() { // ctx is not done: the server failed by itself
		return err
	}
	return <-stopped
}
