package jobs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"user-manager/upstream"
)

const (
	tick        = 5 * time.Second // how often other processes' jobs are looked for
	firstRetry  = 5 * time.Second // pause after a run that came to nothing, doubled each time up to
	lastRetry   = 5 * time.Minute
	maxPanics   = 5 // in a row, of one job
	releaseTime = 10 * time.Second
)

// Recover reads the jobs that are open, and logs how many there are. It is for a start
// that should not succeed when the store cannot be read.
func (q *Queue) Recover(ctx context.Context) error {
	n, err := q.keeper.pending(ctx, 0)
	if err != nil {
		return fmt.Errorf("read the open jobs: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.recovered = true
	if n > 0 {
		q.cfg.Log.InfoContext(ctx, "jobs are open", "jobs", n)
	}
	return nil
}

// Run runs jobs until ctx is done, then waits for the steps that run, not for the jobs,
// and returns nil. A store that fails is tried again.
func (q *Queue) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { q.find(ctx); return nil })
	g.Go(func() error { q.sweepAll(ctx); return nil })
	if q.cfg.Webhook != nil {
		g.Go(func() error { q.callBack(ctx); return nil })
	}
	return g.Wait()
}

// find runs the jobs that are ready, oldest first, as long as there is room.
func (q *Queue) find(ctx context.Context) {
	var runs errgroup.Group
	defer runs.Wait()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for ctx.Err() == nil {
		q.mu.Lock()
		recovered := q.recovered
		q.mu.Unlock()
		var err error
		if !recovered {
			err = q.Recover(ctx)
		}
		if err == nil {
			err = q.start(ctx, &runs)
		}
		if err != nil && ctx.Err() == nil {
			q.cfg.Log.WarnContext(ctx, "look for jobs", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-q.wake:
		}
	}
}

// start takes what is ready and runs it in runs.
func (q *Queue) start(ctx context.Context, runs *errgroup.Group) error {
	room, busy := q.room()
	if room == 0 {
		return nil
	}
	at := q.now().UnixMilli()
	before := at
	if q.ours {
		before = 0
	}
	found, err := q.keeper.ready(ctx, slices.Sorted(maps.Keys(q.kinds)), at, before, room+busy)
	if err != nil {
		return err
	}
	for _, e := range found {
		if room == 0 || ctx.Err() != nil {
			break
		}
		t, err := q.claim(ctx, e)
		if err != nil {
			return err
		}
		if t == nil {
			continue
		}
		room--
		runs.Go(func() error {
			q.run(t)
			return nil
		})
	}
	return nil
}

// room returns how many jobs may be started, and how many run.
func (q *Queue) room() (int, int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.cfg.Concurrency - len(q.running), len(q.running)
}

// run calls the kind of t, keeps the lease meanwhile, and writes how it ended.
func (q *Queue) run(t *Task) {
	defer q.ended(t)
	var lease errgroup.Group
	leased, over := context.WithCancel(t.life)
	lease.Go(func() error { q.keepLease(leased, t); return nil })
	err, panicked := q.do(t)
	end := q.judge(t, err, panicked)
	over()
	lease.Wait()
	q.settle(t, end)
}

// ended makes room for the next.
func (q *Queue) ended(t *Task) {
	t.stop(nil)
	t.kill(nil)
	q.mu.Lock()
	delete(q.running, t.entry.JobID)
	q.mu.Unlock()
	poke(q.wake)
}

// do calls the kind's Do. An earlier run's outcomes are counted before.
func (q *Queue) do(t *Task) (err error, panicked bool) {
	if t.entry.StartedAt != 0 {
		if err := t.recount(); err != nil {
			return err, false
		}
	}
	panicked = true
	err = upstream.Protect(func() error {
		err := q.kinds[t.entry.Kind].Do(t.run, t)
		panicked = false
		return err
	})
	return err, panicked
}

// An ending is how a run ended.
type ending struct {
	status           Status
	failures, panics int
	err              error
	pause            time.Duration
}

var errUnfinished = errors.New("the kind was done while ids had no outcome")

// judge tells what is to become of a job after a run.
func (q *Queue) judge(t *Task, err error, panicked bool) ending {
	before, _ := t.progress()
	if err == nil {
		if err = t.recount(); err == nil {
			if before, _ = t.progress(); before == t.entry.Total {
				return ending{status: Completed}
			}
			err = errUnfinished
		}
	}
	if _, failed := errors.AsType[*failure](err); failed {
		return q.failed(t, err)
	}
	if t.run.Err() != nil && !panicked {
		return ending{status: Pending, failures: t.entry.Failures, panics: t.entry.Panics}
	}
	end := ending{status: Pending, err: err, failures: t.entry.Failures + 1}
	if before > t.entry.Done {
		end.failures = 1 // it came to something
	}
	if panicked {
		end.panics = t.entry.Panics + 1
	}
	if end.panics >= maxPanics {
		return q.failed(t, err)
	}
	end.pause = pauseAfter(end.failures)
	return end
}

// failed is the ending of a job that is not tried again.
func (q *Queue) failed(t *Task, err error) ending {
	if recountErr := t.recount(); recountErr != nil {
		err = errors.Join(err, recountErr)
	}
	return ending{status: Failed, err: err}
}

// pauseAfter is how long to wait after so many failures in a row.
func pauseAfter(failures int) time.Duration {
	return min(firstRetry<<min(failures-1, 10), lastRetry)
}

// settle writes how a run ended, and gives up the lease. If it cannot, the lease lapses
// and the job is run again.
func (q *Queue) settle(t *Task, end ending) {
	if t.life.Err() != nil {
		t.log.Warn("job is left to others", "err", context.Cause(t.life))
		return
	}
	at := q.now()
	done, counts := t.progress()
	set := fields{
		"status": end.status, "done": done, "counts": counts, "leaseOwner": "", "leaseUntil": 0,
		"failures": end.failures, "panics": end.panics, "retryAt": at.Add(end.pause).UnixMilli(),
	}
	if end.status != Pending {
		set["finishedAt"] = at.UnixMilli()
		if t.entry.CallbackURL != "" && q.cfg.Webhook != nil {
			set["callback"], set["callbackAt"], set["callbackTries"] = callbackDue, at.UnixMilli(), 0
		}
	}
	late := time.AfterFunc(releaseTime, func() { t.kill(context.DeadlineExceeded) })
	defer late.Stop()
	err := t.persist(func() error {
		_, err := t.keeper.change(t.life, t.entry.JobID, guard{status: Pending, owner: t.owner}, set)
		return err
	})
	t.logEnd(end, err)
	poke(q.notify)
}

func (t *Task) logEnd(end ending, err error) {
	done, _ := t.progress()
	switch {
	case err != nil:
		t.log.Warn("end of a run was not kept", "err", err)
	case end.status == Completed:
		t.log.Info("job completed", "ids", done)
	case end.status == Failed:
		t.log.Error("job failed", "ids", done, "err", end.err)
	case end.err != nil:
		t.log.Warn("job is tried again later", "ids", done, "pause", end.pause, "err", end.err)
	}
}

// Outcomes yields the outcomes of a job in the order of its ids, read in parts. The
// first error ends it; [ErrNotFound] when the job is gone.
func (q *Queue) Outcomes(ctx context.Context, j Job) iter.Seq2[Outcome, error] {
	read := func(from, n int) ([]part, error) { return q.keeper.parts(ctx, j.ID, from, n) }
	return func(yield func(Outcome, error) bool) {
		for p, err := range partsIn(entry{Total: j.Total}, read) {
			if err != nil {
				yield(Outcome{}, err)
				return
			}
			first := p.first()
			for _, id := range p.IDs {
				if o, done := first[id]; done && !yield(o, nil) {
					return
				}
			}
		}
	}
}

// isRunning reports whether this process runs the job.
func (q *Queue) isRunning(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.running[id] != nil
}
