package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/http"
	"time"

	"user-manager/metrics"
)

// httpConfig bounds what clients may ask of the server.
type httpConfig struct {
	maxBody, maxBodies             int64
	maxHeader, maxDepth            int
	maxRequests, maxStreams        int
	maxConnections                 int
	readHeaderTimeout, readTimeout time.Duration
	writeTimeout, idleTimeout      time.Duration
	logClientIP                    bool
	shutdownTimeout                time.Duration
}

func (r *reader) http() httpConfig {
	return httpConfig{
		maxBody:           int64(r.number("HTTP_MAX_BODY_BYTES", 1, math.MaxInt32)),
		maxBodies:         int64(r.number("HTTP_MAX_BODIES_BYTES", 1<<20, math.MaxInt32)),
		maxHeader:         r.number("HTTP_MAX_HEADER_BYTES", 4096, 16<<20),
		maxDepth:          r.number("HTTP_MAX_JSON_DEPTH", 1, 10_000),
		maxRequests:       r.number("HTTP_MAX_REQUESTS", 1, 1_000_000),
		maxStreams:        r.number("JOBS_EVENT_STREAMS", 1, 100_000),
		maxConnections:    r.number("HTTP_MAX_CONNECTIONS", 1, 1_000_000),
		readHeaderTimeout: r.duration("HTTP_READ_HEADER_TIMEOUT"),
		readTimeout:       r.duration("HTTP_READ_TIMEOUT"),
		writeTimeout:      r.duration("HTTP_WRITE_TIMEOUT"),
		idleTimeout:       r.duration("HTTP_IDLE_TIMEOUT"),
		logClientIP:       r.flag("LOG_CLIENT_IP"),
		shutdownTimeout:   r.duration("SHUTDOWN_TIMEOUT"),
	}
}

// cutTime is how long requests that the end of the service cut have to notice.
const cutTime = 5 * time.Second

// server answers requests on what it is given to listen on.
type server struct {
	httpConfig
	log     *slog.Logger
	metrics *metrics.Metrics
	tls     *tls.Config // nil: in the clear
}

// serve answers requests with h until ctx is done. Those under way may finish then, within
// the shutdown timeout; the others are cut, which is no error.
func (s server) serve(ctx context.Context, ln net.Listener, h http.Handler) error {
	requests, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	open := newConnections(ln, s.maxConnections, s.writeTimeout, s.metrics)
	hs := &http.Server{
		Handler:           untilClient(h),
		TLSConfig:         s.tls,
		Protocols:         http1(),
		ReadHeaderTimeout: s.readHeaderTimeout,
		ReadTimeout:       s.readTimeout,
		IdleTimeout:       s.idleTimeout,
		MaxHeaderBytes:    s.maxHeader,
		ErrorLog:          newServerLog(s.log, s.logClientIP),
		ConnState:         open.changed,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnContext:       withConnection,
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.shutdownTimeout)
		defer cancel()
		stopped <- hs.Shutdown(ctx)
	})
	err := s.listen(hs, open)
	if stop() { // ctx is not done: the server failed by itself
		return err
	}
	if err = <-stopped; errors.Is(err, context.DeadlineExceeded) {
		s.log.WarnContext(ctx, "requests cut by the end of the service", "requests", open.requests())
		cut(errStopping)
		err = hs.Close()
		s.await(ctx, open)
	}
	return err
}

// http1 leaves out HTTP/2, in which one connection has many requests and makes them wait in
// ways of its own: the limits here are of connections.
func http1() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	return &p
}

func (s server) listen(hs *http.Server, ln net.Listener) error {
	if s.tls != nil {
		return hs.ServeTLS(ln, "", "")
	}
	return hs.Serve(ln)
}

// await gives the requests that were cut some time to notice.
func (s server) await(ctx context.Context, open *connections) {
	moment := time.NewTimer(cutTime)
	defer moment.Stop()
	for open.served.Load() > 0 {
		select {
		case <-open.ended:
		case <-moment.C:
			s.log.WarnContext(ctx, "requests still under way at the end of the service")
			return
		}
	}
}
