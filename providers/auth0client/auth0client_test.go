package auth0client_test

import (
	"cmp"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/providers/auth0client"
	"user-manager/providers/auth0client/facadetest"
	"user-manager/providers/providertest"
	"user-manager/upstream"
)

// environment looks variables up in vars, beside those that are always set.
func environment(vars map[string]string) func(string) string {
	return func(name string) string {
		return cmp.Or(vars[name], map[string]string{"AUTH_SERVICE": "auth0-client", "AUTH_CONNECTION": auth0test.Connection}[name])
	}
}

// opened returns a provider whose Auth0 Client is h.
func opened(t *testing.T, h http.Handler, vars map[string]string) *auth0client.Provider {
	t.Helper()
	p, err := auth0client.Open(providers.Settings{
		Getenv: environment(vars), Log: slog.New(slog.DiscardHandler), Timeout: 10 * time.Second, Base: crud.InProcess(h),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// newTenant returns a tenant that ends sessions when it blocks, which the Auth0 Client cannot
// do by itself.
func newTenant() *auth0test.Tenant {
	return auth0test.New(auth0test.Config{EndsSessionsOnBlock: true, IndexLag: 2 * time.Second, ImportRate: 20})
}

var website = map[string]facadetest.Client{"site": {Website: true}}

func TestProvider(t *testing.T) {
	tests := map[string]facadetest.Config{
		"tokens":                       {ForwardsQuery: true},
		"cookies":                      {Clients: website, DefaultClient: "site", ForwardsQuery: true},
		"queries are not passed on":    {},
		"errors in words of its own":   {Errors: facadetest.Restated, Clients: website, DefaultClient: "site"},
		"users are made without words": {Silent: true},
		"no import jobs":               {NoImports: true},
	}
	for name, cfg := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			providertest.RunInBubbles(t, func(t *testing.T) providertest.Harness {
				tenant := newTenant()
				cfg := cfg
				cfg.Tenant = tenant
				return providertest.Harness{Provider: opened(t, facadetest.New(cfg), nil), Mails: tenant.Mails, Advance: time.Sleep}
			})
		})
	}
}

func TestPing(t *testing.T) {
	tests := map[string]struct {
		status int
		well   bool
	}{
		"ready":                {200, true},
		"no such route":        {404, true},
		"a route for somebody": {401, true},
		"not ready":            {503, false},
		"broken":               {500, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := opened(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/-/ready" {
					t.Errorf("asked for %s", r.URL.Path)
				}
				w.WriteHeader(test.status)
			}), nil)
			if err := p.Ping(t.Context()); (err == nil) != test.well {
				t.Errorf("Ping: %v, want well: %v", err, test.well)
			}
		})
	}
}

func TestState(t *testing.T) {
	p := opened(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), nil)
	if got := p.State(); len(got) != 1 || got[0] != (upstream.State{Name: "Auth", State: "closed"}) {
		t.Errorf("state at first: %+v", got)
	}
	for range 5 {
		if err := p.Ping(t.Context()); err == nil {
			t.Error("Ping of one that hangs up is well")
		}
	}
	if got := p.State(); len(got) != 1 || got[0].State != "open" {
		t.Errorf("state of one that hangs up: %+v", got)
	}
}

// answering returns an Auth0 Client that gives one answer, and the last request that it got.
func answering(status int, header http.Header, body string) (http.Handler, *seen) {
	last := &seen{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		*last = seen{r.Method + " " + r.RequestURI, r.Header.Clone(), string(content), last.times + 1}
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}), last
}

// seen is a request.
type seen struct {
	call   string
	header http.Header
	body   string
	times  int
}

func decoded(t *testing.T, body string) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	return doc
}
