package auth0

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"user-manager/providers"
	"user-manager/upstream"
)

const (
	standingFor   = 10 * time.Second // how long a look at an account counts
	mostStandings = 4096             // accounts that are remembered
)

// standings are accounts that were in good standing a moment ago. The zero value has none.
// They are safe for use by several goroutines.
type standings struct {
	looks flights[bool]

	mu      sync.Mutex
	good    map[string]time.Time // guarded by mu; until when, by id
	changes int                  // guarded by mu; counts calls of forget
}

// forget makes the next look at the account a new one.
func (s *standings) forget(id string) {
	s.mu.Lock()
	delete(s.good, id)
	s.changes++
	s.mu.Unlock()
	s.looks.renew(id)
}

func (s *standings) isGood(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.good[id])
}

func (s *standings) change() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changes
}

// keep remembers that the account was in good standing when it was looked at, unless
// something was changed since.
func (s *standings) keep(id string, looked time.Time, changes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes != changes {
		return
	}
	if len(s.good) >= mostStandings {
		s.trim(time.Now())
	}
	if s.good == nil {
		s.good = map[string]time.Time{}
	}
	s.good[id] = looked.Add(standingFor)
}

// trim makes room: what is out of date goes, or else any quarter; mu is held.
func (s *standings) trim(now time.Time) {
	spare := mostStandings / 4
	for id, until := range s.good {
		if !now.Before(until) {
			delete(s.good, id)
			spare--
		}
	}
	for id := range s.good {
		if spare <= 0 {
			return
		}
		delete(s.good, id)
		spare--
	}
}

// checkStanding returns ErrUnauthorized for an account that is blocked or deleted. Several
// who ask at once share the look.
func (p *Provider) checkStanding(ctx context.Context, id string) error {
	if p.standings.isGood(id) {
		return nil
	}
	good, err := p.standings.looks.do(ctx, id, func(ctx context.Context) (bool, error) { return p.look(ctx, id) })
	switch {
	case err != nil && ctx.Err() != nil:
		return &upstream.Error{Service: providers.Service, Route: readRoute, Err: gone(ctx), NotDone: true}
	case err != nil:
		return err
	case !good:
		return providers.Refuse(userInfoRoute, providers.ErrUnauthorized, "The account is blocked or deleted.")
	}
	return nil
}

// look reports whether the account exists and is not blocked.
func (p *Provider) look(ctx context.Context, id string) (bool, error) {
	changes, looked := p.standings.change(), time.Now()
	r := &request{
		method: http.MethodGet, path: userPath(id), route: readRoute,
		query: url.Values{"fields": {"user_id,blocked"}, "include_fields": {"true"}},
	}
	account, err := p.account(ctx, r, id)
	if errors.Is(err, providers.ErrNotFound) {
		return false, nil
	}
	if err != nil || account.Blocked {
		return false, err
	}
	p.standings.keep(id, looked, changes)
	return true, nil
}
