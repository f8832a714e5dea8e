package auth0client

import (
	"context"
	"sync"
)

// locks are held by one at a time for each key. The zero value has none held, and is safe
// for use by several goroutines.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock // guarded by mu
}

type lock struct {
	slot   chan struct{} // full while somebody holds the lock
	wanted int           // by how many, the holder among them; guarded by the mu of the locks
}

// take waits for key's lock, and reports false when ctx is done first.
func (l *locks) take(ctx context.Context, key string) bool {
	select {
	case l.want(key, 1) <- struct{}{}:
		return true
	case <-ctx.Done():
		l.want(key, -1)
		return false
	}
}

// give gives a lock back that was taken.
func (l *locks) give(key string) { <-l.want(key, -1) }

// want counts one more or one less that wants key's lock, and returns its slot.
func (l *locks) want(key string, by int) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[string]*lock{}
	}
	one := l.held[key]
	if one == nil {
		one = &lock{slot: make(chan struct{}, 1)}
		l.held[key] = one
	}
	if one.wanted += by; one.wanted == 0 {
		delete(l.held, key)
	}
	return one.slot
}
