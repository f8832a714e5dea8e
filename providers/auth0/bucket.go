package auth0

import (
	"container/list"
	"time"
)

const (
	patience       = time.Second // for the answer that tells whether there is a limit
	reserveStep    = time.Second // after which less may be kept for urgent calls
	mostBackground = 16          // calls of jobs at once: the connections are not theirs alone
)

// A lane is whose turn it is: calls of the first go before those of the others.
type lane int

const (
	urgent     lane = iota // someone waits to get in, or every call waits for it
	ordinary               // someone waits, and logins go before
	background             // a job
	lanes
)

// A bucket is what is known of one of the tenant's limits: how many calls it takes, how
// many are left by our own count, and when it is full again. It follows the tenant's
// answers and counts between them. A window begins with the first call that takes from a
// full bucket; at its end the bucket is taken to be full. That is so with a tenant that
// fills its buckets in whole windows, and with one that fills them one by one, which gives
// as much when it is emptied and left to fill. Calls of lane urgent do not wait so long:
// when none is left they try, one at a time.
//
// Such a count may be wrong: others use the bucket too, and few answers tell of it. So in a
// bucket that keeps a part for urgent calls a job takes only what the tenant has told to be
// left, less that part and what was let go since; see looks.go.
//
// The limiter's mutex guards it.
type bucket struct {
	name     string
	window   time.Duration // until it is full again: presumed, or longer as told
	reserves bool          // a part is kept for urgent calls
	told     told          // of a bucket that reserves

	limit  int       // calls it takes; 0: not known
	gain   int       // calls a window begins with
	left   int       // of this window, less what was let go since that was told
	used   int       // let go in this window
	began  time.Time // the window, when the first was let go
	reset  time.Time // the window ends; zero: none has begun
	hit    bool      // a call was refused in this window
	early  bool      // reset is before what the tenant said
	margin time.Duration
	turn   int // counts windows and pauses: a refusal counts in the turn of its call

	paused    time.Time // no call until then, for want of a limit
	pauses    int       // in a row
	careful   int       // most calls at once while nothing is known; 0: any number
	backedOff bool      // careful for a refusal, not for the beginning

	least     int       // that an answer told to be left of this window; limit: none did
	said      time.Time // latest end of this window that an answer told
	granted   int       // calls that were let go, ever
	tryAt     time.Time // an urgent call may try although none is left
	flying    int
	inTurn    int // calls of this turn among those flying
	jobs      int // background calls among those flying
	lastGrant time.Time
	queues    [lanes]list.List // of *waiter
}

func newBucket(name string, window time.Duration) *bucket {
	return &bucket{name: name, window: window, careful: 1, margin: firstMargin}
}

// A permit is the way of one call through a bucket.
type permit struct {
	bucket *bucket
	lane   lane
	look   bool // to look what is left, and no more
	turn   int
	number int // of those granted
	sent   time.Time
}

// one returns how long a bucket that fills one by one takes for one.
func (b *bucket) one() time.Duration { return max(b.window/time.Duration(b.limit), 1) }

// advance ends the window when it is time.
func (b *bucket) advance(now time.Time) {
	switch {
	case b.limit == 0 || b.reset.IsZero():
		return
	case now.Before(b.reset):
		return
	}
	if !b.hit {
		b.gain = min(b.limit, b.gain+b.gain/4+1)
		b.margin = max(b.margin*9/10, firstMargin)
	}
	b.begin(b.gain)
}

// begin makes the bucket one from which nothing was taken.
func (b *bucket) begin(left int) {
	b.left, b.used, b.hit, b.early = left, 0, false, false
	b.began, b.reset = time.Time{}, time.Time{}
	b.least, b.said, b.inTurn = b.limit, time.Time{}, 0
	b.turn++
}

// isHeld reports whether calls of lane l wait for something else than room.
func (b *bucket) isHeld(l lane, now time.Time) bool {
	switch {
	case now.Before(b.paused):
		return true
	case b.careful > 0 && b.flying >= b.careful && now.Before(b.lastGrant.Add(patience)):
		return true
	}
	return l == background && (b.jobs >= mostBackground || b.told.looking)
}

// room reports whether there is room for a call of lane l that is not held.
func (b *bucket) room(l lane, now time.Time) bool {
	switch {
	case b.limit == 0:
		return true
	case l == urgent:
		return b.left > 0 || !now.Before(b.tryAt)
	case l == background && b.reserves:
		return b.forJobs(now) > 0
	}
	return b.left > b.reserve(now)
}

// reserve returns how many calls are kept for lane urgent: a fifth, and fewer towards the
// end of a window, when what is left is lost; but never less than a fifteenth.
func (b *bucket) reserve(now time.Time) int {
	if !b.reserves {
		return 0
	}
	kept := b.limit / 5
	if rest := b.reset.Sub(now); !b.reset.IsZero() && rest < b.window {
		kept = int((time.Duration(kept)*rest + b.window - 1) / b.window)
	}
	return max(kept, b.limit/15)
}

// wake returns when time alone may make room for a call, and the zero time when only
// another's answer can.
func (b *bucket) wake(l lane, now time.Time) time.Time {
	switch {
	case now.Before(b.paused):
		return b.paused
	case l == background && (b.jobs >= mostBackground || b.told.looking):
		return time.Time{}
	case b.isHeld(l, now):
		return b.lastGrant.Add(patience)
	case b.limit == 0:
		return time.Time{}
	}
	switch {
	case l == urgent:
		return earlier(b.reset, b.tryAt)
	case !b.reserves:
		return b.reset
	case l == background:
		return earlier(b.nextLook(now), now.Add(reserveStep))
	}
	return earlier(b.reset, now.Add(reserveStep))
}

// grant lets a call go.
func (b *bucket) grant(l lane, now time.Time) permit {
	if b.limit > 0 {
		b.left--
		if b.reset.IsZero() {
			b.reset = now.Add(b.window + b.margin)
		}
		b.tryAt = now.Add(b.one())
	}
	b.told.left--
	b.told.since++
	b.granted++
	if b.began.IsZero() {
		b.began = now
	}
	b.used++
	b.flying++
	b.inTurn++
	if l == background {
		b.jobs++
	}
	b.lastGrant = now
	return permit{bucket: b, lane: l, turn: b.turn, number: b.granted, sent: now}
}

// land counts a call that is over.
func (b *bucket) land(p permit) {
	b.flying--
	if p.turn == b.turn {
		b.inTurn--
	}
	if p.lane == background {
		b.jobs--
	}
	if p.look {
		b.told.looking = false
	}
}

// giveBack makes up for a call that was never sent.
func (b *bucket) giveBack(p permit) {
	if p.turn == b.turn && b.limit > 0 {
		b.left++
		b.used--
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
