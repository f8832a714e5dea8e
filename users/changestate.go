package users

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"

	"user-manager/crud"
)

// ChangeState moves the user with the given id to another state, by one transition of the
// store's table. To move it to the one it is in is allowed, and mends its account. params
// are the caller's: "_q" and fields. Refusals are [ErrInvalid] when there is no such
// transition, [ErrNotFound] when the caller can see no such user, and [ErrConflict].
func (s *Service) ChangeState(ctx context.Context, id, to string, params url.Values) error {
	err := s.operate(ctx, id, withAnyState(params), func(user crud.Document) error {
		if from := text(user, "__STATE__"); from != to && !slices.Contains(transitions[from], to) {
			return refuse(ErrInvalid, "transition from %s to %s not allowed.", from, to)
		}
		return s.walkTo(ctx, user, to)
	})
	if errors.Is(err, crud.ErrNotFound) {
		return refuse(ErrNotFound, "not found")
	}
	return err
}

// withAnyState returns params for a user whatever its state.
func withAnyState(params url.Values) url.Values {
	all := maps.Clone(params)
	maps.Copy(all, inAnyState)
	return all
}
