package users

import (
	"context"
	"net/url"

	"user-manager/crud"
)

// Delete removes the user with the given id, and its account, if it matches params: "_q",
// fields, and "_st", without which it may be in any state.
// An account that the provider does not know any more counts as removed. An unknown id
// is the store's error, with cause [crud.ErrNotFound]; a user whose account is just
// being made is refused with [ErrConflict].
func (s *Service) Delete(ctx context.Context, id string, params url.Values) error {
	if !params.Has("_st") {
		params = withAnyState(params)
	}
	return s.operate(ctx, id, params, func(user crud.Document) error { return s.deleteOne(ctx, user) })
}

// deleteOne deletes a user that is as its turn found it.
func (s *Service) deleteOne(ctx context.Context, user crud.Document) error {
	n := note{Kind: noteDelete, UserID: text(user, "_id"), AuthUserID: accountID(user), Version: versionOf(user), State: text(user, "__STATE__")}
	return s.carryOut(ctx, n, s.unchanged(user), s.deleteOrder(user))
}
