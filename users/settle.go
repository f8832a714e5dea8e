package users

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"user-manager/upstream"
)

const (
	// settleEvery is the pause between two rounds of settling.
	settleEvery = 10 * time.Second
	// foreignAge is the least time after which another process's note counts as left
	// over.
	foreignAge = 5 * time.Minute
	// longestOperation is how many calls may follow each other in one operation and its
	// undoing, and more: a change of roles, date and name that is undone makes most.
	longestOperation = 50
)

// longest is beyond the time that an operation may take.
func (s *Service) longest() time.Duration { return max(foreignAge, longestOperation*s.Timeout) }

// leftOver is after how long what this process is surely not at work on counts as left
// over.
func (s *Service) leftOver() time.Duration {
	if s.StoreIsOurs {
		return 0
	}
	return s.longest()
}

// Recover finds what earlier processes left open: operations that were under way when
// they died. Call it before the first request; Run finishes or undoes them, and an
// operation on the same user does so before it begins. When it fails, Run calls it
// again.
func (s *Service) Recover(ctx context.Context) error {
	switch err := s.journal.enrol(ctx); {
	case errors.Is(err, ErrLockNotUnique):
		s.Log.ErrorContext(ctx, "several processes would not be kept apart", "err", err)
	case err != nil:
		return err
	}
	if err := s.journal.load(ctx, s.leftOver(), s.Log); err != nil {
		return err
	}
	if err := s.loadMarked(ctx, s.leftOver()); err != nil {
		return err
	}
	s.recovered.Store(true)
	return nil
}

// Run settles what operations left open, at once and then in rounds, and schedules the
// timers of imported users, until ctx is done.
func (s *Service) Run(ctx context.Context) error {
	var others sync.WaitGroup
	defer others.Wait()
	if s.journal.shared() {
		others.Go(func() { s.lookAround(ctx) })
	}
	if s.schedules() {
		others.Go(func() { s.scheduleImported(ctx) })
	}
	ticker := time.NewTicker(settleEvery)
	defer ticker.Stop()
	for {
		if err := s.settleRound(ctx); err != nil {
			s.Log.WarnContext(ctx, "journal not read", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (s *Service) settleRound(ctx context.Context) error {
	var err error
	switch {
	case !s.recovered.Load():
		err = s.Recover(ctx)
	case s.journal.hasVoid() && !s.journal.shared():
		err = s.journal.load(ctx, s.longest(), s.Log) // one that we are just making may be among them
	}
	if s.recovered.Load() && s.Now().Sub(s.markedAt) >= loadMarkedEvery {
		err = errors.Join(err, s.loadMarked(ctx, s.leftOver()))
	}
	for _, n := range s.journal.settleable(false, func(note) bool { return true }) {
		if ctx.Err() != nil {
			break
		}
		s.settle(ctx, n)
	}
	return err
}

// Unsettled returns how many operations are under way, or have left a user and an
// account that may not belong together.
func (s *Service) Unsettled() int { return s.journal.unsettled(true) }

// Left returns how many of the [Service.Unsettled] are not under way in this process, but
// left to be finished or undone.
func (s *Service) Left() int { return s.journal.unsettled(false) }

// settleClash settles what failed creations left of the same names, and reports whether
// there was any: it may be what a new one found taken.
func (s *Service) settleClash(ctx context.Context, names []string) bool {
	left := s.journal.settleable(true, func(n note) bool {
		return slices.ContainsFunc(n.Names, func(name string) bool { return slices.Contains(names, name) })
	})
	for _, n := range left {
		s.settle(ctx, n)
	}
	return len(left) > 0
}

// settle settles a note when neither its user nor its account is under way.
func (s *Service) settle(ctx context.Context, n *openNote) error {
	for _, key := range n.lockKeys() {
		unlock, err := s.locks.Lock(ctx, key)
		if err != nil {
			return err
		}
		defer unlock()
	}
	return s.settleLocked(ctx, n)
}

// lockKeys are the locks that settling n takes, in this order: that of the account first, as
// who makes a user of it takes them.
func (n note) lockKeys() []string {
	var keys []string
	if n.AuthUserID != "" {
		keys = append(keys, accountLock(n.AuthUserID))
	}
	if n.UserID != "" {
		keys = append(keys, n.UserID)
	}
	return keys
}

// accountLock is the lock of those who make a user of an account.
func accountLock(authUserID string) string { return "account " + authUserID }

// settleLocked settles a note whose user nobody else of this process is at work on; its
// error is why that cannot be done yet, errHeld when another process is at work on it and
// errRest when only roles or a timer are missing. The note is closed if nothing can come
// late any more.
func (s *Service) settleLocked(ctx context.Context, n *openNote) error {
	if !s.journal.claim(n) {
		return nil // somebody did, or does
	}
	defer s.journal.leave(n)
	ctx = context.WithoutCancel(ctx)
	there, err := s.journal.acquire(ctx, n)
	switch {
	case errors.Is(err, errHeld):
		return err
	case err == nil && !there: // others have closed it
		s.journal.forget(n)
		return nil
	}
	certain := s.journal.certain(n) // before the look: what comes during it is not seen
	ctx, doubt := upstream.WithDoubt(ctx)
	if err == nil {
		err = upstream.Protect(func() error { return s.finishNote(ctx, n, certain) })
	}
	late := doubt.Raised() || isOpen(err)
	s.journal.settled(n, err == nil, late)
	if err != nil {
		s.Log.WarnContext(ctx, "operation not settled yet", "kind", n.Kind, "operationId", n.Operation, "err", err)
	}
	if err == nil && certain && !late {
		s.closeNote(ctx, n)
		s.Log.InfoContext(ctx, "operation settled", "kind", n.Kind, "operationId", n.Operation)
		return nil
	}
	return errors.Join(err, s.journal.letGo(ctx, n, err == nil || errors.Is(err, errRest)))
}

// finishNote is finishOrUndo for a note of the journal. When all but the roles or the timer
// could be settled its error is errRest.
func (s *Service) finishNote(ctx context.Context, n *openNote, certain bool) error {
	due, owed := s.journal.restDue(n, certain)
	what := n.note
	what.Roles, what.Timer = what.Roles && due, what.Timer && due
	err := s.finishOrUndo(ctx, what, certain)
	switch {
	case due && (err == nil || errors.Is(err, errRest)):
		s.journal.rested(n, err == nil)
	case err == nil && owed:
		return errRest
	}
	return err
}

// isOpen reports whether err is of a call that may take effect yet.
func isOpen(err error) bool {
	_, isUpstream := errors.AsType[*upstream.Error](err)
	return isUpstream && !upstream.Refused(err)
}
