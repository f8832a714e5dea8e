package jobs

import (
	"context"
	"errors"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// patience is how long nothing may succeed before ids are given up after a single
	// try. After as long again those that are left are not even tried.
	patience     = 15 * time.Minute
	tries        = 6                      // that fail while other ids succeed, until an id is given up
	firstSpacing = 5                      // successes of others between tries of an id, doubled each time
	firstBackoff = 500 * time.Millisecond // of an upstream that fails, doubled each time up to
	lastBackoff  = 30 * time.Second
)

// Codes of problems that [Pacer.Each] finds.
const (
	codeUnavailable = "UPSTREAM_UNAVAILABLE"
	codeInternal    = "INTERNAL_ERROR"
)

// Each calls do for every id of ids, at most limit at once, at the pace of p, and hands
// each outcome to record. It returns when all are recorded.
//
// An error of do says that there is no outcome. After status 429 all calls of p pause,
// and the id is tried again however often that happens. When no answer came, or one
// with 408 or 5xx, calls pause for a time that grows until something succeeds, and the
// id is tried again later; it is a failure with code UPSTREAM_UNAVAILABLE when it has
// failed six times while others succeeded between, or when nothing has succeeded for 15
// minutes. Half an hour after the last success the rest are failures too, so that a job
// always comes to its end. Any other error is a failure with code INTERNAL_ERROR.
//
// When ctx is done nothing more is begun; what runs is brought to its end, with a context
// that is not done, and recorded, and Each returns ctx's cause. The first error of ids
// or record ends it the same way.
func (p *Pacer) Each(ctx context.Context, ids iter.Seq2[string, error], limit int, do func(ctx context.Context, id string) (Outcome, error), record func(context.Context, ...Outcome) error) error {
	next, stop := iter.Pull2(ids)
	defer stop()
	r := &round{pacer: p, limit: max(limit, 1), next: next, do: do, record: record}
	r.results = make(chan result, r.limit)
	r.workers.SetLimit(r.limit)
	defer r.workers.Wait() // also when ids panic
	going := context.WithoutCancel(ctx)
	for {
		a, err := r.pick(ctx)
		switch {
		case err != nil:
			return r.finish(err)
		case a == nil:
			return nil
		case r.hopeless(2 * patience):
			r.giveUp(going, a, errNotTried)
		default:
			r.try(going, a)
		}
	}
}

// errNotTried is why an id failed that was not even tried.
var errNotTried = errors.New("the upstream did not answer for a long time")

// A round is one call of Each. Only its goroutine touches it; workers send results.
type round struct {
	pacer   *Pacer
	limit   int
	next    func() (string, error, bool)
	do      func(ctx context.Context, id string) (Outcome, error)
	record  func(context.Context, ...Outcome) error
	workers errgroup.Group
	results chan result // has room for one of every worker

	running      int
	drained      bool       // there are no new ids
	throttled    []*attempt // to be tried again first
	failed       []*attempt // to be tried again later
	lastNew      bool       // the last try was of a new id
	successes    int
	backoffs     int
	backoff      time.Duration
	backoffUntil time.Time
	failingSince time.Time // the first failure after the last success; zero: none
	err          error     // of record
}

// An attempt is an id that has no outcome yet.
type attempt struct {
	id       string
	epoch    int // of the pacer when the last try began
	backoffs int // of the round then
	failures int // with successes of other ids between
	seen     int // successes at the last of them
}

// A result is what came of a try, or of recording that an id is given up.
type result struct {
	*attempt
	again  error // why it is to be tried again
	lost   error // why the outcome is not recorded
	failed bool  // the outcome is that nobody knows
}

// pick waits until the next try may begin and returns its id, or nil when all are over.
func (r *round) pick(ctx context.Context) (*attempt, error) {
	for {
		if err := r.stopped(ctx); err != nil {
			return nil, err
		}
		if r.running == r.limit {
			r.settle(ctx, <-r.results)
			continue
		}
		a, err := r.candidate()
		if err != nil {
			return nil, err
		}
		if a != nil {
			return a, r.turn(ctx, a)
		}
		if r.running == 0 {
			return nil, nil
		}
		r.settle(ctx, <-r.results)
	}
}

func (r *round) stopped(ctx context.Context) error {
	if r.err == nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return r.err
}

// candidate returns the id to be tried next, nil for none. Those that failed take turns
// with new ones once others have succeeded since, twice as many each time; or once they
// are as many as run at once, so that they do not pile up.
func (r *round) candidate() (*attempt, error) {
	if len(r.throttled) > 0 {
		return take(&r.throttled), nil
	}
	retry := r.lastNew && len(r.failed) > 0 && (len(r.failed) >= r.limit || r.successes >= r.failed[0].seen+firstSpacing<<r.failed[0].failures)
	if !r.drained && !retry {
		id, err, more := r.next()
		if more {
			r.lastNew = true
			return &attempt{id: id}, err
		}
		r.drained = true
	}
	if len(r.failed) > 0 {
		r.lastNew = false
		return take(&r.failed), nil
	}
	return nil, nil
}

func take(list *[]*attempt) *attempt {
	first := (*list)[0]
	*list = (*list)[1:]
	return first
}

// turn waits until a may be tried. What comes in meanwhile is settled, and may make the
// wait longer.
func (r *round) turn(ctx context.Context, a *attempt) error {
	due, start, waited := r.pacer.slot(), time.Now(), false
	for {
		if err := r.stopped(ctx); err != nil {
			return err
		}
		wait := max(time.Until(due), time.Until(r.pacer.pausedUntil()), time.Until(r.backoffUntil))
		if wait <= 0 {
			if waited && r.pacer.Waited != nil {
				r.pacer.Waited(time.Since(start))
			}
			return nil
		}
		waited = true
		timer := time.NewTimer(wait)
		select {
		case res := <-r.results:
			r.settle(ctx, res)
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}
