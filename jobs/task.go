package jobs

import (
	"context"
	"iter"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// A Task is one run of a job, as its kind sees it. It is safe for use by several
// goroutines.
type Task struct {
	entry    entry
	owner    string    // of the lease
	leased   time.Time // when the request was sent that took the lease
	began    int       // outcomes that there were before this run
	keeper   keeper
	log      *slog.Logger
	observer Observer
	// run is the context of Do; life goes on until the lease may be another's, or Do
	// has returned: what was done is recorded in it.
	run, life  context.Context
	stop, kill context.CancelCauseFunc

	writing chan struct{} // holds one while a write is under way

	mu     sync.Mutex
	next   *write            // gathers outcomes while a write is under way; guarded by mu
	open   map[string]string // keys of the parts of ids that were handed out; guarded by mu
	done   int               // guarded by mu
	counts map[string]int    // guarded by mu
}

// ID returns the job's id.
func (t *Task) ID() string { return t.entry.JobID }

// Options returns what was given to [Queue.Add]. It must not be changed.
func (t *Task) Options() map[string]string { return t.entry.Options }

// Log returns a log with the job's id and kind.
func (t *Task) Log() *slog.Logger { return t.log }

// Left returns how many ids have no outcome yet.
func (t *Task) Left() int {
	done, _ := t.progress()
	return t.entry.Total - done
}

// Pending yields the ids that have no outcome, in order. They are read in parts, so
// that memory does not hold all of them. The first error ends it.
func (t *Task) Pending() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for p, err := range t.parts() {
			if err != nil {
				yield("", err)
				return
			}
			first := p.first()
			t.handOut(p, first)
			for _, id := range p.IDs {
				if _, done := first[id]; !done && !yield(id, nil) {
					return
				}
			}
		}
	}
}

// parts yields all parts of the job, tried again where the store fails.
func (t *Task) parts() iter.Seq2[part, error] {
	return partsIn(t.entry, func(from, n int) (found []part, err error) {
		err = t.persist(func() error {
			found, err = t.keeper.parts(t.life, t.entry.JobID, from, n)
			return err
		})
		return found, err
	})
}

// handOut notes where the ids of p are that have no outcome.
func (t *Task) handOut(p part, done map[string]Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range p.IDs {
		if _, has := done[id]; !has {
			t.open[id] = p.Key
		}
	}
}

// progress returns how many outcomes there are, by result.
func (t *Task) progress() (int, map[string]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done, maps.Clone(t.counts)
}

// recount reads how many outcomes there are. It is what counts: a write without an
// answer may have been made, and one of an earlier run may have been late.
func (t *Task) recount() error {
	done, counts := 0, map[string]int{}
	for p, err := range t.parts() {
		if err != nil {
			return err
		}
		first := p.first()
		done += len(first)
		for _, o := range first {
			counts[o.Result]++
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done, t.counts = done, counts
	return nil
}
