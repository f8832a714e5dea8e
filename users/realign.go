package users

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"user-manager/crud"
	"user-manager/providers"
)

// errRest: user and account are settled, but the roles or the timer not yet. That keeps no
// other operation from beginning: who is to be blocked can be, also while Rönd or the Timer
// Service cannot be reached.
var errRest = errors.New("the roles or the timer are not set anew yet")

// realignRest sets anew what else the operation of a note concerns: the roles of the
// user's account, and its timer. Its errors are errRest.
func (s *Service) realignRest(ctx context.Context, n note, user crud.Document) error {
	if err := s.setRest(ctx, n, user); err != nil {
		return fmt.Errorf("%w: %w", errRest, err)
	}
	return nil
}

func (s *Service) setRest(ctx context.Context, n note, user crud.Document) error {
	if id := accountID(user); n.Roles && s.Rond != nil && id != "" {
		if err := s.setRoles(ctx, id, rolesOf(user)); err != nil {
			return err
		}
	}
	if n.Timer {
		return s.realignTimer(ctx, user)
	}
	return nil
}

// realign makes the account what its user says it is; the account of a user that is
// gone goes too.
func (s *Service) realign(ctx context.Context, n note, certain bool) error {
	user, err := s.findByID(ctx, n.UserID)
	if errors.Is(err, crud.ErrNotFound) && n.AuthUserID != "" {
		return s.removeWithRoles(ctx, n.AuthUserID)
	}
	if err != nil {
		return ignore(err, crud.ErrNotFound)
	}
	if marked(user) {
		return errors.New("the user's account is just being created")
	}
	stands, err := s.realignUser(ctx, user, certain)
	if err != nil {
		return err
	}
	n.Roles = n.Roles && stands
	return s.realignRest(ctx, n, user)
}

// realignUser makes the account what its user says, and reports whether there is one.
func (s *Service) realignUser(ctx context.Context, user crud.Document, certain bool) (stands bool, err error) {
	id := accountID(user)
	if id == "" {
		return false, nil
	}
	if s.accountRemoved(user) {
		return false, s.removeWithRoles(ctx, id)
	}
	account, err := s.provider.Account(ctx, id)
	if errors.Is(err, providers.ErrNotFound) && text(user, "__STATE__") != crud.Deleted {
		return false, s.forgetWithRoles(ctx, id)
	}
	if err != nil {
		return false, ignore(err, providers.ErrNotFound)
	}
	blocked := !s.mayLogIn(user)
	if blocked != account.Blocked && (blocked || certain) {
		if err := s.setBlocked(ctx, id, blocked); err != nil {
			return false, err
		}
	}
	return true, s.realignNames(ctx, user, account)
}

// realignNames gives the account the user's name and address, or the user the account's if
// the provider refuses them.
func (s *Service) realignNames(ctx context.Context, user crud.Document, account providers.Account) error {
	change, differs := difference(user, account)
	if !differs {
		return nil
	}
	_, err := s.provider.Update(ctx, account.ID, change)
	if errors.Is(err, providers.ErrConflict) || errors.Is(err, providers.ErrInvalid) {
		return s.takeBackNames(ctx, user, account)
	}
	return err
}

// takeBackNames gives the user the names that its account has: the user's own never
// came to be the account's. What else the same change set stays.
func (s *Service) takeBackNames(ctx context.Context, user crud.Document, account providers.Account) error {
	names, none := crud.Document{}, crud.Document{}
	for field, value := range map[string]string{"username": account.Username, "email": account.Email} {
		if value != "" {
			names[field] = value
		} else {
			none[field] = true
		}
	}
	_, err := s.Users.Patch(ctx, text(user, "_id"), crud.Document{"$set": names, "$unset": none}, inAnyState)
	return err
}

// difference returns which names of the account are not those of its user.
func difference(user crud.Document, account providers.Account) (change providers.Change, differs bool) {
	if username := text(user, "username"); !strings.EqualFold(username, account.Username) {
		change.Username, differs = &username, true
	}
	if email := text(user, "email"); !strings.EqualFold(email, account.Email) {
		change.Email, differs = &email, true
	}
	return change, differs
}
