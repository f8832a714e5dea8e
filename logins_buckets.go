package main

import (
	"container/heap"
	"time"
)

// maxBuckets is how many accounts, and how many addresses, are kept of which logins failed.
const maxBuckets = 100_000

// buckets hold tokens, of which each failed login takes one. A bucket is full at first, and is
// filled again evenly. Those are kept that are not full, or that logins under way belong to; of
// too many those are dropped that are nearest to full. Times are since any one moment.
type buckets struct {
	size    int           // tokens of a full bucket
	refill  time.Duration // of one token
	most    int           // in the queue
	byKey   map[uint64]*bucket
	lacking bucketQueue // that are not full, or were not when last seen
}

func newBuckets(size int, in time.Duration) buckets {
	return buckets{size: size, refill: in / time.Duration(size), most: maxBuckets, byKey: map[uint64]*bucket{}}
}

// A bucket is that of one account or address.
type bucket struct {
	key      uint64
	fullAt   time.Duration // when it is full again, which says how much is missing
	underWay int           // logins that may take a token yet
	ended    chan struct{} // closed when one of them ends; nil: nobody waits for that
	place    int           // in the queue; -1: not there
}

// refused returns how long it takes until a bucket has a token, 0 when it has.
func (b *buckets) refused(key uint64, now time.Duration) time.Duration {
	one, ok := b.byKey[key]
	if !ok {
		return 0
	}
	return max(one.fullAt-now-time.Duration(b.size-1)*b.refill, 0)
}

// full returns nil when a bucket has a token besides those that logins under way may take, or
// else what is closed when one of them ends.
func (b *buckets) full(key uint64, now time.Duration) <-chan struct{} {
	one, ok := b.byKey[key]
	if !ok {
		return nil
	}
	taken := max(one.fullAt-now, 0) + time.Duration(one.underWay)*b.refill
	if taken <= time.Duration(b.size-1)*b.refill {
		return nil
	}
	if one.ended == nil {
		one.ended = make(chan struct{})
	}
	return one.ended
}

// enter notes a login under way. It is to leave.
func (b *buckets) enter(key uint64) *bucket {
	one, ok := b.byKey[key]
	if !ok {
		one = &bucket{key: key, place: -1}
		b.byKey[key] = one
	}
	one.underWay++
	return one
}

// leave notes that a login has ended; one that failed takes a token.
func (b *buckets) leave(one *bucket, failed bool, now time.Duration) {
	one.underWay--
	if one.ended != nil {
		close(one.ended)
		one.ended = nil
	}
	if failed {
		one.fullAt = max(one.fullAt, now) + b.refill
		b.queue(one)
	}
	b.dropIdle(one)
}

// queue has a bucket in the queue, at its place.
func (b *buckets) queue(one *bucket) {
	if one.place >= 0 {
		heap.Fix(&b.lacking, one.place)
		return
	}
	heap.Push(&b.lacking, one)
	if len(b.lacking) > b.most {
		b.forgetFirst()
	}
}

// forget drops buckets that are full again: some, so that nobody waits for long; those that
// come after drop the others.
func (b *buckets) forget(now time.Duration) {
	for range 16 {
		if len(b.lacking) == 0 || b.lacking[0].fullAt > now {
			return
		}
		b.forgetFirst()
	}
}

func (b *buckets) forgetFirst() {
	first := heap.Pop(&b.lacking).(*bucket)
	b.dropIdle(first)
}

func (b *buckets) dropIdle(one *bucket) {
	if one.underWay == 0 && one.place < 0 {
		delete(b.byKey, one.key)
	}
}

// bucketQueue is a heap: the first is the one that is full first.
type bucketQueue []*bucket

// Len implements [heap.Interface].
func (q bucketQueue) Len() int { return len(q) }

// Less implements [heap.Interface].
func (q bucketQueue) Less(i, j int) bool { return q[i].fullAt < q[j].fullAt }

// Swap implements [heap.Interface].
func (q bucketQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements [heap.Interface].
func (q *bucketQueue) Push(one any) {
	one.(*bucket).place = len(*q)
	*q = append(*q, one.(*bucket))
}

// Pop implements [heap.Interface].
func (q *bucketQueue) Pop() any {
	last := len(*q) - 1
	one := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	one.place = -1
	return one
}
