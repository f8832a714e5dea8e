package auth0

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/secret"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// An operation is a call of the provider, after what prepares it.
type operation struct {
	do func(ctx context.Context, p *Provider, s state) error
	// done reports whether the work shows, nil for one that only reads.
	done func(ctx context.Context, p *Provider, tenant *auth0test.Tenant, s state) (bool, error)
	// again makes the call again after one of open outcome; nil: do.
	again func(ctx context.Context, p *Provider, s state) error
}

// state is what there is before an operation: ada's account, and her session.
type state struct {
	id      string
	session providers.Session
}

func bob() providers.NewAccount {
	return providers.NewAccount{Key: "fedcba9876543210fedcba98", Username: "bob", Email: "bob@example.com", Password: secret.New(password)}
}

func operations() map[string]operation {
	update := func(c providers.Change) operation {
		return operation{
			do: func(ctx context.Context, p *Provider, s state) error { _, err := p.Update(ctx, s.id, c); return err },
			done: func(ctx context.Context, p *Provider, _ *auth0test.Tenant, s state) (bool, error) {
				a, err := p.Account(ctx, s.id)
				if c.Username != nil && c.Email != nil && (a.Username == *c.Username) != (a.Email == *c.Email) {
					return false, errors.New("it is half done")
				}
				return (c.Username == nil || a.Username == *c.Username) && (c.Email == nil || a.Email == *c.Email) && (c.Blocked == nil || a.Blocked == *c.Blocked), err
			},
		}
	}
	create := func(ctx context.Context, p *Provider, _ state) error { _, err := p.Create(ctx, bob()); return err }
	find := func(ctx context.Context, p *Provider) (bool, error) {
		_, err := p.Find(ctx, bob())
		if errors.Is(err, providers.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}
	return map[string]operation{
		"Login": {do: func(ctx context.Context, p *Provider, _ state) error {
			_, err := p.Login(ctx, "ada", secret.New(password))
			return err
		}},
		"UserInfo": {do: func(ctx context.Context, p *Provider, s state) error {
			_, err := p.UserInfo(ctx, providers.Ticket{AccessToken: s.session.AccessToken})
			return err
		}},
		"Account": {do: func(ctx context.Context, p *Provider, s state) error { _, err := p.Account(ctx, s.id); return err }},
		"Accounts": {do: func(ctx context.Context, p *Provider, s state) error {
			_, err := p.Accounts(ctx, []string{s.id, "auth0|1", "auth0|2", "auth0|3"})
			return err
		}},
		"Ping": {do: func(ctx context.Context, p *Provider, _ state) error { return p.Ping(ctx) }},
		"Create": {
			do: create,
			done: func(ctx context.Context, p *Provider, _ *auth0test.Tenant, _ state) (bool, error) {
				return find(ctx, p)
			},
			again: func(ctx context.Context, p *Provider, s state) error {
				if made, err := find(ctx, p); made || err != nil {
					return err
				}
				return create(ctx, p, s)
			},
		},
		"Update of the address":            update(providers.Change{Email: new("countess@example.com")}),
		"Update of both names":             update(providers.Change{Username: new("countess"), Email: new("countess@example.com")}),
		"Update of both names and a block": update(providers.Change{Username: new("countess"), Email: new("countess@example.com"), Blocked: new(true)}),
		"Update of the block":              update(providers.Change{Blocked: new(true)}),
		"Delete": {
			do: func(ctx context.Context, p *Provider, s state) error { return p.Delete(ctx, s.id) },
			done: func(ctx context.Context, p *Provider, _ *auth0test.Tenant, s state) (bool, error) {
				_, err := p.Account(ctx, s.id)
				if errors.Is(err, providers.ErrNotFound) {
					return true, nil
				}
				return false, err
			},
		},
		"ChangePassword": {
			do: func(ctx context.Context, p *Provider, s state) error { return p.ChangePassword(ctx, s.id) },
			done: func(_ context.Context, _ *Provider, tenant *auth0test.Tenant, _ state) (bool, error) {
				return len(tenant.Mails()) > 0, nil
			},
		},
	}
}

// TestFaults tries every fault at every call of every operation, with a provider that was
// just opened: what the error says is so, and a call of open outcome can be made again.
func TestFaults(t *testing.T) {
	for name, op := range operations() {
		t.Run(name, func(t *testing.T) {
			var calls []string
			synctest.Test(t, func(t *testing.T) { calls = withFault(t, op, 0, faults.None) })
			for n := range calls {
				for _, fault := range faults.All() {
					t.Run(fmt.Sprintf("%s at call %d, %s", fault, n+1, calls[n]), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { withFault(t, op, n+1, fault) })
					})
				}
			}
		})
	}
}

// withFault does an operation whose nth call has the fault, and returns its calls.
func withFault(t *testing.T, op operation, n int, fault faults.Fault) []string {
	t.Helper()
	plan := faults.NewPlan()
	tenant := auth0test.New(auth0test.Config{Faults: plan})
	before := front(t, tenant)
	s := state{id: create(t, before, ada()).ID, session: login(t, before, "ada")}
	p := front(t, tenant)
	plan.Reset()
	if n > 0 {
		plan.Arm(n, fault)
	}
	err := op.do(t.Context(), p, s)
	calls := plan.Calls()
	plan.Heal()
	plan.Deliver()
	checkError(t, err)
	checkOutcome(t, op, before, tenant, s, err)
	if fault == faults.None && err != nil || fault == faults.Refuse429 && err != nil {
		t.Errorf("%v, want success", err)
	}
	if err != nil {
		time.Sleep(time.Minute) // the breaker is closed again
		again := op.again
		if again == nil {
			again = op.do
		}
		if err := again(t.Context(), p, s); err != nil {
			t.Errorf("again: %v", err)
		}
		checkOutcome(t, op, before, tenant, s, nil)
	}
	p.transport.limiter.wantIdle(t)
	return calls
}

// checkError checks that an error has the form of all errors of providers, and shows
// nothing of the account.
func checkError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	failed, ok := errors.AsType[*upstream.Error](err)
	if !ok || failed.Service != providers.Service || failed.Route == "" {
		t.Errorf("%#v, want one of %s with a route", err, providers.Service)
		return
	}
	for text := range errorTexts(err) {
		for _, value := range []string{"ada", "bob", "countess", "0123456789abcdef", "fedcba98", password} {
			if strings.Contains(text, value) {
				t.Errorf("%q shows %q", text, value)
			}
		}
	}
}

// errorTexts yields the texts of err and of all in its chain.
func errorTexts(err error) func(func(string) bool) {
	return func(yield func(string) bool) {
		for ; err != nil; err = errors.Unwrap(err) {
			if !yield(err.Error()) {
				return
			}
		}
	}
}

// checkOutcome checks that the work is done if err is nil, and that it is not if err says
// so.
func checkOutcome(t *testing.T, op operation, p *Provider, tenant *auth0test.Tenant, s state, err error) {
	t.Helper()
	if op.done == nil {
		return
	}
	done, failed := op.done(t.Context(), p, tenant, s)
	switch partial, _ := errors.AsType[*upstream.Error](err); {
	case failed != nil && (partial == nil || !partial.Partial):
		t.Errorf("look at the outcome of %v: %v", err, failed)
	case err == nil && !done:
		t.Error("it succeeds, and is not done")
	case upstream.Refused(err) && done:
		t.Errorf("%v says that nothing was done, and it is", err)
	}
}
