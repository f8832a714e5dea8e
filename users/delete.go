package users

import "context"

// Delete removes the user with the given id, whatever its state, and its account.
// An account that the provider does not know any more counts as removed. An unknown id
// is the store's error, with cause [crud.ErrNotFound]; a user whose account is just
// being made is refused with [ErrConflict].
func (s *Service) Delete(ctx context.Context, id string) error {
	id, user, end, err := s.turnOn(ctx, id, inAnyState)
	if err != nil {
		return err
	}
	defer end()
	n := note{Kind: noteDelete, UserID: id, AuthUserID: accountID(user), Version: text(user, "updatedAt"), State: text(user, "__STATE__")}
	return s.carryOut(ctx, n, s.deleteOrder(id, user))
}
