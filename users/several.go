package users

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/upstream"
)

// ErrNotTried is the kind of a [Refusal] of one of several users that was not come to:
// what befell another would have befallen it too, or nobody waits for it any more.
var ErrNotTried = errors.New("not tried")

// An Outcome is what came of one of several users.
type Outcome struct {
	ID string // of the user; "" when it is not known
	// Changed reports whether the user was created, changed or deleted: one that there
	// is not, or that does not match any more, stays as it is.
	Changed  bool
	Warnings []string // see [Created]
	// Err is nil, or why nothing came of it. A kind of its own is [ErrNotTried].
	Err error
}

// FirstFailure returns the index of the first user that was tried and failed; without one,
// that of the first user that was not tried; else -1.
func FirstFailure(outcomes []Outcome) int {
	tried := func(o Outcome) bool { return o.Err != nil && !errors.Is(o.Err, ErrNotTried) }
	if i := slices.IndexFunc(outcomes, tried); i >= 0 {
		return i
	}
	return slices.IndexFunc(outcomes, func(o Outcome) bool { return o.Err != nil })
}

// severally does do for each of n users, as many at a time as the fan-out, and returns what came
// of each. The ith is not begun before those are over that after[i] names, which are
// smaller; nil: they need not wait for each other.
//
// A failure that concerns one user does not keep others from being tried. After any other,
// and once ctx is done, no further one is begun; those under way are seen to their end.
func (s *Service) severally(ctx context.Context, n int, after [][]int, do func(ctx context.Context, i int) (Outcome, error)) []Outcome {
	outcomes := make([]Outcome, n)   // outcomes[i] is written by the ith's goroutine only
	over := make([]chan struct{}, n) // closed when the ith is over
	var failed atomic.Bool
	var g errgroup.Group
	g.SetLimit(s.FanOut)
	for i := range n {
		over[i] = make(chan struct{})
		g.Go(func() error {
			defer close(over[i])
			if after != nil {
				for _, earlier := range after[i] {
					<-over[earlier]
				}
			}
			outcomes[i] = one(ctx, &failed, func(ctx context.Context) (Outcome, error) { return do(ctx, i) })
			return nil
		})
	}
	_ = g.Wait() // always nil: what failed is in the outcomes
	return outcomes
}

// one does do unless there is a reason not to begin any more, and notes in failed if it
// finds one.
func one(ctx context.Context, failed *atomic.Bool, do func(context.Context) (Outcome, error)) (outcome Outcome) {
	switch {
	case ctx.Err() != nil:
		return Outcome{Err: refuse(ErrNotTried, "not tried: %s", context.Cause(ctx))}
	case failed.Load():
		return Outcome{Err: refuse(ErrNotTried, "not tried: the store or the provider failed")}
	}
	outcome.Err = upstream.Protect(func() (err error) {
		outcome, err = do(context.WithoutCancel(ctx))
		return err
	})
	if outcome.Err != nil && !concernsOne(outcome.Err) {
		failed.Store(true)
	}
	return outcome
}

// aboutOne are the statuses by which an upstream refuses what one user would be.
var aboutOne = []int{
	http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge,
	http.StatusRequestURITooLong, http.StatusUnprocessableEntity, http.StatusRequestHeaderFieldsTooLarge,
}

// concernsOne reports whether a failure says nothing of what would become of other users.
func concernsOne(err error) bool {
	if errors.Is(err, ErrJournal) {
		return false
	}
	if _, ok := errors.AsType[*Refusal](err); ok {
		return true
	}
	if _, ok := errors.AsType[*SchemaError](err); ok {
		return true
	}
	for _, kind := range []error{crud.ErrDuplicate, crud.ErrNotFound, providers.ErrNotFound} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return slices.Contains(aboutOne, upstream.Status(err))
}

// inItem says of which item of a request's array a refusal is, such as "body/1".
func inItem(place string, err error) error {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return &Refusal{Kind: refusal.Kind, Message: place + ": " + strings.TrimPrefix(refusal.Message, "body: ")}
	}
	failed, ok := errors.AsType[*upstream.Error](err)
	if !ok || !failed.Refused() || failed.Message == "" {
		return err
	}
	told := *failed
	told.Message = place + ": " + failed.Message
	if rest, ok := strings.CutPrefix(failed.Message, "body"); ok { // the store's "body must have ..."
		told.Message = place + rest
	}
	return &told
}
