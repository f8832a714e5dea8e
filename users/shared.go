package users

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"user-manager/crud"
	"user-manager/upstream"
)

// This file keeps operations on one user apart that several processes carry out on one
// store. Within a process that is what turns are for (turn.go); between processes a note
// in the journal is the lock: its field lock, which the store keeps unique, says what the
// operation is at work on, and holder by which process. A note that its operation has
// left open has the lock still, but no holder: whoever comes next settles it first.
//
// The user was read before the note was made, so it is read once more under the lock: if
// it was changed in between, the operation is planned anew.

const (
	// lockWait is how long an operation waits for that of another process on the same
	// user.
	lockWait = 5 * time.Second
	// lockPause is the longest pause between two tries to get a lock.
	lockPause = 250 * time.Millisecond
	// plansAtMost is how many times an operation is planned while others change the user.
	plansAtMost = 5
)

var (
	// errHeld: another process is at work on the user.
	errHeld = refuse(ErrConflict, "another operation on this user is under way; try again")
	// errChanged: the user is not as the operation was planned for, and nothing was done.
	errChanged = refuse(ErrConflict, "the user is being changed by others; try again")
)

// subject is what only one operation at a time may be at work on, among all processes; ""
// for a note that stands for an account which only its own operation knows.
func (n note) subject() string {
	switch n.Kind {
	case noteChange, noteDelete, noteRegister:
		return n.UserID
	case noteWithID:
		return accountLock(n.AuthUserID)
	}
	return ""
}

// shared reports whether other processes may be at work on the store, and the journal
// keeps them apart.
func (j *journal) shared() bool { return j.holder != "" }

// lockOf is what n's lock is while an operation is at work on it.
func lockOf(n note) string { return cmp.Or(n.subject(), n.Operation) }

// begin notes n once no other process is at work on its subject. What one has left open
// there is settled first; the caller has n's turn. When others do not end it is errHeld.
func (s *Service) begin(ctx context.Context, n note) (*openNote, error) {
	until := s.Now().Add(lockWait)
	for {
		open, err := s.journal.begin(context.WithoutCancel(ctx), n)
		if !errors.Is(err, crud.ErrDuplicate) {
			return open, err
		}
		if err := s.clear(ctx, n.subject()); err != nil {
			return nil, err
		}
		if !s.Now().Before(until) {
			return nil, errHeld
		}
		if upstream.Wait(ctx, rand.N(lockPause)) != nil {
			return nil, errHeld
		}
	}
}

// clear settles the note that has the lock on a subject, if nobody is at work on it.
func (s *Service) clear(ctx context.Context, subject string) error {
	open, err := s.journal.holding(ctx, subject, s.longest())
	if err != nil {
		return fmt.Errorf("%w: %w", err, ErrJournal)
	}
	if open == nil {
		return nil
	}
	if err := ignoreMinor(s.settleLocked(ctx, open)); err != nil {
		return notSettled(err)
	}
	return nil
}

// holding returns the note that has the lock on a subject, if it may be settled now; nil
// otherwise. That of another process may be when age has passed.
func (j *journal) holding(ctx context.Context, subject string, age time.Duration) (*openNote, error) {
	doc, err := j.notes.First(ctx, crud.Query{Filter: map[string]any{"lock": subject}, States: crud.AllStates})
	if err != nil {
		return nil, ignore(err, crud.ErrNotFound)
	}
	found, err := noteOf(doc)
	if err != nil {
		return nil, err
	}
	if err := j.take(ctx, found, age); err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	open := j.open[found.id]
	if open == nil || open.running || j.now().Before(j.mayBeSettled(open)) {
		return nil, nil
	}
	return open, nil
}

// acquire takes a note that is to be settled, and the lock on its subject. It reports
// false when the note has gone; errHeld when another process is at work on either.
func (j *journal) acquire(ctx context.Context, n *openNote) (bool, error) {
	if !j.shared() || n.unstored {
		return true, nil
	}
	holders := []any{n.Holder, j.holder}
	if n.Holder == "" {
		holders = append(holders, nil) // of a process that shared the journal with nobody
	}
	known := map[string]any{"_id": n.id, "holder": map[string]any{"$in": holders}}
	update := crud.Document{"$set": map[string]any{"lock": lockOf(n.note), "holder": j.holder}}
	changed, err := j.notes.PatchAll(ctx, crud.Query{Filter: known, States: crud.AllStates}, update)
	switch {
	case errors.Is(err, crud.ErrDuplicate):
		return false, errHeld
	case err != nil:
		return false, err
	case changed == 0:
		return j.passed(ctx, n)
	}
	j.heldBy(n, j.holder)
	return true, nil
}

// passed says what became of a note that another process has taken: it has gone, or is
// held.
func (j *journal) passed(ctx context.Context, n *openNote) (bool, error) {
	doc, err := j.notes.Get(ctx, n.id, inAnyState)
	if err != nil {
		return false, ignore(err, crud.ErrNotFound)
	}
	j.heldBy(n, text(doc, "holder"))
	return false, errHeld
}

// heldBy notes which process has a note. While it is another, the note is its business; one
// that nobody has, or this process, may be settled at once.
func (j *journal) heldBy(n *openNote, holder string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n.Holder = holder
	if holder == "" || holder == j.holder { // whoever made it, no other process is at work on it
		n.settleFrom = j.now()
	}
	if holder != "" && holder != j.holder {
		n.settleFrom = j.now().Add(foreignAge)
		n.closeFrom = n.settleFrom.Add(j.late(n.note))
	}
}

// own selects a note that this process has.
func (j *journal) own(n *openNote) crud.Query {
	return crud.Query{Filter: map[string]any{"_id": n.id, "holder": j.holder}, States: crud.AllStates}
}

// letGo tells other processes that nobody is at work on a note that stays open. One that
// is settled gives its lock back too. When that fails the note is this process's until
// it is closed; one that another process has taken over is lost.
func (j *journal) letGo(ctx context.Context, n *openNote, settled bool) error {
	if !j.shared() || n.unstored {
		return nil
	}
	set := map[string]any{"holder": ""}
	if settled {
		set["lock"] = n.Operation
	}
	changed, err := j.notes.PatchAll(ctx, j.own(n), crud.Document{"$set": set})
	if err == nil {
		n.lost = changed == 0
		j.heldBy(n, "")
	}
	return err
}

// takenOver ends an operation whose note another process has taken over and settled: this
// one did not go on for so long that it counted as gone, and then did. What it did since
// is noted anew and settled, by what the user is now.
func (s *Service) takenOver(ctx context.Context, n note) error {
	open, err := s.begin(ctx, n)
	if err != nil {
		s.journal.adopt(n, 0)
		return errHeld
	}
	defer s.journal.leave(open)
	err = s.finishOrUndo(ctx, n, false)
	s.journal.settled(open, err == nil, isOpen(err))
	if err := errors.Join(err, s.journal.letGo(ctx, open, err == nil || errors.Is(err, errRest))); err != nil {
		s.Log.WarnContext(ctx, "operation not settled yet", "kind", n.Kind, "operationId", n.Operation, "err", err)
	}
	return errHeld
}

// unchanged returns what makes sure, once an operation has the lock, that the user is
// still as it was planned for: errChanged otherwise. It is nil where nobody else could
// have changed the user.
func (s *Service) unchanged(user crud.Document) func(context.Context) error {
	if !s.journal.shared() {
		return nil
	}
	return func(ctx context.Context) error {
		now, err := s.Users.Get(ctx, text(user, "_id"), inAnyState)
		switch {
		case errors.Is(err, crud.ErrNotFound):
			return errChanged
		case err != nil:
			return err
		case !sameUser(now, user):
			return errChanged
		}
		return nil
	}
}

// afresh does an operation that reads the user, plans and carries out, again while the
// user is changed by others in between.
func afresh(do func() error) error {
	for range plansAtMost {
		if err := do(); !errors.Is(err, errChanged) {
			return err
		}
	}
	return errChanged
}
