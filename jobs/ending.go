package jobs

import (
	"context"
	"errors"
	"time"
)

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
	if err == nil {
		err = t.finished()
	}
	_, failed := errors.AsType[*failure](err)
	switch {
	case err == nil:
		return ending{status: Completed}
	case failed:
		return q.failed(t, err)
	case t.run.Err() != nil && !panicked: // it was told to stop
		return ending{status: Pending, failures: t.entry.Failures, panics: t.entry.Panics}
	}
	end := ending{status: Pending, err: err, failures: t.entry.Failures + 1}
	if done, _ := t.progress(); done > t.began {
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

// finished reports why the job is not complete, by what is kept.
func (t *Task) finished() error {
	if err := t.recount(); err != nil {
		return err
	}
	if done, _ := t.progress(); done != t.entry.Total {
		return errUnfinished
	}
	return nil
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
		t.log.WarnContext(t.life, "job is left to others", "err", context.Cause(t.life))
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
	if err == nil {
		q.cfg.Observer.ended(t.entry.Kind, end.status)
	}
	poke(q.notify)
}

func (t *Task) logEnd(end ending, err error) {
	done, _ := t.progress()
	switch {
	case err != nil:
		t.log.WarnContext(t.life, "end of a run was not kept", "err", err)
	case end.status == Completed:
		t.log.InfoContext(t.life, "job completed", "ids", done)
	case end.status == Failed:
		t.log.ErrorContext(t.life, "job failed", "ids", done, "err", end.err)
	case end.err != nil:
		t.log.WarnContext(t.life, "job is tried again later", "ids", done, "pause", end.pause, "err", end.err)
	}
}
