package auth0

import (
	"net/http"
	"testing"
	"time"

	"user-manager/crud"
	"user-manager/internal/logtest"
	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/providers/providertest"
)

// environment returns the variables of a service in front of a tenant stand-in, with those
// of more in their place.
func environment(more map[string]string) func(string) string {
	values := map[string]string{
		"AUTH0_DOMAIN":                   "tenant.test",
		"AUTH0_CLIENT_ID":                auth0test.ClientID,
		"AUTH0_CLIENT_SECRET":            auth0test.ClientSecret,
		"AUTH0_MANAGEMENT_CLIENT_ID":     auth0test.ManagementClientID,
		"AUTH0_MANAGEMENT_CLIENT_SECRET": auth0test.ManagementClientSecret,
	}
	for name, value := range more {
		values[name] = value
	}
	return func(name string) string { return values[name] }
}

// open returns a provider that calls base.
func open(t *testing.T, base http.RoundTripper, more map[string]string) *Provider {
	t.Helper()
	p, err := Open(t.Context(), providers.Settings{
		Getenv: environment(more), Log: logtest.Logger(t), Timeout: 10 * time.Second, Base: base,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// front returns a provider of the tenant.
func front(t *testing.T, tenant *auth0test.Tenant) *Provider {
	t.Helper()
	return open(t, crud.InProcess(tenant), nil)
}

func TestProvider(t *testing.T) {
	for name, cfg := range map[string]auth0test.Config{
		"without limits":  {},
		"free plan":       {Limits: auth0test.Free(), IndexLag: 2 * time.Second, ImportRate: 100},
		"enterprise plan": {Enterprise: true, PatchConflicts: true, ForbidsBlocked: true},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.RunInBubbles(t, func(t *testing.T) providertest.Harness {
				tenant := auth0test.New(cfg)
				return providertest.Harness{Provider: front(t, tenant), Mails: tenant.Mails, Advance: time.Sleep}
			})
		})
	}
}
