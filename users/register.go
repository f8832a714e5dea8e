package users

import (
	"context"
	"errors"

	"user-manager/crud"
	"user-manager/secret"
)

// Register makes the account of a user that was created without one. Refusals are
// [ErrNotFound] for an unknown id, [ErrConflict] when there is an account already or the
// user is in the state DELETED, and [ErrInvalid] when its group has no accounts.
func (s *Service) Register(ctx context.Context, id string, password secret.Text, skipMail bool) error {
	var c *creation
	err := s.operate(ctx, id, inAnyState, func(user crud.Document) error {
		if err := s.checkRegistration(ctx, user); err != nil {
			return err
		}
		c = s.newCreation(registeringMark, user, password)
		c.userID = text(user, "_id")
		n := note{Kind: noteRegister, UserID: c.userID, Key: c.account.Key, Names: nameDigests(user)}
		return s.carryOut(ctx, n, s.unchanged(user), s.registerOrder(c, user))
	})
	if errors.Is(err, crud.ErrNotFound) {
		return refuse(ErrNotFound, "_id: there is no such user")
	}
	if err != nil {
		return err
	}
	s.mailPassword(ctx, c, skipMail)
	return nil
}

// checkRegistration refuses a user that cannot get an account.
func (s *Service) checkRegistration(ctx context.Context, user crud.Document) error {
	if text(user, "authUserId") != "" {
		return refuse(ErrConflict, "_id: the user has an account already")
	}
	if text(user, "__STATE__") == crud.Deleted {
		return refuse(ErrConflict, "_id: the user is in the state DELETED")
	}
	group, err := s.groups.group(ctx, text(user, "userGroup"))
	if err != nil {
		return err
	}
	if group.accountsDisabled {
		return refuse(ErrInvalid, "userGroup: users of group %q get no account", group.name)
	}
	return checkAccountName(user)
}
