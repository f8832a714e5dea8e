package jobs

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"user-manager/upstream"
)

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
		RequestID: upstream.CallerFrom(ctx).RequestID,
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
		waiting, err := 0, error(nil)
		if q.cfg.MaxQueued > 0 {
			waiting, err = q.Waiting(ctx)
		}
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

// Waiting returns how many jobs wait to be run, of all processes that share the collection.
// Errors are the store's.
func (q *Queue) Waiting(ctx context.Context) (int, error) {
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
