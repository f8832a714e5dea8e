package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"user-manager/crud"
	"user-manager/secret"
	"user-manager/timer"
	"user-manager/timer/embedded"
	"user-manager/upstream"
)

// minCallbackSecret is the least length of a secret that others must not find by trying.
const minCallbackSecret = 24

// timerConfig says which Timer Service there is; with neither embedded nor a url nobody is
// blocked at an expirationDate.
type timerConfig struct {
	embedded bool
	url      string // of one over the network
	callback string // where it reaches us
	secret   secret.Text
	imported bool // imported users are blocked then too
}

// timers reads which Timer Service there is, and where the embedded one keeps its timers:
// that is a path of the store.
func (r *reader) timers(store *storeConfig) timerConfig {
	c := timerConfig{secret: secret.New(r.text("TIMER_CALLBACK_SECRET")), imported: r.flag("IMPORT_SCHEDULES_EXPIRATION")}
	service := r.text("TIMER_SERVICE")
	if service == "" && store.url == "" {
		service = "embedded"
	}
	switch service {
	case "":
		if c.imported {
			r.wrong("IMPORT_SCHEDULES_EXPIRATION", "is of no use without TIMER_SERVICE")
		}
		return timerConfig{}
	case "embedded":
		c.embedded, c.callback = true, "http://user-manager" // it calls in this process
		r.timersPath(store)
	default:
		r.remoteTimers(&c, service)
	}
	if n := len(c.secret.Reveal()); n > 0 && n < minCallbackSecret {
		r.wrong("TIMER_CALLBACK_SECRET", "must have %d characters or more, not %d", minCallbackSecret, n)
	}
	if c.secret.IsZero() { // no other process has to know it: what calls here is known otherwise
		c.secret = secret.New(rand.Text())
	}
	return c
}

func (r *reader) timersPath(store *storeConfig) {
	store.timers = r.text("TIMERS_CRUD_ENDPOINT")
	switch {
	case store.timers != "":
	case store.url == "":
		store.timers = "/timers"
	default:
		r.wrong("TIMERS_CRUD_ENDPOINT", "is required with TIMER_SERVICE=embedded on a CRUD Service")
	}
}

// remoteTimers completes the settings of a Timer Service over the network.
func (r *reader) remoteTimers(c *timerConfig, service string) {
	c.url = r.address("TIMER_SERVICE", service, "embedded, ")
	c.callback = r.text("TIMER_CALLBACK_URL")
	if c.callback == "" {
		r.wrong("TIMER_CALLBACK_URL", "is required with a Timer Service over the network: it calls there when a user expires")
	} else if _, err := timer.New(timer.Config{URL: "http://timer", Callback: c.callback, Secret: secret.New(rand.Text())}); err != nil {
		r.wrong("TIMER_CALLBACK_URL", "%v", err)
	}
	if c.secret.IsZero() {
		r.wrong("TIMER_CALLBACK_SECRET", "is required with a Timer Service over the network: its calls are signed with it")
	}
}

// timers are what has users blocked when they expire. nil: nothing has.
type timers struct {
	client   *timer.Client
	network  *upstream.Network // nil for the embedded Timer Service
	embedded *embedded.Service // nil for one over the network
}

// openTimers returns the Timer Service that cfg asks for, or nil when that is none.
func openTimers(cfg config, s *store, log *slog.Logger, o upstream.Observer) (*timers, error) {
	switch {
	case cfg.timers.embedded:
		return embeddedTimers(cfg, *s.timers, s.embedded != nil, crud.InProcess, log, o)
	case cfg.timers.url != "":
		return networkTimers(cfg, nil, log, o)
	}
	return nil, nil
}

// networkTimers returns a Timer Service over the network. base makes its calls; nil:
// sockets.
func networkTimers(cfg config, base http.RoundTripper, log *slog.Logger, o upstream.Observer) (*timers, error) {
	network := timer.Network(base, neighbourConnections, cfg.upstreamTimeout, log, o)
	client, err := newTimerClient(cfg, cfg.timers.url, network)
	if err != nil {
		return nil, err
	}
	return &timers{client: client, network: network}, nil
}

// embeddedTimers returns the embedded Timer Service on a collection, which is ours alone or
// not. way leads to it.
func embeddedTimers(cfg config, on crud.Collection, ours bool, way func(http.Handler) http.RoundTripper, log *slog.Logger, o upstream.Observer) (*timers, error) {
	service := embedded.New(embedded.Config{Timers: on, StoreIsOurs: ours, Log: log})
	client, err := newTimerClient(cfg, "http://embedded", o.Observe(timer.Service, way(service)))
	if err != nil {
		return nil, err
	}
	return &timers{client: client, embedded: service}, nil
}

func newTimerClient(cfg config, url string, way http.RoundTripper) (*timer.Client, error) {
	client, err := timer.New(timer.Config{URL: url, Transport: way, Timeout: cfg.upstreamTimeout, Callback: cfg.timers.callback, Secret: cfg.timers.secret})
	if err != nil {
		return nil, fmt.Errorf("open Timer Service (TIMER_SERVICE): %w", err)
	}
	return client, nil
}

// run has the embedded Timer Service call h, which is this service, until ctx is done and
// the calls under way are over. Others need no help.
func (t *timers) run(ctx context.Context, h http.Handler) error {
	if t == nil || t.embedded == nil {
		return nil
	}
	return t.embedded.Run(ctx, ownCalls{crud.InProcess(h)})
}

// ping asks whether the Timer Service is there, if there is one.
func (t *timers) ping(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.client.Ping(ctx)
}

// state tells whether a Timer Service over the network is called.
func (t *timers) state() []upstream.State {
	if t == nil || t.network == nil {
		return nil
	}
	return []upstream.State{t.network.State()}
}

// ownCalls marks requests as made by this process itself. It makes those alone by which users
// expire: whoever can write to the timers of a shared store must not have others made here.
type ownCalls struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (o ownCalls) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodPost || !strings.HasPrefix(req.URL.Path, strings.TrimSuffix(expirePath, "{id}")) {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, errors.New("the timer calls another route than POST " + expirePath)
	}
	return o.next.RoundTrip(req.WithContext(context.WithValue(req.Context(), ownKey{}, true)))
}

type ownKey struct{}

// isOwn reports whether a request was made by this process, which no request from outside
// can pretend to be.
func isOwn(ctx context.Context) bool { return ctx.Value(ownKey{}) != nil }
