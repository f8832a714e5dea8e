package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/jobs"
	"user-manager/upstream"
)

// A limited upstream has a bucket of calls that fills evenly, or whole at the end of
// each window.
type limited struct {
	mu      sync.Mutex
	bucket  float64 // guarded by mu
	filled  time.Time
	refused int            // guarded by mu
	done    map[string]int // guarded by mu

	size    float64
	perMin  float64
	windows bool
	says    bool // how long to wait
	latency time.Duration
}

func (l *limited) call(_ context.Context, id string) (jobs.Outcome, error) {
	time.Sleep(l.latency)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.done == nil {
		l.done, l.bucket, l.filled = map[string]int{}, l.size, now
	}
	wait := l.fill(now)
	if l.bucket < 1 {
		l.refused++
		if !l.says {
			wait = 0
		}
		return jobs.Outcome{}, &upstream.Error{Service: "Auth", Route: "POST /mail", Status: http.StatusTooManyRequests, RetryAfter: wait}
	}
	l.bucket--
	l.done[id]++
	return jobs.Outcome{ID: id, Result: "done"}, nil
}

// fill fills the bucket and returns how long it takes until it has one more.
func (l *limited) fill(now time.Time) time.Duration {
	if l.windows {
		for !now.Before(l.filled.Add(time.Minute)) {
			l.filled, l.bucket = l.filled.Add(time.Minute), l.size
		}
		return l.filled.Add(time.Minute).Sub(now)
	}
	l.bucket = min(l.size, l.bucket+now.Sub(l.filled).Minutes()*l.perMin)
	l.filled = now
	return time.Second // whole seconds, as the header has it
}

// each runs Each over n ids and returns the recorded outcomes and how long it took.
func each(t *testing.T, p *jobs.Pacer, n, limit int, do func(context.Context, string) (jobs.Outcome, error)) (map[string]jobs.Outcome, time.Duration) {
	t.Helper()
	var mu sync.Mutex
	outcomes := map[string]jobs.Outcome{}
	record := func(_ context.Context, some ...jobs.Outcome) error {
		mu.Lock()
		defer mu.Unlock()
		for _, o := range some {
			if _, twice := outcomes[o.ID]; twice {
				t.Errorf("%s is recorded twice", o.ID)
			}
			outcomes[o.ID] = o
		}
		return nil
	}
	start := time.Now()
	if err := p.Each(t.Context(), yields(numbered(n)), limit, do, record); err != nil {
		t.Errorf("Each: %v", err)
	}
	return outcomes, time.Since(start)
}

func yields(ids []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}

func TestEverythingThatCanBeSentIsSent(t *testing.T) {
	const n = 1000
	upstreams := map[string]limited{
		"bucket, says when":         {size: 300, perMin: 300, says: true},
		"bucket, does not say":      {size: 300, perMin: 300},
		"windows, says when":        {size: 300, perMin: 300, windows: true, says: true},
		"windows, does not say":     {size: 300, perMin: 300, windows: true},
		"small bucket, says when":   {size: 5, perMin: 300, says: true},
		"small bucket, doesn't say": {size: 5, perMin: 300},
	}
	for name, upstream := range upstreams {
		for _, rate := range []float64{0, 1, 2, 3, 5, 10, 1000} {
			t.Run(fmt.Sprintf("%s, %v a second", name, rate), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := upstream
					l.latency = 50 * time.Millisecond
					outcomes, took := each(t, jobs.NewPacer(rate), n, 10, l.call)
					for _, id := range numbered(n) {
						if outcomes[id].Result != "done" || l.done[id] != 1 {
							t.Errorf("%s: %q, done %d times", id, outcomes[id].Result, l.done[id])
						}
					}
					shortest := (n - l.size) / l.perMin * 60
					if l.windows {
						shortest = 180
					}
					if rate > 0 {
						shortest = max(shortest, (n-1)/rate)
					}
					t.Logf("took %v of at least %.0fs, %d refused", took, shortest, l.refused)
					if most := time.Duration((shortest*1.1 + 60) * float64(time.Second)); took > most {
						t.Errorf("took %v, want at most %v", took, most)
					}
				})
			})
		}
	}
}

var _ = errors.New
var _ = cmp.Diff
var _ = rand.N[int]
