package management

import (
	"context"
	"time"

	"user-manager/providers"
	"user-manager/upstream"
)

const (
	importRoute = "POST /api/v2/jobs/users-imports"
	jobRoute    = "GET /api/v2/jobs/:id"
)

// Pauses between requests.
const (
	firstLook     = time.Second      // at a job, after its start
	shortestPause = 2 * time.Second  // between looks
	mostInsisting = 16 * time.Second // the last pause before a read is given up
	// noticedWithin is the part of a job's time, one in so many, within which its end is
	// noticed.
	noticedWithin = 40
)

// growing returns how long to wait for something that has taken elapsed so far.
func growing(elapsed time.Duration) time.Duration {
	return max(shortestPause, elapsed/noticedWithin)
}

// pauseFor returns how long to wait before the next look at a job of so many rows. What the
// tenant thinks that it takes yet shortens the pause, though not by much: it may be wrong
// again and again. So does, once, what earlier jobs lead to expect.
func (i *Importer) pauseFor(job Job, rows int, elapsed time.Duration) time.Duration {
	pause := growing(elapsed)
	if job.Left > 0 && job.Left < pause {
		pause = max(job.Left, pause/2)
	}
	if left := i.pace.left(rows, elapsed); left > 0 && left < pause {
		pause = left
	}
	return min(pause, i.Polling.Pause(time.Now()))
}

// wait returns after d, or with an error of route as soon as ctx is done.
func wait(ctx context.Context, route string, d time.Duration) error {
	if upstream.Wait(ctx, d) != nil {
		return stopped(ctx, route)
	}
	return nil
}

// stopped returns the error of a request that was not made since ctx is done.
func stopped(ctx context.Context, route string) error {
	return &upstream.Error{Service: providers.Service, Route: route, Err: context.Cause(ctx), NotDone: true}
}

func isThrottling(err error) bool { return upstream.Status(err) == 429 }

// insist reads, and reads again with growing pauses where there was no clear answer.
func insist[T any](ctx context.Context, read func(context.Context) (T, error)) (T, error) {
	for pause := firstLook; ; pause *= 2 {
		got, err := read(ctx)
		if err == nil || upstream.RefusedForGood(err) || pause > mostInsisting {
			return got, err
		}
		if wait(ctx, importRoute, max(pause, upstream.RetryAfter(err))) != nil {
			return got, err
		}
	}
}
