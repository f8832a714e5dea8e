package auth0

import (
	"cmp"
	"context"
	"errors"
	"time"

	"user-manager/upstream"
)

// A kind is which limits a call meets.
type kind int

const (
	manages       kind = iota // a call of the Management API
	authenticates             // a call of the Authentication API
	grantsToken               // a token for a user's password
	renewsToken               // a token for the service itself, or for a refresh token
	mails                     // a mail to set a password
	looks                     // a call of the Authentication API on nobody's behalf
)

// mostPatience is how long a call that someone waits for, such as a login, waits for a limit
// that is its own before the caller is told: of a tenant that holds off the guessing of
// passwords such waits are a quarter of an hour.
const mostPatience = time.Minute

// buckets returns those a call goes through, one after the other; nil for none.
func (l *limiter) buckets(k kind) [2]*bucket {
	switch k {
	case manages:
		return [2]*bucket{l.management}
	case grantsToken, renewsToken:
		return [2]*bucket{l.token, l.authentication}
	case mails:
		return [2]*bucket{l.mail, l.authentication}
	}
	return [2]*bucket{l.authentication}
}

// admit waits until the call may go. An error is ctx's.
func (l *limiter) admit(ctx context.Context, r *request, order int) ([2]permit, error) {
	var permits [2]permit
	for i, b := range l.buckets(r.kind) {
		if b == nil {
			break
		}
		var err error
		if permits[i], err = l.enter(ctx, b, r.lane, order); err != nil {
			l.cancel(permits)
			return permits, err
		}
	}
	return permits, nil
}

// cancel gives permits back.
func (l *limiter) cancel(permits [2]permit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, p := range permits {
		if p.bucket != nil {
			p.bucket.land(p)
			p.bucket.giveBack(p)
			if p.look {
				p.bucket.looked(p, now, false)
			}
			p.bucket.pump(now)
		}
	}
}

// estimate returns about how long a call like r would have to wait.
func (l *limiter) estimate(r *request) time.Duration {
	longest := time.Duration(0)
	for _, b := range l.buckets(r.kind) {
		if b != nil {
			longest = max(longest, l.room(b, r.lane))
		}
	}
	return longest
}

// leave takes what became of a call: the answer, or an error without one. It reports
// whether the call is to be made again, and after which pause of its own.
func (l *limiter) leave(permits [2]permit, r *request, a *answer, err error, try int) (pause time.Duration, again bool) {
	if errors.Is(err, upstream.ErrNotSent) {
		l.cancel(permits)
		return 0, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, p := range permits {
		if p.bucket != nil {
			p.bucket.land(p)
			p.bucket.advance(now)
		}
	}
	if err == nil {
		l.skew.see(a.header, a.sent, a.got)
		pause, again = l.learn(permits, r, a, now, try)
	}
	for _, p := range permits {
		if p.bucket == nil {
			continue
		}
		if p.look {
			p.bucket.looked(p, now, err == nil)
		}
		p.bucket.pump(now)
	}
	return pause, again
}

// learn feeds the buckets with what an answer says; mu is held.
func (l *limiter) learn(permits [2]permit, r *request, a *answer, now time.Time, try int) (pause time.Duration, again bool) {
	again = isLimit(r, a)
	said, ok := limitsOf(a, l.skew)
	if !ok {
		return l.unsaid(permits, r, a, again, now, try)
	}
	whose := l.whose(r, said, again)
	for _, p := range permits {
		switch {
		case p.bucket == nil:
		case p.bucket != whose:
			if !again {
				p.bucket.silent(p, false)
			}
		case again:
			p.bucket.refuse(p, now, said.limit, said.reset)
		default:
			p.bucket.tell(p, now, said.limit, said.left, said.reset)
		}
	}
	if again && whose == nil { // a limit of its own
		pause = said.pause(now, try)
	}
	return pause, again
}

// pause returns how long a call waits for a limit that is its own: until there is one more
// if the bucket fills one by one, longer each time that was not so, and at most until it
// says that it is full.
func (s limits) pause(now time.Time, try int) time.Duration {
	full := max(s.reset.Sub(now), 0)
	if s.asked {
		return full
	}
	return max(min(full, max(full/time.Duration(s.limit), ownPause(try))), firstPause)
}

// ownPause returns how long a call waits for a limit that is its own and of which nothing
// is known.
func ownPause(try int) time.Duration { return min(firstPause<<min(try-1, 10), longestPause) }

// unsaid is learn for an answer that says nothing of limits. A 429 of the Management API
// is about the tenant's limit; one of the Authentication API may be about a user's, so
// only the call itself waits.
func (l *limiter) unsaid(permits [2]permit, r *request, a *answer, again bool, now time.Time, try int) (time.Duration, bool) {
	if !again {
		for _, p := range permits {
			if p.bucket != nil {
				done := a.status >= 200 && a.status < 300
				p.bucket.silent(p, done && (r.kind == manages || r.kind == renewsToken && p.bucket == l.token))
			}
		}
		return 0, false
	}
	asked := upstream.ParseRetryAfter(a.header.Get("Retry-After"), a.got)
	if r.kind == manages {
		l.management.pause(permits[0], now, asked)
		return 0, true
	}
	return cmp.Or(asked, ownPause(try)), true
}
