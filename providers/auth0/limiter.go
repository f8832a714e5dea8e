package auth0

import (
	"container/list"
	"context"
	"sync"
	"time"

	"user-manager/upstream"
)

// A limiter lets calls go as fast as the tenant's limits allow. Calls that have to wait go
// by their lanes, and in the order they came within one. It starts no goroutine: the call
// whose turn is next keeps the time.
//
// It is safe for use by several goroutines.
type limiter struct {
	mu    sync.Mutex // guards what follows, and the buckets
	skew  skew
	calls int // orders calls by when they came

	management     *bucket
	authentication *bucket // all of the Authentication API
	token          *bucket // POST /oauth/token beside that
	mail           *bucket // POST /dbconnections/change_password beside that
	mails          suspicion
	observer       upstream.Observer // is told of waits
	proved         int               // the limit of authentication that a call was refused for; 0: none was
}

// The lengths of windows are those of the free plan, until an answer tells otherwise.
func newLimiter() *limiter {
	l := &limiter{
		management:     newBucket("auth0 management", time.Second),
		authentication: newBucket("auth0 authentication", time.Minute),
		token:          newBucket("auth0 tokens", time.Second),
		mail:           newBucket("auth0 mails", time.Minute),
	}
	l.authentication.reserves = true
	return l
}

// A waiter is a call that waits for its turn.
type waiter struct {
	order   int
	lane    lane
	granted chan permit   // with room for the one
	poke    chan struct{} // with room for one: the waiter is first now, or its time has changed
}

// order returns the place of a call that has just come.
func (l *limiter) order() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	return l.calls
}

// enter waits until a call may go through b. An error is ctx's.
func (l *limiter) enter(ctx context.Context, b *bucket, ln lane, order int) (permit, error) {
	if err := ctx.Err(); err != nil {
		return permit{}, err
	}
	l.mu.Lock()
	now := time.Now()
	b.advance(now)
	if b.free(ln) {
		if p, ok := b.let(ln, now); ok {
			l.mu.Unlock()
			return p, nil
		}
	}
	w := &waiter{order: order, lane: ln, granted: make(chan permit, 1), poke: make(chan struct{}, 1)}
	place := b.enqueue(w)
	b.pump(now)
	l.mu.Unlock()
	defer l.observer.Waited(b.name, now)
	return l.await(ctx, b, w, place)
}

// await waits for w's permit, and while w is first for the time at which there may be room.
func (l *limiter) await(ctx context.Context, b *bucket, w *waiter, place *list.Element) (permit, error) {
	timer := time.NewTimer(longestWindow)
	defer timer.Stop()
	for {
		select {
		case p := <-w.granted:
			return p, nil
		case <-ctx.Done():
			return permit{}, l.giveUp(ctx, b, w, place)
		case <-w.poke:
		case <-timer.C:
		}
		timer.Reset(l.turn(b, w))
	}
}

// turn lets go who may, and returns how long w keeps the time.
func (l *limiter) turn(b *bucket, w *waiter) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	b.advance(now)
	b.pump(now)
	if b.first() != w {
		return longestWindow
	}
	drain(w.poke) // its own
	at := b.wake(w.lane, now)
	if at.IsZero() {
		return longestWindow
	}
	return max(at.Sub(now), time.Millisecond)
}

func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

// giveUp takes w out of the queue and returns ctx's error.
func (l *limiter) giveUp(ctx context.Context, b *bucket, w *waiter, place *list.Element) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case p := <-w.granted: // at the same time
		b.land(p)
		b.giveBack(p)
	default:
		b.queues[w.lane].Remove(place)
	}
	b.pump(time.Now())
	return ctx.Err()
}

// room returns an estimate of how long a call that comes now would wait.
func (l *limiter) room(b *bucket, ln lane) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	b.advance(now)
	if b.free(ln) && !b.isHeld(ln, now) && b.room(ln, now) {
		return 0
	}
	wait := time.Duration(0)
	if at := later(b.wake(ln, now), b.reset); !at.IsZero() {
		wait = at.Sub(now)
	}
	if b.limit > 0 {
		wait += b.window * time.Duration(b.ahead(ln)/max(b.gain, 1))
	}
	return max(wait, time.Second)
}

// free reports whether nobody waits before a call of lane ln.
func (b *bucket) free(ln lane) bool { return b.ahead(ln) == 0 }

func (b *bucket) ahead(ln lane) int {
	n := 0
	for i := range ln + 1 {
		n += b.queues[i].Len()
	}
	return n
}

// enqueue puts w in its place: one that was refused before goes before those that came
// after it.
func (b *bucket) enqueue(w *waiter) *list.Element {
	queue := &b.queues[w.lane]
	if last := queue.Back(); last == nil || last.Value.(*waiter).order < w.order {
		return queue.PushBack(w)
	}
	at := queue.Front()
	for at.Value.(*waiter).order < w.order {
		at = at.Next()
	}
	return queue.InsertBefore(w, at)
}

// first returns who is next, or nil.
func (b *bucket) first() *waiter {
	for i := range b.queues {
		if front := b.queues[i].Front(); front != nil {
			return front.Value.(*waiter)
		}
	}
	return nil
}

// pump lets go all that may, and has the next keep the time.
func (b *bucket) pump(now time.Time) {
	for w := b.first(); w != nil; w = b.first() {
		p, ok := b.let(w.lane, now)
		if !ok {
			select {
			case w.poke <- struct{}{}:
			default:
			}
			return
		}
		b.queues[w.lane].Remove(b.queues[w.lane].Front())
		w.granted <- p
	}
}
