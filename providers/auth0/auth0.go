package auth0

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"user-manager/providers"
	"user-manager/providers/auth0/management"
	"user-manager/upstream"
)

func init() {
	providers.Register("auth0", providers.Driver{
		Check: func(getenv func(string) string) error { _, err := readSettings(getenv); return err },
		Open:  func(ctx context.Context, s providers.Settings) (providers.Provider, error) { return Open(ctx, s) },
	})
}

// Provider is a tenant. It is safe for use by several goroutines.
type Provider struct {
	settings  settings
	fanOut    int // calls at once for one call
	log       *slog.Logger
	network   *upstream.Network
	transport *transport
	tokens    *tokens
	importer  management.Importer

	standings standings
	updates   upstream.Locks // by the account's id
	changed   recent         // accounts that were changed one by one
	brought   recent         // and by imports
	batches   batches
	ids       flights[string]

	mu           sync.Mutex           // guards what follows
	connectionID string               // of settings.connection; "": not asked for yet
	refused      map[string]time.Time // until when routes that a call can do without are not tried
	warned       time.Time            // that sessions are not ended
}

var (
	_ providers.Provider    = (*Provider)(nil)
	_ providers.Importer    = (*Provider)(nil)
	_ providers.BatchReader = (*Provider)(nil)
	_ providers.Pinger      = (*Provider)(nil)
	_ providers.Remote      = (*Provider)(nil)
	_ management.Directory  = directory{}
	_ management.Jobs       = importJobs{}
)

// Open returns the tenant that s says, without calling it. Its variables are AUTH0_DOMAIN,
// AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, AUTH0_MANAGEMENT_CLIENT_ID,
// AUTH0_MANAGEMENT_CLIENT_SECRET, AUTH0_AUDIENCE, AUTH0_SCOPE, AUTH_CONNECTION and
// AUTH0_JOB_POLLING_INTERVAL.
func Open(_ context.Context, s providers.Settings) (*Provider, error) {
	read, err := readSettings(s.Getenv)
	if err != nil {
		return nil, err
	}
	network := upstream.NewNetwork(upstream.NetworkConfig{
		Service: providers.Service, MaxConnections: connections, Timeout: s.Timeout,
		Log: s.Log, LeaveThrottling: true, Base: s.Base, Observer: s.Observer,
	})
	t := &transport{base: read.base, next: network, timeout: s.Timeout, limiter: newLimiter()}
	t.limiter.observer = s.Observer
	p := &Provider{
		settings: read, fanOut: s.FanOut, log: s.Log, network: network, transport: t,
		tokens: newTokens(t, read.base, read.manager), refused: map[string]time.Time{},
	}
	p.importer = management.Importer{
		Directory: directory{Provider: p}, Jobs: importJobs{p}, Polling: read.polling, Connection: read.connection, Log: s.Log, FanOut: s.FanOut,
	}
	return p, nil
}

// State implements [providers.Remote].
func (p *Provider) State() []upstream.State { return []upstream.State{p.network.State()} }

const keysRoute = "GET /.well-known/jwks.json"

// scopes are those of the Management API that nothing works without.
var scopes = []string{"read:users", "create:users", "update:users", "delete:users", "read:connections"}

// Ping implements [providers.Pinger]: the tenant answers, its token for the Management API
// lets the service do what it needs, and there is a connection of the configured name. The
// call is for the tenant's public keys, which anybody may read.
func (p *Provider) Ping(ctx context.Context) error {
	token, err := p.tokens.get(ctx)
	if err != nil {
		return err
	}
	r := &request{method: http.MethodGet, path: "/.well-known/jwks.json", route: keysRoute, kind: authenticates, lane: urgent}
	a, err := p.transport.do(ctx, r)
	if err != nil {
		return err
	}
	if a.status >= http.StatusInternalServerError {
		return &upstream.Error{Service: providers.Service, Route: r.route, Status: a.status}
	}
	var missing []string
	for _, scope := range scopes {
		if !token.grants(scope) {
			missing = append(missing, scope)
		}
	}
	if len(missing) == 0 {
		_, err := p.connection(ctx)
		return err
	}
	return &upstream.Error{
		Service: providers.Service, Route: tokenRoute, Status: 403, Err: providers.ErrMisconfigured,
		Message: "The management application lacks the scopes " + strings.Join(missing, ", "),
	}
}

// grants reports whether the token has a scope.
func (m managementToken) grants(scope string) bool { return slices.Contains(m.scopes, scope) }

// ImportLimits implements [providers.Importer].
func (p *Provider) ImportLimits() providers.ImportLimits { return p.importer.ImportLimits() }

// Import implements [providers.Importer].
func (p *Provider) Import(ctx context.Context, accounts []providers.ImportAccount) ([]providers.ImportOutcome, error) {
	defer p.imported(accounts) // even if it failed
	return p.importer.Import(ctx, accounts)
}

// imported forgets what was known of accounts that may have changed.
func (p *Provider) imported(accounts []providers.ImportAccount) {
	for _, a := range accounts {
		id := a.ID
		if id == "" {
			id = management.AccountID(a.Key)
		}
		p.standings.forget(id)
		p.brought.add(id)
	}
}

// forget forgets what was known of an account that is about to change, or has changed.
func (p *Provider) forget(id string) {
	p.standings.forget(id)
	p.changed.add(id)
}
