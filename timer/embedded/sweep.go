package embedded

import (
	"context"
	"time"

	"user-manager/crud"
	"user-manager/upstream"
)

const (
	sweepEvery  = time.Hour
	sweepAtOnce = 200 // removed with one request
)

// sweepAll removes timers that have been over for a day until ctx is done.
func (s *Service) sweepAll(ctx context.Context) {
	for {
		n, err := s.sweep(ctx)
		if n > 0 {
			s.log.InfoContext(ctx, "old timers removed", "timers", n)
		}
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "remove old timers", "err", err)
		}
		if upstream.Wait(ctx, sweepEvery) != nil {
			return
		}
	}
}

// sweep removes a few timers at a time, so that others can write in between.
func (s *Service) sweep(ctx context.Context) (int, error) {
	old := crud.Document{"removeAt": crud.Document{"$lte": s.now()}}
	removed := 0
	for {
		q := where(old)
		q.Fields, q.Sort, q.Limit = []string{"_id"}, "removeAt", sweepAtOnce
		found, err := s.list(ctx, q)
		if err != nil || len(found) == 0 {
			return removed, err
		}
		ids := make([]string, len(found))
		for i, e := range found {
			ids[i] = e.ID
		}
		n, err := s.timers.DeleteAll(ctx, where(crud.Document{"_id": crud.Document{"$in": ids}, "removeAt": old["removeAt"]}))
		removed += n
		if err != nil || n == 0 {
			return removed, err
		}
	}
}
