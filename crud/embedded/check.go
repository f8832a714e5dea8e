package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// checkEvery is how long the result of [Store.Check] is remembered: a check reads the
// whole file.
const checkEvery = time.Hour

// maxCheckProblems bounds what an error of [Store.Check] names.
const maxCheckProblems = 5

// checker remembers the last check of the database.
type checker struct {
	mu    sync.Mutex
	begun chan struct{} // guarded by mu: not nil while a check runs; closed at its end
	at    time.Time     // guarded by mu: the end of the last check
	err   error         // guarded by mu: its result
}

// Check reports whether the whole database is sound (SQLite's integrity_check, which
// reads every page and every index). It is for a check-up, not for a probe: the
// check runs at most once an hour, callers in between get its result, and those who
// come while it runs wait for it together. It goes on, and its result is kept, when
// the ctx of its caller ends; the caller then gets the ctx's error.
func (s *Store) Check(ctx context.Context) error {
	k := &s.checker
	k.mu.Lock()
	if s.life.Err() != nil {
		defer k.mu.Unlock()
		return errClosed
	}
	if k.begun == nil && !k.at.IsZero() && s.cfg.Now().Sub(k.at) < checkEvery {
		defer k.mu.Unlock()
		return k.err
	}
	begun := k.begun
	if begun == nil {
		begun = make(chan struct{})
		k.begun = begun
		s.background.Go(func() { s.runCheck(begun) })
	}
	k.mu.Unlock()
	select {
	case <-begun:
	case <-ctx.Done():
		return ctx.Err()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// runCheck checks, keeps the result and wakes those who wait for it. A check that the
// end of the store breaks off has none that counts.
func (s *Store) runCheck(begun chan struct{}) {
	err := s.db.integrity(s.life)
	k := &s.checker
	k.mu.Lock()
	defer k.mu.Unlock()
	k.begun, k.at, k.err = nil, s.cfg.Now(), err
	close(begun)
}

// integrity runs SQLite's own check.
func (d *database) integrity(ctx context.Context) error {
	var problems []error
	err := d.query(ctx, fmt.Sprintf("PRAGMA integrity_check(%d)", maxCheckProblems), nil, func(rows *sql.Rows) (bool, error) {
		var text string
		err := rows.Scan(&text)
		if err == nil && text != "ok" {
			problems = append(problems, errors.New(text))
		}
		return true, err
	})
	if err = errors.Join(append(problems, err)...); err != nil {
		return fmt.Errorf("the database is not sound: stop the service, move its file away and restore a copy: %w", err)
	}
	return nil
}
