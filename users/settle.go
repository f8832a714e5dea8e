package users

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/upstream"
)

const (
	// settleEvery is the pause between two rounds of settling.
	settleEvery = 10 * time.Second
	// foreignAge is the least time after which another process's note counts as left
	// over.
	foreignAge = 5 * time.Minute
	// longestOperation is how many calls may follow each other in one operation and its
	// undoing, and more.
	longestOperation = 20
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
func (s *Service) Unsettled() int { return s.journal.unsettled() }

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
// error is why that cannot be done yet, errHeld when another process is at work on it. The
// note is closed if nothing can come late any more.
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
		err = upstream.Protect(func() error { return s.finishOrUndo(ctx, n.note, certain) })
	}
	late := doubt.Raised() || isOpen(err)
	s.journal.settled(n, err == nil, late)
	if err != nil {
		s.Log.WarnContext(ctx, "operation not settled yet", "kind", n.Kind, "err", err)
	}
	if err == nil && certain && !late {
		s.closeNote(ctx, n)
		s.Log.InfoContext(ctx, "operation settled", "kind", n.Kind)
		return nil
	}
	return errors.Join(err, s.journal.letGo(ctx, n, err == nil))
}

// isOpen reports whether err is of a call that may take effect yet.
func isOpen(err error) bool {
	_, isUpstream := errors.AsType[*upstream.Error](err)
	return isUpstream && !upstream.Refused(err)
}

// finishOrUndo brings the user of a note into step with its account. It bears to be
// called at any time, and again. While it is not certain that nothing comes late, it
// lets nobody in.
func (s *Service) finishOrUndo(ctx context.Context, n note, certain bool) error {
	switch n.Kind {
	case noteCreate:
		return s.undoCreation(ctx, n, creatingMark)
	case noteRegister:
		return s.undoCreation(ctx, n, registeringMark)
	case noteActivate:
		return s.undoCreation(ctx, n, activatingMark+n.Job+"|")
	case noteWithID:
		return s.settleAdoption(ctx, n, certain)
	case noteDelete:
		return s.finishDeletion(ctx, n)
	case noteChange:
		return s.realign(ctx, n, certain)
	}
	return fmt.Errorf("a note of kind %q is not known", n.Kind)
}

// undoCreation removes what a creation or registration made, unless it had come to
// where the user and the account know each other: then it stands. The mark is changed
// first, so that they cannot come to know each other while the account is removed.
func (s *Service) undoCreation(ctx context.Context, n note, mark string) error {
	if err := s.unlink(ctx, []any{mark + n.Key}, undoingMark(mark)+n.Key); err != nil {
		return err
	}
	account, err := s.provider.Find(ctx, providers.NewAccount{Key: n.Key})
	if ignore(err, providers.ErrNotFound) != nil {
		return err
	}
	if err == nil {
		switch user, err := s.findByAuthUserID(ctx, account.ID); {
		case err == nil: // it stands
			return s.completeCreation(ctx, n, user)
		case !errors.Is(err, crud.ErrNotFound):
			return err
		}
		if err := s.removeWithRoles(ctx, account.ID); err != nil {
			return err
		}
	}
	return s.removeMarked(ctx, mark, n.Key)
}

// completeCreation has the rest done of a creation that stands: the roles and the timer.
func (s *Service) completeCreation(ctx context.Context, n note, user crud.Document) error {
	if !n.Roles && !n.Timer {
		return nil
	}
	return s.noteChange(ctx, user, n)
}

// removeWithRoles removes an account that nobody knows, and what it was granted.
func (s *Service) removeWithRoles(ctx context.Context, authUserID string) error {
	if s.Rond != nil && authUserID != "" {
		if err := s.revoke(ctx, authUserID); err != nil {
			return err
		}
	}
	return s.removeAccount(ctx, authUserID)
}

// forgetWithRoles takes the id of an account that is gone off its user, and what it was
// granted.
func (s *Service) forgetWithRoles(ctx context.Context, authUserID string) error {
	if s.Rond != nil {
		if err := s.revoke(ctx, authUserID); err != nil {
			return err
		}
	}
	return s.forgetAccount(ctx, authUserID)
}

// settleAdoption gives the account its freedom back when its user never came to be.
func (s *Service) settleAdoption(ctx context.Context, n note, certain bool) error {
	user, err := s.findByAuthUserID(ctx, n.AuthUserID)
	switch {
	case err == nil:
		return s.noteChange(ctx, user, n)
	case !errors.Is(err, crud.ErrNotFound) || !certain:
		return ignore(err, crud.ErrNotFound)
	}
	if n.Roles && s.Rond != nil {
		if err := s.revoke(ctx, n.AuthUserID); err != nil {
			return err
		}
	}
	if n.Unblock {
		return s.restoreBlocked(ctx, n.AuthUserID, false)
	}
	return nil
}

// noteChange notes that a user has to be held against its account, and of what its
// creation was about: that is done when nobody is at work on the user.
func (s *Service) noteChange(ctx context.Context, user crud.Document, of note) error {
	open, err := s.journal.begin(ctx, note{Kind: noteChange, UserID: text(user, "_id"), AuthUserID: accountID(user), Roles: of.Roles, Timer: of.Timer})
	if errors.Is(err, crud.ErrDuplicate) {
		return errHeld
	}
	if err != nil {
		return err
	}
	defer s.journal.leave(open)
	return s.journal.letGo(ctx, open, false)
}

// finishDeletion deletes the user whose account is gone, as it was when its deletion
// began: one that was changed since has become something else's business. While both
// are there, nothing was done yet, and the user gets back what was taken from it before.
func (s *Service) finishDeletion(ctx context.Context, n note) error {
	// a list, whose emptiness cannot be mistaken for another kind of 404
	user, err := s.Users.First(ctx, crud.Query{Filter: map[string]any{"_id": n.UserID}, States: crud.AllStates})
	missing := errors.Is(err, crud.ErrNotFound)
	if missing && !n.Roles {
		return nil
	}
	gone := false
	if err == nil || missing {
		gone, err = s.accountGone(ctx, n)
	}
	switch {
	case err != nil || missing:
		return err
	case !gone:
		return s.realignRest(ctx, n, user)
	case accountID(user) != n.AuthUserID || text(user, "__STATE__") != n.State || versionOf(user) != n.Version:
		return nil
	}
	_, err = s.Users.DeleteAll(ctx, crud.Query{Filter: as(user, "_id", "authUserId", "updatedAt", "__STATE__"), States: crud.AllStates})
	return err
}

// accountGone reports whether the provider does not know the account of a note any more.
// What it may have been granted since it lost its roles goes too.
func (s *Service) accountGone(ctx context.Context, n note) (bool, error) {
	if n.AuthUserID == "" {
		return false, nil
	}
	_, err := s.provider.Account(ctx, n.AuthUserID)
	if !errors.Is(err, providers.ErrNotFound) {
		return false, err
	}
	if n.Roles && s.Rond != nil {
		return true, s.revoke(ctx, n.AuthUserID)
	}
	return true, nil
}

// realignRest sets anew what else the operation of a note concerns: the roles of the
// user's account, and its timer.
func (s *Service) realignRest(ctx context.Context, n note, user crud.Document) error {
	if id := accountID(user); n.Roles && s.Rond != nil && id != "" {
		if err := s.setRoles(ctx, id, rolesOf(user)); err != nil {
			return err
		}
	}
	if n.Timer {
		return s.realignTimer(ctx, user)
	}
	return nil
}

// realign makes the account what its user says it is; the account of a user that is
// gone goes too.
func (s *Service) realign(ctx context.Context, n note, certain bool) error {
	// a list, whose emptiness cannot be mistaken for another kind of 404
	user, err := s.Users.First(ctx, crud.Query{Filter: map[string]any{"_id": n.UserID}, States: crud.AllStates})
	if errors.Is(err, crud.ErrNotFound) && n.AuthUserID != "" {
		return s.removeWithRoles(ctx, n.AuthUserID)
	}
	if err != nil {
		return ignore(err, crud.ErrNotFound)
	}
	if marked(user) {
		return errors.New("the user's account is just being created")
	}
	stands, err := s.realignUser(ctx, user, certain)
	if err != nil {
		return err
	}
	n.Roles = n.Roles && stands
	return s.realignRest(ctx, n, user)
}

// realignUser makes the account what its user says, and reports whether there is one.
func (s *Service) realignUser(ctx context.Context, user crud.Document, certain bool) (stands bool, err error) {
	id := accountID(user)
	if id == "" {
		return false, nil
	}
	if text(user, "__STATE__") == crud.Deleted && s.HardDelete {
		return false, s.removeWithRoles(ctx, id)
	}
	account, err := s.provider.Account(ctx, id)
	if errors.Is(err, providers.ErrNotFound) && text(user, "__STATE__") != crud.Deleted {
		return false, s.forgetWithRoles(ctx, id)
	}
	if err != nil {
		return false, ignore(err, providers.ErrNotFound)
	}
	blocked := !s.mayLogIn(user)
	if blocked != account.Blocked && (blocked || certain) {
		if err := s.setBlocked(ctx, id, blocked); err != nil {
			return false, err
		}
	}
	return true, s.realignNames(ctx, user, account)
}

// realignNames gives the account the user's name and address, or the user the account's if
// the provider refuses them.
func (s *Service) realignNames(ctx context.Context, user crud.Document, account providers.Account) error {
	change, differs := difference(user, account)
	if !differs {
		return nil
	}
	_, err := s.provider.Update(ctx, account.ID, change)
	if errors.Is(err, providers.ErrConflict) || errors.Is(err, providers.ErrInvalid) {
		return s.takeBackNames(ctx, user, account)
	}
	return err
}

// takeBackNames gives the user the names that its account has: the user's own never
// came to be the account's. What else the same change set stays.
func (s *Service) takeBackNames(ctx context.Context, user crud.Document, account providers.Account) error {
	names, none := crud.Document{}, crud.Document{}
	for field, value := range map[string]string{"username": account.Username, "email": account.Email} {
		if value != "" {
			names[field] = value
		} else {
			none[field] = true
		}
	}
	_, err := s.Users.Patch(ctx, text(user, "_id"), crud.Document{"$set": names, "$unset": none}, inAnyState)
	return err
}

// difference returns which names of the account are not those of its user.
func difference(user crud.Document, account providers.Account) (change providers.Change, differs bool) {
	if username := text(user, "username"); !strings.EqualFold(username, account.Username) {
		change.Username, differs = &username, true
	}
	if email := text(user, "email"); !strings.EqualFold(email, account.Email) {
		change.Email, differs = &email, true
	}
	return change, differs
}
