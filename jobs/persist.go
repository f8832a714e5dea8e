package jobs

import (
	"context"
	"errors"
	"time"

	"user-manager/upstream"
)

const (
	firstPause = 200 * time.Millisecond // of a store that fails, doubled each time up to
	lastPause  = 5 * time.Second
	grace      = 10 * time.Second // for a store that fails once the run is to stop
)

// persist calls f until it succeeds, is refused, or can be of no use any more.
func (t *Task) persist(f func() error) error {
	var stopped time.Time
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := f()
		if err == nil || !passing(err) {
			return err
		}
		if t.life.Err() != nil {
			return context.Cause(t.life)
		}
		if t.run.Err() != nil && stopped.IsZero() {
			stopped = time.Now()
		}
		if !stopped.IsZero() && time.Since(stopped) >= grace {
			return err
		}
		_ = upstream.Wait(t.life, pause) // what has ended is seen above
	}
}

// passing reports whether a call that failed may succeed when it is made again.
func passing(err error) bool {
	_, ok := errors.AsType[*upstream.Error](err)
	return ok && !upstream.RefusedForGood(err)
}
