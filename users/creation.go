package users

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/upstream"
)

// creation is a user that gets an account, and what is learned on the way.
type creation struct {
	user       crud.Document // as it is inserted; nil when it is in the store
	userID     string        // known once the user is in the store
	mark       string        // creatingMark or registeringMark
	account    providers.NewAccount
	authUserID string       // known once there is an account
	timer      *timerChange // nil: it needs none
	hold       hold
}

func (s *Service) insertUser(c *creation) step {
	return step{
		name: "insert user",
		do: func(ctx context.Context) (err error) {
			c.user["authUserId"] = c.mark + c.account.Key
			if c.userID, err = s.Users.Insert(ctx, c.user); err == nil {
				s.holdOn(ctx, &c.hold, c.userID)
			}
			return err
		},
		undo: func(ctx context.Context) error { return s.removeMarked(ctx, c.mark, c.account.Key) },
	}
}

// withoutAccount are the ways in which a user has no account.
var withoutAccount = []any{
	map[string]any{"authUserId": map[string]any{"$exists": false}},
	map[string]any{"authUserId": ""},
}

// markUser marks a user that is as the account was planned for.
func (s *Service) markUser(c *creation, user crud.Document) step {
	free := as(user, s.makingFields()...)
	free["_id"], free["$or"] = c.userID, withoutAccount
	return step{
		name: "mark user",
		do: func(ctx context.Context) error {
			err := s.swap(ctx, free, c.mark+c.account.Key)
			if errors.Is(err, crud.ErrDuplicate) {
				return errChanged
			}
			return err
		},
		undo: func(ctx context.Context) error { return s.removeMarked(ctx, c.mark, c.account.Key) },
	}
}

// swap sets the authUserId of the one user that matches. When none does, it is a
// refusal: another operation was faster.
func (s *Service) swap(ctx context.Context, match map[string]any, authUserID string) error {
	return s.changeOne(ctx, match, set("authUserId", authUserID))
}

func (s *Service) changeOne(ctx context.Context, match map[string]any, update crud.Document) error {
	n, err := s.Users.PatchAll(ctx, crud.Query{Filter: match, States: crud.AllStates}, update)
	if err == nil && n == 0 {
		return &upstream.Error{Service: crud.Service, Route: s.Users.Route(http.MethodPatch, "/"), Status: http.StatusConflict,
			Message: "the user was changed or deleted meanwhile", Err: crud.ErrDuplicate}
	}
	return err
}

// removeMarked takes back what a mark stands for: the user that was created with it,
// or the mark that registering put on a user.
func (s *Service) removeMarked(ctx context.Context, mark, key string) error {
	ids := []any{mark + key, undoingMark(mark) + key}
	all := crud.Query{Filter: map[string]any{"authUserId": map[string]any{"$in": ids}}, States: crud.AllStates}
	return insist(ctx, func(ctx context.Context) (err error) {
		if mark == creatingMark {
			_, err = s.Users.DeleteAll(ctx, all)
		} else {
			_, err = s.Users.PatchAll(ctx, all, unset("authUserId"))
		}
		return err
	})
}

func (s *Service) createAccount(c *creation) step {
	return step{
		name:  "create account",
		noted: true,
		do: func(ctx context.Context) error {
			made, err := s.provider.Create(ctx, c.account)
			c.authUserID = made.ID
			return err
		},
		undo: func(ctx context.Context) error { return s.removeCreated(ctx, c.account, c.authUserID) },
	}
}

// removeCreated deletes the account that was made of a; id may be "" when it is not
// known.
func (s *Service) removeCreated(ctx context.Context, a providers.NewAccount, id string) error {
	if id == "" {
		made, err := s.provider.Find(ctx, a)
		if err != nil {
			return ignore(err, providers.ErrNotFound)
		}
		id = made.ID
	}
	return s.removeAccount(ctx, id)
}

func (s *Service) removeAccount(ctx context.Context, id string) error {
	if id == "" {
		return errors.New("an account without an id cannot be removed")
	}
	return insist(ctx, func(ctx context.Context) error {
		return ignore(s.provider.Delete(ctx, id), providers.ErrNotFound)
	})
}

// linkAccount puts the account's id in the place of the mark.
func (s *Service) linkAccount(c *creation) step {
	return step{
		name: "link account",
		do: func(ctx context.Context) error {
			return s.swap(ctx, map[string]any{"_id": c.userID, "authUserId": c.mark + c.account.Key}, c.authUserID)
		},
		undo: func(ctx context.Context) error {
			linked := []any{c.mark + c.account.Key, c.authUserID}
			return s.unlink(ctx, linked, undoingMark(c.mark)+c.account.Key)
		},
	}
}

// unlink puts a mark that says "undone" in the place of any of the given values of
// authUserId.
func (s *Service) unlink(ctx context.Context, from []any, mark string) error {
	q := crud.Query{Filter: map[string]any{"authUserId": map[string]any{"$in": from}}, States: crud.AllStates}
	return insist(ctx, func(ctx context.Context) error {
		_, err := s.Users.PatchAll(ctx, q, set("authUserId", mark))
		return err
	})
}

// leaveAlone takes the mark off a user that gets no account, and notes its timer.
func (s *Service) leaveAlone(c *creation) step {
	return step{
		name:  "leave user alone",
		noted: true,
		timer: true,
		do: func(ctx context.Context) error {
			update := unset("authUserId")
			update["$set"] = crud.Document{"expirationId": c.timer.id}
			return s.changeOne(ctx, crud.Document{"_id": c.userID, "authUserId": c.mark + c.account.Key}, update)
		},
		undo: func(ctx context.Context) error { return s.markAgain(ctx, c) },
	}
}

// markAgain puts a mark that says "undone" into a user without an account. One that has been
// given an account meanwhile stands.
func (s *Service) markAgain(ctx context.Context, c *creation) error {
	undone := undoingMark(c.mark) + c.account.Key
	own := slices.Concat(withoutAccount, []any{crud.Document{"authUserId": c.mark + c.account.Key}, crud.Document{"authUserId": undone}})
	alone := crud.Query{Filter: crud.Document{"_id": c.userID, "$or": own}, States: crud.AllStates}
	return insist(ctx, func(ctx context.Context) error {
		if n, err := s.Users.PatchAll(ctx, alone, set("authUserId", undone)); n > 0 || err != nil {
			return err
		}
		if _, err := s.findByID(ctx, c.userID); err != nil {
			return ignore(err, crud.ErrNotFound)
		}
		return errNotUndoable
	})
}
