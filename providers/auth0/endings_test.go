package auth0

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/secret"
	"user-manager/upstream"
)

// TestDeviceThatIsGone: a refresh token that ends by itself while an account is blocked does
// not keep the others alive, nor those of accounts that are blocked later.
func TestDeviceThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := crud.InProcess(auth0test.New(auth0test.Config{}))
		deletions := 0
		p := open(t, answering(tenant, "DELETE /api/v2/device-credentials/", func(req *http.Request) (*http.Response, error) {
			res, err := tenant.RoundTrip(req)
			if deletions++; deletions == 1 {
				return says(404, "application/json", `{"statusCode":404,"error":"Not Found","message":"Not found."}`)(req)
			}
			return res, err
		}), nil)
		id := create(t, p, ada()).ID
		sessions := []providers.Session{login(t, p, "ada"), login(t, p, "ada"), login(t, p, "ada")}
		for _, blocked := range []bool{true, false} {
			if _, err := p.Update(t.Context(), id, providers.Change{Blocked: &blocked}); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range sessions {
			if _, err := p.Refresh(t.Context(), s.RefreshToken, secret.Text{}); !errors.Is(err, providers.ErrUnauthorized) {
				t.Errorf("Refresh: %v, want it refused", err)
			}
		}
	})
}

// TestAccountThatIsGone: an account that is deleted while it is blocked says nothing of the
// ways to end sessions of others.
func TestAccountThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := crud.InProcess(auth0test.New(auth0test.Config{Enterprise: true}))
		calls := count(tenant)
		p := open(t, answering(calls, "PATCH /api/v2/users/auth0%7Cfedc", func(req *http.Request) (*http.Response, error) {
			res, err := calls.RoundTrip(req)
			again, _ := http.NewRequestWithContext(t.Context(), http.MethodDelete, req.URL.String(), nil)
			again.Header = req.Header
			_, _ = tenant.RoundTrip(again)
			return res, err
		}), nil)
		for _, a := range []providers.NewAccount{bob(), ada()} {
			id := create(t, p, a).ID
			if _, err := p.Update(t.Context(), id, providers.Change{Blocked: new(true)}); err != nil {
				t.Fatal(err)
			}
		}
		if got := calls.of("DELETE /api/v2/users/auth0%7C0123456789abcdef01234567/refresh-tokens"); got != 1 {
			t.Errorf("sessions of the second account were ended %d times, want once", got)
		}
	})
}

// TestBlockWithoutWaysToEndSessions: a tenant that does not let sessions be ended lets
// accounts be blocked.
func TestBlockWithoutWaysToEndSessions(t *testing.T) {
	for _, status := range []int{400, 403, 404, 405, 501} {
		synctest.Test(t, func(t *testing.T) {
			tenant := crud.InProcess(auth0test.New(auth0test.Config{}))
			p := open(t, answering(tenant, "DELETE ", says(status, "application/json", `{"message":"No."}`)), nil)
			id := create(t, p, ada()).ID
			login(t, p, "ada")
			if a, err := p.Update(t.Context(), id, providers.Change{Blocked: new(true)}); err != nil || !a.Blocked {
				t.Errorf("status %d: %+v, %v; want the account blocked", status, a, err)
			}
		})
	}
}

// TestBlockThatIsIgnored: a tenant that does not block an account although it says yes has
// not blocked it.
func TestBlockThatIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ignored = `{"user_id":"auth0|0123456789abcdef01234567","username":"ada"}`
		tenant := crud.InProcess(auth0test.New(auth0test.Config{}))
		for _, method := range []string{"POST", "PATCH"} {
			p := open(t, answering(tenant, method+" /api/v2/users", says(200, "application/json", ignored)), nil)
			blocked := ada()
			blocked.Blocked = true
			_, err := p.Create(t.Context(), blocked)
			if method == "PATCH" {
				_, err = p.Update(t.Context(), "auth0|0123456789abcdef01234567", providers.Change{Blocked: new(true)})
			}
			if err == nil || upstream.Refused(err) {
				t.Errorf("%s: %v, want an error of open outcome", method, err)
			}
		}
	})
}
