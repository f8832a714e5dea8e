package jobs

import (
	"context"
	"fmt"
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
	whenever    = 1 << 52 // later than any time in milliseconds
)

// Recover reads the oldest jobs that are open, and logs how many there are. It is for a
// start that should not succeed when the store cannot be read; [Queue.Run] does it else.
func (q *Queue) Recover(ctx context.Context) error {
	found, err := q.keeper.ready(ctx, q.kindNames(), whenever, 0, maxList)
	if err != nil {
		return fmt.Errorf("read the open jobs: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.recovered = true
	if len(found) > 0 {
		q.cfg.Log.InfoContext(ctx, "jobs are open", "jobs", len(found))
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
	found, err := q.keeper.ready(ctx, q.kindNames(), at, before, room+busy)
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

// kindNames are the kinds that this process can run.
func (q *Queue) kindNames() []string {
	return slices.AppendSeq([]string{}, maps.Keys(q.kinds)) // never nil: the store takes no null for none
}

// room returns how many jobs may be started, and how many run.
func (q *Queue) room() (int, int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.cfg.Concurrency - len(q.running), len(q.running)
}

// Running returns how many jobs run in this process at the moment.
func (q *Queue) Running() int {
	_, busy := q.room()
	return busy
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
		t.began, _ = t.progress()
	}
	panicked = true
	err = upstream.Protect(func() error {
		err := q.kinds[t.entry.Kind].Do(upstream.InBackground(t.run), t)
		panicked = false
		return err
	})
	return err, panicked
}
