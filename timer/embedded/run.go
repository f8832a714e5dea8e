package embedded

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"user-manager/crud"
	"user-manager/upstream"
)

const (
	lookEvery  = 10 * time.Second // for timers of other processes, and clocks that jump
	pauseShort = 250 * time.Millisecond
	firstRetry = time.Second // after a look that failed, doubled each time up to lookEvery
	lookTime   = 15 * time.Second
	grace      = 10 * time.Second // of calls that are under way when Run is to end
)

// Run makes the calls of timers that are due, by deliver, until ctx is done; then it lets
// those under way finish, ten seconds at most, and returns nil. A store that fails is tried
// again. deliver is asked for at most eight answers at once, each within thirty seconds; it
// must keep to the contexts of its requests.
//
// A timer is called within a second of its time while calls are answered at once, and never
// early. One that is answered with another status than 2xx, or not at all, is called again,
// for ever: after a second first, then after ever longer pauses, up to five minutes, or as
// long as the answer asks for in Retry-After, up to five minutes too.
func (s *Service) Run(ctx context.Context, deliver http.RoundTripper) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	r := &runner{Service: s, deliver: deliver, life: life, steady: context.WithoutCancel(ctx), slots: make(chan struct{}, atOnce)}
	var g errgroup.Group
	g.Go(func() error {
		defer end()
		r.find(ctx)
		return nil
	})
	g.Go(func() error {
		s.sweepAll(ctx)
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		_ = upstream.Wait(life, grace)
		end()
		return nil
	})
	return g.Wait()
}

// A runner is a run of a service.
type runner struct {
	*Service
	deliver  http.RoundTripper
	life     context.Context // of calls: over when Run cannot wait for them any longer
	steady   context.Context // of what is written of them, which takes no longer than the store's client allows
	slots    chan struct{}   // has an element for each call under way
	calls    sync.WaitGroup  // those under way
	released bool            // no lease of an earlier process is left; used by find only
}

// find makes calls until ctx is done, and waits for them.
func (r *runner) find(ctx context.Context) {
	defer r.calls.Wait()
	retry := firstRetry
	for ctx.Err() == nil {
		next, err := r.look(ctx)
		wait := time.Duration(min(next-r.now(), lookEvery.Milliseconds())) * time.Millisecond
		if err != nil {
			r.log.WarnContext(ctx, "look for timers", "err", err)
			wait = retry
			retry = min(2*retry, lookEvery)
		} else {
			retry = firstRetry
		}
		r.wait(ctx, wait)
	}
}

// wait returns after d, when a timer is due earlier, or when ctx is done.
func (r *runner) wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.wake:
	case <-ctx.Done():
	}
}

// look has what is due called, and returns when to look again.
func (r *runner) look(ctx context.Context) (int64, error) {
	if r.ours && !r.released {
		if err := r.release(); err != nil {
			return 0, err
		}
		r.released = true
	}
	for ctx.Err() == nil {
		r.awakeAt.Store(whenever) // what is added from here on may not be found
		now := r.now()
		due, next, err := r.upcoming(ctx, now)
		if err != nil {
			return 0, err
		}
		if len(due) == 0 {
			r.awakeAt.Store(next)
			return next, nil
		}
		taken, err := r.take(due)
		if err != nil {
			return 0, err
		}
		if len(taken.timers) == 0 { // others have taken them
			return r.now() + pauseShort.Milliseconds(), nil
		}
		r.fire(ctx, taken)
	}
	return 0, nil
}

// upcoming returns the ids of timers that are due, the longest first, and when others may
// be.
func (r *runner) upcoming(ctx context.Context, now int64) (due []string, next int64, err error) {
	next = now + lookEvery.Milliseconds()
	q := where(crud.Document{"dueAt": crud.Document{"$lte": next}})
	q.Fields, q.Sort, q.Limit = []string{"_id", "dueAt"}, "dueAt", batch
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	found, err := r.list(ctx, q)
	for _, e := range found {
		if int64(e.DueAt) > now {
			return due, int64(e.DueAt), err
		}
		due = append(due, e.ID)
	}
	return due, next, err
}
