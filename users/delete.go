package users

import "context"

// Delete removes the user with the given id, whatever its state, and its account.
// An account that the provider does not know any more counts as removed.
func (s *Service) Delete(ctx context.Context, id string) error {
	defer s.locks.lock(id)()
	s.settleUser(ctx, id)
	user, err := s.target(ctx, id, inAnyState)
	if err != nil {
		return err
	}
	n := note{Kind: noteDelete, UserID: id, AuthUserID: accountID(user)}
	return s.carryOut(ctx, n, s.deleteOrder(user))
}
