package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// smallBody is what a body may have that anybody may send, and what needs no room.
	smallBody = 16 << 10
	// roomTime is how long a request waits for room, once some of its body is there.
	roomTime = time.Second
	// slowBody is how many bytes of a body have to come in a second on average, the first
	// [roomTime] apart, if others wait for its room.
	slowBody = 64 << 10
)

// room is for the bytes of bodies that are held at once. It is safe for use by several
// goroutines.
type room struct {
	free *semaphore.Weighted
	most int64

	mu       sync.Mutex             // guards what follows
	arriving map[*arrival]time.Time // bodies that have room and are not whole, and since when
}

func newRoom(most int64) *room {
	return &room{free: semaphore.NewWeighted(most), most: most, arriving: map[*arrival]time.Time{}}
}

// size returns the room that the body of r takes, if it may have limit bytes.
func (o *room) size(r *http.Request, limit int64) int64 {
	size := r.ContentLength
	if size < 0 || size > limit {
		size = limit
	}
	return min(size, o.most)
}

// take waits a moment for room for a, and reports whether there is any. Bodies that come
// slowly have to do without theirs then.
func (o *room) take(a *arrival) bool {
	if !o.free.TryAcquire(a.size) && !o.wait(a) {
		o.interruptSlow()
		if !o.wait(a) {
			return false
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.arriving[a] = time.Now()
	return true
}

func (o *room) wait(a *arrival) bool {
	ctx, cancel := context.WithTimeout(a.ctx, roomTime/2)
	defer cancel()
	return o.free.Acquire(ctx, a.size) == nil
}

// interruptSlow ends the reading of bodies that come slowly.
func (o *room) interruptSlow() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for a, since := range o.arriving {
		earned := time.Duration(a.came.Load()) * (time.Second / slowBody)
		if time.Since(since) > roomTime+earned {
			delete(o.arriving, a)
			a.interrupted.Store(true)
			_ = http.NewResponseController(a.w).SetReadDeadline(time.Now())
		}
	}
}

// whole notes that nothing of a is read any more.
func (o *room) whole(a *arrival) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.arriving, a)
}

// giveBack is for a that has room and is done with.
func (o *room) giveBack(a *arrival) {
	o.whole(a)
	o.free.Release(a.size)
}
