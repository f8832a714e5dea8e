package auth0client

import (
	"context"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"user-manager/providers"
	"user-manager/providers/auth0/management"
	"user-manager/upstream"
)

func init() {
	providers.Register("auth0Client", providers.Driver{
		Check: func(getenv func(string) string) error {
			_, err := readSettings(getenv)
			return err
		},
		Open: func(_ context.Context, s providers.Settings) (providers.Provider, error) { return Open(s) },
	})
}

const connections = 64 // calls beyond wait for one

// Provider calls one Auth0 Client. It is safe for use by several goroutines.
type Provider struct {
	base       *url.URL
	connection string // "": the one that the Auth0 Client is configured with
	transport  http.RoundTripper
	timeout    time.Duration // of a call, all its tries together
	fanOut     int           // calls at once for one call
	state      func() upstream.State
	importer   *management.Importer

	updates upstream.Locks // by the account's id

	// deaf is set once GET /users has shown that it does not pass the query "q" on.
	deaf atomic.Bool
}

var (
	_ providers.Provider    = (*Provider)(nil)
	_ providers.BatchReader = (*Provider)(nil)
	_ providers.Importer    = (*Provider)(nil)
	_ providers.Pinger      = (*Provider)(nil)
	_ providers.Remote      = (*Provider)(nil)
)

// Open returns the provider and calls nobody. Its variables are AUTH_SERVICE (name or URL of
// the Auth0 Client; required), AUTH_CONNECTION (the database of users; unset: what the
// Auth0 Client has by default) and AUTH0_JOB_POLLING_INTERVAL (see
// [management.ParsePolling]). The error names every wrong one.
func Open(s providers.Settings) (*Provider, error) {
	set, err := readSettings(s.Getenv)
	if err != nil {
		return nil, err
	}
	p := &Provider{base: set.base, connection: set.connection, timeout: s.Timeout, fanOut: s.FanOut}
	network := upstream.NewNetwork(upstream.NetworkConfig{
		Service: providers.Service, MaxConnections: connections, Timeout: p.timeout, Log: s.Log, Base: s.Base, Observer: s.Observer,
	})
	p.transport, p.state = network, network.State
	p.importer = &management.Importer{
		Directory: directory{p}, Jobs: &importJobs{p: p}, Polling: set.polling, Connection: p.connection, Log: s.Log, FanOut: s.FanOut,
	}
	return p, nil
}

// State implements [providers.Remote].
func (p *Provider) State() []upstream.State { return []upstream.State{p.state()} }

// Ping implements [providers.Pinger]. It costs the tenant nothing.
func (p *Provider) Ping(ctx context.Context) error {
	_, err := p.do(ctx, call{method: http.MethodGet, route: "/-/ready"})
	if status := upstream.Status(err); status > 0 && status < http.StatusInternalServerError {
		return nil // there may be no such route: it is there all the same
	}
	return err
}
