package management

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"user-manager/providers"
	"user-manager/upstream"
)

const (
	longestJob = 2 * time.Hour // a tenant fails one that takes longer
	// gone is the status of a job of which the tenant knows nothing, or never says that it
	// is over.
	gone = "gone"
	// mostMissing is how often in a row a job may be unknown before it counts as gone: it
	// may take a moment to be known.
	mostMissing  = 3
	soughtAtOnce = 100 // accounts that are looked for after a job that failed
)

// importFile makes the accounts at the given indexes by one job.
func (im *importing) importFile(ctx context.Context, rows []int) error {
	untouched := !im.touched.Load()
	id, job, err := im.runJob(ctx, rows)
	switch {
	case err != nil && id == "":
		return im.settleAll(rows, err, untouched)
	case err != nil:
		return err
	case job.Status == "completed":
		return im.settleDone(ctx, rows, id, job.Summary)
	}
	return im.settleBroken(ctx, rows, job, untouched)
}

// runJob starts a job and waits for its end. Without an id it was not started, or nobody
// knows.
func (im *importing) runJob(ctx context.Context, rows []int) (id string, job Job, err error) {
	if err := im.turns.take(ctx); err != nil {
		return "", Job{}, err
	}
	defer im.turns.give()
	if id, err = im.start(ctx, rows); err != nil {
		return "", Job{}, err
	}
	began := time.Now()
	if job, err = im.watch(ctx, id, len(rows)); err != nil {
		return id, job, err
	}
	took := time.Since(began)
	if job.Status == "completed" {
		im.pace.saw(len(rows), took)
	}
	im.log.InfoContext(ctx, "import job is over", "importJobId", id, "status", job.Status, "rows", len(rows), "took", took)
	return id, job, nil
}

// settleAll gives an error of a whole file back. Where it is definite but something else has
// been done already it is the refusal of each row instead.
func (im *importing) settleAll(rows []int, err error, untouched bool) error {
	if untouched || !upstream.RefusedForGood(err) {
		return err
	}
	for _, at := range rows {
		_ = im.settle(at, err) // which is definite
	}
	return nil
}

// start hands the rows in. While a limit of the tenant is reached, such as that of its jobs,
// it waits.
func (im *importing) start(ctx context.Context, rows []int) (id string, err error) {
	accounts := im.accounts(rows)
	file := fileOf(accounts)
	for began := time.Now(); ; {
		id, err = im.Jobs.Start(ctx, file, false, accounts[0].Key)
		if !upstream.Refused(err) { // no error among them
			im.touched.Store(true)
		}
		if !isThrottling(err) {
			return id, err
		}
		pause := max(growing(time.Since(began)), upstream.RetryAfter(err))
		if err := wait(ctx, importRoute, pause); err != nil {
			return "", err
		}
	}
}

// watch looks at a job of so many rows until it is over, and returns how it ended.
func (im *importing) watch(ctx context.Context, id string, rows int) (Job, error) {
	began, missing := time.Now(), 0
	pause := min(firstLook, im.Polling.Pause(began))
	for {
		if err := wait(ctx, jobRoute, pause); err != nil {
			return Job{}, err
		}
		job, err := im.Jobs.Status(ctx, id)
		elapsed := time.Since(began)
		switch {
		case err == nil && isOver(job.Status):
			return job, nil
		case upstream.Status(err) == http.StatusNotFound:
			missing++
		case upstream.RefusedForGood(err):
			return Job{}, err
		default:
			missing = 0
		}
		if missing == mostMissing || elapsed > longestJob+longestJob/noticedWithin {
			return Job{Status: gone}, nil
		}
		pause = max(im.pauseFor(job, rows, elapsed), upstream.RetryAfter(err))
	}
}

func isOver(status string) bool {
	return slices.Contains([]string{"completed", "failed", "expired"}, status)
}

// settleBroken settles the rows of a job that was not completed, if all their accounts
// stand. Otherwise nothing is known of those that do not, and the import is to be repeated,
// unless the tenant's words leave no doubt.
func (im *importing) settleBroken(ctx context.Context, rows []int, job Job, untouched bool) error {
	im.log.WarnContext(ctx, "import job was not completed", "status", job.Status)
	if s := job.Summary; s != nil && s.Inserted+s.Updated == 0 && unusable.MatchString(job.Details) {
		im.touched.Store(!untouched)
		return im.settleAll(rows, providers.Refuse(importRoute, providers.ErrMisconfigured, job.Details), untouched)
	}
	found := map[string]providers.Account{}
	for rest := rows; len(rest) > 0; { // from the end: one that is missing is enough, and most likely among the last
		n := min(max(len(found), 1), soughtAtOnce, len(rest))
		part, err := im.read(ctx, rest[len(rest)-n:])
		if err != nil {
			return err
		}
		if len(part) < n {
			return brokenOff(job)
		}
		maps.Copy(found, part)
		rest = rest[:len(rest)-n]
	}
	return im.bringAllOurs(ctx, rows, found)
}

// brokenOff is the error of a job that was not completed.
func brokenOff(job Job) error {
	return &upstream.Error{
		Service: providers.Service, Route: jobRoute, Status: http.StatusInternalServerError,
		Message: cmp.Or(job.Details, "The import was not completed."), Err: fmt.Errorf("the job is %s", job.Status),
	}
}
