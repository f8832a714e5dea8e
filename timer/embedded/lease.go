package embedded

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"user-manager/crud"
	"user-manager/upstream"
)

// The times of a lease, from the request that takes it, are those of package jobs. A call
// is begun only if it has all of its time.
const (
	leaseTime = 60 * time.Second
	killAfter = 45 * time.Second // nothing is called or written later; the rest is for clocks that differ
	callTime  = 30 * time.Second
	startFor  = killAfter - callTime
)

const (
	batch    = 100 // timers that are taken at once: their ids go in a URL
	askAgain = time.Second
)

// An entry is what a timer's call needs of its document. What is in it may be anybody's, so
// it is read when the call is made: one that cannot be keeps no other from being made.
type entry struct {
	ID           string          `json:"_id"`
	Payload      json.RawMessage `json:"payload"`
	OutputMode   json.RawMessage `json:"outputMode"`
	FailureCount float64         `json:"failureCount"`
	DueAt        float64         `json:"dueAt"`
}

// A lease is the timers that a process has taken for itself.
type lease struct {
	owner  string
	since  time.Time // of this process's own clock
	timers []entry
}

// take takes those of the timers that are still due. Whether the store has done that is
// told by who owns them, so the answer may be lost.
func (r *runner) take(ids []string) (lease, error) {
	now := r.now()
	l := lease{owner: rand.Text(), since: time.Now()}
	due := where(crud.Document{"_id": crud.Document{"$in": ids}, "dueAt": crud.Document{"$lte": now}})
	n, err := r.timers.PatchAll(r.steady, due, crud.Document{"$set": crud.Document{"dueAt": now + leaseTime.Milliseconds(), "leaseOwner": l.owner}})
	if upstream.Refused(err) || err == nil && n == 0 {
		return lease{}, err
	}
	q := where(crud.Document{"_id": crud.Document{"$in": ids}, "leaseOwner": l.owner})
	q.Fields, q.Limit = []string{"_id", "payload", "outputMode", "failureCount"}, batch
	for {
		if l.timers, err = r.list(r.steady, q); err == nil {
			return l, nil
		}
		if time.Since(l.since) >= startFor || upstream.Wait(r.life, askAgain) != nil {
			return lease{}, err
		}
	}
}

// giveBack has timers that were taken be due for everybody. When it cannot be done the end
// of the lease does it.
func (r *runner) giveBack(l lease, timers []entry) {
	ids := make([]string, len(timers))
	for i, e := range timers {
		ids[i] = e.ID
	}
	own := where(crud.Document{"_id": crud.Document{"$in": ids}, "leaseOwner": l.owner})
	if _, err := r.timers.PatchAll(r.steady, own, later(r.now(), nil)); err != nil {
		r.log.WarnContext(r.steady, "give timers back", "timers", len(ids), "err", err)
	}
}

// release ends the leases of earlier processes, which are dead.
func (r *runner) release() error {
	leased := where(crud.Document{"leaseOwner": crud.Document{"$gt": ""}})
	n, err := r.timers.PatchAll(r.steady, leased, later(r.now(), nil))
	if err != nil {
		return err
	}
	if n > 0 {
		r.log.InfoContext(r.steady, "timers of an earlier run are due again", "timers", n)
	}
	return nil
}

// list returns the timers that q selects.
func (s *Service) list(ctx context.Context, q crud.Query) ([]entry, error) {
	page, err := s.timers.ListJSON(ctx, q)
	if err != nil {
		return nil, err
	}
	var found []entry
	if err := json.Unmarshal(page, &found); err != nil {
		return nil, &upstream.Error{Service: crud.Service, Route: s.timers.Route("GET", "/"), Err: fmt.Errorf("%w: %w", upstream.ErrAnswer, err)}
	}
	return found, nil
}
