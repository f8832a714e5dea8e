package auth0

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/internal/logtest"
	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/secret"
	"user-manager/upstream"
)

// TestOverSockets: the tenant is called over the network, below the path of its base URL.
func TestOverSockets(t *testing.T) {
	var tenant *auth0test.Tenant
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tenant.ServeHTTP(w, r) }))
	defer server.Close()
	tenant = auth0test.New(auth0test.Config{Domain: server.URL, Limits: auth0test.Free()})
	p := open(t, nil, map[string]string{"AUTH0_DOMAIN": server.URL + "/"})
	id := create(t, p, ada()).ID
	session := login(t, p, "ada")
	if info, err := p.UserInfo(t.Context(), providers.Ticket{AccessToken: session.AccessToken}); err != nil || info["sub"] != id {
		t.Errorf("UserInfo: %v, %v", info, err)
	}
	if got := p.State(); len(got) != 1 || got[0].State != "closed" || got[0].Name != providers.Service {
		t.Errorf("State: %+v", got)
	}
	server.Close()
	if err := unknown(t.Context(), p); !upstream.Unreached(err) {
		t.Errorf("%v, want that the tenant was not reached", err)
	}
}

// TestEscapedIDs: an id goes as it is, whatever is in it.
func TestEscapedIDs(t *testing.T) {
	for id, want := range map[string]string{
		"auth0|5f7c":      "/api/v2/users/auth0%7C5f7c",
		"waad|a/b":        "/api/v2/users/waad%7Ca%2Fb",
		"x|../../clients": "/api/v2/users/x%7C..%2F..%2Fclients",
		"x|a?b#c%2F d":    "/api/v2/users/x%7Ca%3Fb%23c%252F%20d",
		"samlp|ü@x":       "/api/v2/users/samlp%7C%C3%BC@x",
	} {
		synctest.Test(t, func(t *testing.T) {
			var got []string
			p := open(t, roundTrip(func(req *http.Request) (*http.Response, error) {
				if req.URL.Path == "/oauth/token" {
					return says(200, "application/json", `{"access_token":"a"}`)(req)
				}
				got = append(got, req.URL.EscapedPath())
				return says(404, "application/json", `{"statusCode":404,"message":"The user does not exist.","errorCode":"inexistent_user"}`)(req)
			}), nil)
			_, err1 := p.Account(t.Context(), id)
			_, err2 := p.Update(t.Context(), id, providers.Change{Blocked: new(true)})
			_ = p.Delete(t.Context(), id)
			if diff := cmp.Diff([]string{want, want, want}, got); diff != "" {
				t.Errorf("paths of %q (-want +got):\n%s", id, diff)
			}
			if !errors.Is(err1, providers.ErrNotFound) || !errors.Is(err2, providers.ErrNotFound) {
				t.Errorf("%v, %v; want that there is no account", err1, err2)
			}
		})
	}
}

// TestNoID: no id is no account, and never another route.
func TestNoID(t *testing.T) {
	p := open(t, roundTrip(func(req *http.Request) (*http.Response, error) {
		t.Errorf("%s %s is called", req.Method, req.URL)
		return nil, errors.New("not to be called")
	}), nil)
	_, err1 := p.Account(t.Context(), "")
	_, err2 := p.Update(t.Context(), "", providers.Change{Blocked: new(true)})
	for _, err := range []error{err1, err2, p.Delete(t.Context(), ""), p.ChangePassword(t.Context(), "")} {
		if !errors.Is(err, providers.ErrNotFound) {
			t.Errorf("%v, want that there is no account", err)
		}
	}
}

// TestWhatIsTaken: which property a conflict is over.
func TestWhatIsTaken(t *testing.T) {
	taken := func(property string) error { return providers.Taken{Property: property} }
	with := func(username, email string) providers.NewAccount {
		a := bob()
		a.Username, a.Email = username, email
		return a
	}
	twin := ada() // the key, too
	tests := map[string]struct {
		account providers.NewAccount
		want    error
	}{
		"the address":                  {with("bob", "ada@example.com"), taken("email")},
		"the address, in capitals":     {with("bob", "ADA@Example.com"), taken("email")},
		"the address alone":            {with("", "ada@example.com"), taken("email")},
		"the user name":                {with("ada", "bob@example.com"), taken("username")},
		"the user name, in capitals":   {with("Ada", "bob@example.com"), taken("username")},
		"the user name alone":          {with("ada", ""), taken("username")},
		"both":                         {with("ada", "ada@example.com"), taken("email")},
		"the key, of the same account": {twin, providers.ErrConflict},
	}
	for name, test := range tests {
		for _, conflicts := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, status 409 at PATCH %v", name, conflicts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := front(t, auth0test.New(auth0test.Config{PatchConflicts: conflicts, IndexLag: time.Hour}))
					create(t, p, ada())
					_, err := p.Create(t.Context(), test.account)
					wantCause(t, "Create", err, test.want)
					if test.account.Key == twin.Key {
						return
					}
					id := create(t, p, bob()).ID
					change := providers.Change{Username: &test.account.Username, Email: &test.account.Email}
					_, err = p.Update(t.Context(), id, change)
					if got, _ := errors.AsType[providers.Taken](err); name != "both" && got != test.want {
						t.Errorf("Update: %v, want %v", err, test.want)
					}
				})
			})
		}
	}
}

func wantCause(t *testing.T, call string, err, want error) {
	t.Helper()
	failed, ok := errors.AsType[*upstream.Error](err)
	if !ok || failed.Err != want {
		t.Errorf("%s: %v, want the cause %v", call, err, want)
	}
}

// TestManyAccounts: few requests for many, and those that the index does not show yet, or
// shows as they were, are there as they are.
func TestManyAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{IndexLag: 30 * time.Second})
		writer := front(t, tenant)
		calls := count(crud.InProcess(tenant))
		p := open(t, calls, nil)
		ids := people(t, writer, 250)
		time.Sleep(time.Minute)
		wanted := append(ids, "auth0|nobody", `x|"*`, "", ids[0])
		got, err := p.Accounts(t.Context(), wanted)
		if err != nil || len(got) != 250 {
			t.Fatalf("%d accounts (%v), want 250", len(got), err)
		}
		for i, id := range ids {
			if got[id].ID != id || got[id].Email != fmt.Sprintf("person%d@example.com", i) {
				t.Errorf("account %d is %+v", i, got[id])
			}
		}
		if searches := calls.of("GET /api/v2/users"); searches > 4 {
			t.Errorf("%d searches, want 4 at most", searches)
		}
		if _, err := p.Update(t.Context(), ids[7], providers.Change{Blocked: new(true)}); err != nil {
			t.Fatal(err)
		}
		if err := p.Delete(t.Context(), ids[8]); err != nil {
			t.Fatal(err)
		}
		fresh := create(t, writer, bob()).ID
		got, err = p.Accounts(t.Context(), []string{ids[6], ids[7], ids[8], fresh})
		if err != nil || len(got) != 3 || !got[ids[7]].Blocked || got[fresh].Username != "bob" {
			t.Errorf("%+v (%v); want one that is blocked, none that is deleted, and one that is new", got, err)
		}
	})
}

// TestLongQuery: a query that the tenant does not take is halved.
func TestLongQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := crud.InProcess(auth0test.New(auth0test.Config{}))
		p := open(t, roundTrip(func(req *http.Request) (*http.Response, error) {
			if len(req.URL.RawQuery) > 500 {
				return says(414, "", "")(req)
			}
			return tenant.RoundTrip(req)
		}), nil)
		ids := people(t, p, 60)
		time.Sleep(indexLag)
		if got, err := p.Accounts(t.Context(), ids); err != nil || len(got) != 60 {
			t.Errorf("%d accounts (%v), want 60", len(got), err)
		}
	})
}

func TestQueriesAreShort(t *testing.T) {
	ids := make([]string, 1000)
	for i := range ids {
		ids[i] = "auth0|" + strings.Repeat("é", i%300)
	}
	for len(ids) > 0 {
		n := fitting(ids)
		if n < 1 || n > perPage {
			t.Fatalf("%d ids in a query", n)
		}
		terms := make([]string, n)
		for i, id := range ids[:n] {
			terms[i] = term(id)
		}
		if size := len(url.QueryEscape(strings.Join(terms, " OR "))); size > queryBytes {
			t.Errorf("a query of %d bytes, want %d at most", size, queryBytes)
		}
		ids = ids[n:]
	}
}

// TestBlockEndsSessions: whichever way the tenant has, refresh tokens do not come back to
// life with the account.
func TestBlockEndsSessions(t *testing.T) {
	all := []string{"read:users", "create:users", "update:users", "delete:users"}
	tests := map[string]struct {
		cfg   auth0test.Config
		ended bool
	}{
		"all at once":              {auth0test.Config{Enterprise: true}, true},
		"one by one":               {auth0test.Config{}, true},
		"that do not rotate":       {auth0test.Config{FixedRefreshTokens: true}, true},
		"not allowed to":           {auth0test.Config{Scopes: all}, false},
		"not allowed to list them": {auth0test.Config{Scopes: append(all, "delete:refresh_tokens", "delete:device_credentials")}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var lines strings.Builder
				tenant := auth0test.New(test.cfg)
				p, err := Open(t.Context(), providers.Settings{
					Getenv: environment(nil), Timeout: 10 * time.Second, Base: crud.InProcess(tenant), Log: slog.New(slog.NewTextHandler(io.MultiWriter(&lines, logtest.For(t)), nil)),
				})
				if err != nil {
					t.Fatal(err)
				}
				id := create(t, p, ada()).ID
				first, second := login(t, p, "ada"), login(t, p, "ada")
				for _, blocked := range []bool{true, true, false} {
					if a, err := p.Update(t.Context(), id, providers.Change{Blocked: &blocked}); err != nil || a.Blocked != blocked {
						t.Fatalf("%+v, %v; want blocked %v", a, err, blocked)
					}
				}
				for _, s := range []providers.Session{first, second} {
					if _, err := p.Refresh(t.Context(), s.RefreshToken, secret.Text{}); (err != nil) != test.ended {
						t.Errorf("Refresh after the block: %v, want it refused: %v", err, test.ended)
					}
				}
				if warned := strings.Count(lines.String(), "level=WARN"); warned > 1 || (warned == 0) != test.ended {
					t.Errorf("%d warnings, want one only where sessions are not ended:\n%s", warned, lines.String())
				}
			})
		})
	}
}

// TestBlockAfterABlock: a block that is in force already ends sessions too, since another
// may have set it.
func TestBlockAfterABlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := front(t, auth0test.New(auth0test.Config{}))
		id := create(t, p, ada()).ID
		session := login(t, p, "ada")
		a, err := p.account(t.Context(), &request{
			method: http.MethodPatch, path: userPath(id), route: patchRoute, contentType: "application/json", body: []byte(`{"blocked":true}`),
		})
		if err != nil || !a.Blocked {
			t.Fatal(a, err)
		}
		for _, c := range []providers.Change{{Blocked: new(true), Username: new("ada")}, {Blocked: new(false)}} {
			if _, err := p.Update(t.Context(), id, c); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := p.Refresh(t.Context(), session.RefreshToken, secret.Text{}); !errors.Is(err, providers.ErrUnauthorized) {
			t.Errorf("Refresh: %v, want it refused", err)
		}
	})
}

// TestBatches: mails of a job read their accounts together, and each call ends with its own
// context.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{})
		ids := people(t, front(t, tenant), 30)
		calls := count(crud.InProcess(tenant))
		p := open(t, calls, nil)
		ctx := upstream.InBackground(t.Context())
		var group sync.WaitGroup
		for _, id := range append(ids, "auth0|nobody") {
			group.Go(func() {
				_, err := p.read(ctx, id)
				if errors.Is(err, providers.ErrNotFound) != (id == "auth0|nobody") || err != nil && id != "auth0|nobody" {
					t.Errorf("%v", err)
				}
			})
		}
		group.Wait()
		if searches := calls.of("GET /api/v2/users"); searches > 2 {
			t.Errorf("%d searches for 31 accounts, want 2 at most", searches)
		}
		if len(p.batches.reads.underWay) != 0 || p.batches.open != nil || len(p.batches.reading) != 0 {
			t.Error("something is under way")
		}
	})
}

// TestUpdatesAtOnce: updates of one account, of several requests each, do not mix.
func TestUpdatesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, count(crud.InProcess(auth0test.New(auth0test.Config{}))), nil)
		id := create(t, p, ada()).ID
		var group sync.WaitGroup
		for i := range 10 {
			group.Go(func() {
				name := fmt.Sprintf("name%d", i)
				if _, err := p.Update(t.Context(), id, providers.Change{Username: &name, Email: new(name + "@example.com")}); err != nil {
					t.Errorf("Update: %v", err)
				}
			})
		}
		group.Wait()
		a, err := p.Account(t.Context(), id)
		if err != nil || a.Email != a.Username+"@example.com" {
			t.Errorf("%+v, %v; want one update's names", a, err)
		}
	})
}
