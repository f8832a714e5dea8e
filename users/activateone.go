package users

import (
	"context"
	"errors"

	"user-manager/crud"
	"user-manager/jobs"
	"user-manager/providers"
	"user-manager/upstream"
)

// recorded is the result of a user whose outcome is recorded already.
const recorded = "recorded"

// one activates a user that has an account, or of which something was to be settled
// first. It returns its outcome, or the user marked if it is to get an account after all;
// an error means that it is to be tried again.
func (a *activation) one(ctx context.Context, id string) (jobs.Outcome, chunk, error) {
	for range 3 { // the user may change from one look to the next
		found, err := a.begin(ctx, []string{id})
		switch {
		case err != nil:
			return jobs.Outcome{}, nil, err
		case len(found.marked) > 0:
			return jobs.Outcome{}, found.marked, nil
		case len(found.over) > 0:
			return jobs.Outcome{Result: recorded}, nil, nil
		case len(found.open) > 0 && found.cause != nil:
			outcome, err := tryAgain(found.cause)
			return outcome, nil, err
		case len(found.open) > 0: // there is a note of it now, which the next look settles
			continue
		}
		stands, names, err := a.refreshAccount(ctx, id)
		if problem := refreshProblem(err, names); problem != nil {
			return failure(id, *problem), nil, nil
		}
		if unsettled, ok := errors.AsType[*unsettledError](err); ok {
			outcome, err := tryAgain(unsettled.cause)
			return outcome, nil, err
		}
		if err != nil || stands {
			return jobs.Outcome{Result: Updated}, nil, err
		}
	}
	return failure(id, userBusy), nil, nil
}

// tryAgain returns why something could not be settled, if that is an upstream's failure
// which may pass; any other makes the user a failure.
func tryAgain(cause error) (jobs.Outcome, error) {
	if failed, ok := errors.AsType[*upstream.Error](cause); ok && !upstream.RefusedForGood(failed) {
		return jobs.Outcome{}, failed
	}
	return failure("", userBusy), nil
}

// refreshProblem is why a user with the given names whose account was not refreshed is a
// failure; nil: it is to be tried again.
func refreshProblem(err error, names crud.Document) *jobs.Problem {
	failed, isUpstream := errors.AsType[*upstream.Error](err)
	_, unsettled := errors.AsType[*unsettledError](err)
	switch {
	case unsettled:
		return nil
	case errors.Is(err, crud.ErrNotFound):
		return &userNotFound
	case errors.Is(err, ErrConflict):
		return &userBusy
	case isUpstream && failed.Service == providers.Service && upstream.RefusedForGood(err):
		return problemOf(providers.RefusalOf(err, text(names, "username"), text(names, "email")))
	}
	return nil
}

// refresh is an account that is to be what its user says.
type refresh struct {
	user crud.Document
	gone bool // the provider does not know the account any more
}

// refreshAccount makes the account of the user with the given id what the user says, and
// returns the user. It reports false when there is no account any more: then the user has
// none either.
func (s *Service) refreshAccount(ctx context.Context, id string) (stands bool, user crud.Document, err error) {
	err = s.operate(ctx, id, inAnyState, func(found crud.Document) error {
		user, stands = found, false
		if accountID(user) == "" {
			return nil
		}
		r := &refresh{user: user}
		n := note{Kind: noteChange, UserID: text(user, "_id"), AuthUserID: accountID(user)}
		err := s.carryOut(ctx, n, s.unchanged(user), s.refreshOrder(r))
		stands = !r.gone
		return err
	})
	return stands, user, err
}

// updateAccount tells the account the user's name and address and whether it may log in.
// There is nothing to undo: the user says the same before and after. A block goes first,
// so that it holds also when the names are refused.
func (s *Service) updateAccount(r *refresh) step {
	id := accountID(r.user)
	username, email, blocked := text(r.user, "username"), text(r.user, "email"), !s.mayLogIn(r.user)
	return step{
		name:  "refresh account",
		noted: true,
		do: func(ctx context.Context) error {
			var err error
			if blocked {
				err = s.setBlocked(ctx, id, true)
			}
			if err == nil {
				_, err = s.provider.Update(ctx, id, providers.Change{Username: &username, Email: &email, Blocked: &blocked})
			}
			if !errors.Is(err, providers.ErrNotFound) {
				return err
			}
			r.gone = true
			return s.forgetAccount(ctx, id)
		},
	}
}
