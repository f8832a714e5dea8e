package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"time"

	"user-manager/upstream"
)

// A lease says which run of which process works on a job. It ends leaseTime after the
// request that took or renewed it was sent. A run that could not renew it starts nothing
// new after stopAfter, and writes nothing after killAfter: what is left is for clocks
// that differ.
const (
	leaseTime  = 60 * time.Second
	renewEvery = leaseTime / 3
	renewAgain = 2 * time.Second // after a renewal that failed
	renewCall  = 5 * time.Second // what a renewal may take
	stopAfter  = 35 * time.Second
	killAfter  = 45 * time.Second
)

var errLeaseLost = errors.New("the lease of the job is lost")

// claim takes the lease of e, and returns its task, or nil if another has it, or this
// process runs it already. Of a claim without an answer a look tells who won.
func (q *Queue) claim(ctx context.Context, e entry) (*Task, error) {
	if q.isRunning(e.JobID) {
		return nil, nil
	}
	now := q.now()
	owner := rand.Text()
	g := guard{status: Pending, startedAt: &e.StartedAt}
	if !q.ours {
		g.leaseBefore = now.UnixMilli()
	}
	set := fields{"leaseOwner": owner, "leaseUntil": now.Add(leaseTime).UnixMilli()}
	if e.StartedAt == 0 {
		set["startedAt"] = now.UnixMilli()
	}
	won, err := q.keeper.change(ctx, e.JobID, g, set)
	if err != nil && !upstream.Refused(err) {
		if seen, lookErr := q.keeper.find(ctx, e.JobID); lookErr == nil {
			won, err = seen.LeaseOwner == owner, nil
		}
	}
	if err != nil || !won {
		return nil, err
	}
	return q.newTask(ctx, e, owner, now), nil
}

// isRunning reports whether this process runs the job.
func (q *Queue) isRunning(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.running[id] != nil
}

// newTask makes the task of a run, and counts it among those that run.
func (q *Queue) newTask(ctx context.Context, e entry, owner string, leased time.Time) *Task {
	t := &Task{
		entry: e, owner: owner, leased: leased, keeper: q.keeper, observer: q.cfg.Observer, log: q.cfg.Log.With("jobId", e.JobID, "kind", e.Kind),
		writing: make(chan struct{}, 1), open: map[string]string{}, done: e.Done, counts: map[string]int{},
	}
	maps.Copy(t.counts, e.Counts)
	ctx = e.context(ctx)
	t.run, t.stop = context.WithCancelCause(ctx)
	t.life, t.kill = context.WithCancelCause(context.WithoutCancel(ctx))
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running[e.JobID] = t
	return t
}

// keepLease renews the lease of t until ctx is done, and ends the run when it cannot.
// Progress is written with it.
func (q *Queue) keepLease(ctx context.Context, t *Task) {
	leased, wait := t.leased, renewEvery
	for upstream.Wait(ctx, wait) == nil {
		sent := q.now()
		held, err := q.renew(ctx, t, sent)
		switch {
		case err == nil && held:
			leased, wait = sent, renewEvery
		case err == nil:
			t.stop(errLeaseLost)
			t.kill(errLeaseLost)
			return
		default:
			wait = renewAgain
		}
		age := q.now().Sub(leased)
		if age >= stopAfter {
			t.stop(errLeaseLost)
		}
		if age >= killAfter {
			t.kill(errLeaseLost)
			return
		}
	}
}

// renew prolongs the lease, never to a time before the one it has: a renewal that comes
// late does not shorten it.
func (q *Queue) renew(ctx context.Context, t *Task, now time.Time) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, renewCall)
	defer cancel()
	until := now.Add(leaseTime).UnixMilli()
	done, counts := t.progress()
	set := fields{"leaseUntil": until, "done": done, "counts": counts}
	return t.keeper.change(ctx, t.entry.JobID, guard{status: Pending, owner: t.owner, leaseBefore: until}, set)
}
