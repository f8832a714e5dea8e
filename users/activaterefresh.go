package users

import (
	"context"
	"errors"
	"iter"
	"slices"

	"user-manager/crud"
	"user-manager/jobs"
	"user-manager/providers"
	"user-manager/upstream"
)

// refreshAll makes the accounts of users what the users say, and returns the ids of those
// whose account is gone.
func (a *activation) refreshAll(ctx context.Context, ids []string) (gone []string, err error) {
	const isGone = "gone" // no outcome of the task
	results := make(chan string, len(ids))
	refresh := func(ctx context.Context, id string) (jobs.Outcome, error) {
		stands, err := a.refreshAccount(ctx, id)
		if problem := refreshProblem(err); problem != nil {
			return failure(id, *problem), nil
		}
		if err == nil && !stands {
			results <- id
			return jobs.Outcome{ID: id, Result: isGone}, nil
		}
		return jobs.Outcome{ID: id, Result: Updated}, err
	}
	record := func(ctx context.Context, outcomes ...jobs.Outcome) error {
		return a.task.Record(ctx, slices.DeleteFunc(outcomes, func(o jobs.Outcome) bool { return o.Result == isGone })...)
	}
	if err := a.pace.Each(ctx, each(ids), accountsMadeOnce, refresh, record); err != nil {
		return nil, err
	}
	close(results)
	for id := range results {
		gone = append(gone, id)
	}
	return gone, nil
}

func each(ids []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}

// refreshProblem is why a user whose account was not refreshed is a failure; nil: it is to
// be tried again.
func refreshProblem(err error) *jobs.Problem {
	switch {
	case errors.Is(err, crud.ErrNotFound):
		return &jobs.Problem{Code: CodeUserNotFound, Message: "There is no user with this id"}
	case errors.Is(err, ErrConflict):
		return &jobs.Problem{Code: CodeUserBusy, Message: "Another operation on the user is under way"}
	}
	failed, ok := errors.AsType[*upstream.Error](err)
	if !ok || failed.Service != providers.Service || !refusedForGood(err) {
		return nil
	}
	return problemOf(providers.RefusalOf(err, "", ""))
}

// refresh is an account that is to be what its user says.
type refresh struct {
	user crud.Document
	gone bool // the provider does not know the account any more
}

// refreshAccount makes the account of the user with the given id what the user says. It
// reports false when there is no account any more: then the user has none either.
func (s *Service) refreshAccount(ctx context.Context, id string) (stands bool, err error) {
	id, user, end, err := s.turnOn(ctx, id, inAnyState)
	if err != nil {
		return false, err
	}
	defer end()
	if accountID(user) == "" {
		return false, nil
	}
	r := &refresh{user: user}
	n := note{Kind: noteChange, UserID: id, AuthUserID: accountID(user)}
	err = s.carryOut(ctx, n, s.refreshOrder(r))
	return !r.gone, err
}

// updateAccount tells the account the user's name and address and whether it may log in.
func (s *Service) updateAccount(r *refresh) step {
	id, allowed := accountID(r.user), s.mayLogIn(r.user)
	username, email, blocked := text(r.user, "username"), text(r.user, "email"), !allowed
	return step{
		name:     "refresh account",
		noted:    true,
		protects: blocked,
		do: func(ctx context.Context) error {
			_, err := s.provider.Update(ctx, id, providers.Change{Username: &username, Email: &email, Blocked: &blocked})
			if !errors.Is(err, providers.ErrNotFound) {
				return err
			}
			r.gone = true
			return s.forgetAccount(ctx, id)
		},
		undo: func(ctx context.Context) error { return s.restoreBlocked(ctx, id, blocked) },
	}
}
