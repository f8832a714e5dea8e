package users

import (
	"context"

	"user-manager/crud"
)

// Delete removes the user with the given id, whatever its state, and its account.
// An account that the provider does not know any more counts as removed. An unknown id
// is the store's error, with cause [crud.ErrNotFound]; a user whose account is just
// being made is refused with [ErrConflict].
func (s *Service) Delete(ctx context.Context, id string) error {
	return s.operate(ctx, id, inAnyState, func(user crud.Document) error { return s.deleteOne(ctx, user) })
}

// deleteOne deletes a user that is as its turn found it.
func (s *Service) deleteOne(ctx context.Context, user crud.Document) error {
	n := note{Kind: noteDelete, UserID: text(user, "_id"), AuthUserID: accountID(user), Version: text(user, "updatedAt"), State: text(user, "__STATE__")}
	return s.carryOut(ctx, n, s.unchanged(user), s.deleteOrder(user))
}
