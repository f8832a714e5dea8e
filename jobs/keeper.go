package jobs

import (
	"context"
	"maps"
	"time"

	"user-manager/upstream"
)

// creating is the status of a job that is not kept whole yet; readers never see it.
const creating Status = "creating"

// What is to become of a callback.
const (
	callbackDue       = "due"
	callbackDelivered = "delivered"
	callbackGivenUp   = "given up"
)

// A keeper keeps jobs. There is one in memory and one in a collection. Changes are made
// under a guard, and tell whether it held.
type keeper interface {
	// add keeps a job and its ids. For readers the whole of it exists when add
	// returns nil, and nothing of it before.
	add(ctx context.Context, e entry, ids []string) error
	// find returns a job, or ErrNotFound.
	find(ctx context.Context, id string) (entry, error)
	// pending counts pending jobs whose lease ends before a time; 0: whenever.
	pending(ctx context.Context, leaseBefore int64) (int, error)
	// ready returns up to n pending jobs of some kinds that may be run at a time,
	// oldest first; leaseBefore is as above.
	ready(ctx context.Context, kinds []string, at, leaseBefore int64, n int) ([]entry, error)
	// change sets fields, by their names in the collection, if g allows it.
	change(ctx context.Context, id string, g guard, set fields) (bool, error)
	// parts returns n parts of a job from the given one on, in order; ErrNotFound if
	// they are not there.
	parts(ctx context.Context, id string, from, n int) ([]part, error)
	// partsWith returns the parts of a job that hold one of ids.
	partsWith(ctx context.Context, id string, ids []string) ([]part, error)
	// record adds outcomes to parts, by their keys. The same outcome twice is kept
	// once; of several for one id the first counts. ErrNotFound when a part is gone.
	record(ctx context.Context, outcomes map[string][]Outcome) error
	// due returns up to n jobs whose callback is to be tried at a time.
	due(ctx context.Context, at int64, n int) ([]entry, error)
	// sweep removes jobs that finished before a time, and what was begun to be kept
	// before another and never was. It returns how many there were.
	sweep(ctx context.Context, finished, begun int64) (int, error)
	// sweepOrphans removes parts older than a time whose job is gone.
	sweepOrphans(ctx context.Context, before int64) error
}

type fields = map[string]any

// An entry is a job as it is kept. Times are in milliseconds since 1970.
type entry struct {
	JobID         string            `json:"jobId"`
	Kind          string            `json:"kind"`
	Status        Status            `json:"status"`
	Options       map[string]string `json:"options"`
	Total         int               `json:"total"`
	Done          int               `json:"done"`
	Counts        map[string]int    `json:"counts"`
	QueuedAt      int64             `json:"queuedAt"`
	StartedAt     int64             `json:"startedAt"`
	FinishedAt    int64             `json:"finishedAt"`
	LeaseOwner    string            `json:"leaseOwner"`
	LeaseUntil    int64             `json:"leaseUntil"`
	Failures      int               `json:"failures"`
	Panics        int               `json:"panics"`
	RetryAt       int64             `json:"retryAt"`
	CallbackURL   string            `json:"callbackUrl"`
	Callback      string            `json:"callback"`
	CallbackTries int               `json:"callbackTries"`
	CallbackAt    int64             `json:"callbackAt"`
	RequestID     string            `json:"requestId,omitempty"`
}

// context returns ctx for work on e: what is logged has the id of the request that asked for
// the job, and nothing of that request goes upstream.
func (e entry) context(ctx context.Context) context.Context {
	return upstream.WithCaller(ctx, upstream.Caller{RequestID: e.RequestID})
}

// job returns e as callers see it.
func (e entry) job() Job {
	counts := map[string]int{}
	maps.Copy(counts, e.Counts)
	return Job{
		ID: e.JobID, Kind: e.Kind, Status: e.Status,
		CreatedAt: timeOf(e.QueuedAt), StartedAt: timeOf(e.StartedAt), FinishedAt: timeOf(e.FinishedAt),
		Total: e.Total, Done: e.Done, Counts: counts,
	}
}

// over reports whether e is finished and past its retention.
func (e entry) over(now time.Time, retention time.Duration) bool {
	return e.FinishedAt != 0 && e.FinishedAt <= now.Add(-retention).UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// A guard is what must be so for a change to be made. A zero field asks for nothing.
type guard struct {
	status      Status
	startedAt   *int64
	owner       string // of the lease
	leaseBefore int64  // the lease ends before
	callbackAt  int64  // the callback is due, and to be tried then
}

// allows reports whether e is as g wants it.
func (g guard) allows(e entry) bool {
	return (g.status == "" || e.Status == g.status) &&
		(g.startedAt == nil || e.StartedAt == *g.startedAt) &&
		(g.owner == "" || e.LeaseOwner == g.owner) &&
		(g.leaseBefore == 0 || e.LeaseUntil < g.leaseBefore) &&
		(g.callbackAt == 0 || e.Callback == callbackDue && e.CallbackAt == g.callbackAt)
}
