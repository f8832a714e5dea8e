package jobs

import (
	"context"

	"user-manager/upstream"
)

// A write is a number of outcomes that are written at once.
type write struct {
	outcomes []Outcome
	over     chan struct{} // closed when it is
	err      error         // read after over
}

// Record keeps outcomes; when it returns nil they are durable. Several goroutines share
// writes: whoever comes while one is under way joins the next. Of an id that has an
// outcome already the first stays. While the store fails it is tried again, until the
// lease is lost; once the context of Do is done, for a few seconds only. That its own
// context is done does not stop it, for what was done has to be kept. An error means that some of
// outcomes are not recorded; their ids are pending when Do is called again.
func (t *Task) Record(_ context.Context, outcomes ...Outcome) error {
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
	for result, n := range t.written(news) {
		t.observer.recorded(t.entry.Kind, result, n)
	}
	return nil
}

// written counts outcomes that are kept, and returns how many there are of each result.
func (t *Task) written(news []located) map[string]int {
	byResult := map[string]int{}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range news {
		delete(t.open, o.ID)
		t.done++
		t.counts[o.Result]++
		byResult[o.Result]++
	}
	return byResult
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
