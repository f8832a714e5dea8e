package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// NetworkConfig says how an upstream over the network is called.
type NetworkConfig struct {
	Service        string        // "CRUD"
	MaxConnections int           // calls beyond wait for one, within their time
	Timeout        time.Duration // of a call, all its tries together
	Log            *slog.Logger
	// Excuse reports whether a call that was sent and got no answer says nothing of the
	// upstream, which then does not count against it; nil: none does.
	Excuse func(*http.Request, error) bool
	// LeaveThrottling: status 429 is the caller's affair, and not tried again.
	LeaveThrottling bool
	// Base makes the tries; nil: over a pool of connections.
	Base http.RoundTripper
	// Observer is told of the tries, and of waits for connections.
	Observer Observer
}

// A Network is the transport of an upstream over the network. It keeps as many
// connections as there may be calls at once, tries again what surely did nothing or is
// safe to repeat, and calls an upstream that is gone only now and then (see [OpenError]).
// It is safe for use by several goroutines.
//
// Safe to repeat are GET and HEAD, and what the caller marks with [Repeatable].
type Network struct {
	retrier retrier
	breaker *breaker
}

// NewNetwork returns the transport of an upstream that was not called yet.
func NewNetwork(cfg NetworkConfig) *Network {
	base := cfg.Base
	if base == nil {
		base = unsent{connections(cfg.MaxConnections), cfg.Service, cfg.Observer}
	}
	b := &breaker{service: cfg.Service, next: cfg.Observer.Observe(cfg.Service, base), log: cfg.Log, excuse: cfg.Excuse}
	return &Network{retrier: retrier{next: b, within: cfg.Timeout, leaveThrottling: cfg.LeaveThrottling}, breaker: b}
}

// RoundTrip implements [http.RoundTripper]. An error is [ErrNotSent] when the upstream
// surely did nothing.
func (n *Network) RoundTrip(req *http.Request) (*http.Response, error) {
	return n.retrier.RoundTrip(req)
}

// State tells whether the upstream is called.
func (n *Network) State() State { return n.breaker.state() }

// FanOut is how many calls one request or job makes at once where nothing else is said.
const FanOut = 8

// Times of connections. An idle one is closed by us: a service on Fastify closes it after
// 72 seconds, and a request that is sent at that moment is lost.
const (
	dialTimeout = 5 * time.Second
	keepAlive   = 15 * time.Second
	idleTimeout = 60 * time.Second
)

// connections is a pool of at most n. It leaves bodies as they are: net/http would undo
// a compression that it asked for itself.
func connections(n int) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext, // without HTTP/2, then
		TLSHandshakeTimeout: dialTimeout,
		MaxIdleConns:        n,
		MaxIdleConnsPerHost: n,
		MaxConnsPerHost:     n,
		IdleConnTimeout:     idleTimeout,
		DisableCompression:  true,
	}
}

// ErrNotSent is in the chain of a transport's error when the upstream surely did nothing:
// there was no connection to send the request over.
var ErrNotSent = errors.New("the request was not sent")

// notSent is err of a request that was not sent.
type notSent struct{ error }

// errWaited is a request that was not sent because it waited for one of our own
// connections all the time, which says nothing of the upstream.
var errWaited = errors.New("all connections were in use")

func (e notSent) Unwrap() error { return e.error }

func (e notSent) Is(target error) bool { return target == ErrNotSent }

// unsent tells errors of requests that never had a connection.
type unsent struct {
	next     http.RoundTripper
	service  string
	observer Observer
}

func (u unsent) RoundTrip(req *http.Request) (*http.Response, error) {
	var connecting, connected atomic.Bool
	trace := &httptrace.ClientTrace{
		DNSStart:     func(httptrace.DNSStartInfo) { connecting.Store(true) },
		ConnectStart: func(string, string) { connecting.Store(true) },
		GotConn:      func(httptrace.GotConnInfo) { connected.Store(true) },
	}
	u.observer.waiting(u.service, trace)
	res, err := u.next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	switch {
	case err == nil || connected.Load():
		return res, err
	case !connecting.Load():
		return nil, notSent{fmt.Errorf("%w: %w", errWaited, err)}
	}
	return nil, notSent{err}
}

// isGone reports whether the caller went away, rather than that time ran out.
func isGone(ctx context.Context) bool {
	return ctx.Err() != nil && context.Cause(ctx) != context.DeadlineExceeded // itself: a cause may tell of another call's
}
