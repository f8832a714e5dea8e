package auth0client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/providers/auth0client"
	"user-manager/providers/auth0client/facadetest"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// A world is a provider with ada's account and session, whose calls fail by plan.
type world struct {
	p       *auth0client.Provider
	tenant  *auth0test.Tenant
	plan    *faults.Plan
	account providers.NewAccount // ada's
	id      string
	session providers.Session
	bob     providers.NewAccount // not made yet
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, facadetest.Config{ForwardsQuery: true})
}

func newWorldOf(t *testing.T, cfg facadetest.Config) *world {
	t.Helper()
	w := &world{tenant: newTenant(), plan: faults.NewPlan(), account: newAccount("ada"), bob: newAccount("bob")}
	cfg.Tenant, cfg.Faults = w.tenant, w.plan
	w.p = opened(t, facadetest.New(cfg), nil)
	account, err := w.p.Create(t.Context(), w.account)
	if err != nil {
		t.Fatal(err)
	}
	w.id = account.ID
	if w.session, err = w.p.Login(t.Context(), "ada", password); err != nil {
		t.Fatal(err)
	}
	w.plan.Reset()
	return w
}

// An operation is one method's call, and whether it has changed anything since a newWorld.
type operation struct {
	do   func(context.Context, *world) error
	done func(context.Context, *world) bool
	// calls that are made when nothing fails
	calls []string
}

const anyUser = "PATCH /users/:id"

var operations = map[string]operation{
	"Login": {
		do:    func(ctx context.Context, w *world) error { _, err := w.p.Login(ctx, "ada", password); return err },
		calls: []string{"POST /oauth/token"},
	},
	"Refresh": {
		do: func(ctx context.Context, w *world) error {
			_, err := w.p.Refresh(ctx, w.session.RefreshToken, w.session.AccessToken)
			return err
		},
		done: func(ctx context.Context, w *world) bool {
			_, err := w.p.Refresh(ctx, w.session.RefreshToken, w.session.AccessToken)
			return errors.Is(err, providers.ErrUnauthorized)
		},
		calls: []string{"POST /refreshtoken"},
	},
	"UserInfo": {
		do: func(ctx context.Context, w *world) error {
			_, err := w.p.UserInfo(ctx, providers.Ticket{AccessToken: w.session.AccessToken})
			return err
		},
		calls: []string{"GET /userinfo"},
	},
	"Create": {
		do: func(ctx context.Context, w *world) error { _, err := w.p.Create(ctx, w.bob); return err },
		done: func(ctx context.Context, w *world) bool {
			_, err := w.p.Find(ctx, w.bob)
			return !errors.Is(err, providers.ErrNotFound)
		},
		calls: []string{"POST /users"},
	},
	"Find": {
		do:    func(ctx context.Context, w *world) error { _, err := w.p.Find(ctx, w.account); return err },
		calls: []string{anyUser},
	},
	"Account": {
		do:    func(ctx context.Context, w *world) error { _, err := w.p.Account(ctx, w.id); return err },
		calls: []string{anyUser},
	},
	"Accounts": {
		do: func(ctx context.Context, w *world) error {
			found, err := w.p.Accounts(ctx, []string{w.id})
			if err == nil && len(found) != 1 {
				return fmt.Errorf("%d accounts", len(found))
			}
			return err
		},
		calls: []string{"GET /users", anyUser}, // the search does not know her yet
	},
	"Update to block": {
		do: func(ctx context.Context, w *world) error {
			_, err := w.p.Update(ctx, w.id, providers.Change{Blocked: new(true)})
			return err
		},
		done:  func(ctx context.Context, w *world) bool { return w.changed(ctx) },
		calls: []string{anyUser},
	},
	"Update of all": {
		do: func(ctx context.Context, w *world) error {
			_, err := w.p.Update(ctx, w.id, providers.Change{Username: new("countess"), Email: new("countess@example.com"), Blocked: new(true)})
			return err
		},
		done:  func(ctx context.Context, w *world) bool { return w.changed(ctx) },
		calls: []string{anyUser, anyUser, anyUser},
	},
	"Delete": {
		do: func(ctx context.Context, w *world) error { return w.p.Delete(ctx, w.id) },
		done: func(ctx context.Context, w *world) bool {
			_, err := w.p.Account(ctx, w.id)
			return errors.Is(err, providers.ErrNotFound)
		},
		calls: []string{"DELETE /users/:id"},
	},
	"ChangePassword": {
		do:    func(ctx context.Context, w *world) error { return w.p.ChangePassword(ctx, w.id) },
		done:  func(_ context.Context, w *world) bool { return len(w.tenant.Mails()) > 0 },
		calls: []string{"POST /change-password"},
	},
	"Ping": {
		do:    func(ctx context.Context, w *world) error { return w.p.Ping(ctx) },
		calls: []string{"GET /-/ready"},
	},
}

// changed reports whether ada's account is not as it was made.
func (w *world) changed(ctx context.Context) bool {
	got, err := w.p.Account(ctx, w.id)
	return err != nil || got.Username != w.account.Username || got.Email != w.account.Email || got.Blocked
}

// TestFaults: whatever fails at whichever call, a refusal means that nothing was done nor
// will be, no error means that all was, and a call may be made again.
func TestFaults(t *testing.T) {
	for name, op := range operations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if err := op.do(t.Context(), w); err != nil {
					t.Fatal(err)
				}
				var calls []string
				for _, call := range op.calls {
					calls = append(calls, "AuthClient "+call)
				}
				if diff := cmp.Diff(calls, w.plan.Calls()); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
			for n := range op.calls {
				for _, fault := range faults.All() {
					t.Run(fmt.Sprintf("%v at call %d", fault, n+1), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { failing(t, op, n+1, fault) })
					})
				}
			}
		})
	}
}

func failing(t *testing.T, op operation, n int, fault faults.Fault) {
	w := newWorld(t)
	w.plan.Arm(n, fault)
	err := op.do(t.Context(), w)
	w.plan.Heal()
	failed, ok := errors.AsType[*upstream.Error](err)
	if err != nil && (!ok || failed.Service != providers.Service || failed.Route == "") {
		t.Fatalf("error %v, want one of %s", err, providers.Service)
	}
	if upstream.Refused(err) {
		w.plan.Deliver()
		if op.done != nil && op.done(t.Context(), w) {
			t.Errorf("%v, but something was done", err)
		}
		return
	}
	if err == nil && op.done != nil && !op.done(t.Context(), w) {
		t.Error("no error, and nothing was done")
	}
	if err != nil && fault == faults.Refuse429 {
		t.Errorf("%v, although nothing was done", err)
	}
	w.plan.Deliver()
}

// TestNotRepeated: what is not safe to repeat is made once, unless it surely was not done.
func TestNotRepeated(t *testing.T) {
	for _, name := range []string{"Login", "Refresh", "Create", "ChangePassword", "Update to block"} {
		for fault, want := range map[faults.Fault]int{
			faults.DropAnswer: 1, faults.Late: 1, faults.Unreachable: 1, faults.Refuse500: 1, faults.Refuse503: 1, faults.Refuse429: 2,
		} {
			t.Run(fmt.Sprintf("%s, %v", name, fault), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.plan.Arm(1, fault)
					_ = operations[name].do(t.Context(), w)
					got := w.plan.Calls()
					if name == "ChangePassword" { // it looks why
						got = slices.DeleteFunc(got, func(call string) bool { return call == "AuthClient "+anyUser })
					}
					if len(got) != want {
						t.Errorf("calls %q, want %d", got, want)
					}
				})
			})
		}
	}
}

// TestRepeated: what is safe to repeat is, and then done.
func TestRepeated(t *testing.T) {
	for _, name := range []string{"UserInfo", "Find", "Account", "Delete", "Ping"} {
		for _, fault := range []faults.Fault{faults.DropAnswer, faults.Late, faults.Unreachable, faults.Refuse503} {
			t.Run(fmt.Sprintf("%s, %v", name, fault), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.plan.Arm(1, fault)
					if err := operations[name].do(t.Context(), w); err != nil || len(w.plan.Calls()) != 2 {
						t.Errorf("error %v after calls %q, want none after 2", err, w.plan.Calls())
					}
				})
			})
		}
	}
}

// TestFaultsOfImports: each Import that fails can be repeated, and then completes.
func TestFaultsOfImports(t *testing.T) {
	for name, cfg := range map[string]facadetest.Config{"by jobs": {}, "one by one": {NoImports: true}} {
		var calls int
		synctest.Test(t, func(t *testing.T) {
			w := newWorldOf(t, cfg)
			wantImported(t, w, w.imports())
			calls = len(w.plan.Calls())
		})
		if calls < 6 {
			t.Fatalf("%s: %d calls, want some for each kind of account", name, calls)
		}
		for n := range calls {
			for _, fault := range faults.All() {
				t.Run(fmt.Sprintf("%s, %v at call %d", name, fault, n+1), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { failingImport(t, newWorldOf(t, cfg), n+1, fault) })
				})
			}
		}
	}
}

// imports returns accounts of all kinds: new ones, one that exists, and one that is refused.
func (w *world) imports() []providers.ImportAccount {
	return []providers.ImportAccount{
		{Key: w.bob.Key, Username: "bob", Email: "bob@example.com", Blocked: true},
		{Key: newAccount("carol").Key, Username: "carol"},
		{ID: w.id, Username: "countess", Email: "ada@example.com", Blocked: true},
		{Key: newAccount("dave").Key, Username: "dave", Email: "ada@example.com"},
	}
}

func failingImport(t *testing.T, w *world, n int, fault faults.Fault) {
	accounts := w.imports()
	w.plan.Arm(n, fault)
	_, err := w.p.Import(t.Context(), accounts)
	w.plan.Heal()
	if err != nil && upstream.Refused(err) {
		t.Errorf("%v, want a failure that leaves open what was done", err)
	}
	time.Sleep(time.Minute)
	wantImported(t, w, accounts)
	w.plan.Deliver()
}

// wantImported imports accounts of which the last has an address that is taken, and checks
// that the others then are as given.
func wantImported(t *testing.T, w *world, accounts []providers.ImportAccount) {
	t.Helper()
	outcomes, err := w.p.Import(t.Context(), accounts)
	if err != nil {
		t.Fatal(err)
	}
	last := len(accounts) - 1
	for i, a := range accounts[:last] {
		got, err := w.p.Account(t.Context(), outcomes[i].ID)
		if err != nil || outcomes[i].Refusal != nil || got.Username != a.Username || got.Email != a.Email || got.Blocked != a.Blocked {
			t.Errorf("%s: outcome %+v, account %+v, error %v", a.Username, outcomes[i], got, err)
		}
	}
	if outcomes[last].Refusal == nil || outcomes[last].Refusal.Code != providers.CodeNotUnique {
		t.Errorf("%s: outcome %+v, want a refusal", accounts[last].Username, outcomes[last])
	}
}
