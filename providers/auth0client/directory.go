package auth0client

import (
	"cmp"
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
		return p.readDone(ctx, c, cmp.Or(idIn(got.body), management.AccountID(a.Key)))
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
// blocked, of which the Auth0 Client lets nobody dispose. Updates of one account go one
// after the other: one that is taken back would take another's block back.
func (p *Provider) Update(ctx context.Context, id string, c providers.Change) (providers.Account, error) {
	const route = http.MethodPatch + " " + userRoute
	if err := stopped(ctx, route); err != nil {
		return providers.Account{}, err
	}
	unlock, err := p.updates.Lock(ctx, id)
	if err != nil {
		return providers.Account{}, stopped(ctx, route)
	}
	defer unlock()
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
	c, err := userCall(ctx, http.MethodPatch, id)
	if err != nil {
		return providers.Account{}, err
	}
	c.repeatable, c.cause = true, readCause
	return p.patch(ctx, c, id, map[string]any{"app_metadata": map[string]any{unusedKey: nil}})
}

// readCause tells who is to blame for a read that is refused: of all that is sent only the
// id, in the path, may be the caller's.
func readCause(refused *upstream.Error, _ http.Header) error {
	if refused.Status == http.StatusBadRequest && !strings.HasPrefix(refused.Message, "Path validation error") {
		return providers.ErrMisconfigured
	}
	return refused.Err
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

// patch changes the account that c is about and returns it as it is then.
func (p *Provider) patch(ctx context.Context, c call, id string, body map[string]any) (providers.Account, error) {
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
	if !management.IsID(id) {
		return call{}, refuse(ctx, method, userRoute, providers.ErrNotFound, "The account's id is none of Auth0's.")
	}
	return call{method: method, route: userRoute, path: "/users/" + url.PathEscape(id), patient: true, values: []string{id}}, nil
}

// send makes a call with body as JSON.
func (p *Provider) send(ctx context.Context, c call, body map[string]any) (answer, error) {
	c.contentType = "application/json"
	c.body, _ = json.Marshal(body) // texts, truths and nulls can be encoded
	for name, value := range body {
		if text, ok := value.(string); ok && name != "connection" {
			c.values = append(c.values, text)
		}
	}
	return p.do(ctx, c)
}

// accountOf returns the account of an answer, which has to be a whole user document: one
// without identities, which every user has, may leave out more.
func accountOf(body []byte) (providers.Account, error) {
	var user map[string]any
	if err := decode(body, &user); err != nil {
		return providers.Account{}, errNoUser
	}
	return accountIn(user)
}

// idIn returns the id that an answer tells of an account, "" for none.
func idIn(body []byte) string {
	var user struct {
		ID any `json:"user_id"`
	}
	_ = decode(body, &user) // of another form: no id
	id, _ := user.ID.(string)
	return id
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
	return providers.ReadEach(ctx, ids, d.p.fanOut, d.p.read)
}

func (d directory) Create(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	return d.p.Create(ctx, a)
}

func (d directory) Patch(ctx context.Context, id string, body map[string]any) (providers.Account, error) {
	c, err := userCall(ctx, http.MethodPatch, id)
	if err != nil {
		return providers.Account{}, err
	}
	return d.p.patch(ctx, c, id, body)
}
