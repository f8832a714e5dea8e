package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"user-manager/crud"
	"user-manager/upstream"
)

const (
	atOnce     = 8
	firstPause = time.Second // after a call that failed, doubled each time up to
	lastPause  = 5 * time.Minute
	writeAgain = time.Second
	maxReply   = 64 << 10 // read of an answer, so that its connection can be used again
)

// fire has the timers of a lease called, each as soon as there is room. Those for which
// there is none in time are given back.
func (r *runner) fire(ctx context.Context, l lease) {
	late := time.NewTimer(startFor - time.Since(l.since))
	defer late.Stop()
	for i, e := range l.timers {
		if !r.begin(ctx, late.C) {
			r.giveBack(l, l.timers[i:])
			return
		}
		r.calls.Go(func() {
			defer func() { <-r.slots }()
			r.fireOne(l, e)
		})
	}
}

// begin waits for room for a call, and reports whether it came.
func (r *runner) begin(ctx context.Context, late <-chan time.Time) bool {
	select {
	case r.slots <- struct{}{}:
		if ctx.Err() == nil {
			return true
		}
		<-r.slots
	case <-ctx.Done():
	case <-late:
	}
	return false
}

// fireOne makes a timer's call and writes what came of it.
func (r *runner) fireOne(l lease, e entry) {
	ctx, cancel := context.WithTimeout(r.life, min(callTime, killAfter-time.Since(l.since)))
	defer cancel()
	asked := time.Duration(0)
	err := upstream.Protect(func() (err error) {
		asked, err = r.call(ctx, e)
		return err
	})
	if err == nil {
		r.settle(l, e, over(expired, r.now()))
		return
	}
	pause := pauseAfter(e.FailureCount, asked)
	r.log.WarnContext(r.steady, "timer's call failed", "timerId", e.ID, "failures", e.FailureCount+1, "pause", pause, "err", err)
	dueAt := r.now() + pause.Milliseconds()
	r.settle(l, e, later(dueAt, crud.Document{"failureCount": e.FailureCount + 1}))
	r.wakeBefore(dueAt)
}

// pauseAfter returns how long to wait for the next call after so many that failed, and one
// more whose answer asked for a pause.
func pauseAfter(failures float64, asked time.Duration) time.Duration {
	pause := firstPause
	for ; failures >= 1 && pause < lastPause; failures-- {
		pause *= 2
	}
	return min(max(pause, asked), lastPause)
}

// call makes a timer's call. Its error may come with the pause that the answer asks for.
func (r *runner) call(ctx context.Context, e entry) (time.Duration, error) {
	var output outputMode
	if err := json.Unmarshal(e.OutputMode, &output); err != nil {
		return 0, fmt.Errorf("the outputMode cannot be read: %w", err)
	}
	req, err := output.request(ctx, e.Payload)
	if err != nil {
		return 0, err
	}
	res, err := r.deliver.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxReply)) // the status says it all
	if res.StatusCode >= 200 && res.StatusCode <= 299 {
		return 0, nil
	}
	asked := upstream.ParseRetryAfter(res.Header.Get("Retry-After"), r.clock())
	return asked, fmt.Errorf("answered with status %d %s", res.StatusCode, http.StatusText(res.StatusCode))
}

// settle writes what came of a timer's call, unless the timer was aborted or is another's
// by now. A store that fails is asked again while the lease is ours; then the call is made
// once more by whoever takes the timer.
func (r *runner) settle(l lease, e entry, change crud.Document) {
	own := where(crud.Document{"_id": e.ID, "leaseOwner": l.owner, isPending: pending.ID})
	for {
		_, err := r.timers.PatchAll(r.steady, own, change)
		if err == nil {
			return
		}
		if time.Since(l.since)+writeAgain >= killAfter || upstream.Wait(r.life, writeAgain) != nil {
			r.log.WarnContext(r.steady, "outcome of a timer's call not written: it is made again", "timerId", e.ID, "err", err)
			return
		}
	}
}
