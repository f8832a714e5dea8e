package users

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"net/url"

	"user-manager/crud"
	"user-manager/crud/document"
	"user-manager/providers"
)

// patch is a change of a user.
type patch struct {
	userID     string
	authUserID string        // "" for none
	before     crud.Document // the user before the change
	update     crud.Document // the operators for the store
	fields     []string      // top-level fields that update touches
	params     url.Values    // the caller's, for the store
	encoded    bool          // a query in params is base64
	users      crud.Collection
	after      crud.Document // the user after the change
	// What of it concerns the account.
	change                    providers.Change
	renames, blocks, unblocks bool
	roles                     *roleChange  // nil: they stay as they are
	timer                     *timerChange // nil: it stays as it is
	// guards: it decides who may log in, also when there is no account yet. forAccount: it
	// concerns an account in any way.
	guards, forAccount bool
}

// concernsOthers reports whether p changes more than the user in the store.
func (p *patch) concernsOthers() bool {
	return p.renames || p.blocks || p.unblocks || p.roles != nil || p.timer != nil
}

// mayGetAccount reports whether p changes what an account is made by, of a user that has
// none yet.
func (p *patch) mayGetAccount() bool { return p.forAccount && p.authUserID == "" }

// patchUser changes the user. Where other processes may give it an account meanwhile, by
// what it was, the change is noted and made only while it has none. A change that is not
// noted stays when it came to be although its answer was lost: others may have changed the
// same since.
func (s *Service) patchUser(p *patch) step {
	alone := p.mayGetAccount() && s.journal.shared()
	patch := step{
		name:  "patch user",
		noted: p.guards || alone,
		do: func(ctx context.Context) (err error) {
			params := p.params
			if alone {
				params = alsoWhere(params, p.encoded, noneYet["_q"].(string))
			}
			p.after, err = p.users.Patch(ctx, p.userID, p.update, params)
			if alone && errors.Is(err, crud.ErrNotFound) {
				return errChanged
			}
			return err
		},
	}
	if noted := patch.noted || p.concernsOthers(); noted || !s.journal.shared() {
		patch.undo = func(ctx context.Context) error { return s.restoreUser(ctx, p) }
	}
	return patch
}

// alsoWhere returns the parameters of a caller with one more condition. encoded says that
// the caller's query is base64.
func alsoWhere(params url.Values, encoded bool, condition string) url.Values {
	params = maps.Clone(params)
	if params == nil {
		params = url.Values{}
	}
	own := params.Get("_q")
	if encoded {
		decoded, err := base64.StdEncoding.DecodeString(own)
		if err != nil {
			return params // the store refuses it
		}
		own = string(decoded)
	}
	if own != "" {
		condition = `{"$and":[` + own + `,` + condition + `]}`
	}
	if encoded {
		condition = base64.StdEncoding.EncodeToString([]byte(condition))
	}
	params.Set("_q", condition)
	return params
}

// restoreUser gives the fields that p touches the values that they had before.
func (s *Service) restoreUser(ctx context.Context, p *patch) error {
	now, err := s.Users.Get(ctx, p.userID, inAnyState)
	if err != nil {
		return ignore(err, crud.ErrNotFound)
	}
	restore, remove := crud.Document{}, crud.Document{}
	for _, field := range p.fields {
		was, had := p.before[field]
		switch is, has := now[field]; {
		case had && (!has || !document.Equal(was, is)):
			restore[field] = was
		case !had && has:
			remove[field] = true
		}
	}
	if len(restore)+len(remove) == 0 {
		return nil
	}
	return insist(ctx, func(ctx context.Context) error {
		_, err := s.Users.Patch(ctx, p.userID, crud.Document{"$set": restore, "$unset": remove}, inAnyState)
		return ignore(err, crud.ErrNotFound)
	})
}

// renameAccount gives the account the user's new name and address.
func (s *Service) renameAccount(p *patch) step {
	return step{
		name:  "change account",
		noted: true,
		do: func(ctx context.Context) error {
			_, err := s.provider.Update(ctx, p.authUserID, p.change)
			if errors.Is(err, providers.ErrNotFound) { // as in unblockAccount
				return s.forgetAccount(ctx, p.authUserID)
			}
			return err
		},
		undo: func(ctx context.Context) error {
			username, email := text(p.before, "username"), text(p.before, "email")
			back := providers.Change{}
			if p.change.Username != nil {
				back.Username = &username
			}
			if p.change.Email != nil {
				back.Email = &email
			}
			return insist(ctx, func(ctx context.Context) error {
				_, err := s.provider.Update(ctx, p.authUserID, back)
				return ignore(err, providers.ErrNotFound)
			})
		},
	}
}
