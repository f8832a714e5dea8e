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
	id, user, end, err := s.turnOn(ctx, id, inAnyState)
	if errors.Is(err, crud.ErrNotFound) {
		return refuse(ErrNotFound, "_id: there is no such user")
	}
	if err != nil {
		return err
	}
	defer end()
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
	if err := checkAccountName(user); err != nil {
		return err
	}
	c := s.newCreation(registeringMark, user, password)
	c.userID = id
	n := note{Kind: noteRegister, UserID: id, Key: c.account.Key, Names: nameDigests(user)}
	if err := s.carryOut(ctx, n, s.registerOrder(c)); err != nil {
		return err
	}
	s.mailPassword(ctx, c, skipMail)
	return nil
}
