package users

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"user-manager/crud"
	"user-manager/upstream"
)

// The roles of a user are in its document, and granted by Rönd to its account; a user
// without an account has none there. Rönd cannot be asked what it grants, does not know a
// role from another when it revokes, and grants twice what is asked twice. So to change
// roles is to revoke all of them and to grant the new ones.

// rolesOf returns the roles that the user's document gives it.
func rolesOf(user crud.Document) []string {
	list, _ := user["roles"].([]any)
	roles := make([]string, 0, len(list))
	for _, role := range list {
		if name, ok := role.(string); ok {
			roles = append(roles, name)
		}
	}
	return roles
}

// rolesToGrant returns the roles that a user's account is granted when the user comes to have
// one; nil for none.
func (s *Service) rolesToGrant(user crud.Document) []string {
	if roles := rolesOf(user); s.Rond != nil && len(roles) > 0 {
		return roles
	}
	return nil
}

// grantRoles grants roles to a new account; authUserID is known when the step is done.
func (s *Service) grantRoles(authUserID *string, roles []string) step {
	return step{
		name:  "grant roles",
		noted: true,
		roles: true,
		do:    func(ctx context.Context) error { return s.grant(ctx, *authUserID, roles) },
		undo:  func(ctx context.Context) error { return s.revoke(ctx, *authUserID) },
	}
}

// revokeRoles takes the roles off an account that is to be deleted.
func (s *Service) revokeRoles(authUserID string, user crud.Document) step {
	return step{
		name:  "revoke roles",
		noted: true,
		roles: true,
		do:    func(ctx context.Context) error { return s.Rond.Revoke(ctx, authUserID) },
		undo:  func(ctx context.Context) error { return s.setRoles(ctx, authUserID, rolesOf(user)) },
	}
}

// A roleChange is a change of the roles of an account.
type roleChange struct {
	before, after []string
	touched       bool     // something may have been changed
	now           []string // the roles that the account has, if known
	known         bool
}

// replaceRoles gives the account the roles that the user has now.
func (s *Service) replaceRoles(authUserID string, r *roleChange) step {
	set := func(ctx context.Context, roles []string) error {
		err := s.setRoles(ctx, authUserID, roles)
		r.touched = r.touched || !upstream.Refused(err)
		r.now, r.known = roles, err == nil
		return err
	}
	return step{
		name:  "replace roles",
		noted: true,
		roles: true,
		do:    func(ctx context.Context) error { return set(ctx, r.after) },
		undo:  func(ctx context.Context) error { return set(ctx, r.before) },
	}
}

// outcome returns the error of an operation with what has become of the roles.
func (r *roleChange) outcome(err error) error {
	if err == nil || r == nil || !r.touched {
		return err
	}
	if !r.known {
		return &RolesError{Err: err, Roles: r.after}
	}
	return &RolesError{Err: err, Roles: r.now, Known: true, Changed: !slices.Equal(r.now, r.before)}
}

// A RolesError is an operation that failed when the roles of a user were changed or to be
// changed.
type RolesError struct {
	Err error
	// Roles are those that the user has now, if they are Known. Otherwise it may have none
	// now, and has these as soon as Rönd can be reached, without a further call.
	Roles []string
	Known bool
	// Changed says that they are not those of before: what failed was behind them, and could
	// not be undone yet.
	Changed bool
}

// Error is that of the failure, and which roles the user has now.
func (e *RolesError) Error() string {
	switch {
	case !e.Known && len(e.Roles) == 0:
		return fmt.Sprintf("%v (the user may have its roles until Rönd can be reached, and has none then)", e.Err)
	case !e.Known:
		return fmt.Sprintf("%v (the user may have no roles until Rönd can be reached, and has its new ones then: %s)", e.Err, strings.Join(e.Roles, ", "))
	case e.Changed && len(e.Roles) == 0:
		return fmt.Sprintf("%v (the user has no roles any more)", e.Err)
	case e.Changed:
		return fmt.Sprintf("%v (the user has its new roles: %s)", e.Err, strings.Join(e.Roles, ", "))
	case len(e.Roles) == 0:
		return fmt.Sprintf("%v (the user has no roles, as before)", e.Err)
	}
	return fmt.Sprintf("%v (the user has its roles of before: %s)", e.Err, strings.Join(e.Roles, ", "))
}

// Unwrap returns the failure.
func (e *RolesError) Unwrap() error { return e.Err }

// setRoles makes roles all that the account is granted.
func (s *Service) setRoles(ctx context.Context, authUserID string, roles []string) error {
	if err := s.revoke(ctx, authUserID); err != nil || len(roles) == 0 {
		return err
	}
	return upstream.Partly(s.grant(ctx, authUserID, roles))
}

// revoke takes back every grant of an account; without Rönd there is none. To do so again is
// free. A try that may come yet raises a doubt: it would take back what is granted then.
func (s *Service) revoke(ctx context.Context, authUserID string) error {
	if s.Rond == nil {
		return nil
	}
	return insist(ctx, func(ctx context.Context) error {
		err := s.Rond.Revoke(ctx, authUserID)
		if isOpen(err) {
			upstream.RaiseDoubt(ctx)
		}
		return err
	})
}

// grant grants roles to an account that has none, once: what may have been granted
// although no answer came is revoked before the next try. It may come yet, so that there is
// a doubt.
func (s *Service) grant(ctx context.Context, authUserID string, roles []string) error {
	err := s.Rond.Grant(ctx, authUserID, roles)
	if err == nil || upstream.Refused(err) {
		return err
	}
	upstream.RaiseDoubt(ctx)
	if revoked := s.revoke(ctx, authUserID); revoked != nil {
		s.Log.WarnContext(ctx, "roles that may have been granted not revoked yet", "err", revoked)
		return err
	}
	return upstream.Partly(s.Rond.Grant(ctx, authUserID, roles))
}
