package auth0

import (
	"context"
	"sync"

	"user-manager/upstream"
)

// flights are works that several callers wait for at once: one of a kind is under way at a
// time. A caller leaves when its own context is done; the last to leave ends the work and
// waits for that. The zero value has none under way. It is safe for use by several
// goroutines.
type flights[V any] struct {
	mu       sync.Mutex
	underWay map[string]*flight[V] // guarded by mu
}

type flight[V any] struct {
	waiting int           // guarded by the mutex of the flights
	done    chan struct{} // closed when value and err are there
	cancel  context.CancelFunc
	value   V
	err     error
}

// do returns what the work with this key returns, of its own call or of one that is under
// way. The work's context lives while anybody waits for it. The error is ctx's cause when
// it is done first.
func (f *flights[V]) do(ctx context.Context, key string, work func(context.Context) (V, error)) (V, error) {
	var none V
	if ctx.Err() != nil {
		return none, context.Cause(ctx)
	}
	fl := f.join(ctx, key, work)
	select {
	case <-fl.done:
		f.leave(key, fl)
		return fl.value, fl.err
	case <-ctx.Done():
		if f.leave(key, fl) {
			fl.cancel()
			<-fl.done
		}
		return none, context.Cause(ctx)
	}
}

// join returns the flight with this key, and begins it if there is none.
func (f *flights[V]) join(ctx context.Context, key string, work func(context.Context) (V, error)) *flight[V] {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl := f.underWay[key]
	if fl == nil {
		fl = &flight[V]{done: make(chan struct{})}
		if f.underWay == nil {
			f.underWay = map[string]*flight[V]{}
		}
		f.underWay[key] = fl
		ctx, fl.cancel = context.WithCancel(context.WithoutCancel(ctx))
		go f.run(ctx, key, fl, work)
	}
	fl.waiting++
	return fl
}

func (f *flights[V]) run(ctx context.Context, key string, fl *flight[V], work func(context.Context) (V, error)) {
	defer close(fl.done)
	defer f.forget(key, fl)
	defer fl.cancel()
	fl.err = upstream.Protect(func() (err error) {
		fl.value, err = work(ctx)
		return err
	})
}

// leave reports whether nobody waits for fl any more.
func (f *flights[V]) leave(key string, fl *flight[V]) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl.waiting--
	if fl.waiting == 0 && f.underWay[key] == fl {
		delete(f.underWay, key) // nobody joins what is about to be ended
	}
	return fl.waiting == 0
}

// forget makes later callers begin anew.
func (f *flights[V]) forget(key string, fl *flight[V]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.underWay[key] == fl {
		delete(f.underWay, key)
	}
}

// renew makes later callers of key begin anew: what is under way may be out of date.
func (f *flights[V]) renew(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.underWay, key)
}
