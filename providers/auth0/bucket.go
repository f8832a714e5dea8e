package auth0

import (
	"container/list"
	"time"
)

const (
	patience       = time.Second // for the answer that tells whether there is a limit
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
// as much when it is emptied and left to fill. Only calls that someone waits for do not
// wait so long: they try whether it fills one by one (see drips).
//
// The limiter's mutex guards it.
type bucket struct {
	window   time.Duration // until it is full again: presumed, or longer as told
	reserves bool          // a part is kept for urgent calls
	whole    bool          // it does not fill one by one: a call that tried was refused
	singly   int           // answers in a row that look as if it did

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
	untold    int       // calls that were let go since an answer told anything
	flying    int
	inTurn    int // calls of this turn among those flying
	jobs      int // background calls among those flying
	lastGrant time.Time
	queues    [lanes]list.List // of *waiter
}

func newBucket(window time.Duration) *bucket {
	return &bucket{window: window, careful: 1, margin: firstMargin}
}

// A permit is the way of one call through a bucket.
type permit struct {
	bucket *bucket
	lane   lane
	turn   int
	sent   time.Time
	drip   bool // it was let go although none was left
}

// one returns how long a bucket that fills one by one takes for one.
func (b *bucket) one() time.Duration { return max(b.window/time.Duration(b.limit), 1) }

// advance ends the window when it is time.
func (b *bucket) advance(now time.Time) {
	switch {
	case b.limit == 0 || b.reset.IsZero():
		return
	case now.Before(b.reset):
		if b.isSingle() {
			b.left = b.limit - int((b.reset.Sub(now)+b.one()-1)/b.one())
		}
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

// room reports whether a call may go.
func (b *bucket) room(l lane, now time.Time) bool {
	switch {
	case now.Before(b.paused):
		return false
	case b.careful > 0 && b.flying >= b.careful && now.Before(b.lastGrant.Add(patience)):
		return false
	case l == background && b.jobs >= mostBackground:
		return false
	}
	return b.limit == 0 || b.left > b.reserve(l, now) || b.drips(l) && !now.Before(b.drip())
}

// drips reports whether calls in lane l try a bucket in which none is left.
func (b *bucket) drips(l lane) bool { return l == urgent && !b.whole }

// drip returns when a bucket that fills one by one has one more.
func (b *bucket) drip() time.Time { return b.lastGrant.Add(b.one()) }

// reserve returns how many calls are not for lane l: a fifth, of a small bucket up to
// half, and fewer towards the end of a window, when what is left is lost.
func (b *bucket) reserve(l lane, now time.Time) int {
	if !b.reserves || l == urgent {
		return 0
	}
	kept := b.fullReserve()
	if rest := b.reset.Sub(now); !b.reset.IsZero() && rest < b.window && !b.isSingle() {
		kept = int((time.Duration(kept)*rest + b.window - 1) / b.window)
	}
	return kept
}

func (b *bucket) fullReserve() int { return max(b.gain/5, min(10, b.gain/2)) }

// wake returns when time alone may make room for a call, and the zero time when only
// another's answer can.
func (b *bucket) wake(l lane, now time.Time) time.Time {
	switch {
	case now.Before(b.paused):
		return b.paused
	case b.careful > 0 && b.flying >= b.careful:
		return b.lastGrant.Add(patience)
	case l == background && b.jobs >= mostBackground || b.limit == 0:
		return time.Time{}
	}
	if b.isSingle() {
		return b.reset.Add(-b.one() * time.Duration(b.limit-1-b.reserve(l, now)))
	}
	if kept := b.fullReserve(); b.reserves && l != urgent && b.left > 1 && kept > 0 {
		return b.reset.Add(-b.window * time.Duration(b.left-1) / time.Duration(kept))
	}
	if b.drips(l) {
		return earlier(b.reset, b.drip())
	}
	return b.reset
}

// grant lets a call go.
func (b *bucket) grant(l lane, now time.Time) permit {
	drip := b.limit > 0 && b.left <= 0
	if b.limit > 0 {
		b.left--
		if b.isSingle() {
			b.reset = later(b.reset, now).Add(b.one())
		} else if b.reset.IsZero() {
			b.reset = now.Add(b.window + b.margin)
		}
		b.untold++
	}
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
	return permit{bucket: b, lane: l, turn: b.turn, sent: now, drip: drip}
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
