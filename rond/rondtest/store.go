package rondtest

import (
	"context"
	"slices"
	"time"
)

// pageSize is how many bindings a revoke asks for, and works on.
const pageSize = 200

// An Outcome is how a request of Rönd's to the CRUD Service ends.
type Outcome int

const (
	// Done is as it should be.
	Done Outcome = iota
	// Refused is any answer but a success, or no CRUD Service at all; nothing is done.
	Refused
	// Lost does the work, and its answer does not arrive.
	Lost
)

// A Store says what the CRUD Service behind Rönd does. The zero value works.
type Store struct {
	Create, Find, Delete, Update Outcome
	// MaxLimit is the largest page that it takes, its CRUD_MAX_LIMIT; 0: 200. Below that it
	// refuses every list that Rönd asks for.
	MaxLimit int
	// Takes is how long each request takes. When the caller goes away before, it is carried
	// out at once.
	Takes time.Duration
	// Draft is a collection whose default state is not PUBLIC: what is granted is kept, and
	// neither honoured nor found.
	Draft bool
}

// Gone is a CRUD Service that cannot be reached, or that does not have the collection: Rönd
// answers the same for both.
func Gone() Store { return Store{Create: Refused, Find: Refused, Delete: Refused, Update: Refused} }

// request makes one request to the CRUD Service: work is done unless it is refused, with mu
// held. It reports whether Rönd learns of a success.
func (r *Rond) request(ctx context.Context, outcome func(Store) Outcome, work func(Store)) bool {
	r.mu.Lock()
	takes := r.store.Takes
	r.mu.Unlock()
	wait(ctx, takes)
	r.mu.Lock()
	defer r.mu.Unlock()
	how := outcome(r.store)
	if how != Refused {
		work(r.store)
	}
	return how == Done
}

// wait returns after d, or when the caller goes away.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// create keeps a new binding.
func (r *Rond) create(ctx context.Context, b Binding, author string) bool {
	return r.request(ctx, func(s Store) Outcome { return s.Create }, func(s Store) {
		state := public
		if s.Draft {
			state = draft
		}
		r.bindings = append(r.bindings, b.complete(state, author))
	})
}

// find returns the first page of the public bindings that match.
func (r *Rond) find(ctx context.Context, matches func(Binding) bool) (page []Binding, ok bool) {
	ok = r.request(ctx, func(s Store) Outcome {
		if s.MaxLimit > 0 && s.MaxLimit < pageSize {
			return Refused
		}
		return s.Find
	}, func(Store) {
		for _, b := range r.bindings {
			if len(page) < pageSize && b.State == public && matches(b) {
				page = append(page, b)
			}
		}
	})
	return page, ok
}

// remove deletes bindings for good, and counts those that were there.
func (r *Rond) remove(ctx context.Context, bindings []Binding) (count int, ok bool) {
	gone := map[string]bool{}
	for _, b := range bindings {
		gone[b.BindingID] = true
	}
	ok = r.request(ctx, func(s Store) Outcome { return s.Delete }, func(Store) {
		before := len(r.bindings)
		r.bindings = slices.DeleteFunc(r.bindings, func(b Binding) bool { return gone[b.BindingID] })
		count = before - len(r.bindings)
	})
	return count, ok
}

// update writes the lists of bindings as they are given, over what was written since they
// were read, and counts those that were there.
func (r *Rond) update(ctx context.Context, bindings []Binding, author string) (count int, ok bool) {
	ok = r.request(ctx, func(s Store) Outcome { return s.Update }, func(Store) {
		for _, changed := range bindings {
			for i, b := range r.bindings {
				if b.BindingID == changed.BindingID {
					b.Subjects, b.Groups, b.UpdaterID, b.UpdatedAt = changed.Subjects, changed.Groups, author, now()
					r.bindings[i] = b
					count++
				}
			}
		}
	})
	return count, ok
}
