package users

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/upstream"
)

// inAnyState are the parameters that find a user whatever its state.
var inAnyState = url.Values{"_st": {strings.Join(crud.AllStates, ",")}}

// errNotUndoable is the undo of what cannot be undone.
var errNotUndoable = errors.New("cannot be undone, only finished")

// insist tries a call that nothing can take back, or that takes something back, up
// to three times while its outcome is open or the upstream is only busy or not reached.
// Its error is no refusal when an earlier try may have taken effect.
func insist(ctx context.Context, call func(context.Context) error) error {
	const tries, pause = 3, 50 * time.Millisecond
	var err error
	open := false
	for try := range tries {
		if err = call(ctx); open {
			err = upstream.Partly(err)
		}
		busy := upstream.Status(err) == http.StatusTooManyRequests || upstream.Unreached(err)
		if err == nil || upstream.Refused(err) && !busy || try+1 == tries {
			return err
		}
		open = open || !upstream.Refused(err)
		if upstream.Wait(ctx, pause<<try) != nil {
			return err
		}
	}
	return err
}

// whileBusy makes a call again, a few times, when the upstream did nothing because it has
// too much to do; and waits as long as it asks, within bounds.
func whileBusy(ctx context.Context, call func(context.Context) error) error {
	const tries, first, longest = 6, time.Second, 30 * time.Second
	for try := 0; ; try++ {
		err := call(ctx)
		if upstream.Status(err) != http.StatusTooManyRequests || try+1 == tries {
			return err
		}
		if upstream.Wait(ctx, min(max(upstream.RetryAfter(err), first<<try), longest)) != nil {
			return err
		}
	}
}

// ignore returns err unless it is of the given kind.
func ignore(err, kind error) error {
	if errors.Is(err, kind) {
		return nil
	}
	return err
}

// adoption is a user made of an account that exists.
type adoption struct {
	user    crud.Document
	userID  string
	account providers.Account
	block   bool         // the account is to be blocked, and is not yet
	timer   *timerChange // nil: it needs none
	hold    hold
}

func (s *Service) insertAdopted(a *adoption) step {
	return step{
		name: "insert user of account",
		do: func(ctx context.Context) (err error) {
			if a.userID, err = s.Users.Insert(ctx, a.user); err == nil {
				s.holdOn(ctx, &a.hold, a.userID)
			}
			return err
		},
		undo: func(ctx context.Context) error {
			q := crud.Query{Filter: map[string]any{"authUserId": a.account.ID}, States: crud.AllStates}
			return insist(ctx, func(ctx context.Context) error {
				_, err := s.Users.DeleteAll(ctx, q)
				return err
			})
		},
	}
}

// blockAccount keeps an account from logging in. An account that is gone cannot log
// in either. allowed says whether it was allowed to before.
func (s *Service) blockAccount(id string, allowed bool) step {
	return step{
		name:     "block account",
		noted:    true,
		protects: true,
		do: func(ctx context.Context) error {
			return ignore(s.setBlocked(ctx, id, true), providers.ErrNotFound)
		},
		undo: func(ctx context.Context) error { return s.restoreBlocked(ctx, id, !allowed) },
	}
}

// unblockAccount lets an account log in. When it is gone, the user has no account
// any more and loses its id, so that it can be registered again.
func (s *Service) unblockAccount(id string, allowed bool) step {
	return step{
		name:  "unblock account",
		noted: true,
		do: func(ctx context.Context) error {
			err := s.setBlocked(ctx, id, false)
			if !errors.Is(err, providers.ErrNotFound) {
				return err
			}
			return s.forgetAccount(ctx, id)
		},
		undo: func(ctx context.Context) error { return s.restoreBlocked(ctx, id, !allowed) },
	}
}

func (s *Service) setBlocked(ctx context.Context, id string, blocked bool) error {
	_, err := s.provider.Update(ctx, id, providers.Change{Blocked: &blocked})
	return err
}

func (s *Service) restoreBlocked(ctx context.Context, id string, blocked bool) error {
	return insist(ctx, func(ctx context.Context) error {
		return ignore(s.setBlocked(ctx, id, blocked), providers.ErrNotFound)
	})
}

// forgetAccount takes the id of an account that is gone off its user.
func (s *Service) forgetAccount(ctx context.Context, id string) error {
	_, err := s.Users.PatchAll(ctx, crud.Query{Filter: map[string]any{"authUserId": id}, States: crud.AllStates}, unset("authUserId"))
	return err
}

// forgetGone takes the id of an account off its user if the provider does not know the
// account any more, so that the user can be registered again.
func (s *Service) forgetGone(id string) step {
	return step{
		name: "forget account",
		do: func(ctx context.Context) error {
			_, err := s.provider.Account(ctx, id)
			if errors.Is(err, providers.ErrNotFound) {
				return s.forgetAccount(ctx, id)
			}
			return err
		},
	}
}

// moveUser moves the user to another state, if it is in the state that it was in and no
// account has come to it meanwhile.
func (s *Service) moveUser(user crud.Document, to string) step {
	id, from := text(user, "_id"), text(user, "__STATE__")
	return step{
		name:  "move user",
		noted: true,
		do: func(ctx context.Context) error {
			err := s.Users.SetState(ctx, id, to, as(user, "__STATE__", "authUserId"))
			if errors.Is(err, crud.ErrNotFound) {
				return errChanged
			}
			return err
		},
		undo: func(ctx context.Context) error { return s.returnTo(ctx, id, from) },
	}
}

// returnTo brings the user back to a state, by the way that the store allows, each time
// from where it is.
func (s *Service) returnTo(ctx context.Context, id, state string) error {
	return insist(ctx, func(ctx context.Context) error {
		user, err := s.Users.Get(ctx, id, inAnyState)
		if err != nil {
			return ignore(err, crud.ErrNotFound)
		}
		for _, next := range walk(text(user, "__STATE__"), state) {
			if err := s.Users.SetState(ctx, id, next, as(user, "__STATE__")); err != nil {
				return err
			}
			user = inState(user, next)
		}
		return nil
	})
}

// deleteAccount removes the account. One that the provider does not know counts as
// removed. Its undoing only looks whether there is anything to undo, which would be
// too late.
func (s *Service) deleteAccount(id string) step {
	return step{
		name:  "delete account",
		noted: true,
		do: func(ctx context.Context) error {
			return ignore(s.provider.Delete(ctx, id), providers.ErrNotFound)
		},
		undo: func(ctx context.Context) error {
			_, err := s.provider.Account(ctx, id)
			if errors.Is(err, providers.ErrNotFound) {
				return errNotUndoable
			}
			return err
		},
	}
}

// deleteUser removes the user. One that has come to have another account meanwhile stays:
// nobody would remove that.
func (s *Service) deleteUser(user crud.Document) step {
	id := text(user, "_id")
	do := func(ctx context.Context) error {
		return insist(ctx, func(ctx context.Context) error {
			return ignore(s.Users.Delete(ctx, id), crud.ErrNotFound)
		})
	}
	if s.journal.shared() {
		do = func(ctx context.Context) error { return s.deleteUnchanged(ctx, user) }
	}
	return step{name: "delete user", do: do}
}

// deleteUnchanged removes a user that has the account that it had, or still none.
func (s *Service) deleteUnchanged(ctx context.Context, user crud.Document) error {
	q := crud.Query{Filter: as(user, "_id", "authUserId"), States: crud.AllStates}
	deleted := 0
	err := insist(ctx, func(ctx context.Context) (err error) {
		deleted, err = s.Users.DeleteAll(ctx, q)
		return err
	})
	if err != nil || deleted > 0 {
		return err
	}
	if _, err = s.Users.Get(ctx, text(user, "_id"), inAnyState); err == nil {
		return errChanged
	}
	return ignore(err, crud.ErrNotFound)
}

// findByID returns the user with the given id, in any state. It reads a list, whose emptiness
// cannot be mistaken for another kind of 404.
func (s *Service) findByID(ctx context.Context, id string) (crud.Document, error) {
	return s.Users.First(ctx, crud.Query{Filter: map[string]any{"_id": id}, States: crud.AllStates})
}

// findByAuthUserID returns the user with the given authUserId, in any state.
func (s *Service) findByAuthUserID(ctx context.Context, id string) (crud.Document, error) {
	return s.Users.First(ctx, crud.Query{Filter: map[string]any{"authUserId": id}, States: crud.AllStates})
}

func set(field string, value any) crud.Document {
	return crud.Document{"$set": map[string]any{field: value}}
}

func unset(field string) crud.Document {
	return crud.Document{"$unset": map[string]any{field: true}}
}
