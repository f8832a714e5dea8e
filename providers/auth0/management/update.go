package management

import (
	"context"
	"errors"
	"maps"
	"strings"

	"user-manager/providers"
	"user-manager/upstream"
)

const patchRoute = "PATCH /api/v2/users/:id"

// Update changes an account and returns it as it is then; see [providers.Directory].
// connection is the account's, for the requests in which a tenant wants it named; it may
// be "".
//
// Only what differs is sent, since an address that is sent counts as a new one that nobody
// has verified; for that the account is read first, unless the change is of nothing but
// the block. What a tenant refuses to change in one request goes in two: a block with the
// first, so that it holds whatever becomes of the second, and the lifting of one with the
// last. When the second is refused the first is taken back, block and all, and the error is
// the refusal; when that fails, or the second got no clear answer, the error is Partial.
// Calls for one account must not overlap: one would take back what the other has done.
func Update(ctx context.Context, d Directory, connection, id string, c providers.Change) (providers.Account, error) {
	if c.Username == nil && c.Email == nil && c.Blocked != nil {
		return d.Patch(ctx, id, map[string]any{"blocked": *c.Blocked})
	}
	before, err := d.Read(ctx, id)
	if err != nil {
		return providers.Account{}, err
	}
	patches, err := patchesFor(connection, before, c)
	if err != nil {
		return providers.Account{}, err
	}
	after := before
	for n, p := range patches {
		if after, err = d.Patch(ctx, before.ID, p); err != nil {
			return providers.Account{}, takeBack(ctx, d, before, patches[:n], over(p.name(), err))
		}
	}
	return after, nil
}

// A patch is the body of one request.
type patch map[string]any

// patchesFor returns the requests that make c of the account, in order. Names are given
// before others are taken away, so that the account is never without one.
func patchesFor(connection string, before providers.Account, c providers.Change) ([]patch, error) {
	username, email := wanted(c.Username, before.Username), wanted(c.Email, before.Email)
	if username == "" && email == "" && (c.Username != nil || c.Email != nil) {
		return nil, providers.Refuse(patchRoute, providers.ErrInvalid, "An account needs a username or an email address.")
	}
	var patches []patch
	if stored(username) != stored(before.Username) {
		patches = append(patches, naming(connection, "username", username))
	}
	if stored(email) != stored(before.Email) {
		p := naming(connection, "email", email)
		if username == "" {
			patches = append([]patch{p}, patches...)
		} else {
			patches = append(patches, p)
		}
	}
	return withBlock(patches, before.Blocked, c.Blocked), nil
}

// wanted returns what is to become of a name.
func wanted(to *string, from string) string {
	if to == nil {
		return from
	}
	return *to
}

// stored returns a name as a tenant keeps it.
func stored(name string) string { return strings.ToLower(name) }

// naming returns the request that gives a property a value, or takes it away for "".
func naming(connection, property, value string) patch {
	p := patch{property: value}
	if value == "" {
		p[property] = nil
	}
	if connection != "" {
		p["connection"] = connection
	}
	return p
}

// withBlock adds a block to the first request, or the lifting of one to the last.
func withBlock(patches []patch, before bool, to *bool) []patch {
	if to == nil || *to == before {
		return patches
	}
	if len(patches) == 0 {
		patches = []patch{{}}
	}
	at := 0
	if !*to {
		at = len(patches) - 1
	}
	patches[at]["blocked"] = *to
	return patches
}

// takeBack undoes requests that were carried out before the one that failed with err, and
// returns the error of all.
func takeBack(ctx context.Context, d Directory, before providers.Account, done []patch, err error) error {
	if len(done) == 0 {
		return err
	}
	if !upstream.Refused(err) {
		return upstream.Partly(err)
	}
	for i := len(done) - 1; i >= 0; i-- {
		if _, failed := d.Patch(ctx, before.ID, reverse(done[i], before)); failed != nil {
			return upstream.Partly(err)
		}
	}
	return err
}

// reverse returns the request that undoes p.
func reverse(p patch, before providers.Account) patch {
	back := maps.Clone(p)
	if _, ok := p["username"]; ok {
		back["username"] = orNull(before.Username)
	}
	if _, ok := p["email"]; ok {
		back["email"] = orNull(before.Email)
		if verified, err := truth(before.Properties["email_verified"]); err == nil && verified && before.Email != "" {
			back["email_verified"] = true // which a new address is not
		}
	}
	if _, ok := p["blocked"]; ok {
		back["blocked"] = before.Blocked
	}
	return back
}

// name returns which name p is about, "" for none.
func (p patch) name() string {
	for _, property := range []string{"username", "email"} {
		if _, ok := p[property]; ok {
			return property
		}
	}
	return ""
}

// over returns a conflict that does not say what it is about as one over a property, the
// only one that can be taken; "" for an unknown one. Any other error is left as it is.
func over(property string, err error) error {
	failed, ok := errors.AsType[*upstream.Error](err)
	if !ok || property == "" || failed.Err != providers.ErrConflict { // itself: not one that says it
		return err
	}
	told := *failed
	told.Err = providers.Taken{Property: property}
	return &told
}

func orNull(value string) any {
	if value == "" {
		return nil
	}
	return value
}
