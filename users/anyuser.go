package users

import (
	"context"
	"strings"

	"user-manager/crud"
	"user-manager/upstream"
)

// AnyUser reports whether the caller can see a user, in whatever state, with one of the
// ids.
func (s *Service) AnyUser(ctx context.Context, ids []string) (bool, error) {
	var known []string
	for _, id := range ids {
		if crud.IsID(id) {
			known = append(known, strings.ToLower(id))
		}
	}
	visible := s.Users.With(upstream.CallerFrom(ctx).StoreHeader(upstream.ACLRowsHeader))
	for _, err := range visible.AllIn(ctx, "_id", known, crud.Query{States: crud.AllStates, Fields: []string{"_id"}}) {
		return err == nil, err
	}
	return false, nil
}
