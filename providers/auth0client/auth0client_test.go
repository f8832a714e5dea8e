package auth0client_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"user-manager/crud"
	"user-manager/internal/logtest"
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
		Getenv: environment(vars), Log: logtest.Logger(t), Timeout: 10 * time.Second, Base: crud.InProcess(h),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// newTenant returns a tenant that ends sessions when it blocks, which the Auth0 Client cannot
// do by itself.
func newTenant() *auth0test.Tenant { return auth0test.New(usualTenant) }

var usualTenant = auth0test.Config{EndsSessionsOnBlock: true, IndexLag: 2 * time.Second, ImportRate: 20}

// otherTenant answers otherwise where Auth0's documentation leaves room.
var otherTenant = auth0test.Config{EndsSessionsOnBlock: true, PatchConflicts: true, ForbidsBlocked: true, FixedRefreshTokens: true}

var website = map[string]facadetest.Client{"site": {Website: true}}

func TestProvider(t *testing.T) {
	tests := map[string]struct {
		tenant auth0test.Config
		facade facadetest.Config
	}{
		"tokens":                       {usualTenant, facadetest.Config{ForwardsQuery: true}},
		"cookies":                      {usualTenant, facadetest.Config{Clients: website, DefaultClient: "site", ForwardsQuery: true}},
		"queries are not passed on":    {usualTenant, facadetest.Config{}},
		"errors in words of its own":   {otherTenant, facadetest.Config{Errors: facadetest.Restated, Clients: website, DefaultClient: "site"}},
		"users are made without words": {usualTenant, facadetest.Config{Silent: true}},
		"no import jobs":               {otherTenant, facadetest.Config{Clients: website, DefaultClient: "site", NoImports: true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			providertest.RunInBubbles(t, func(t *testing.T) providertest.Harness {
				tenant := auth0test.New(test.tenant)
				cfg := test.facade
				cfg.Tenant = tenant
				return providertest.Harness{Provider: opened(t, facadetest.New(cfg), nil), Mails: tenant.Mails, Advance: time.Sleep}
			})
		})
	}
}

// TestOverSockets: as it is opened by the service.
func TestOverSockets(t *testing.T) {
	server := httptest.NewServer(http.StripPrefix("/auth", facadetest.New(facadetest.Config{Tenant: newTenant()})))
	defer server.Close()
	open := func() providers.Provider {
		env := environment(map[string]string{"AUTH_SERVICE": server.URL + "/auth/"})
		p, err := providers.Open(t.Context(), "auth0Client", providers.Settings{Getenv: env, Log: logtest.Logger(t), Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := open()
	id := created(t, p, "ada")
	if err := p.Delete(t.Context(), id); err != nil {
		t.Error(err)
	}
	if _, err := p.Account(t.Context(), id); !errors.Is(err, providers.ErrNotFound) {
		t.Errorf("deleted account: %v, want not found", err)
	}
	server.Close()
	if _, err := open().Create(t.Context(), newAccount("bob")); !upstream.Unreached(err) {
		t.Errorf("nobody there: %v, want that nothing was sent", err)
	}
}

// TestAnswersThatCannotBeRead: they leave open what was done.
func TestAnswersThatCannotBeRead(t *testing.T) {
	for name, bytes := range map[string]int{"broken off": 1 << 20, "too large": 17 << 20} {
		t.Run(name, func(t *testing.T) {
			p := opened(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for range bytes >> 10 {
					_, _ = w.Write(make([]byte, 1<<10))
				}
				panic(http.ErrAbortHandler)
			}), nil)
			if _, err := p.Login(t.Context(), "ada", password); !errors.Is(err, upstream.ErrAnswer) || upstream.Refused(err) {
				t.Errorf("error %v, want an answer that cannot be used", err)
			}
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
