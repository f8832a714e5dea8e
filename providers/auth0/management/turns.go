package management

import (
	"context"
	"sync"
	"time"
)

// turns lets as many jobs run at once as a tenant takes, whichever Import they are of. The
// zero value is ready, and safe for use by several goroutines.
type turns struct {
	once  sync.Once
	taken chan struct{} // holds a value for every job; made once
}

// take waits for a turn. An error is that of a request that was not made.
func (t *turns) take(ctx context.Context) error {
	t.once.Do(func() { t.taken = make(chan struct{}, limits.AtOnce) })
	select {
	case t.taken <- struct{}{}:
		return nil
	case <-ctx.Done():
		return stopped(ctx, importRoute)
	}
}

func (t *turns) give() { <-t.taken }

// A pace is how fast the jobs of a tenant were. The zero value has seen none. It is safe for
// use by several goroutines.
type pace struct {
	mu   sync.Mutex
	most float64 // rows a second of the fastest; guarded by mu
}

// saw takes how long a job took as its end was noticed.
func (p *pace) saw(rows int, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if took > 0 {
		p.most = max(p.most, float64(rows)/took.Seconds())
	}
}

// left returns how long a job would take yet if it were as fast as the fastest, and 0 when
// it should be over or nothing is known.
func (p *pace) left(rows int, elapsed time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.most == 0 {
		return 0
	}
	return max(time.Duration(float64(rows)/p.most*float64(time.Second))-elapsed, 0)
}
