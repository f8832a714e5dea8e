package auth0

import (
	"context"
	"net/http"
	"time"

	"user-manager/upstream"
)

// lookAgain is how long a look that told of no limit counts.
const lookAgain = 10 * time.Minute

// told is what the tenant has told of a bucket that keeps a part for urgent calls. Jobs go
// by that, and not by our own count, since others take from the bucket too. The answers to
// mails and logins tell of other limits. So now and then a job's call looks before it goes:
// when many went since the last answer that told, and when none was left for a while. The
// job's other calls wait for that.
type told struct {
	left    int       // when it was told, less what was let go since
	at      time.Time // when it was told
	since   int       // calls that were let go since
	number  int       // of the call whose answer told
	again   time.Time // when to look, whatever is left
	looking bool      // a look is under way

	others float64  // calls that others make in a second, lately
	seen   struct { // what others is counted from
		left, number int
		at           time.Time
	}
}

// hear takes what the answer to a call told. It counts all that went since, and all that are
// under way, as not yet taken from left.
func (b *bucket) hear(p permit, now time.Time, left int, reset time.Time) {
	if p.number < b.told.number { // an answer that was overtaken
		return
	}
	b.watchOthers(p, now, left, reset)
	since := b.granted - p.number
	b.told.left, b.told.at = left-max(since, b.flying), now
	b.told.since, b.told.number = since, p.number
	b.told.again = later(now.Add(b.window/20), earlier(now.Add(b.window/6), reset))
}

// watchOthers counts what went beside our own calls since the last count. What has come back
// meanwhile hides it.
func (b *bucket) watchOthers(p permit, now time.Time, left int, reset time.Time) {
	seen := &b.told.seen
	if seen.at.IsZero() { // what is missing, others took since the window began
		began := later(reset, now).Add(-b.window) // no longer ago than a window
		seen.left, seen.number, seen.at = b.limit, p.number-1, earlier(began, now.Add(-time.Second))
	}
	past := now.Sub(seen.at)
	if past < time.Second {
		return
	}
	others, memory := max(seen.left-left-(p.number-seen.number), 0), b.window/12
	b.told.others = (b.told.others*memory.Seconds() + float64(others)) / (memory + past).Seconds()
	seen.left, seen.number, seen.at = left, p.number, now
}

// forJobs returns how much is left for jobs: what was told, without what is kept and what
// others take meanwhile, and until the window ends; of that no more than a fifth.
func (b *bucket) forJobs(now time.Time) int {
	taken := b.told.others * now.Sub(b.told.at).Seconds()
	if rest := b.reset.Sub(now); !b.reset.IsZero() {
		taken += min(b.told.others*rest.Seconds(), float64(b.limit)/5)
	}
	return b.told.left - b.reserve(now) - int(taken)
}

// let lets a call of lane l go, if it may, or has it look first.
func (b *bucket) let(l lane, now time.Time) (permit, bool) {
	look := l == background && b.reserves && !now.Before(b.nextLook(now))
	if b.isHeld(l, now) || !look && !b.room(l, now) {
		return permit{}, false
	}
	p := b.grant(l, now)
	p.look, b.told.looking = look, look
	return p, true
}

// nextLook returns when a job's call has to look before it goes, if nothing is told until
// then.
func (b *bucket) nextLook(now time.Time) time.Time {
	if b.limit > 0 && b.told.since >= max(b.limit/30, min(b.limit/10, b.forJobs(now)/3)) {
		return now
	}
	return b.told.again
}

// looked ends a look. If nothing was told our own count is all there is: a job goes on by
// that, and looks again.
func (b *bucket) looked(p permit, now time.Time, answered bool) {
	if b.told.number == p.number {
		return
	}
	b.told.left, b.told.since, b.told.at = b.left, 0, now
	b.told.again = now.Add(b.window / 20)
	if b.limit == 0 && answered {
		b.told.again = now.Add(lookAgain)
	}
}

// look makes the call for which permits were given: one of userinfo for nobody, whose
// answer tells what the Authentication API lets through in all.
func (t *transport) look(ctx context.Context, permits [2]permit) {
	r := &request{
		method: http.MethodGet, path: "/userinfo", route: userInfoRoute, kind: looks, lane: background,
		authorize: func() string { return "Bearer none" },
	}
	for i, p := range permits {
		if !p.look {
			t.limiter.cancel([2]permit{p})
			permits[i] = permit{}
		}
	}
	var a *answer
	err := upstream.Protect(func() (err error) {
		a, err = t.send(ctx, r)
		return err
	})
	t.limiter.leave(permits, r, a, err, 1)
}
