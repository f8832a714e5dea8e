package users

import (
	"context"
	"errors"
	"net/url"

	"user-manager/crud"
	"user-manager/upstream"
)

// DeleteAll deletes the users that the caller can see and params select, each as
// [Service.Delete] does and a few at a time. params are those of the store's own DELETE:
// "_q", "_st" (unset: PUBLIC) and fields. A user that does not match any more when its turn
// comes stays. When there are more than limit, that is [ErrInvalid] and none is deleted.
func (s *Service) DeleteAll(ctx context.Context, params url.Values, limit int) ([]Outcome, error) {
	caller := upstream.CallerFrom(ctx)
	visible := s.Users.With(caller.StoreHeader(upstream.ACLRowsHeader, upstream.QueryEncodingHeader))
	ids, err := visible.IDs(ctx, params, limit+1)
	if err != nil {
		return nil, err
	}
	if len(ids) > limit {
		return nil, refuse(ErrInvalid, "more than %d users match, and none was deleted: ask for fewer, by _q or a field", limit)
	}
	return s.severally(ctx, len(ids), nil, func(ctx context.Context, i int) (Outcome, error) {
		deleted, err := s.deleteMatching(ctx, ids[i], params)
		return Outcome{ID: ids[i], Changed: deleted}, err
	}), nil
}

// deleteMatching deletes a user if params still select it, and reports whether they did.
func (s *Service) deleteMatching(ctx context.Context, id string, params url.Values) (bool, error) {
	err := s.operate(ctx, id, params, func(user crud.Document) error { return s.deleteOne(ctx, user) })
	if errors.Is(err, crud.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
