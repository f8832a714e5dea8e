package users

import (
	"context"
	"errors"
	"strings"
	"time"

	"user-manager/crud"
	"user-manager/providers"
)

const (
	// settleEvery is the pause between two rounds of settling.
	settleEvery = 10 * time.Second
	// foreignAge is when another process's note counts as left over: well beyond the
	// time that an operation may take.
	foreignAge = 5 * time.Minute
)

// Recover settles what earlier processes left open: an operation that was under way
// when its process died is finished or undone. Call it before the first request;
// Run goes on with what could not be settled.
func (s *Service) Recover(ctx context.Context) error {
	age := foreignAge
	if s.StoreIsOurs {
		age = 0
	}
	if err := s.journal.load(ctx, age); err != nil {
		return err
	}
	if s.Journal == nil {
		if err := s.loadMarked(ctx, age); err != nil {
			return err
		}
	}
	s.recovered.Store(true)
	s.settleDue(ctx)
	return nil
}

// Run settles, in rounds, what failed operations left open, until ctx is done.
func (s *Service) Run(ctx context.Context) error {
	ticker := time.NewTicker(settleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := s.settleRound(ctx); err != nil {
				s.Log.WarnContext(ctx, "journal not read", "err", err)
			}
		}
	}
}

func (s *Service) settleRound(ctx context.Context) error {
	if !s.recovered.Load() {
		return s.Recover(ctx)
	}
	err := s.journal.load(ctx, foreignAge)
	s.settleDue(ctx)
	return err
}

// Unsettled returns how many operations are under way or wait to be settled.
func (s *Service) Unsettled() int { return s.journal.size() }

// loadMarked takes notes of the users whose account was being made when an earlier
// process died, for a store that keeps no journal.
func (s *Service) loadMarked(ctx context.Context, age time.Duration) error {
	q := crud.Query{
		Filter: map[string]any{"authUserId": map[string]any{"$regex": `^(creating|registering)\|`}},
		States: crud.AllStates,
		Fields: []string{"authUserId", "updatedAt"},
	}
	for user, err := range s.Users.All(ctx, q) {
		if err != nil {
			return err
		}
		at, _ := time.Parse(time.RFC3339, text(user, "updatedAt"))
		s.journal.adopt(markedNote(user), at.Add(age))
	}
	return nil
}

// markedNote returns the note that the user's mark stands for.
func markedNote(user crud.Document) note {
	mark := text(user, "authUserId")
	if key, ok := strings.CutPrefix(mark, registeringMark); ok {
		return note{Kind: noteRegister, UserID: text(user, "_id"), Key: key}
	}
	return note{Kind: noteCreate, Key: strings.TrimPrefix(mark, creatingMark)}
}

// settleDue settles every note whose time has come.
func (s *Service) settleDue(ctx context.Context) {
	for _, n := range s.journal.abandoned(false, func(note) bool { return true }) {
		if ctx.Err() != nil {
			return
		}
		s.settle(ctx, n)
	}
}

// settleUser settles, before an operation on a user begins, what an earlier one on
// it left open. It is called under the user's lock.
func (s *Service) settleUser(ctx context.Context, id string) {
	for _, n := range s.journal.abandoned(true, func(n note) bool { return n.UserID == id }) {
		s.settleLocked(ctx, n)
	}
}

// settleCreations settles what failed creations left open, and reports whether
// there was any: a user that such a one left may hold the name or address that a
// new one wants.
func (s *Service) settleCreations(ctx context.Context) bool {
	left := s.journal.abandoned(true, func(n note) bool { return n.Kind == noteCreate || n.Kind == noteWithID })
	for _, n := range left {
		s.settle(ctx, n)
	}
	return len(left) > 0
}

func (s *Service) settle(ctx context.Context, n *openNote) {
	if n.UserID != "" {
		defer s.locks.lock(n.UserID)()
	}
	s.settleLocked(ctx, n)
}

func (s *Service) settleLocked(ctx context.Context, n *openNote) {
	if !s.journal.claim(n) {
		return
	}
	defer s.journal.leave(n)
	ctx = context.WithoutCancel(ctx)
	if err := s.finishOrUndo(ctx, n.note); err != nil {
		s.Log.WarnContext(ctx, "operation not settled yet", "kind", n.Kind, "err", err)
		return
	}
	s.closeNote(ctx, n)
	s.Log.InfoContext(ctx, "operation settled", "kind", n.Kind)
}

// finishOrUndo brings the user of a note into step with its account. It bears to be
// called at any time, and again.
func (s *Service) finishOrUndo(ctx context.Context, n note) error {
	switch n.Kind {
	case noteCreate:
		return s.undoCreation(ctx, n, creatingMark)
	case noteRegister:
		return s.undoCreation(ctx, n, registeringMark)
	case noteWithID:
		return s.settleAdoption(ctx, n)
	case noteDelete:
		return s.finishDeletion(ctx, n)
	default:
		return s.realign(ctx, n)
	}
}

// undoCreation removes what a creation or registration made, unless it had come to
// where the user and the account know each other: then it stands.
func (s *Service) undoCreation(ctx context.Context, n note, prefix string) error {
	account, err := s.provider.Find(ctx, providers.NewAccount{Key: n.Key})
	if ignore(err, providers.ErrNotFound) != nil {
		return err
	}
	if err == nil {
		if _, err := s.findByAuthUserID(ctx, account.ID); !errors.Is(err, crud.ErrNotFound) {
			return err // nil: it stands
		}
		if err := s.removeAccount(ctx, account.ID); err != nil {
			return err
		}
	}
	if prefix == registeringMark {
		return s.removeMark(ctx, prefix+n.Key)
	}
	return s.removeMarked(ctx, prefix+n.Key, "")
}

// settleAdoption gives the account its freedom back when its user never came to be.
func (s *Service) settleAdoption(ctx context.Context, n note) error {
	_, err := s.findByAuthUserID(ctx, n.AuthUserID)
	switch {
	case err == nil:
		return s.realign(ctx, n)
	case errors.Is(err, crud.ErrNotFound):
		if n.Unblock {
			return s.restoreBlocked(ctx, n.AuthUserID, false)
		}
		return nil
	default:
		return err
	}
}

// finishDeletion deletes the user whose account is gone. While both are there,
// nothing was done yet, and nothing is.
func (s *Service) finishDeletion(ctx context.Context, n note) error {
	_, err := s.provider.Account(ctx, n.AuthUserID)
	if errors.Is(err, providers.ErrNotFound) {
		return ignore(s.Users.Delete(ctx, n.UserID), crud.ErrNotFound)
	}
	return err
}

// realign makes the account what its user says it is.
func (s *Service) realign(ctx context.Context, n note) error {
	user, err := s.findByAuthUserID(ctx, n.AuthUserID)
	if errors.Is(err, crud.ErrNotFound) {
		return s.settleWithoutUser(ctx, n)
	}
	if err != nil {
		return err
	}
	if text(user, "__STATE__") == crud.Deleted && s.HardDelete {
		return s.removeAccount(ctx, n.AuthUserID)
	}
	account, err := s.provider.Account(ctx, n.AuthUserID)
	if err != nil {
		return ignore(err, providers.ErrNotFound)
	}
	change, differs := s.difference(user, account)
	if !differs {
		return nil
	}
	_, err = s.provider.Update(ctx, n.AuthUserID, change)
	return ignore(err, providers.ErrNotFound)
}

// settleWithoutUser deletes the account of a user that was deleted meanwhile. One
// that merely has another account now, or none, stays as it is.
func (s *Service) settleWithoutUser(ctx context.Context, n note) error {
	_, err := s.Users.Get(ctx, n.UserID, inAnyState)
	if errors.Is(err, crud.ErrNotFound) {
		return s.removeAccount(ctx, n.AuthUserID)
	}
	return err
}

// difference returns what of the account is not as its user says.
func (s *Service) difference(user crud.Document, account providers.Account) (change providers.Change, differs bool) {
	if username := text(user, "username"); !strings.EqualFold(username, account.Username) {
		change.Username, differs = &username, true
	}
	if email := text(user, "email"); !strings.EqualFold(email, account.Email) {
		change.Email, differs = &email, true
	}
	if blocked := !s.mayLogIn(user); blocked != account.Blocked {
		change.Blocked, differs = &blocked, true
	}
	return change, differs
}
