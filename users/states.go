package users

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"user-manager/crud"
	"user-manager/upstream"
)

// statesAtOnce is how many users of one call change their state at the same time.
const statesAtOnce = 8

// A StateChange moves the users that match Filter, in whatever state they are, to
// the state To. Those that cannot go there directly, or are there, stay.
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

func (e *PartialError) Error() string {
	return fmt.Sprintf("%v (%d users were changed before)", e.Err, e.Changed)
}

// Unwrap returns the failure.
func (e *PartialError) Unwrap() error { return e.Err }

// ChangeStates carries out the changes one after the other and returns how many
// users were moved. The first failure ends it: a [*PartialError].
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
	g.SetLimit(statesAtOnce)
	for user, err := range s.Users.With(rows).All(ctx, q) {
		if err != nil {
			g.Go(func() error { return err })
			break
		}
		if !slices.Contains(transitions[text(user, "__STATE__")], change.To) {
			continue
		}
		g.Go(func() error {
			changed, err := s.moveOne(ctx, text(user, "_id"), change.To)
			if changed {
				moved.Add(1)
			}
			return err
		})
	}
	return g.Wait()
}

// moveOne moves one user to a state, if it still can go there, and reports whether
// it did.
func (s *Service) moveOne(ctx context.Context, id, to string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	defer s.locks.lock(id)()
	s.settleUser(ctx, id)
	user, err := s.Users.Get(ctx, id, inAnyState)
	if err != nil {
		return false, ignore(err, crud.ErrNotFound)
	}
	if marked(user) || !slices.Contains(transitions[text(user, "__STATE__")], to) {
		return false, nil
	}
	if err := s.move(ctx, user, to); err != nil {
		return false, err
	}
	return true, nil
}

// move moves a user by one transition, with what it means for the account.
func (s *Service) move(ctx context.Context, user crud.Document, to string) error {
	n := note{Kind: noteChange, UserID: text(user, "_id"), AuthUserID: accountID(user)}
	return s.carryOut(ctx, n, s.stateOrder(user, to))
}

// SoftDelete moves the user with the given id to the state DELETED, by as many
// transitions as the store asks for. When one fails the user stays in the state
// before it, consistent with its account, and the call may be made again. For a user
// in that state already its account is seen to again.
func (s *Service) SoftDelete(ctx context.Context, id string) error {
	defer s.locks.lock(id)()
	s.settleUser(ctx, id)
	user, err := s.target(ctx, id, inAnyState)
	if err != nil {
		return err
	}
	way := walk(text(user, "__STATE__"), crud.Deleted)
	if len(way) == 0 {
		way = []string{crud.Deleted}
	}
	for _, to := range way {
		if err := s.move(ctx, user, to); err != nil {
			return err
		}
		user = inState(user, to)
	}
	return nil
}
