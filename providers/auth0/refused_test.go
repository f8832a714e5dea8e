package auth0

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/upstream"
)

// answering answers calls that begin with the given words, such as "DELETE /api/v2/", by
// then, and others by the tenant.
func answering(tenant http.RoundTripper, words string, then func(*http.Request) (*http.Response, error)) roundTrip {
	return func(req *http.Request) (*http.Response, error) {
		if strings.HasPrefix(req.Method+" "+req.URL.EscapedPath(), words) {
			return then(req)
		}
		return tenant.RoundTrip(req)
	}
}

const (
	wrongSecret  = `{"error":"access_denied","error_description":"Unauthorized"}`
	invalidToken = `{"statusCode":401,"error":"Unauthorized","message":"Invalid token."}`
)

// TestRefusedApplication: a tenant that gives no token is not asked with every call.
func TestRefusedApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := true
		tenant := crud.InProcess(auth0test.New(auth0test.Config{}))
		calls := count(roundTrip(func(req *http.Request) (*http.Response, error) {
			if wrong && req.URL.Path == "/oauth/token" {
				return says(401, "application/json", wrongSecret)(req)
			}
			return tenant.RoundTrip(req)
		}))
		p := open(t, calls, nil)
		for range 50 {
			err := unknown(t.Context(), p)
			if !errors.Is(err, providers.ErrMisconfigured) || !upstream.Refused(err) || upstream.Status(err) != 401 {
				t.Fatalf("%v, want that the application is refused", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if got := calls.of(tokenRoute); got != 1 {
			t.Errorf("%d calls for tokens in five seconds, want 1", got)
		}
		wrong = false
		time.Sleep(nextRequest)
		wantUnknown(t, p)
	})
}

// TestUselessTokens: a tenant that refuses the tokens that it gives is not asked for one
// with every call.
func TestUselessTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := crud.InProcess(auth0test.New(auth0test.Config{}))
		calls := count(answering(tenant, "GET /api/v2/", says(401, "application/json", invalidToken)))
		p := open(t, calls, nil)
		for range 50 {
			if err := unknown(t.Context(), p); !errors.Is(err, providers.ErrMisconfigured) {
				t.Fatalf("%v, want that the application is refused", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if got := calls.of(tokenRoute); got > 2 {
			t.Errorf("%d calls for tokens in five seconds, want 2 at most", got)
		}
	})
}

// TestNoTokenForNow: a token that cannot be had because the tenant is unwell refuses
// nothing for good.
func TestNoTokenForNow(t *testing.T) {
	for _, status := range []int{302, 408, 500, 503} {
		synctest.Test(t, func(t *testing.T) {
			p := open(t, says(status, "text/html", "<html>"), nil)
			if err := unknown(t.Context(), p); !upstream.Unreached(err) {
				t.Errorf("%#v for status %d, want that the tenant was not reached", err, status)
			}
		})
	}
}

// TestRenewalThatHangs: who has a valid token does not wait for long for another.
func TestRenewalThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := false
		tenant := crud.InProcess(auth0test.New(auth0test.Config{}))
		p := open(t, roundTrip(func(req *http.Request) (*http.Response, error) {
			if hangs && req.URL.Path == "/oauth/token" {
				<-req.Context().Done()
				return nil, req.Context().Err()
			}
			return tenant.RoundTrip(req)
		}), nil)
		wantUnknown(t, p)
		hangs = true
		time.Sleep(24*time.Hour - time.Minute)
		for range 4 {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if err := unknown(ctx, p); !errors.Is(err, providers.ErrNotFound) {
				t.Errorf("%v, want that there is no account", err)
			}
			cancel()
			time.Sleep(5 * time.Second)
		}
		hangs = false
		time.Sleep(time.Hour)
		wantUnknown(t, p)
	})
}

// TestRefusedAfterAnAnswerWasLost: a change that may have been carried out before the token
// was refused is not told to be undone.
func TestRefusedAfterAnAnswerWasLost(t *testing.T) {
	for name, test := range map[string]struct {
		token func(*http.Request) (*http.Response, error)
		call  func(ctx context.Context, p *Provider, id string) error
	}{
		"block, no token": {says(401, "application/json", wrongSecret), func(ctx context.Context, p *Provider, id string) error {
			_, err := p.Update(ctx, id, providers.Change{Blocked: new(true)})
			return err
		}},
		"deletion, no token": {says(401, "application/json", wrongSecret), func(ctx context.Context, p *Provider, id string) error {
			return p.Delete(ctx, id)
		}},
		"deletion, no good token": {says(200, "application/json", `{"access_token":"no good one"}`), func(ctx context.Context, p *Provider, id string) error {
			return p.Delete(ctx, id)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tenant := crud.InProcess(auth0test.New(auth0test.Config{}))
				changes, broken := 0, false
				p := open(t, roundTrip(func(req *http.Request) (*http.Response, error) {
					switch {
					case broken && req.URL.Path == "/oauth/token":
						return test.token(req)
					case req.Method == http.MethodPatch || req.Method == http.MethodDelete:
						if changes++; changes > 1 {
							broken = true
							return says(401, "application/json", invalidToken)(req)
						}
						if _, err := tenant.RoundTrip(req); err != nil {
							return nil, err
						}
						return says(502, "text/html", "<html>")(req)
					}
					return tenant.RoundTrip(req)
				}), nil)
				id := create(t, p, ada()).ID
				time.Sleep(nextRequest)
				if err := test.call(t.Context(), p, id); err == nil || upstream.Refused(err) || upstream.Unreached(err) {
					t.Errorf("%#v, want an error of open outcome", err)
				}
			})
		})
	}
}
