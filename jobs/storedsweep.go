package jobs

import (
	"context"

	"user-manager/crud"
)

// sweep removes the job first, so that it is gone at once, and then its parts.
func (s *stored) sweep(ctx context.Context, finished, begun int64) (int, error) {
	ended := crud.Document{"type": "job", "status": crud.Document{"$in": []Status{Completed, Failed}}, "finishedAt": crud.Document{"$lte": finished}}
	unborn := crud.Document{"type": "job", "status": creating, "queuedAt": crud.Document{"$lte": begun}}
	removed := 0
	for _, filter := range []crud.Document{ended, unborn} {
		old, err := s.entries(ctx, filter, maxList)
		if err != nil {
			return removed, err
		}
		for _, e := range old {
			filter["jobId"] = e.JobID
			if _, err := s.docs.DeleteAll(ctx, where(filter)); err != nil {
				return removed, err
			}
			if _, err := s.docs.DeleteAll(ctx, where(crud.Document{"type": "part", "jobId": e.JobID})); err != nil {
				return removed, err
			}
			removed++
		}
	}
	return removed, nil
}

// sweepOrphans removes what an addition left that failed, or a sweep.
func (s *stored) sweepOrphans(ctx context.Context, before int64) error {
	q := where(crud.Document{"type": "part", "status": head, "queuedAt": crud.Document{"$lte": before}})
	q.Fields = []string{"jobId"}
	seen := map[string]bool{}
	for doc, err := range s.docs.All(ctx, q) {
		id, _ := doc["jobId"].(string)
		if err != nil {
			return err
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		if err := s.removeOrphan(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (s *stored) removeOrphan(ctx context.Context, id string) error {
	n, err := s.docs.Count(ctx, where(jobWith(id)))
	if err != nil || n > 0 {
		return err
	}
	_, err = s.docs.DeleteAll(ctx, where(crud.Document{"type": "part", "jobId": id}))
	return err
}
