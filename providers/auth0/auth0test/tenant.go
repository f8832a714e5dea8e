package auth0test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"user-manager/upstream/faults"
)

// What a tenant has from the beginning.
const (
	// ClientID and ClientSecret are of the application that people log in to. It may use the
	// password grants, refresh tokens, and client credentials for [Audience].
	ClientID, ClientSecret = "user-manager", "user-manager-secret"
	// ManagementClientID and ManagementClientSecret are of the application that manages users:
	// client credentials only.
	ManagementClientID, ManagementClientSecret = "user-manager-management", "user-manager-management-secret"
	// PublicClientID is an application without a secret, which may use the password grants and
	// refresh tokens.
	PublicClientID = "user-manager-public"
	// Connection and ConnectionID are of the only database of users.
	Connection, ConnectionID = "Username-Password-Authentication", "con_3GdUs4tTXn7Pf0aZ"
	// Audience is the API that access tokens may be asked for.
	Audience = "https://api.example.com"
)

// Config says what a tenant is like. The zero value is one of today: refresh tokens rotate,
// no feature of larger plans, no limits, no delays.
type Config struct {
	// Domain is what issuers, audiences and links are built from, without a scheme ("": the
	// domain "tenant.test") or as a base URL such as "http://127.0.0.1:4000".
	Domain string
	Limits Limits // zero: none; see [Free]
	// ImportRate is how many rows a second one import job does; 0: a job is done when the next
	// request comes.
	ImportRate float64
	// IndexLag is how late GET /users sees a write.
	IndexLag time.Duration
	// DeviceLag is how late GET /device-credentials sees a rotating refresh token.
	DeviceLag time.Duration
	Faults    *faults.Plan // nil: nothing goes wrong

	// Scopes of the management client; nil: every scope that a route here asks for.
	Scopes []string
	// APIScopes are those of [Audience], beside those of OpenID Connect.
	APIScopes []string
	// OneClient lets [ClientID] use the Management API too.
	OneClient bool

	FixedRefreshTokens  bool     // a refresh token works again and again, and is not replaced
	EndsSessionsOnBlock bool     // blocking ends access and refresh tokens for good
	Enterprise          bool     // DELETE /users/{id}/refresh-tokens is part of the plan
	JobDetails          bool     // jobs tell their progress, and are "processing" from the first row
	NoOfflineAccess     bool     // [Audience] gives no refresh tokens
	NotEnabled          bool     // the connection is not switched on for the management client
	NoUsernames         bool     // the connection has no usernames
	RequiresUsername    bool     // nobody signs up without a username
	NoDefaultDirectory  bool     // grant_type=password finds no users
	ForbidsBlocked      bool     // a blocked user's login is 403 invalid_grant rather than 401 unauthorized
	PatchConflicts      bool     // a PATCH to what another has is 409 rather than 400
	MFA                 []string // email addresses of those who need a second factor
	Leaked              []string // email addresses of those whose password is known to be leaked
}

// A Tenant is a stand-in of an Auth0 tenant, an [http.Handler]. It is safe for concurrent use
// and starts no goroutines: what takes time is worked out, by [time.Now], when somebody looks.
type Tenant struct {
	cfg     Config
	base    string // "https://tenant.test"
	clients map[string]client
	mux     *http.ServeMux

	mu       sync.Mutex // guards all below; held while a request is worked on
	users    directory
	jobs     map[string]*job
	tokens   map[string]*accessToken
	families []*family
	refresh  map[string]*refreshToken
	failures map[loginKey]*failedLogins
	tickets  map[string]ticket
	buckets  map[bucketKey]*bucket
	mails    []Mail
	stats    Stats
}

// New returns a tenant without users.
func New(cfg Config) *Tenant {
	t := &Tenant{
		cfg:      cfg,
		base:     baseOf(cfg.Domain),
		users:    newDirectory(cfg.IndexLag),
		jobs:     map[string]*job{},
		tokens:   map[string]*accessToken{},
		refresh:  map[string]*refreshToken{},
		failures: map[loginKey]*failedLogins{},
		tickets:  map[string]ticket{},
		buckets:  map[bucketKey]*bucket{},
		stats:    Stats{Requests: map[string]int{}, Limited: map[string]int{}},
	}
	t.clients = t.knownClients()
	t.mux = t.routes()
	return t
}

func baseOf(domain string) string {
	switch {
	case domain == "":
		return "https://tenant.test"
	case strings.Contains(domain, "://"):
		return strings.TrimRight(domain, "/")
	}
	return "https://" + domain
}

func (t *Tenant) issuer() string     { return t.base + "/" }
func (t *Tenant) management() string { return t.base + "/api/v2/" }

// ServeHTTP implements [http.Handler].
func (t *Tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := t.mux.Handler(r); pattern == "" {
		t.noRoute(r).write(w)
		return
	}
	t.mux.ServeHTTP(w, r)
}

// serve plays what the plan has for a request, around the tenant's work.
func (t *Tenant) serve(rt route, w http.ResponseWriter, r *http.Request) {
	injection := faults.Injection{}
	if t.cfg.Faults != nil {
		injection = t.cfg.Faults.Next("Auth0 " + rt.pattern)
	}
	if status := injection.Fault.Status(); status != 0 {
		rt.fault(status).write(w)
		return
	}
	if injection.Fault == faults.Unreachable {
		hangUp()
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, rt.maxBody()+1))
	if err != nil {
		hangUp()
	}
	if injection.Fault == faults.Late {
		later := r.WithContext(context.WithoutCancel(r.Context()))
		t.cfg.Faults.Defer(func() { t.do(rt, later, body) })
	}
	if injection.Before(r.Context()) != nil {
		hangUp()
	}
	answer := t.do(rt, r, body)
	if injection.After(r.Context()) != nil {
		hangUp()
	}
	answer.write(w)
}

// hangUp closes the connection of a call without an answer.
func hangUp() { panic(http.ErrAbortHandler) }
