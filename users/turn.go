package users

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"user-manager/crud"
)

// An unsettledError keeps an operation on a user from beginning: what an earlier one left
// could not be settled. It is an [ErrConflict].
type unsettledError struct {
	refusal error
	cause   error // why not; none of the operation's own
}

// Error is what the caller is told.
func (e *unsettledError) Error() string { return e.refusal.Error() }

// Unwrap returns the refusal.
func (e *unsettledError) Unwrap() error { return e.refusal }

func notSettled(cause error) error {
	return &unsettledError{refuse(ErrConflict, "an earlier change of this user is not settled yet; try again"), cause}
}

// ignoreMinor returns why a note could not be settled unless that keeps no other operation
// from beginning: another process is at work on it, which the journal tells, or only roles or a
// timer are missing.
func ignoreMinor(err error) error { return ignore(ignore(err, errHeld), errRest) }

// turn makes an operation on the user with the given id wait for its turn, and settles
// what an earlier one on the user left. It returns the id as the store writes it and the
// function that ends the turn. When something cannot be settled it is [ErrConflict].
func (s *Service) turn(ctx context.Context, id string) (userID string, end func(), err error) {
	id = strings.ToLower(id)
	unlock, err := s.locks.Lock(ctx, id)
	if err != nil {
		return "", nil, err
	}
	for _, n := range s.journal.settleable(true, func(n note) bool { return n.UserID == id }) {
		if err := ignoreMinor(s.settleLocked(ctx, n)); err != nil {
			unlock()
			return "", nil, notSettled(err)
		}
	}
	return id, unlock, nil
}

// A hold keeps other operations of this process off a user that has just come to be, until
// the one that made it is over. The zero value holds none.
type hold struct{ unlock func() }

// holdOn has h hold a user. Others may wait for their turn with it as soon as they see it.
func (s *Service) holdOn(ctx context.Context, h *hold, userID string) {
	unlock, err := s.locks.Lock(ctx, userID)
	if err == nil { // else ctx is over, which that of a step never is
		h.unlock = unlock
	}
}

func (h *hold) end() {
	if h.unlock != nil {
		h.unlock()
	}
}

// turns is turn for an operation on several users, whose ids are distinct and as the
// store writes them. Those of which something is left that cannot be settled have a
// cause. What is left is settled before the turns begin, so that they are not long.
func (s *Service) turns(ctx context.Context, ids []string) (unsettled map[string]error, end func(), err error) {
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	concerns := func(n note) bool { return wanted[n.UserID] }
	var cause error
	for _, n := range s.journal.settleable(true, concerns) {
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		if cause = ignoreMinor(s.settle(ctx, n)); cause != nil {
			break // the others would most likely fail alike, and each may take its time
		}
	}
	end, err = s.lockAll(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	unsettled = map[string]error{}
	for _, n := range s.journal.settleable(false, concerns) {
		if cause == nil { // it came to be meanwhile
			cause = ignoreMinor(s.settleLocked(ctx, n))
		}
		if cause != nil {
			unsettled[n.UserID] = cause
		}
	}
	return unsettled, end, nil
}

// lockAll takes the locks of several users. It does so in one order everywhere, or two
// who do would wait for each other.
func (s *Service) lockAll(ctx context.Context, ids []string) (unlockAll func(), err error) {
	var unlocks []func()
	unlockAll = func() {
		for _, unlock := range slices.Backward(unlocks) {
			unlock()
		}
	}
	for _, id := range slices.Sorted(slices.Values(ids)) {
		unlock, err := s.locks.Lock(ctx, id)
		if err != nil {
			unlockAll()
			return nil, err
		}
		unlocks = append(unlocks, unlock)
	}
	return unlockAll, nil
}

// operate does an operation on the user with the given id when its turn has come. do gets
// the user as it is, if the caller may see it by params; and again, as it has become, when
// other processes changed it before the first step.
func (s *Service) operate(ctx context.Context, id string, params url.Values, do func(user crud.Document) error) error {
	id, end, err := s.turn(ctx, id)
	if err != nil {
		return err
	}
	defer end()
	return afresh(func() error {
		user, err := s.target(ctx, id, params)
		if err != nil {
			return err
		}
		return do(user)
	})
}
