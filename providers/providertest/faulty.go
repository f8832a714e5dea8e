package providertest

import (
	"context"
	"io"
	"net/http"

	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// Faulty is a provider whose calls fail by plan, whatever provider does the work.
// A refusal is an [*upstream.Error] with the fault's status, a call without an
// answer one with status 0; [faults.Timeout] waits for the context of the call. In
// [faults.Plan.Calls] a call reads "Auth Create".
//
// Of the optional interfaces it offers [providers.Pinger], whose call is counted too
// and succeeds where the inner provider has none; Unwrap leads to all others but
// [providers.Importer], which is found on the provider itself: [NewFaultyImporter] offers
// it, and a Faulty hides it.
type Faulty struct {
	next providers.Provider
	plan *faults.Plan
}

var (
	_ providers.Provider = (*Faulty)(nil)
	_ providers.Pinger   = (*Faulty)(nil)
	_ io.Closer          = (*Faulty)(nil)
)

// NewFaulty returns a provider that leaves the work to next, except for what the
// plan says.
func NewFaulty(next providers.Provider, plan *faults.Plan) *Faulty {
	return &Faulty{next: next, plan: plan}
}

// NewFaultyImporter is [NewFaulty] for a provider that is to stay the
// [providers.Importer] that it is; its call reads "Auth Import". Of any other it makes a
// plain Faulty.
func NewFaultyImporter(next providers.Provider, plan *faults.Plan) providers.Provider {
	faulty := NewFaulty(next, plan)
	if importer, ok := next.(providers.Importer); ok {
		return faultyImporter{faulty, importer}
	}
	return faulty
}

// faultyImporter is a Faulty in front of an importer.
type faultyImporter struct {
	*Faulty
	importer providers.Importer
}

// ImportLimits implements [providers.Importer]. It is not counted.
func (f faultyImporter) ImportLimits() providers.ImportLimits { return f.importer.ImportLimits() }

// Import implements [providers.Importer].
func (f faultyImporter) Import(ctx context.Context, accounts []providers.ImportAccount) ([]providers.ImportOutcome, error) {
	return play(ctx, f.plan, "Import", "POST /jobs/users-imports", func(ctx context.Context) ([]providers.ImportOutcome, error) {
		return f.importer.Import(ctx, accounts)
	})
}

// Unwrap returns the provider that does the work.
func (f *Faulty) Unwrap() providers.Provider { return f.next }

// Close closes the inner provider if it needs that. It is not counted.
func (f *Faulty) Close() error {
	if closer, ok := f.next.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// Login implements [providers.Authenticator].
func (f *Faulty) Login(ctx context.Context, username string, password secret.Text) (providers.Session, error) {
	return play(ctx, f.plan, "Login", "POST /oauth/token", func(ctx context.Context) (providers.Session, error) {
		return f.next.Login(ctx, username, password)
	})
}

// Refresh implements [providers.Authenticator].
func (f *Faulty) Refresh(ctx context.Context, refreshToken, accessToken secret.Text) (providers.Session, error) {
	return play(ctx, f.plan, "Refresh", "POST /refreshtoken", func(ctx context.Context) (providers.Session, error) {
		return f.next.Refresh(ctx, refreshToken, accessToken)
	})
}

// UserInfo implements [providers.Authenticator].
func (f *Faulty) UserInfo(ctx context.Context, t providers.Ticket) (map[string]any, error) {
	return play(ctx, f.plan, "UserInfo", "GET /userinfo", func(ctx context.Context) (map[string]any, error) {
		return f.next.UserInfo(ctx, t)
	})
}

// Create implements [providers.Directory].
func (f *Faulty) Create(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	return play(ctx, f.plan, "Create", "POST /users", func(ctx context.Context) (providers.Account, error) {
		return f.next.Create(ctx, a)
	})
}

// Find implements [providers.Directory].
func (f *Faulty) Find(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	return play(ctx, f.plan, "Find", "GET /users/:id", func(ctx context.Context) (providers.Account, error) {
		return f.next.Find(ctx, a)
	})
}

// Account implements [providers.Directory].
func (f *Faulty) Account(ctx context.Context, id string) (providers.Account, error) {
	return play(ctx, f.plan, "Account", "GET /users/:id", func(ctx context.Context) (providers.Account, error) {
		return f.next.Account(ctx, id)
	})
}

// Update implements [providers.Directory].
func (f *Faulty) Update(ctx context.Context, id string, c providers.Change) (providers.Account, error) {
	return play(ctx, f.plan, "Update", "PATCH /users/:id", func(ctx context.Context) (providers.Account, error) {
		return f.next.Update(ctx, id, c)
	})
}

// Delete implements [providers.Directory].
func (f *Faulty) Delete(ctx context.Context, id string) error {
	return f.playOnly(ctx, "Delete", "DELETE /users/:id", func(ctx context.Context) error { return f.next.Delete(ctx, id) })
}

// ChangePassword implements [providers.Mailer].
func (f *Faulty) ChangePassword(ctx context.Context, id string) error {
	return f.playOnly(ctx, "ChangePassword", "POST /change-password", func(ctx context.Context) error { return f.next.ChangePassword(ctx, id) })
}

// Ping implements [providers.Pinger].
func (f *Faulty) Ping(ctx context.Context) error {
	return f.playOnly(ctx, "Ping", "GET /ping", func(ctx context.Context) error {
		if pinger, ok := f.next.(providers.Pinger); ok {
			return pinger.Ping(ctx)
		}
		return nil
	})
}

// playOnly is play for a call that returns nothing but an error.
func (f *Faulty) playOnly(ctx context.Context, name, route string, do func(context.Context) error) error {
	_, err := play(ctx, f.plan, name, route, func(ctx context.Context) (struct{}, error) { return struct{}{}, do(ctx) })
	return err
}

// play counts a call and makes it, or lets it fail as the plan says.
func play[T any](ctx context.Context, plan *faults.Plan, name, route string, do func(context.Context) (T, error)) (T, error) {
	var none T
	injection := plan.Next(providers.Service + " " + name)
	failed := func(status int, err error) (T, error) {
		return none, &upstream.Error{Service: providers.Service, Route: route, Status: status, Message: http.StatusText(status), Err: err}
	}
	if status := injection.Fault.Status(); status != 0 {
		return failed(status, nil)
	}
	if injection.Fault == faults.Late {
		plan.Defer(func() { _, _ = do(context.WithoutCancel(ctx)) }) // nobody hears of its errors
	}
	if err := injection.Before(ctx); err != nil {
		return failed(0, err)
	}
	got, err := do(ctx)
	if lost := injection.After(ctx); lost != nil {
		return failed(0, lost)
	}
	return got, err
}
