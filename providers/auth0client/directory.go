package auth0client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"user-manager/providers"
	"user-manager/providers/auth0/management"
	"user-manager/upstream"
)

const (
	usersRoute = "/users"
	userRoute  = "/users/:id"
)

// Create implements [providers.Directory].
func (p *Provider) Create(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	if a.Username == "" && a.Email == "" {
		return providers.Account{}, refuse(ctx, http.MethodPost, usersRoute, providers.ErrInvalid, "An account needs a user name or an email address.")
	}
	c := call{method: http.MethodPost, route: usersRoute, patient: true}
	got, err := p.send(ctx, c, management.Creation(a, p.connection))
	if err != nil {
		return providers.Account{}, err
	}
	made, err := accountOf(got.body)
	if err != nil {
		return p.readDone(ctx, c, management.AccountID(a.Key))
	}
	return made, nil
}

// Find implements [providers.Directory].
func (p *Provider) Find(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	return p.read(ctx, management.AccountID(a.Key))
}

// Account implements [providers.Directory]. To read an account changes its updated_at.
func (p *Provider) Account(ctx context.Context, id string) (providers.Account, error) {
	return p.read(ctx, id)
}

// Update implements [providers.Directory], but for the sessions of an account that is
// blocked, of which the Auth0 Client lets nobody dispose.
func (p *Provider) Update(ctx context.Context, id string, c providers.Change) (providers.Account, error) {
	return management.Update(ctx, directory{p}, p.connection, id, c)
}

// Delete implements [providers.Directory]. Of an unknown account it may return nil.
func (p *Provider) Delete(ctx context.Context, id string) error {
	c, err := userCall(ctx, http.MethodDelete, id)
	if err != nil {
		return err
	}
	c.repeatable = true
	_, err = p.do(ctx, c)
	return err
}

// unusedKey is the key of app_metadata that a read removes, and that nothing ever writes.
const unusedKey = "user_manager_reads_by_removing_this"

// read returns an account as it is, by a change that changes nothing.
func (p *Provider) read(ctx context.Context, id string) (providers.Account, error) {
	return p.patch(ctx, id, map[string]any{"app_metadata": map[string]any{unusedKey: nil}}, true)
}

// readDone returns the account that c has made or changed, when the answer did not say
// what it is like. Its error is never a refusal: something was done.
func (p *Provider) readDone(ctx context.Context, c call, id string) (providers.Account, error) {
	account, err := p.read(ctx, id)
	if err != nil {
		return providers.Account{}, unusable(c.method, c.route, fmt.Errorf("%w, and reading it: %v", errNoUser, err))
	}
	return account, nil
}

// patch changes an account and returns it as it is then.
func (p *Provider) patch(ctx context.Context, id string, body map[string]any, repeatable bool) (providers.Account, error) {
	c, err := userCall(ctx, http.MethodPatch, id)
	if err != nil {
		return providers.Account{}, err
	}
	c.repeatable = repeatable
	got, err := p.send(ctx, c, body)
	if err != nil {
		return providers.Account{}, err
	}
	account, err := accountOf(got.body)
	if err == nil && account.ID != id {
		err = fmt.Errorf("%w: it is another user's", upstream.ErrAnswer)
	}
	if err != nil {
		return providers.Account{}, unusable(c.method, c.route, err)
	}
	return account, nil
}

// userCall returns a call about the account with the given id.
func userCall(ctx context.Context, method, id string) (call, error) {
	if !isID(id) {
		return call{}, refuse(ctx, method, userRoute, providers.ErrNotFound, "The account's id is none of Auth0's.")
	}
	return call{method: method, route: userRoute, path: "/users/" + url.PathEscape(id), patient: true}, nil
}

// isID reports whether id has the form of a tenant's. One that has not belongs to no
// account, and could lead to another route.
func isID(id string) bool {
	scheme, rest, ok := strings.Cut(id, "|")
	return ok && scheme != "" && rest != ""
}

// send makes a call with body as JSON.
func (p *Provider) send(ctx context.Context, c call, body map[string]any) (answer, error) {
	c.contentType = "application/json"
	c.body, _ = json.Marshal(body) // texts, truths and nulls can be encoded
	return p.do(ctx, c)
}

// accountOf returns the account of an answer, which has to be a whole user document: one
// without identities, which every user has, may leave out more.
func accountOf(body []byte) (providers.Account, error) {
	var user map[string]any
	if err := json.Unmarshal(body, &user); err != nil {
		return providers.Account{}, errNoUser
	}
	return accountIn(user)
}

var errNoUser = fmt.Errorf("%w: it is no user", upstream.ErrAnswer)

func accountIn(user map[string]any) (providers.Account, error) {
	if _, whole := user["identities"].([]any); !whole {
		return providers.Account{}, errNoUser
	}
	return management.AccountOf(user)
}

// directory is the [management.Directory] of a Provider.
type directory struct{ p *Provider }

func (d directory) Read(ctx context.Context, id string) (providers.Account, error) {
	return d.p.read(ctx, id)
}

func (d directory) ReadMany(ctx context.Context, ids []string) (map[string]providers.Account, error) {
	return d.p.readEach(ctx, ids)
}

func (d directory) Create(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	return d.p.Create(ctx, a)
}

func (d directory) Patch(ctx context.Context, id string, body map[string]any) (providers.Account, error) {
	return d.p.patch(ctx, id, body, false)
}
