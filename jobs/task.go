package jobs

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"user-manager/upstream"
)

// A Task is one run of a job, as its kind sees it. It is safe for use by several
// goroutines.
type Task struct {
	entry  entry
	owner  string    // of the lease
	leased time.Time // when the request was sent that took the lease
	keeper keeper
	log    *slog.Logger
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

// A write is a number of outcomes that are written at once.
type write struct {
	outcomes []Outcome
	over     chan struct{} // closed when it is
	err      error         // read after over
}

// ID returns the job's id.
func (t *Task) ID() string { return t.entry.JobID }

// Options returns what was given to [Queue.Add]. It must not be changed.
func (t *Task) Options() map[string]string { return t.entry.Options }

// Log returns a log with the job's id and kind.
func (t *Task) Log() *slog.Logger { return t.log }

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

// partsIn yields all parts of a job, a few read at a time. The first error ends it.
func partsIn(e entry, read func(from, n int) ([]part, error)) iter.Seq2[part, error] {
	return func(yield func(part, error) bool) {
		total := partsOf(e.Total)
		for from := 0; from < total; from += partsAtOnce {
			found, err := read(from, min(partsAtOnce, total-from))
			if err != nil {
				yield(part{}, err)
				return
			}
			for _, p := range found {
				if !yield(p, nil) {
					return
				}
			}
		}
	}
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

// Record keeps outcomes; when it returns nil they are durable. Several goroutines share
// writes: whoever comes while one is under way joins the next. Of an id that has an
// outcome already the first stays. While the store fails it is tried again, until the
// lease is lost; once the context of Do is done, for a few seconds only. It goes on
// when ctx is done, for what was done has to be kept. An error means that some of
// outcomes are not recorded; their ids are pending when Do is called again.
func (t *Task) Record(ctx context.Context, outcomes ...Outcome) error {
	if len(outcomes) == 0 {
		return nil
	}
	t.mu.Lock()
	w := t.next
	leads := w == nil
	if leads {
		w = &write{over: make(chan struct{})}
		t.next = w
	}
	w.outcomes = append(w.outcomes, outcomes...)
	t.mu.Unlock()
	if leads {
		t.lead(w)
	}
	<-w.over
	return w.err
}

// lead writes w once no other write is under way.
func (t *Task) lead(w *write) {
	t.writing <- struct{}{}
	defer func() { <-t.writing }()
	defer close(w.over)
	t.mu.Lock()
	t.next = nil
	t.mu.Unlock()
	w.err = upstream.Protect(func() error { return t.write(w.outcomes) })
}

// write records the first outcome of each id that has none.
func (t *Task) write(outcomes []Outcome) error {
	news, err := t.locate(outcomes)
	if err != nil || len(news) == 0 {
		return err
	}
	byPart := map[string][]Outcome{}
	for _, o := range news {
		byPart[o.key] = append(byPart[o.key], o.Outcome)
	}
	err = t.persist(func() error { return t.keeper.record(t.life, byPart) })
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range news {
		delete(t.open, o.ID)
		t.done++
		t.counts[o.Result]++
	}
	return nil
}

// A located outcome is one with the key of its part.
type located struct {
	Outcome
	key string
}

// locate finds the part of each outcome that is the first of its id. Ids that were not
// handed out, or have an outcome already, are looked up.
func (t *Task) locate(outcomes []Outcome) ([]located, error) {
	var found []located
	var unknown []string
	rest := map[string]Outcome{}
	seen := map[string]bool{}
	t.mu.Lock()
	for _, o := range outcomes {
		key, handedOut := t.open[o.ID]
		switch {
		case seen[o.ID]:
		case handedOut:
			found = append(found, located{o, key})
		default:
			unknown = append(unknown, o.ID)
			rest[o.ID] = o
		}
		seen[o.ID] = true
	}
	t.mu.Unlock()
	if len(unknown) == 0 {
		return found, nil
	}
	var parts []part
	err := t.persist(func() (err error) {
		parts, err = t.keeper.partsWith(t.life, t.entry.JobID, unknown)
		return err
	})
	for _, p := range parts {
		first := p.first()
		for _, id := range p.IDs {
			_, done := first[id]
			if o, asked := rest[id]; asked && !done {
				found = append(found, located{o, p.Key})
			}
		}
	}
	return found, err
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
		sleep(t.life, pause)
	}
}

// passing reports whether a call that failed may succeed when it is made again.
func passing(err error) bool {
	e, ok := errors.AsType[*upstream.Error](err)
	return ok && (!e.Refused() || e.Status == http.StatusTooManyRequests)
}

// sleep waits for d, or until ctx is done; then it reports false.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
