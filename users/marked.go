package users

import (
	"context"
	"slices"
	"strings"
	"time"

	"user-manager/crud"
)

// While an account is being made its user's authUserId holds a mark: one of these words
// and the account's key. It tells the next start, and a call that never saw the store's
// answer, which user is whose. To undo the making, the mark is first changed to one
// that says so: from then on the account's id can no longer come to be in the user. The
// mark of an activation has the id of its job before the key.
const (
	creatingMark    = "creating|"
	registeringMark = "registering|"
	activatingMark  = "activating|"
)

var marks = []string{
	creatingMark, undoingMark(creatingMark),
	registeringMark, undoingMark(registeringMark),
	activatingMark, undoingMark(activatingMark),
}

// undoingMark is the mark that takes the place of mark.
func undoingMark(mark string) string { return "un" + mark }

const (
	// longestActivation is after how long an activation is surely over: a provider may
	// take two hours for its part of it.
	longestActivation = 3 * time.Hour
	// loadMarkedEvery is the pause between two looks for marks that were left.
	loadMarkedEvery = 5 * time.Minute
)

// marked reports whether an account is being made for the user.
func marked(user crud.Document) bool {
	id := text(user, "authUserId")
	return slices.ContainsFunc(marks, func(mark string) bool { return strings.HasPrefix(id, mark) })
}

// markedNote returns the note that the user's mark stands for.
func markedNote(user crud.Document) note {
	mark, key, _ := strings.Cut(text(user, "authUserId"), "|")
	switch mark + "|" {
	case registeringMark, undoingMark(registeringMark):
		return note{Kind: noteRegister, UserID: text(user, "_id"), Key: key}
	case activatingMark, undoingMark(activatingMark):
		job, key, _ := strings.Cut(key, "|")
		return note{Kind: noteActivate, UserID: text(user, "_id"), Key: key, Job: job}
	}
	return note{Kind: noteCreate, Key: key}
}

// loadMarked takes notes of the users whose account was being made when an earlier
// process died, or by a call that came late, as far as the journal has none.
func (s *Service) loadMarked(ctx context.Context, age time.Duration) error {
	s.markedAt = s.Now()
	for _, mark := range marks {
		open := map[string]bool{} // by job: it is gone on with, as with all its marks of this kind
		// a range, which an index knows: from the mark to what is just beyond it
		prefix := map[string]any{"$gte": mark, "$lt": strings.TrimSuffix(mark, "|") + "}"}
		q := crud.Query{Filter: map[string]any{"authUserId": prefix}, States: crud.AllStates}
		for user, err := range s.Users.All(ctx, q) {
			if err != nil {
				return err
			}
			job := markedNote(user).Job
			if open[job] {
				continue
			}
			adopted, err := s.adoptMarked(ctx, user, age)
			if err != nil {
				return err
			}
			open[job] = !adopted
		}
	}
	return nil
}

// adoptMarked takes the note that the user's mark stands for, in case nobody is at it any
// more. It reports false for an activation whose job is open: it is gone on with.
func (s *Service) adoptMarked(ctx context.Context, user crud.Document, age time.Duration) (bool, error) {
	n := markedNote(user)
	going := strings.HasPrefix(text(user, "authUserId"), activatingMark)
	switch {
	case going && s.OpenJob == nil:
		age = max(age, longestActivation-s.since(text(user, "updatedAt")))
	case going:
		open, err := s.OpenJob(ctx, n.Job)
		if err != nil || open {
			return false, err
		}
	}
	s.journal.adopt(n, age)
	return true, nil
}

// since returns how long ago a time of the store was, 0 if it is not one.
func (s *Service) since(date string) time.Duration {
	at, err := parseDate(date)
	if err != nil {
		return 0
	}
	return s.Now().Sub(at)
}
