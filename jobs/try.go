package jobs

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"user-manager/upstream"
)

// try calls do in a worker, which records the outcome if there is one.
func (r *round) try(ctx context.Context, a *attempt) {
	a.epoch, a.backoffs = r.pacer.begin(), r.backoffs
	r.work(func() result {
		var o Outcome
		err := upstream.Protect(func() (err error) {
			o, err = r.do(ctx, a.id)
			return err
		})
		if err != nil && (isThrottling(err) || isUnavailable(err)) {
			return result{attempt: a, again: err}
		}
		if err != nil {
			o = failedOutcome(a.id, codeInternal, err)
		}
		return result{attempt: a, lost: r.keep(ctx, o), failed: err != nil}
	})
}

// giveUp records that there is no knowing what became of a.
func (r *round) giveUp(ctx context.Context, a *attempt, err error) {
	r.work(func() result {
		return result{attempt: a, lost: r.keep(ctx, failedOutcome(a.id, codeUnavailable, err)), failed: true}
	})
}

func (r *round) work(f func() result) {
	r.running++
	r.workers.Go(func() error {
		r.results <- f()
		return nil
	})
}

func (r *round) keep(ctx context.Context, o Outcome) error {
	return upstream.Protect(func() error { return r.record(ctx, o) })
}

// failedOutcome tells of err no more than the call that failed: its text may hold values
// otherwise.
func failedOutcome(id, code string, err error) Outcome {
	message := "the work on this id came to an error"
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		message = e.Error()
	} else if code == codeUnavailable {
		message = errNotTried.Error()
	}
	return Outcome{ID: id, Result: FailedResult, Problems: []Problem{{Code: code, Message: message}}}
}

func isThrottling(err error) bool { return upstream.Status(err) == http.StatusTooManyRequests }

// isUnavailable reports whether err says that the upstream could not.
func isUnavailable(err error) bool {
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		return e.Status == 0 || e.Status == http.StatusRequestTimeout || e.Status >= 500
	}
	return errors.Is(err, context.DeadlineExceeded)
}

// settle takes the result of a worker.
func (r *round) settle(ctx context.Context, res result) {
	r.running--
	switch {
	case res.lost != nil:
		r.err = res.lost
	case res.again == nil:
		if !res.failed {
			r.succeeded(res.attempt)
		}
	case isThrottling(res.again):
		longer := r.pacer.throttled(res.epoch, upstream.RetryAfter(res.again))
		if !r.failingSince.IsZero() {
			r.failingSince = r.failingSince.Add(longer) // it has no chance meanwhile
		}
		r.throttled = append(r.throttled, res.attempt)
	default:
		r.couldNot(ctx, res.attempt, res.again)
	}
}

func (r *round) succeeded(a *attempt) {
	r.successes++
	r.backoff, r.backoffUntil, r.failingSince = 0, time.Time{}, time.Time{}
	r.pacer.succeeded(a.epoch)
}

// couldNot settles a try after which nobody knows what became of its id. Of tries that
// ran together only the first makes the others wait.
func (r *round) couldNot(ctx context.Context, a *attempt, err error) {
	now := time.Now()
	if r.failingSince.IsZero() {
		r.failingSince = now
	}
	if a.failures == 0 || r.successes > a.seen {
		a.failures++
		a.seen = r.successes
	}
	if a.backoffs == r.backoffs {
		r.backoffs++
		r.backoff = min(max(2*r.backoff, firstBackoff), lastBackoff)
		r.backoffUntil = now.Add(r.backoff/2 + rand.N(r.backoff/2))
	}
	if a.failures >= tries || r.hopeless(patience) {
		r.giveUp(context.WithoutCancel(ctx), a, err)
		return
	}
	r.failed = append(r.failed, a)
}

// hopeless reports whether nothing has succeeded for d.
func (r *round) hopeless(d time.Duration) bool {
	return !r.failingSince.IsZero() && time.Since(r.failingSince) >= d
}

// finish waits for the workers and returns err, with what they could not record.
func (r *round) finish(err error) error {
	r.workers.Wait() // always nil
	close(r.results)
	for res := range r.results {
		if res.lost != nil {
			err = errors.Join(err, res.lost)
		}
	}
	return err
}
