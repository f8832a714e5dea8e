// Package jobs runs asynchronous jobs over lists of ids: it keeps them, runs them, and
// paces what they call. What is done with an id is a [Kind]'s business; nothing here
// knows of users, providers or HTTP handlers.
//
// A job and what became of each of its ids are written to a collection of the store
// as they come. After a crash the next process goes on where the last one stopped, and
// several processes may share a collection: a lease says who runs a job, and any of
// them answers for every job. Without a collection jobs last as long as the process.
//
// # The collection
//
// It holds two types of documents, a job and its parts of at most 250 ids. Its
// definition needs these fields, none of them required:
//
//	type           string      "job" or "part"
//	jobId          string
//	kind           string
//	status         string      "creating", "pending", "completed" or "failed"; of some parts "head"
//	options        RawObject
//	total          number      of ids
//	done           number      of outcomes, as of the last renewal of the lease
//	counts         RawObject   of outcomes by result, likewise
//	queuedAt       number      this time and the others in milliseconds since 1970; 0: not yet
//	startedAt      number
//	finishedAt     number
//	leaseOwner     string      who runs the job; "": nobody
//	leaseUntil     number
//	failures       number      of runs in a row that came to nothing
//	panics         number      of runs in a row that panicked
//	retryAt        number      not run again before
//	callbackUrl    string
//	callback       string      "", "due", "delivered" or "given up"
//	callbackTries  number
//	callbackAt     number      of the next try
//	requestId      string      of the request that asked for the job, for the log
//	part           number      of a part, from 0
//	ids            Array of string
//	outcomes       Array of RawObject
//
// and should have an index on status, one on callback, and one on jobId and part. The
// clocks of the processes that share it may differ by five seconds.
//
// Start at [New], [Queue.Add] and [Queue.Run].
package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"user-manager/crud"
)

// A Status says how far a job is.
type Status string

// The statuses of a job.
const (
	Pending   Status = "pending"
	Completed Status = "completed"
	Failed    Status = "failed"
)

// FailedResult is every kind's word for failure.
const FailedResult = "failed"

// A Problem is a reason why an id failed.
type Problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// An Outcome is what became of one id. Result is a word of the kind's own, such as
// "inserted"; [FailedResult] is every kind's word for failure.
type Outcome struct {
	ID       string    `json:"id"`
	Result   string    `json:"result"`
	Problems []Problem `json:"problems,omitempty"`
}

// A Kind is one sort of job.
type Kind struct {
	Name string
	// Do works on the ids of t that have no outcome yet and records one for each; nil
	// means that it did. It may be called again for the same job, after a crash or a
	// shutdown, also by another process. When ctx is done it starts nothing new, lets
	// what runs finish, records that and returns. An error made with [Fail] ends the
	// job as failed; any other, or a panic, leaves it pending, and it is tried again
	// after a pause that grows. The fifth panic in a row is a failure.
	Do func(ctx context.Context, t *Task) error
}

// Fail makes an error that ends the job as failed.
func Fail(err error) error { return &failure{err} }

type failure struct{ error }

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.error }

// Refusals of a [Queue].
var (
	ErrFull     = errors.New("too many jobs are waiting")
	ErrNotFound = errors.New("no such job")
)

// Config says where a queue keeps its jobs, and how it runs them.
type Config struct {
	Collection  *crud.Collection // nil: in memory only
	StoreIsOurs bool             // no other process works on the store: the leases of earlier ones are dead
	Kinds       []Kind
	Concurrency int           // jobs that run at once in this process; at least 1
	MaxQueued   int           // jobs that wait to be run, of all processes; 0: any number
	Retention   time.Duration // of finished jobs; 0: 24 hours
	Webhook     *Webhook      // nil: no callbacks
	Log         *slog.Logger  // nil: slog.Default
	Observer    Observer
	Now         func() time.Time
}

// An Observer is told of what a queue does in this process. Its functions may be nil, and are
// called by several goroutines.
type Observer struct {
	Ended    func(kind string, s Status)             // a job is over
	Recorded func(kind, result string, outcomes int) // outcomes are kept
}

func (o Observer) ended(kind string, s Status) {
	if o.Ended != nil && s != Pending {
		o.Ended(kind, s)
	}
}

func (o Observer) recorded(kind, result string, outcomes int) {
	if o.Recorded != nil {
		o.Recorded(kind, result, outcomes)
	}
}

func (cfg Config) complete() Config {
	cfg.Concurrency = max(cfg.Concurrency, 1)
	if cfg.Retention <= 0 {
		cfg.Retention = 24 * time.Hour
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

// A Request asks for a job. Of ids that are given twice the first counts.
type Request struct {
	Kind        string
	IDs         []string
	Options     map[string]string // the kind's own; keys are words, without dots and dollars
	CallbackURL string            // "": that of the [Webhook], if any
}

// A Job is a job as it stands.
type Job struct {
	ID, Kind                         string
	Status                           Status
	CreatedAt, StartedAt, FinishedAt time.Time // zero: not yet
	Total, Done                      int
	Counts                           map[string]int // outcomes by result; sums to Done
}
