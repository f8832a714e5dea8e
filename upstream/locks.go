package upstream

import (
	"context"
	"sync"
)

// Locks make works on the same thing, such as a user or an account, wait for each other.
// The zero value has none held. They are safe for use by several goroutines.
type Locks struct {
	mu   sync.Mutex
	held map[string]*lock // guarded by mu
}

type lock struct {
	slot  chan struct{} // full while somebody holds the lock
	users int           // holders and waiters; guarded by the mu of Locks
}

// Lock waits until nobody holds the lock of key, and returns the function that releases
// it; or ctx's error when ctx ends first.
func (l *Locks) Lock(ctx context.Context, key string) (unlock func(), err error) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]*lock{}
	}
	k := l.held[key]
	if k == nil {
		k = &lock{slot: make(chan struct{}, 1)}
		l.held[key] = k
	}
	k.users++
	l.mu.Unlock()

	select {
	case k.slot <- struct{}{}:
		return func() {
			<-k.slot
			l.leave(key, k)
		}, nil
	case <-ctx.Done():
		l.leave(key, k)
		return nil, ctx.Err()
	}
}

func (l *Locks) leave(key string, k *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.users--; k.users == 0 {
		delete(l.held, key)
	}
}
