package auth0

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
)

// TestIDsOfNobody: what cannot be an account's id is no account, and never the path of
// another route.
func TestIDsOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := crud.InProcess(auth0test.New(auth0test.Config{}))
		p := open(t, answering(tenant, "DELETE ", func(req *http.Request) (*http.Response, error) {
			if path := req.URL.EscapedPath(); !strings.Contains(path, "%7C") {
				t.Errorf("DELETE %s is called", path)
			}
			return tenant.RoundTrip(req)
		}), nil)
		id := create(t, p, ada()).ID
		ids := []string{".", "..", "nobody", "|", "auth0|", "|5f7c", "auth0|not an id", "auth0|" + strings.Repeat("x", 300), "auth0|" + strings.Repeat("x", 100_000)}
		for _, id := range ids {
			_, err1 := p.Account(t.Context(), id)
			_, err2 := p.Update(t.Context(), id, providers.Change{Blocked: new(true)})
			_, err3 := p.Update(t.Context(), id, providers.Change{Email: new("a@example.com")})
			for _, err := range []error{err1, err2, err3, p.ChangePassword(t.Context(), id)} {
				if !errors.Is(err, providers.ErrNotFound) {
					t.Errorf("%q: %v, want that there is no account", id, err)
				}
			}
			if err := p.Delete(t.Context(), id); err != nil && !errors.Is(err, providers.ErrNotFound) {
				t.Errorf("Delete of %q: %v", id, err)
			}
		}
		if got, err := p.Accounts(t.Context(), append(ids, id)); err != nil || len(got) != 1 {
			t.Errorf("%v, %v; want one account", got, err)
		}
	})
}

// TestAccountsOfOtherServices: an account of a social login is nobody in the database,
// whatever its address.
func TestAccountsOfOtherServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const social = `{"user_id":"google-oauth2|1","email":"ada@example.com","identities":[{"provider":"google-oauth2","connection":"google-oauth2","user_id":"1","isSocial":true}]}`
		stand := auth0test.New(auth0test.Config{})
		tenant := answering(crud.InProcess(stand), "GET /api/v2/users/google-oauth2%7C1", says(200, "application/json", social))
		tenant = answering(tenant, "GET /api/v2/users-by-email", says(200, "application/json", "["+social+"]"))
		p := open(t, tenant, nil)
		create(t, p, ada())
		if a, err := p.Account(t.Context(), "google-oauth2|1"); err != nil || a.Email != "ada@example.com" {
			t.Errorf("%+v, %v; want the account", a, err)
		}
		if err := p.ChangePassword(t.Context(), "google-oauth2|1"); !errors.Is(err, providers.ErrInvalid) || len(stand.Mails()) != 0 {
			t.Errorf("ChangePassword: %v, with %d mails; want it refused", err, len(stand.Mails()))
		}
		twin := bob()
		twin.Username = "ada"
		_, err := p.Create(t.Context(), twin)
		wantCause(t, "Create", err, providers.Taken{Property: "username"})
	})
}
