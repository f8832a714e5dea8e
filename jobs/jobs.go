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
//	status         string      "creating", "pending", "completed" or "failed"
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
//	part           number      of a part, from 0
//	ids            Array of string
//	outcomes       Array of RawObject
//
// and should have an index on status, one on callback, and one on jobId and part. The
// clocks of the processes that share it may differ by ten seconds.
//
// Start at [New], [Queue.Add] and [Queue.Run].
package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
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
	Now         func() time.Time
}

// A Queue keeps jobs and runs them. It is safe for use by several goroutines.
type Queue struct {
	cfg    Config
	kinds  map[string]Kind
	keeper keeper
	ours   bool          // whatever lease is found is this process's, or dead
	wake   chan struct{} // a job was added, or a slot became free
	notify chan struct{} // a callback became due

	mu        sync.Mutex
	running   map[string]*Task // by job id; guarded by mu
	adding    int              // calls of Add under way; guarded by mu
	added     int              // calls of Add that are over; guarded by mu
	recovered bool             // guarded by mu
}

// New returns a queue; nothing runs before [Queue.Run]. Two kinds of one name are a
// mistake in the program and panic.
func New(cfg Config) *Queue {
	q := &Queue{
		cfg: cfg.complete(), kinds: map[string]Kind{}, running: map[string]*Task{},
		wake: make(chan struct{}, 1), notify: make(chan struct{}, 1),
	}
	for _, kind := range cfg.Kinds {
		if _, taken := q.kinds[kind.Name]; taken {
			panic("jobs: two kinds named " + kind.Name)
		}
		q.kinds[kind.Name] = kind
	}
	if cfg.Collection == nil {
		q.keeper, q.ours = newMemory(), true
	} else {
		q.keeper, q.ours = &stored{*cfg.Collection}, cfg.StoreIsOurs
	}
	return q
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
	Options     map[string]string // the kind's own; keys are plain words
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

// Add keeps the job and returns it; it runs when a runner is free. The error is
// [ErrFull] when too many wait already; those of the store are [*upstream.Error]s, and
// then there is no such job, unless the store does late what it did not answer.
func (q *Queue) Add(ctx context.Context, r Request) (Job, error) {
	if _, known := q.kinds[r.Kind]; !known {
		return Job{}, fmt.Errorf("jobs: there is no kind %q", r.Kind)
	}
	if err := q.reserve(ctx); err != nil {
		return Job{}, err
	}
	defer q.unreserve()
	ids := distinct(r.IDs)
	e := entry{
		JobID: newID(), Kind: r.Kind, Status: Pending, Options: r.Options, Total: len(ids),
		QueuedAt: q.now().UnixMilli(), CallbackURL: q.callbackURL(r), Counts: map[string]int{},
	}
	if e.Options == nil {
		e.Options = map[string]string{}
	}
	if err := q.keeper.add(ctx, e, ids); err != nil {
		return Job{}, err
	}
	poke(q.wake)
	return e.job(), nil
}

// reserve makes room for a job among those that wait, or returns ErrFull. Jobs that are
// being added count: calls that come together do not all take the last place. Other
// processes may, each.
func (q *Queue) reserve(ctx context.Context) error {
	for {
		before := q.additions()
		waiting, err := q.waiting(ctx)
		if err != nil {
			return err
		}
		q.mu.Lock()
		switch {
		case q.added != before: // such a job may be counted already, or not
			q.mu.Unlock()
			continue
		case q.cfg.MaxQueued > 0 && waiting+q.adding >= q.cfg.MaxQueued:
			q.mu.Unlock()
			return ErrFull
		}
		q.adding++
		q.mu.Unlock()
		return nil
	}
}

func (q *Queue) additions() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.added
}

func (q *Queue) unreserve() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.adding--
	q.added++
}

// waiting returns how many jobs wait to be run.
func (q *Queue) waiting(ctx context.Context) (int, error) {
	if q.cfg.MaxQueued <= 0 {
		return 0, nil
	}
	if !q.ours {
		return q.keeper.pending(ctx, q.now().UnixMilli())
	}
	n, err := q.keeper.pending(ctx, 0)
	q.mu.Lock()
	defer q.mu.Unlock()
	return max(n-len(q.running), 0), err
}

// Job returns the job with the given kind and id, whichever process runs it, or
// [ErrNotFound]. Errors of the store are [*upstream.Error]s.
func (q *Queue) Job(ctx context.Context, kind, id string) (Job, error) {
	e, err := q.keeper.find(ctx, id)
	if err != nil {
		return Job{}, err
	}
	if e.Kind != kind || e.over(q.now(), q.cfg.Retention) {
		return Job{}, ErrNotFound
	}
	job := e.job()
	q.mu.Lock()
	t := q.running[id]
	q.mu.Unlock()
	if t != nil && job.Status == Pending {
		job.Done, job.Counts = t.progress()
	}
	return job, nil
}

func (q *Queue) now() time.Time { return q.cfg.Now() }

// poke wakes who waits for c, now or when it next waits.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// distinct returns the ids without those that came before.
func distinct(ids []string) []string {
	seen := make(map[string]struct{}, len(ids))
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		if _, twice := seen[id]; !twice {
			seen[id] = struct{}{}
			out = append(out, id)
		}
	}
	return out
}

// newID returns a random UUID.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
