package auth0client_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/providers/auth0client/facadetest"
	"user-manager/secret"
	"user-manager/upstream"
)

var password = secret.New("Correct-Horse-7-Battery")

// newAccount returns an account to be made, by its user name.
func newAccount(name string) providers.NewAccount {
	key := make([]byte, 12)
	rand.Read(key)
	return providers.NewAccount{Key: hex.EncodeToString(key), Username: name, Email: name + "@example.com", Password: password}
}

// created makes an account and returns its id.
func created(t *testing.T, p providers.Provider, name string) string {
	t.Helper()
	account, err := p.Create(t.Context(), newAccount(name))
	if err != nil {
		t.Fatal(err)
	}
	return account.ID
}

// calls returns the requests that the facade took, without their ids.
func calls(f *facadetest.Facade) []string {
	var calls []string
	for _, r := range f.Took() {
		path := r.URL.EscapedPath()
		if strings.Contains(path, "%7C") {
			path = "/users/:id"
		}
		calls = append(calls, r.Method+" "+path)
	}
	return calls
}

// TestReadChangesNothing: but for updated_at.
func TestReadChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := opened(t, facadetest.New(facadetest.Config{Tenant: newTenant()}), nil)
		made, err := p.Create(t.Context(), newAccount("ada"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		read, err := p.Account(t.Context(), made.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range []providers.Account{made, read} {
			delete(a.Properties, "updated_at")
		}
		if diff := cmp.Diff(made, read); diff != "" {
			t.Errorf("account after it was read (-made +read):\n%s", diff)
		}
	})
}

// TestManyAccounts: by the search where there is one, and one by one where it does not know
// them or does not listen.
func TestManyAccounts(t *testing.T) {
	const search, read = "GET /users", "PATCH /users/:id"
	tests := map[string]struct {
		forwards    bool
		pause       time.Duration
		first, then []string
	}{
		"the search knows them":           {true, time.Minute, []string{search, read}, []string{search, read}},
		"the search lags behind":          {true, 0, []string{search, read, read, read}, []string{search, read, read, read}},
		"the query is not passed on":      {false, time.Minute, []string{search, read, read, read}, []string{read, read, read}},
		"not passed on, and nobody known": {false, 0, []string{search, read, read, read}, []string{search, read, read, read}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				facade := facadetest.New(facadetest.Config{Tenant: newTenant(), ForwardsQuery: test.forwards})
				p := opened(t, facade, nil)
				ada, bob := created(t, p, "ada"), created(t, p, "bob")
				created(t, p, "carol")
				time.Sleep(test.pause)
				facade.Took()
				for _, want := range [][]string{test.first, test.then} {
					found, err := p.Accounts(t.Context(), []string{ada, "auth0|000000000000000000000000", "no id", bob})
					if err != nil || len(found) != 2 || found[ada].Username != "ada" || found[bob].Email != "bob@example.com" {
						t.Errorf("found %v, error %v", found, err)
					}
					if diff := cmp.Diff(want, calls(facade)); diff != "" {
						t.Errorf("calls (-want +got):\n%s", diff)
					}
				}
			})
		})
	}
}

// TestSearchesAreCut: their URLs keep below what a server takes.
func TestSearchesAreCut(t *testing.T) {
	var longest, searches int
	p := opened(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			searches++
			longest = max(longest, len(r.RequestURI))
			fmt.Fprint(w, "[]")
			return
		}
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"statusCode":404,"error":"Not Found","message":"The user does not exist.","errorCode":"inexistent_user"}`)
	}), nil)
	ids := make([]string, 120)
	for i := range ids {
		ids[i] = fmt.Sprintf("auth0|%024x", i)
	}
	found, err := p.Accounts(t.Context(), ids)
	if err != nil || len(found) != 0 || searches != 3 || longest > 4096 {
		t.Errorf("%d found, %d searches, the longest of %d bytes, error %v", len(found), searches, longest, err)
	}
}

// TestSearchThatIsNone: whatever comes for an answer, accounts are what they are.
func TestSearchThatIsNone(t *testing.T) {
	const user = `{"user_id":"auth0|1","email":"ada@example.com","identities":[]}`
	tests := map[string]struct {
		status int
		body   string
		ok     bool
	}{
		"refused":              {400, `{"message":"q is not allowed"}`, true},
		"no list":              {200, `{"users":[]}`, true},
		"no JSON":              {200, `hello`, true},
		"part of a user":       {200, `[{"user_id":"auth0|1"}]`, true},
		"not allowed":          {403, `{"message":"no"}`, false},
		"broken":               {500, `{"message":"no"}`, false},
		"the user and another": {200, `[` + user + `,{"user_id":"auth0|2","identities":[]}]`, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			reads := 0
			p := opened(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPatch {
					reads++
					fmt.Fprint(w, user)
					return
				}
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.body)
			}), nil)
			found, err := p.Accounts(t.Context(), []string{"auth0|1"})
			if (err == nil) != test.ok || test.ok && (found["auth0|1"].Email != "ada@example.com" || reads != 1) {
				t.Errorf("found %v by %d reads, error %v", found, reads, err)
			}
		})
	}
}

// TestNotFound: only a 404 in the tenant's words is one.
func TestNotFound(t *testing.T) {
	tests := map[string]struct {
		status   int
		body     string
		notFound bool
	}{
		"the tenant's":            {404, `{"statusCode":404,"error":"Not Found","message":"The user does not exist.","errorCode":"inexistent_user"}`, true},
		"its words":               {404, `{"statusCode":404,"error":"Not Found","message":"User not found."}`, true},
		"a route's":               {404, `{"message":"Route PATCH:/users/auth0%7C1 not found","error":"Not Found","statusCode":404}`, false},
		"a gateway's":             {404, `404 page not found`, false},
		"of nothing":              {404, ``, false},
		"wrapped into a failure":  {500, `{"statusCode":500,"error":"Internal Server Error","message":"The user does not exist."}`, false},
		"the tenant's, gone":      {410, `{"message":"The user does not exist."}`, false},
		"of the service's client": {404, `{"message":"The client does not exist"}`, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h, _ := answering(test.status, nil, test.body)
			p := opened(t, h, nil)
			_, account := p.Account(t.Context(), "auth0|1")
			_, find := p.Find(t.Context(), newAccount("ada"))
			for call, err := range map[string]error{"Account": account, "Find": find, "Delete": p.Delete(t.Context(), "auth0|1")} {
				if err == nil || errors.Is(err, providers.ErrNotFound) != test.notFound {
					t.Errorf("%s: %v, want not found: %v", call, err, test.notFound)
				}
			}
		})
	}
}

// TestIDsThatAreNone: they lead to no route.
func TestIDsThatAreNone(t *testing.T) {
	h, last := answering(200, nil, "{}")
	p := opened(t, h, nil)
	for _, id := range []string{"", "..", "import", "import/status/job_1", "|", "auth0|", "|1"} {
		_, account := p.Account(t.Context(), id)
		_, update := p.Update(t.Context(), id, providers.Change{Blocked: new(true)})
		for call, err := range map[string]error{"Account": account, "Update": update, "Delete": p.Delete(t.Context(), id), "ChangePassword": p.ChangePassword(t.Context(), id)} {
			if !errors.Is(err, providers.ErrNotFound) {
				t.Errorf("%s of %q: %v, want not found", call, id, err)
			}
		}
	}
	if last.times != 0 {
		t.Errorf("%d requests, want none", last.times)
	}
	_ = p.Delete(t.Context(), "auth0|a/../b c")
	if want := "DELETE /users/auth0%7Ca%2F..%2Fb%20c"; last.call != want {
		t.Errorf("%s, want %s", last.call, want)
	}
}

// TestAnswersOfChanges: those that do not show the whole user.
func TestAnswersOfChanges(t *testing.T) {
	const whole = `{"user_id":"auth0|1","email":"ada@example.com","identities":[]}`
	for name, body := range map[string]string{
		"nothing": "", "part of the user": `{"user_id":"auth0|1","blocked":true}`, "no id": `{"identities":[]}`, "no JSON": "OK",
		"another user": strings.Replace(whole, "|1", "|2", 1), "a list": "[" + whole + "]",
	} {
		t.Run(name, func(t *testing.T) {
			h, last := answering(200, nil, body)
			_, err := opened(t, h, nil).Update(t.Context(), "auth0|1", providers.Change{Blocked: new(true)})
			if !errors.Is(err, upstream.ErrAnswer) || upstream.Refused(err) {
				t.Errorf("error %v, want an answer that cannot be used", err)
			}
			if last.body != `{"blocked":true}` || last.call != "PATCH /users/auth0%7C1" {
				t.Errorf("%s %s", last.call, last.body)
			}
		})
	}
}

// TestMadeButNotShown: an account that was made and cannot be read is not refused.
func TestMadeButNotShown(t *testing.T) {
	for name, status := range map[string]int{"not found": 404, "not allowed": 403, "broken": 500, "without words": 204} {
		t.Run(name, func(t *testing.T) {
			p := opened(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					w.WriteHeader(http.StatusCreated)
					return
				}
				w.WriteHeader(status)
				if status != http.StatusNoContent {
					fmt.Fprint(w, `{"message":"User not found."}`)
				}
			}), nil)
			_, err := p.Create(t.Context(), newAccount("ada"))
			if err == nil || upstream.Refused(err) || errors.Is(err, providers.ErrNotFound) {
				t.Errorf("error %v, want one that leaves open what was done", err)
			}
		})
	}
}

// TestMadeAndTold: an account is the one that the answer tells of, also by its id alone.
func TestMadeAndTold(t *testing.T) {
	const id = "auth0|chosen by somebody else"
	p := opened(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path {
		case "POST /users":
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"user_id":%q}`, id)
		case "PATCH /users/" + id:
			fmt.Fprintf(w, `{"user_id":%q,"email":"ada@example.com","identities":[]}`, id)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}), nil)
	if made, err := p.Create(t.Context(), newAccount("ada")); err != nil || made.ID != id || made.Email != "ada@example.com" {
		t.Errorf("account %+v, error %v, want that with id %s", made, err, id)
	}
}

// TestManyReadsInTime: a page of accounts is read within the time of a call, at usual speed.
func TestManyReadsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := opened(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(500 * time.Millisecond)
			if r.Method == http.MethodGet {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			fmt.Fprintf(w, `{"user_id":%q,"identities":[]}`, strings.TrimPrefix(r.URL.Path, "/users/"))
		}), nil)
		ids := make([]string, 100)
		for i := range ids {
			ids[i] = fmt.Sprintf("auth0|%d", i)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if found, err := p.Accounts(ctx, ids); err != nil || len(found) != len(ids) {
			t.Errorf("%d accounts, error %v", len(found), err)
		}
	})
}

// TestSwallowedErrors: a 500 is never a refusal, whatever its words.
func TestSwallowedErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := opened(t, facadetest.New(facadetest.Config{Tenant: newTenant(), Errors: facadetest.Swallowed}), nil)
		id := created(t, p, "ada")
		twin := newAccount("ada")
		_, create := p.Create(t.Context(), twin)
		_, find := p.Find(t.Context(), twin)
		_, update := p.Update(t.Context(), "auth0|000000000000000000000000", providers.Change{Blocked: new(true)})
		for call, err := range map[string]error{"Create": create, "Find": find, "Update": update} {
			if upstream.Status(err) != 500 || upstream.Refused(err) || errors.Is(err, providers.ErrConflict) || errors.Is(err, providers.ErrNotFound) {
				t.Errorf("%s: %v, want a failure", call, err)
			}
		}
		if _, err := p.Login(t.Context(), "ada", secret.New("wrong")); !errors.Is(err, providers.ErrUnauthorized) {
			t.Errorf("Login: %v, want a refusal", err)
		}
		if err := p.Delete(t.Context(), id); err != nil {
			t.Errorf("Delete: %v", err)
		}
	})
}

// TestTenantsLimits: work in the background waits for them, a caller is told.
func TestTenantsLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{Limits: auth0test.Free()})
		p := opened(t, facadetest.New(facadetest.Config{Tenant: tenant}), nil)
		var ids []string
		for i := range 20 {
			account, err := p.Create(upstream.InBackground(t.Context()), newAccount(fmt.Sprintf("person%d", i)))
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, account.ID)
		}
		for _, id := range ids {
			if _, err := p.Account(upstream.InBackground(t.Context()), id); err != nil {
				t.Fatalf("in the background: %v", err)
			}
		}
		short, cancel := context.WithTimeout(upstream.InBackground(t.Context()), 500*time.Millisecond)
		defer cancel()
		var told int
		for _, id := range slices.Concat(ids, ids) {
			if _, err := p.Account(short, id); upstream.Status(err) == http.StatusTooManyRequests {
				told++
			}
		}
		if told == 0 {
			t.Error("a call without time was never told of the limit")
		}
	})
}
