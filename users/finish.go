package users

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"user-manager/crud"
	"user-manager/providers"
)

// finishOrUndo brings the user of a note into step with its account. It bears to be
// called at any time, and again. While it is not certain that nothing comes late, it
// lets nobody in.
func (s *Service) finishOrUndo(ctx context.Context, n note, certain bool) error {
	switch n.Kind {
	case noteCreate:
		return s.undoCreation(ctx, n, creatingMark, certain)
	case noteRegister:
		return s.undoCreation(ctx, n, registeringMark, certain)
	case noteActivate:
		return s.undoCreation(ctx, n, activatingMark+n.Job+"|", certain)
	case noteWithID:
		return s.settleAdoption(ctx, n, certain)
	case noteDelete:
		return s.finishDeletion(ctx, n)
	case noteChange:
		return s.realign(ctx, n, certain)
	}
	return fmt.Errorf("a note of kind %q is not known", n.Kind)
}

// undoCreation removes what a creation or registration made, unless it had come to
// where the user and the account know each other: then it stands. The mark is changed
// first, so that they cannot come to know each other while the account is removed.
func (s *Service) undoCreation(ctx context.Context, n note, mark string, certain bool) error {
	if err := s.unlink(ctx, []any{mark + n.Key}, undoingMark(mark)+n.Key); err != nil {
		return err
	}
	account, err := s.provider.Find(ctx, providers.NewAccount{Key: n.Key})
	if ignore(err, providers.ErrNotFound) != nil {
		return err
	}
	if err == nil {
		switch user, err := s.findByAuthUserID(ctx, account.ID); {
		case err == nil: // it stands
			return s.completeCreation(ctx, n, user, certain)
		case !errors.Is(err, crud.ErrNotFound):
			return err
		}
		if err := s.removeWithRoles(ctx, account.ID); err != nil {
			return err
		}
	}
	return s.removeMarked(ctx, mark, n.Key)
}

// completeCreation has the rest done of a creation that stands: the roles and the timer. A
// registration's note is the lock on its user: another one could not be made, so it is done at
// once.
func (s *Service) completeCreation(ctx context.Context, n note, user crud.Document, certain bool) error {
	switch {
	case !n.Roles && !n.Timer:
		return nil
	case n.subject() == text(user, "_id"):
		return s.realign(ctx, n, certain)
	}
	return s.noteChange(ctx, user, n)
}

// removeWithRoles removes an account that nobody knows, and what it was granted: the account
// also when that cannot be revoked now.
func (s *Service) removeWithRoles(ctx context.Context, authUserID string) error {
	revoked := s.revoke(ctx, authUserID)
	return cmp.Or(s.removeAccount(ctx, authUserID), revoked)
}

// forgetWithRoles takes the id of an account that is gone off its user, and what it was
// granted.
func (s *Service) forgetWithRoles(ctx context.Context, authUserID string) error {
	if err := s.revoke(ctx, authUserID); err != nil {
		return err
	}
	return s.forgetAccount(ctx, authUserID)
}

// settleAdoption gives the account its freedom back when its user never came to be.
func (s *Service) settleAdoption(ctx context.Context, n note, certain bool) error {
	user, err := s.findByAuthUserID(ctx, n.AuthUserID)
	switch {
	case err == nil:
		return s.noteChange(ctx, user, n)
	case !errors.Is(err, crud.ErrNotFound) || !certain:
		return ignore(err, crud.ErrNotFound)
	}
	if n.Roles {
		if err := s.revoke(ctx, n.AuthUserID); err != nil {
			return err
		}
	}
	if n.Unblock {
		return s.restoreBlocked(ctx, n.AuthUserID, false)
	}
	return nil
}

// noteChange notes that a user has to be held against its account, and of what its
// creation was about: that is done when nobody is at work on the user.
func (s *Service) noteChange(ctx context.Context, user crud.Document, of note) error {
	open, err := s.journal.begin(ctx, note{Kind: noteChange, UserID: text(user, "_id"), AuthUserID: accountID(user), Roles: of.Roles, Timer: of.Timer})
	if errors.Is(err, crud.ErrDuplicate) {
		return errHeld
	}
	if err != nil {
		return err
	}
	return s.leaveOpen(ctx, open)
}

// leaveOpen leaves a note to be settled.
func (s *Service) leaveOpen(ctx context.Context, open *openNote) error {
	defer s.journal.leave(open)
	return s.journal.letGo(ctx, open, false)
}

// finishDeletion deletes the user whose account is gone, as it was when its deletion
// began: one that was changed since has become something else's business. While both
// are there, nothing was done yet, and the user gets back what was taken from it before.
func (s *Service) finishDeletion(ctx context.Context, n note) error {
	user, err := s.findByID(ctx, n.UserID)
	missing := errors.Is(err, crud.ErrNotFound)
	if missing && !n.Roles {
		return nil
	}
	gone := false
	if err == nil || missing {
		gone, err = s.accountGone(ctx, n)
	}
	switch {
	case err != nil || missing:
		return err
	case !gone:
		return s.realignRest(ctx, n, user)
	case accountID(user) != n.AuthUserID || text(user, "__STATE__") != n.State || versionOf(user) != n.Version:
		return nil
	}
	_, err = s.Users.DeleteAll(ctx, crud.Query{Filter: as(user, "_id", "authUserId", "updatedAt", "__STATE__"), States: crud.AllStates})
	return err
}

// accountGone reports whether the provider does not know the account of a note any more.
// What it may have been granted since it lost its roles goes too.
func (s *Service) accountGone(ctx context.Context, n note) (bool, error) {
	if n.AuthUserID == "" {
		return false, nil
	}
	_, err := s.provider.Account(ctx, n.AuthUserID)
	if !errors.Is(err, providers.ErrNotFound) {
		return false, err
	}
	if n.Roles {
		return true, s.revoke(ctx, n.AuthUserID)
	}
	return true, nil
}
