package auth0

import (
	"cmp"
	"time"
)

// Of a bucket of which little is known.
const (
	firstPause   = 500 * time.Millisecond // after a 429 that does not say when there is more, doubled each time
	longestPause = 30 * time.Second
	enoughAtOnce = 64          // calls that went well at once: no limit is in sight
	tryPause     = time.Second // after a try that was refused
)

// Of windows.
const (
	longestWindow = 5 * time.Minute         // whatever a header says: then it is tried again
	shortWindow   = 2500 * time.Millisecond // a second, as the tenant tells it, and some for the way there
	firstMargin   = 10 * time.Millisecond
)

// learn takes a limit that is new.
func (b *bucket) learn(limit int, p permit) {
	b.limit, b.gain, b.least = limit, limit, limit
	b.left, b.began, b.reset, b.said = limit, p.sent, time.Time{}, time.Time{}
	b.early, b.hit, b.used = false, false, b.inTurn+1
}

// tell takes what the answer to a call said: left calls of limit, and when there are more.
func (b *bucket) tell(p permit, now time.Time, limit, left int, reset time.Time) {
	b.careful, b.backedOff, b.pauses = 0, false, 0
	if limit != b.limit {
		b.learn(limit, p)
	}
	b.hear(p, now, left, reset)
	if p.turn != b.turn {
		return
	}
	if left >= limit-1 { // the window began with this call
		b.began = p.sent
	}
	if reset.Before(b.said) { // answers overtake each other
		reset = b.said
	}
	b.said = reset
	b.least = min(b.least, left)
	b.left = b.least - b.inTurn // those that are under way may not be counted yet
	if !reset.After(now) {
		b.begin(b.gain)
		return
	}
	b.reset = b.end(reset)
}

// end returns when a window ends that the tenant says ends at reset. The tenant says it in
// whole seconds, rounded up: of a window of one second that would be too much to lose. So
// that is taken to end a second after it began, until it turns out not to.
func (b *bucket) end(reset time.Time) time.Time {
	length := reset.Sub(b.began)
	b.early = length >= time.Second+b.margin && length < shortWindow && b.margin < time.Second
	if b.early {
		filled := time.Second * time.Duration(max(b.used, b.limit)) / time.Duration(b.limit) // some came back meanwhile
		return b.began.Add(filled + b.margin)
	}
	return earlier(reset, b.began.Add(longestWindow))
}

// refuse takes a 429 that said when there are more calls. In short windows it learns how
// many there were.
func (b *bucket) refuse(p permit, now time.Time, limit int, reset time.Time) {
	switch {
	case limit != b.limit:
		b.learn(limit, p)
	case p.turn != b.turn:
		return
	default:
		b.used--
	}
	b.hear(p, now, 0, reset)
	b.tryAt = now.Add(max(tryPause, b.one()))
	b.careful, b.backedOff = 0, false
	if b.early {
		b.early, b.margin = false, 2*b.margin
	}
	b.hit, b.left = true, 0
	if length := reset.Sub(b.began).Truncate(time.Second); length > b.window {
		b.window = min(length, longestWindow)
	}
	if b.window <= shortWindow {
		b.gain = min(max(b.used, 1), b.gain)
	}
	if !reset.After(now) {
		b.pauses++
		reset = now.Add(min(firstPause<<min(b.pauses-1, 10), longestPause))
	}
	b.reset = earlier(reset, now.Add(longestWindow))
	b.least, b.said = 0, b.reset // whatever earlier calls are answered
}

// silent takes an answer that said nothing of a limit. known: it would have, if there
// were one.
func (b *bucket) silent(p permit, known bool) {
	b.pauses = 0
	switch {
	case b.limit > 0 && known && p.turn == b.turn:
		b.limit = 0
		b.begin(0)
	case b.careful > 0 && !b.backedOff:
		b.careful = 0
	case b.careful > 0:
		b.careful++
		if b.careful > enoughAtOnce {
			b.careful, b.backedOff = 0, false
		}
	}
}

// pause takes a 429 that said nothing of a limit; asked is how long it asks to wait, if it
// does.
func (b *bucket) pause(p permit, now time.Time, asked time.Duration) {
	if p.turn != b.turn {
		return
	}
	b.turn++
	b.inTurn = 0
	b.paused = now.Add(min(cmp.Or(asked, min(firstPause<<min(b.pauses, 10), longestPause)), longestWindow))
	b.pauses++
	b.careful, b.backedOff = 1, true
}
