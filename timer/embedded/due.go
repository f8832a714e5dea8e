package embedded

import (
	"context"

	"user-manager/crud"
)

// Due returns how many timers are due and not made, of all processes that share the
// collection. Errors are the store's.
func (s *Service) Due(ctx context.Context) (int, error) {
	return s.timers.Count(ctx, where(crud.Document{"dueAt": crud.Document{"$lte": s.now()}}))
}
