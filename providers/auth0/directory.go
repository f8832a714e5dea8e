package auth0

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"user-manager/providers"
	"user-manager/providers/auth0/management"
	"user-manager/upstream"
)

// Routes of the Management API, as errors name them.
const (
	createRoute  = "POST /api/v2/users"
	readRoute    = "GET /api/v2/users/:id"
	patchRoute   = "PATCH /api/v2/users/:id"
	deleteRoute  = "DELETE /api/v2/users/:id"
	searchRoute  = "GET /api/v2/users"
	byEmailRoute = "GET /api/v2/users-by-email"
)

// userPath returns the path of an account. Its id may have any character.
func userPath(id string) string { return "/api/v2/users/" + url.PathEscape(id) }

// Create implements [providers.Directory]. The account's id is made of a.Key. The call is
// not repeated when its outcome is unknown: a conflict with itself would look like one
// with another account. That is for the caller to find out, with Find.
func (p *Provider) Create(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	if a.Username == "" && a.Email == "" {
		return providers.Account{}, providers.Refuse(createRoute, providers.ErrInvalid, "An account needs a username or an email address.")
	}
	id := management.AccountID(a.Key)
	p.forget(id)
	defer p.forget(id)
	r := &request{
		method: http.MethodPost, path: "/api/v2/users", route: createRoute,
		contentType: "application/json", body: encode(management.Creation(a, p.settings.connection)),
	}
	account, err := p.account(ctx, r, id, a.Username, a.Email, a.Password.Reveal(), a.Key)
	if err == nil && a.Blocked && !account.Blocked {
		return providers.Account{}, notBlocked(r)
	}
	return account, p.explain(ctx, err, id, a.Username, a.Email)
}

// notBlocked returns the error of a block that the tenant has taken, but that the account
// it answers with does not have.
func notBlocked(r *request) error {
	return upstream.Unanswered(providers.Service, r.route, fmt.Errorf("%w: the account is not blocked", upstream.ErrAnswer))
}

// Find implements [providers.Directory].
func (p *Provider) Find(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	return p.Account(ctx, management.AccountID(a.Key))
}

// Account implements [providers.Directory].
func (p *Provider) Account(ctx context.Context, id string) (providers.Account, error) {
	return directory{Provider: p}.Read(ctx, id)
}

// Update implements [providers.Directory]. A change of user name and address takes several
// requests; see [management.Update]. To lift a block leaves alone what the tenant's
// protection against guessed passwords has blocked. Updates of one account go one after the
// other.
func (p *Provider) Update(ctx context.Context, id string, c providers.Change) (providers.Account, error) {
	unlock, err := p.updates.Lock(ctx, id)
	if err != nil {
		return providers.Account{}, &upstream.Error{Service: providers.Service, Route: patchRoute, Err: gone(ctx), NotDone: true}
	}
	defer unlock()
	ended := false
	account, err := management.Update(ctx, directory{p, &ended}, p.settings.connection, id, c)
	if err == nil && c.Blocked != nil && *c.Blocked && !ended {
		err = p.endSessions(ctx, id) // it was blocked before, and that was not sent again
	}
	return account, err
}

// Delete implements [providers.Directory]. The tenant does not tell whether there was such
// an account.
func (p *Provider) Delete(ctx context.Context, id string) error {
	if !management.IsID(id) {
		return errNoAccount(deleteRoute)
	}
	defer p.forget(id)
	_, err := p.manage(ctx, &request{method: http.MethodDelete, path: userPath(id), route: deleteRoute, repeatable: true}, id)
	return err
}

func errNoAccount(route string) error {
	return providers.Refuse(route, providers.ErrNotFound, "The user does not exist.")
}

// account makes a call whose answer is an account.
func (p *Provider) account(ctx context.Context, r *request, values ...string) (providers.Account, error) {
	a, err := p.manage(ctx, r, values...)
	if err != nil {
		return providers.Account{}, err
	}
	var user map[string]any
	if err := decode(r, a, &user); err != nil {
		return providers.Account{}, err
	}
	account, err := management.AccountOf(user)
	if err != nil {
		return providers.Account{}, upstream.Unanswered(providers.Service, r.route, err)
	}
	return account, nil
}

// directory is the tenant as the management package wants it.
type directory struct {
	*Provider
	ended *bool // set to true when a block has ended sessions; nil: nobody asks
}

// Read implements [management.Directory].
func (d directory) Read(ctx context.Context, id string) (providers.Account, error) {
	if !management.IsID(id) {
		return providers.Account{}, errNoAccount(readRoute)
	}
	return d.account(ctx, &request{method: http.MethodGet, path: userPath(id), route: readRoute}, id)
}

// Patch implements [management.Directory]. A block ends the account's sessions, also when
// it was in force already.
func (d directory) Patch(ctx context.Context, id string, body map[string]any) (providers.Account, error) {
	if !management.IsID(id) {
		return providers.Account{}, errNoAccount(patchRoute)
	}
	defer d.forget(id)
	username, _ := body["username"].(string)
	email, _ := body["email"].(string)
	r := &request{
		method: http.MethodPatch, path: userPath(id), route: patchRoute, repeatable: true,
		contentType: "application/json", body: encode(body),
	}
	account, err := d.account(ctx, r, id, username, email)
	if err != nil {
		return account, d.explain(ctx, err, id, username, email)
	}
	if body["blocked"] != true {
		return account, nil
	}
	if !account.Blocked {
		return providers.Account{}, notBlocked(r)
	}
	if d.ended != nil {
		*d.ended = true
	}
	return account, d.endSessions(ctx, id)
}
