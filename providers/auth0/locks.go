package auth0

import (
	"context"
	"sync"
)

// locks are held by one at a time for each key. The zero value has none held. They are safe
// for use by several goroutines.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock // guarded by mu
}

type lock struct {
	wanted int           // by how many, the holder among them; guarded by the mutex of the locks
	token  chan struct{} // holds a value while the lock is held
}

// lock waits for key's lock and returns how to give it back, or what ctx ended with.
func (l *locks) lock(ctx context.Context, key string) (unlock func(), err error) {
	one := l.want(key)
	select {
	case one.token <- struct{}{}:
		return func() {
			<-one.token
			l.leave(key, one)
		}, nil
	case <-ctx.Done():
		l.leave(key, one)
		return nil, gone(ctx)
	}
}

func (l *locks) want(key string) *lock {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.held[key]
	if one == nil {
		one = &lock{token: make(chan struct{}, 1)}
		if l.held == nil {
			l.held = map[string]*lock{}
		}
		l.held[key] = one
	}
	one.wanted++
	return one
}

func (l *locks) leave(key string, one *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one.wanted--; one.wanted == 0 {
		delete(l.held, key)
	}
}
