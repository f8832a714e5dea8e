package users

import (
	"context"
	"slices"
	"strings"

	"user-manager/crud"
	"user-manager/upstream"
)

// lookAtOnce is how many of very many ids are looked for together.
const lookAtOnce = 2000

// AnyUser reports whether the caller can see a user, in whatever state, with one of the
// ids.
func (s *Service) AnyUser(ctx context.Context, ids []string) (bool, error) {
	visible := s.Users.With(upstream.CallerFrom(ctx).StoreHeader(upstream.ACLRowsHeader))
	for some := range slices.Chunk(ids, lookAtOnce) {
		var known []string
		for _, id := range some {
			if crud.IsID(id) {
				known = append(known, strings.ToLower(id))
			}
		}
		for _, err := range visible.AllIn(ctx, "_id", known, crud.Query{States: crud.AllStates, Fields: []string{"_id"}}) {
			return err == nil, err
		}
	}
	return false, nil
}
