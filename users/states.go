package users

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"user-manager/crud"
	"user-manager/upstream"
)

// A StateChange moves the users that match Filter, in whatever state they are, to
// the state To, by as many transitions as the store asks for.
type StateChange struct {
	Filter crud.Document
	To     string
}

// A PartialError is a failure among many users: those that were changed before it
// stay changed, the one it befell was undone.
type PartialError struct {
	Changed int
	Err     error
}

// Error is that of the failure, and how many users were changed before it.
func (e *PartialError) Error() string {
	if e.Changed == 0 {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v (%d users were changed before)", e.Err, e.Changed)
}

// Unwrap returns the failure.
func (e *PartialError) Unwrap() error { return e.Err }

// ChangeStates carries out the changes one after the other and returns how many
// users came to their state; those that were there stay as they are. The first failure
// ends it: a [*PartialError].
func (s *Service) ChangeStates(ctx context.Context, changes []StateChange) (int, error) {
	var moved atomic.Int64
	for _, change := range changes {
		if err := s.changeState(ctx, change, &moved); err != nil {
			return int(moved.Load()), &PartialError{int(moved.Load()), err}
		}
	}
	return int(moved.Load()), nil
}

func (s *Service) changeState(ctx context.Context, change StateChange, moved *atomic.Int64) error {
	rows := upstream.CallerFrom(ctx).StoreHeader(upstream.ACLRowsHeader)
	q := crud.Query{Filter: change.Filter, States: crud.AllStates, Fields: []string{"_id", "__STATE__"}}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.FanOut)
	for user, err := range s.Users.With(rows).All(ctx, q) {
		if err != nil {
			g.Go(func() error { return err })
			break
		}
		if text(user, "__STATE__") == change.To {
			continue
		}
		g.Go(func() error {
			return upstream.Protect(func() error {
				changed, err := s.moveOne(ctx, text(user, "_id"), change.To)
				if changed {
					moved.Add(1)
				}
				return err
			})
		})
	}
	return g.Wait()
}

// moveOne moves one user to a state and reports whether it was in another before.
func (s *Service) moveOne(ctx context.Context, id, to string) (bool, error) {
	id, end, err := s.turn(ctx, id)
	if err != nil {
		return false, err
	}
	defer end()
	moved := false
	err = afresh(func() error {
		user, err := s.Users.Get(ctx, id, inAnyState)
		if err != nil {
			return ignore(err, crud.ErrNotFound)
		}
		switch {
		case strings.HasPrefix(text(user, "authUserId"), creatingMark), text(user, "__STATE__") == to:
			return nil // one that is just being created is not there yet
		case marked(user):
			_, err := s.adoptMarked(ctx, user, s.leftOver())
			return cmp.Or(err, refuse(ErrConflict, "the account of one of the users is just being created; try again"))
		}
		err = s.walkTo(ctx, user, to)
		moved = err == nil
		return err
	})
	return moved, err
}

// walkTo moves a user to a state by the store's transitions, with what each means for
// the account. When one fails the user stays in the state before it, consistent with
// its account. One that is in the state already is moved there again, which mends its
// account. An expired user does not become PUBLIC.
func (s *Service) walkTo(ctx context.Context, user crud.Document, to string) error {
	if to == crud.Public && text(user, "__STATE__") != to && s.expired(user) {
		return refuse(ErrConflict, "the user has expired; it becomes PUBLIC with a new expirationDate, or without one")
	}
	way := walk(text(user, "__STATE__"), to)
	if len(way) == 0 {
		way = []string{to}
	}
	for _, next := range way {
		n := note{Kind: noteChange, UserID: text(user, "_id"), AuthUserID: accountID(user)}
		if err := s.carryOut(ctx, n, s.unchanged(user), s.stateOrder(user, next)); err != nil {
			return err
		}
		user = inState(user, next)
	}
	return nil
}

// SoftDelete moves the user with the given id to the state DELETED, by as many
// transitions as the store asks for; see [Service.ChangeStates] for where it stops. The
// call may be made again. Errors are those of [Service.Delete].
func (s *Service) SoftDelete(ctx context.Context, id string) error {
	return s.operate(ctx, id, inAnyState, func(user crud.Document) error {
		return s.walkTo(ctx, user, crud.Deleted)
	})
}
