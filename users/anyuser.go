package users

import (
	"context"
	"strings"

	"user-manager/crud"
)

// AnyUser reports whether there is a user, in whatever state, with one of the ids.
func (s *Service) AnyUser(ctx context.Context, ids []string) (bool, error) {
	var known []string
	for _, id := range ids {
		if crud.IsID(id) {
			known = append(known, strings.ToLower(id))
		}
	}
	for _, err := range s.Users.AllIn(ctx, "_id", known, crud.Query{States: crud.AllStates, Fields: []string{"_id"}}) {
		return err == nil, err
	}
	return false, nil
}
