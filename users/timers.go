package users

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"user-manager/crud"
)

// A user that has an expirationDate has a timer, whose id is in the user. When it fires,
// Expire looks at the user first and blocks it only if the date is the one that the timer
// was scheduled for. So a timer too many does no harm: it is scheduled before a user comes
// to have its date, and ended when the user does not have it any more.

// A timerChange is a change of a user's timer.
type timerChange struct {
	date, id       string        // what the user is to have; "" for none. The id is known once it is scheduled
	oldDate, oldID string        // what it had
	stands         bool          // whether the old timer has yet to fire
	noted          crud.Document // the user once it has the id
}

// retimed returns the change from the timer of a user as it was, nil for a new one, to that
// which it is to have; nil when there is none of either.
func (s *Service) retimed(before, after crud.Document) *timerChange {
	if s.Timers == nil {
		return nil
	}
	t := &timerChange{date: text(after, "expirationDate"), oldDate: text(before, "expirationDate"), oldID: text(before, "expirationId")}
	t.stands = t.oldID != "" && t.oldDate != "" && !s.expired(before)
	if t.date == "" && t.oldID == "" {
		return nil
	}
	return t
}

// scheduleTimer has the timer fire at the new date.
func (s *Service) scheduleTimer(userID *string, t *timerChange) step {
	return step{
		name:  "schedule timer",
		noted: true,
		timer: true,
		do: func(ctx context.Context) (err error) {
			t.id, err = s.schedule(ctx, *userID, t.date)
			return err
		},
		undo: func(ctx context.Context) error {
			s.abort(ctx, t.id)
			return nil
		},
	}
}

// noteTimer puts the timer's id into the user.
func (s *Service) noteTimer(userID *string, t *timerChange) step {
	return step{
		name:  "note timer",
		noted: true,
		timer: true,
		do: func(ctx context.Context) (err error) {
			t.noted, err = s.putTimer(ctx, *userID, t.date, t.id)
			return err
		},
		undo: func(ctx context.Context) error {
			return insist(ctx, func(ctx context.Context) error {
				_, err := s.putTimer(ctx, *userID, t.date, t.oldID)
				return err
			})
		},
	}
}

// abortTimer ends the timer that the user had. If the operation fails, and that timer may
// have been ended, another takes its place.
func (s *Service) abortTimer(userID *string, t *timerChange) step {
	return step{
		name:  "abort timer",
		noted: true,
		timer: true,
		do:    func(ctx context.Context) error { return s.Timers.Abort(ctx, t.oldID) },
		undo:  func(ctx context.Context) error { return s.reschedule(ctx, *userID, t) },
	}
}

// dropTimer is abortTimer for a user that is deleted: that the timer stays does no harm.
func (s *Service) dropTimer(userID string, t *timerChange) step {
	abort := s.abortTimer(&userID, t)
	abort.do = func(ctx context.Context) error {
		s.abort(ctx, t.oldID)
		return nil
	}
	return abort
}

// reschedule has a timer fire at the date that the user had before.
func (s *Service) reschedule(ctx context.Context, userID string, t *timerChange) error {
	return insist(ctx, func(ctx context.Context) error {
		id, err := s.schedule(ctx, userID, t.oldDate)
		if err != nil {
			return err
		}
		t.oldID = id
		_, err = s.putTimer(ctx, userID, t.oldDate, id)
		return err
	})
}

// schedule has the user expire at a date of the store's.
func (s *Service) schedule(ctx context.Context, userID, date string) (id string, err error) {
	at, err := parseDate(date)
	if err != nil {
		return "", err
	}
	return s.Timers.Schedule(ctx, userID, at)
}

// abort ends a timer that does no harm if it stays.
func (s *Service) abort(ctx context.Context, id string) {
	if id == "" {
		return
	}
	if err := s.Timers.Abort(ctx, id); err != nil {
		s.Log.WarnContext(ctx, "timer not ended; it does nothing when it fires", "err", err)
	}
}

// putTimer puts the id of a timer into the user, "" taking it out, if the user has the
// date that the timer is for. It returns the user, nil if it has another date.
func (s *Service) putTimer(ctx context.Context, userID, date, id string) (crud.Document, error) {
	update := set("expirationId", id)
	if id == "" {
		update = unset("expirationId")
	}
	has := crud.Document{"expirationDate": date}
	if date == "" {
		has = as(nil, "expirationDate")
	}
	query, err := json.Marshal(has)
	if err != nil {
		return nil, err
	}
	params := maps.Clone(inAnyState)
	params.Set("_q", string(query))
	user, err := s.Users.Patch(ctx, userID, update, params)
	return user, ignore(err, crud.ErrNotFound)
}

// realignTimer gives a user that may have lost its timer another one, or blocks it if its
// time has come; and takes the id of a timer off one that does not expire.
func (s *Service) realignTimer(ctx context.Context, user crud.Document) error {
	if s.Timers == nil {
		return nil
	}
	t := s.retimed(user, user)
	if t == nil {
		return nil
	}
	id := text(user, "_id")
	if t.date != "" {
		if _, err := parseDate(t.date); err != nil {
			return nil // it is not of ours, and no timer can have it
		}
		if s.expired(user) { // the call of another timer would come to settle this again
			return s.blockExpired(ctx, user)
		}
		var err error
		if t.id, err = s.schedule(ctx, id, t.date); err != nil {
			return err
		}
	}
	if _, err := s.putTimer(ctx, id, t.date, t.id); err != nil {
		return err
	}
	s.abort(ctx, t.oldID)
	return nil
}

// expired reports whether the user's expirationDate has passed.
func (s *Service) expired(user crud.Document) bool {
	date := text(user, "expirationDate")
	if date == "" {
		return false
	}
	at, err := parseDate(date)
	return err != nil || !at.After(s.Now())
}

// Expire blocks the account of the user with the given id, and the user, if the user
// expires at that time and is not blocked yet; otherwise it does nothing. So it may be
// called more than once, and late. It is what timers call. The error is [ErrTooEarly] when
// the time has not come; those of upstreams are passed on, and the call is to be made again.
func (s *Service) Expire(ctx context.Context, id string, at time.Time) error {
	err := s.operate(ctx, id, inAnyState, func(user crud.Document) error {
		n := note{Kind: noteChange, UserID: text(user, "_id"), AuthUserID: accountID(user)}
		switch {
		case !expiresAt(user, at) && s.journal.shared():
			return s.carryOut(ctx, n, s.unchanged(user), []step{standStill})
		case !expiresAt(user, at):
			return nil
		case !s.expired(user):
			return refuse(ErrTooEarly, "expirationDate: is not over yet")
		}
		return s.carryOut(ctx, n, s.unchanged(user), s.expireOrder(user))
	})
	if errors.Is(err, crud.ErrNotFound) {
		return nil
	}
	return err
}

// expiresAt reports whether a user that is not blocked expires at that time, which is in
// milliseconds, as timers have it.
func expiresAt(user crud.Document, at time.Time) bool {
	date, err := parseDate(text(user, "expirationDate"))
	return err == nil && !isBlocked(user) && date.Truncate(time.Millisecond).Equal(at)
}

// standStill changes nothing. Once it is noted nobody else is at work on the user: it has
// the date that it has, and is not on the way to another, or back to one.
var standStill = step{name: "look at user", noted: true, do: func(context.Context) error { return nil }}

// blockExpired does at once what the timer of a user would do that has expired.
func (s *Service) blockExpired(ctx context.Context, user crud.Document) error {
	if isBlocked(user) {
		return nil
	}
	for _, step := range s.expireOrder(user) {
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// markBlocked blocks the user unless it has got another date meanwhile.
func (s *Service) markBlocked(user crud.Document) step {
	return step{
		name:  "block user",
		noted: true,
		do: func(ctx context.Context) error {
			q := crud.Query{Filter: as(user, "_id", "expirationDate"), States: crud.AllStates}
			n, err := s.Users.PatchAll(ctx, q, set("blocked", true))
			if err == nil && n == 0 {
				return errChanged
			}
			return err
		},
	}
}
