// Package facadetest is a stand-in of the Auth0 Client, for tests: a service that keeps
// people's sessions in front of a tenant of Auth0 and passes the management of users on.
// Where the real one's pages leave something open, it does one of the possible things, or
// lets [Config] choose.
//
// Not among its routes are those that a browser is sent to (/authorize, /logout), the code
// flow, /users/me and /users/active.
package facadetest

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"user-manager/providers/auth0/auth0test"
	"user-manager/upstream/faults"
)

// Config says what a Facade is like. The zero value, with a Tenant, is one of today for
// clients that get tokens.
type Config struct {
	// Tenant is what it stands before: [auth0test.Tenant], or something in front of it.
	Tenant http.Handler
	// Domain is the tenant's; "": that of an [auth0test.Config] without one.
	Domain string

	// Clients are those that requests may name; nil: one called "default".
	Clients map[string]Client
	// DefaultClient is for requests that name none; "" with nil Clients: "default".
	DefaultClient string
	// Keys are the names of clients by their API keys, which a gateway in front would know.
	Keys map[string]string
	// SessionDuration is how long a cookie is good; 0: a day.
	SessionDuration time.Duration
	// RenewsTokens lets /userinfo renew an expired access token, as it always does for a cookie.
	RenewsTokens bool
	// Claims are added to each answer of /userinfo, as an action of the tenant would.
	Claims map[string]any

	Errors        Errors
	ForwardsQuery bool // GET /users passes the tenant's own query "q" on
	Silent        bool // POST /users answers with an empty body
	NoImports     bool // there are no routes for import jobs
	Faults        *faults.Plan
}

// A Client is an application of the tenant, as the Auth0 Client is configured with it. The
// zero value is [auth0test.ClientID], for which logins answer with tokens.
type Client struct {
	ID, Secret string
	Website    bool // its scopes have "website": logins answer with a cookie
}

// Errors says what becomes of the tenant's refusals.
type Errors int

// What may become of a refusal of the tenant.
const (
	Passed    Errors = iota // it is passed on as it is
	Restated                // its status and words are in a body of the facade's own
	Swallowed               // its words are, with status 500
)

// A Facade is a stand-in of the Auth0 Client, an [http.Handler]. It is safe for concurrent
// use and starts no goroutine that outlives a request.
type Facade struct {
	cfg    Config
	tenant *tenant
	mux    *http.ServeMux

	mu       sync.Mutex
	sessions map[string]session // guarded by mu; by access token, or by the value of the cookie
	seen     []*http.Request    // guarded by mu
}

// New returns a facade without sessions.
func New(cfg Config) *Facade {
	if cfg.Clients == nil {
		cfg.Clients, cfg.DefaultClient = map[string]Client{"default": {}}, "default"
	}
	if cfg.Domain == "" {
		cfg.Domain = "https://tenant.test"
	}
	if cfg.SessionDuration == 0 {
		cfg.SessionDuration = 24 * time.Hour
	}
	f := &Facade{cfg: cfg, tenant: newTenant(cfg.Tenant, cfg.Domain), sessions: map[string]session{}}
	f.mux = f.routes()
	return f
}

// routes is the whole surface: one line per endpoint.
func (f *Facade) routes() *http.ServeMux {
	mux := http.NewServeMux()
	handle := func(method, route, pattern string, h http.HandlerFunc) {
		mux.HandleFunc(method+" "+pattern, f.planned("AuthClient "+method+" "+route, h))
	}
	handle("POST", "/oauth/token", "/oauth/token", f.login)
	handle("POST", "/refreshtoken", "/refreshtoken", f.refresh)
	handle("GET", "/userinfo", "/userinfo", f.userInfo)
	handle("GET", "/users", "/users", f.searchUsers)
	handle("POST", "/users", "/users", f.createUser)
	handle("PATCH", "/users/:id", "/users/{id}", f.patchUser)
	handle("DELETE", "/users/:id", "/users/{id}", f.deleteUser)
	handle("POST", "/change-password", "/change-password", f.changePassword)
	handle("GET", "/-/ready", "/-/ready", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"status": "OK"})
	})
	if !f.cfg.NoImports {
		handle("POST", "/users/import", "/users/import", f.startImport)
		handle("GET", "/users/import/status/:jobID", "/users/import/status/{id}", f.importStatus)
		handle("GET", "/users/import/status/:jobID/errors", "/users/import/status/{id}/errors", f.importErrors)
	}
	return mux
}

// ServeHTTP implements [http.Handler].
func (f *Facade) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.seen = append(f.seen, r.Clone(context.WithoutCancel(r.Context())))
	f.mu.Unlock()
	f.mux.ServeHTTP(w, r)
}

// Took returns the requests since the last time, without their bodies.
func (f *Facade) Took() []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.seen
	f.seen = nil
	return seen
}

// planned plays what the plan has for a call, around the work of h.
func (f *Facade) planned(name string, h http.HandlerFunc) http.HandlerFunc {
	if f.cfg.Faults == nil {
		return h
	}
	return func(w http.ResponseWriter, r *http.Request) {
		injection := f.cfg.Faults.Next(name)
		if status := injection.Fault.Status(); status != 0 {
			say(w, status, "planned fault")
			return
		}
		body, err := io.ReadAll(r.Body) // of a client in this process
		if err != nil {
			hangUp()
		}
		r.Body = again(body)
		if injection.Fault == faults.Late {
			later := r.Clone(context.WithoutCancel(r.Context()))
			f.cfg.Faults.Defer(func() { h(discarded{http.Header{}}, later) })
		}
		if injection.Before(r.Context()) != nil {
			hangUp()
		}
		h(w, r)
		if injection.After(r.Context()) != nil {
			hangUp()
		}
	}
}

// hangUp closes the connection of a call without an answer.
func hangUp() { panic(http.ErrAbortHandler) }

// discarded is the answer to a client that is gone.
type discarded struct{ header http.Header }

func (d discarded) Header() http.Header       { return d.header }
func (discarded) Write(p []byte) (int, error) { return len(p), nil }
func (discarded) WriteHeader(int)             {}

func (c Client) id() string {
	if c.ID == "" {
		return auth0test.ClientID
	}
	return c.ID
}

func (c Client) secret() string {
	if c.ID == "" {
		return auth0test.ClientSecret
	}
	return c.Secret
}
