package users

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"user-manager/crud"
	"user-manager/upstream"
)

// Users that an import makes are so many that their timers are scheduled behind it: those
// of all users that expire and have none. So an import that broke off, or a crash, leaves
// nobody without.

const (
	// scheduleEvery is the longest pause between two looks for users without a timer.
	scheduleEvery = 15 * time.Minute
	// scheduleAgain is the pause after one that failed.
	scheduleAgain = 30 * time.Second
)

// imported has the timers scheduled of users that an import has made.
func (s *Service) imported() {
	select {
	case s.withoutTimer <- struct{}{}:
	default: // somebody has asked for it already
	}
}

// schedules reports whether users without a timer are looked for.
func (s *Service) schedules() bool { return s.Timers != nil && s.ScheduleImported }

// scheduleImported looks for users without a timer at once, after every import and now and
// then, until ctx is done.
func (s *Service) scheduleImported(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.withoutTimer:
		case <-pause.C:
		}
		next := scheduleEvery
		if err := s.scheduleMissing(ctx); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "timers of imported users not scheduled yet", "err", err)
			next = scheduleAgain
		}
		pause.Reset(next)
	}
}

// scheduleMissing schedules the timers of all users that expire and have none. It leaves out
// those whose date no timer can have: to the store it may be any text.
func (s *Service) scheduleMissing(ctx context.Context) error {
	ctx = upstream.InBackground(ctx)
	missing := crud.Document{
		"expirationDate": map[string]any{"$exists": true},
		"expirationId":   map[string]any{"$exists": false},
		"$or": []any{
			map[string]any{"blocked": map[string]any{"$ne": true}},
			map[string]any{"expirationDate": map[string]any{"$gt": s.Now().UTC().Format(dateLayout)}},
		},
	}
	q := crud.Query{Filter: missing, States: crud.AllStates, Fields: []string{"_id", "expirationDate", "authUserId"}}
	var some []crud.Document
	unread := 0
	defer func() {
		if unread > 0 {
			s.Log.WarnContext(ctx, "users whose expirationDate is not a date get no timer", "users", unread)
		}
	}()
	for user, err := range s.Users.All(ctx, q) {
		if err != nil {
			return errors.Join(err, s.scheduleAll(ctx, some))
		}
		if _, err := parseDate(text(user, "expirationDate")); err != nil {
			unread++
			continue
		}
		if some = append(some, user); len(some) == crud.BulkLimit {
			if err := s.scheduleAll(ctx, some); err != nil {
				return err
			}
			some = some[:0]
		}
	}
	return s.scheduleAll(ctx, some)
}

// scheduleAll schedules the timers of some users and notes them in those that have none
// yet. Who is just being created gets one anyway.
func (s *Service) scheduleAll(ctx context.Context, users []crud.Document) error {
	var mu sync.Mutex
	var patches []crud.BulkPatch // guarded by mu
	var g errgroup.Group
	g.SetLimit(s.FanOut)
	for _, user := range users {
		if marked(user) && markedNote(user).Kind == noteCreate {
			continue
		}
		g.Go(func() error {
			id, err := s.schedule(ctx, text(user, "_id"), text(user, "expirationDate"))
			if err != nil {
				return err
			}
			where := as(user, "expirationDate")
			where["expirationId"] = map[string]any{"$exists": false}
			mu.Lock()
			defer mu.Unlock()
			patches = append(patches, crud.BulkPatch{ID: text(user, "_id"), Where: matching(where), Update: set("expirationId", id)})
			return nil
		})
	}
	err := g.Wait()
	for part := range slices.Chunk(patches, crud.BulkLimit) {
		_, noted := s.Users.PatchBulk(ctx, part)
		err = errors.Join(err, noted)
	}
	return err
}
