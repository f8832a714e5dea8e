package jobs

import (
	"context"
	"time"

	"user-manager/upstream"
)

const (
	sweepEvery   = time.Minute
	orphansEvery = time.Hour        // it looks at every job
	addTime      = 10 * time.Minute // longer than any addition takes
)

// sweepAll removes what is past its time until ctx is done.
func (q *Queue) sweepAll(ctx context.Context) {
	var orphans time.Time
	for {
		if err := q.sweepOnce(ctx, &orphans); err != nil && ctx.Err() == nil {
			q.cfg.Log.WarnContext(ctx, "remove old jobs", "err", err)
		}
		if upstream.Wait(ctx, sweepEvery) != nil {
			return
		}
	}
}

func (q *Queue) sweepOnce(ctx context.Context, orphans *time.Time) error {
	now := q.now()
	n, err := q.keeper.sweep(ctx, now.Add(-q.cfg.Retention).UnixMilli(), now.Add(-addTime).UnixMilli())
	if n > 0 {
		q.cfg.Log.InfoContext(ctx, "old jobs removed", "jobs", n)
	}
	if err != nil || now.Before(*orphans) {
		return err
	}
	*orphans = now.Add(orphansEvery)
	return q.keeper.sweepOrphans(ctx, now.Add(-addTime).UnixMilli())
}
