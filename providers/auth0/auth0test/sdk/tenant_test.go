// Package sdk holds Auth0's own Go client against the stand-in of a tenant: what that
// client makes of a real tenant's answers it must make of ours. It is a module of its
// own, and has tests alone, so that the service does not depend on that client.
package sdk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/auth0/go-auth0"
	"github.com/auth0/go-auth0/authentication"
	"github.com/auth0/go-auth0/authentication/oauth"
	"github.com/auth0/go-auth0/management"
	"golang.org/x/oauth2"

	"user-manager/providers/auth0/auth0test"
)

const password = "Correct horse 1 battery"

// A tenant is a stand-in behind TLS, as the client insists on.
type tenant struct {
	*auth0test.Tenant
	domain string
	http   *http.Client
}

func newTenant(t *testing.T, cfg auth0test.Config) *tenant {
	server := httptest.NewUnstartedServer(nil)
	cfg.Domain = server.Listener.Addr().String()
	stand := auth0test.New(cfg)
	server.Config.Handler = stand
	server.StartTLS()
	t.Cleanup(server.Close)
	return &tenant{stand, cfg.Domain, server.Client()}
}

// client is an HTTP client of its own: theirs wrap it.
func (tn *tenant) client() *http.Client { return &http.Client{Transport: tn.http.Transport} }

// management is the Management API with every scope.
func (tn *tenant) management(t *testing.T, more ...management.Option) *management.Management {
	t.Helper()
	return tn.managementAs(t, auth0test.ManagementClientID, auth0test.ManagementClientSecret, more...)
}

func (tn *tenant) managementAs(t *testing.T, id, secret string, more ...management.Option) *management.Management {
	t.Helper()
	// Their source of tokens takes its HTTP client from the context.
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, tn.client())
	options := append([]management.Option{management.WithClient(tn.client()), management.WithClientCredentials(ctx, id, secret)}, more...)
	m, err := management.New(tn.domain, options...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// authentication is the Authentication API, as the service's own client.
func (tn *tenant) authentication(t *testing.T, more ...authentication.Option) *authentication.Authentication {
	t.Helper()
	options := append([]authentication.Option{
		authentication.WithClient(tn.client()),
		authentication.WithClientID(auth0test.ClientID),
		authentication.WithClientSecret(auth0test.ClientSecret),
	}, more...)
	a, err := authentication.New(t.Context(), tn.domain, options...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// user makes an account and gives it back as the tenant has it.
func user(t *testing.T, m *management.Management, u management.User) *management.User {
	t.Helper()
	if u.Connection == nil {
		u.Connection = auth0.String(auth0test.Connection)
	}
	if u.Password == nil {
		u.Password = auth0.String(password)
	}
	if err := m.User.Create(t.Context(), &u); err != nil {
		t.Fatalf("create %s: %v", u.GetEmail(), err)
	}
	read, err := m.User.Read(t.Context(), u.GetID())
	if err != nil {
		t.Fatalf("read %s: %v", u.GetID(), err)
	}
	return read
}

func ada(t *testing.T, m *management.Management) *management.User {
	t.Helper()
	return user(t, m, management.User{Email: auth0.String("ada@example.com"), EmailVerified: auth0.Bool(true)})
}

// login is the password grant at the tenant's connection.
func login(t *testing.T, a *authentication.Authentication, name, word string) (*oauth.TokenSet, error) {
	return a.OAuth.LoginWithPassword(t.Context(), oauth.LoginWithPasswordRequest{
		Username: name, Password: word, Realm: auth0test.Connection, Scope: "openid profile email offline_access",
	}, oauth.IDTokenValidationOptions{})
}

// refused checks a refusal of the Management API.
func refused(t *testing.T, err error, status int, message string) {
	t.Helper()
	var refusal management.Error
	if !errors.As(err, &refusal) {
		t.Errorf("want a management.Error with %d, got %v", status, err)
		return
	}
	if want := fmt.Sprintf("%d %s: ", status, http.StatusText(status)); refusal.Status() != status || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), message) {
		t.Errorf("want %q and %q, got %q", want, message, err)
	}
}

// denied checks a refusal of the Authentication API.
func denied(t *testing.T, err error, status int, code, message string) {
	t.Helper()
	var refusal *authentication.Error
	if !errors.As(err, &refusal) {
		t.Errorf("want an authentication.Error with %d %s, got %v", status, code, err)
		return
	}
	if refusal.Status() != status || refusal.Err != code || !strings.Contains(refusal.Message, message) {
		t.Errorf("want %d %s: %s, got %v", status, code, message, refusal)
	}
}
