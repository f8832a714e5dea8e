package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
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
	rules
}

type rules struct {
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
	limits := map[string]rules{
		"bucket, says when":         {size: 300, perMin: 300, says: true},
		"bucket, does not say":      {size: 300, perMin: 300},
		"windows, says when":        {size: 300, perMin: 300, windows: true, says: true},
		"windows, does not say":     {size: 300, perMin: 300, windows: true},
		"small bucket, says when":   {size: 5, perMin: 300, says: true},
		"small bucket, doesn't say": {size: 5, perMin: 300},
	}
	for name, limit := range limits {
		for _, rate := range []float64{0, 1, 2, 3, 5, 10, 1000} {
			t.Run(fmt.Sprintf("%s, %v a second", name, rate), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := &limited{rules: limit}
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

// A limit that was far lower for a while does not keep the pace down.
func TestPaceRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		strict := &limited{rules: rules{size: 1, perMin: 10, says: true}}
		loose := &limited{rules: rules{size: 10, perMin: 6000, says: true}}
		start := time.Now()
		call := func(ctx context.Context, id string) (jobs.Outcome, error) {
			time.Sleep(50 * time.Millisecond)
			if time.Since(start) < 5*time.Minute {
				return strict.call(ctx, id)
			}
			return loose.call(ctx, id)
		}
		if _, took := each(t, jobs.NewPacer(20), 2000, 10, call); took > 20*time.Minute {
			t.Errorf("took %v", took)
		}
	})
}

func TestPaceIsSharedByJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := jobs.NewPacer(2)
		var running sync.WaitGroup
		for range 3 {
			running.Go(func() { each(t, p, 20, 5, succeed) })
		}
		start := time.Now()
		running.Wait()
		if took := time.Since(start); took < 29*time.Second || took > 30*time.Second {
			t.Errorf("60 calls at 2 a second took %v", took)
		}
	})
}

func succeed(_ context.Context, id string) (jobs.Outcome, error) {
	return jobs.Outcome{ID: id, Result: "done"}, nil
}

func TestAtMostSoManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(ctx context.Context, id string) (jobs.Outcome, error) {
			time.Sleep(time.Second)
			return succeed(ctx, id)
		}
		if _, took := each(t, jobs.NewPacer(0), 10, 3, slow); took != 4*time.Second {
			t.Errorf("ten calls of 1s, three at once, took %v, want 4s", took)
		}
	})
}

func status(code int) error {
	return &upstream.Error{Service: "Auth", Route: "POST /mail", Status: code}
}

func TestErrorsOfIDs(t *testing.T) {
	unavailable := []jobs.Problem{{Code: "UPSTREAM_UNAVAILABLE", Message: "Auth POST /mail responded with a 503 status code"}}
	for name, test := range map[string]struct {
		fail  func(try int) error // of id-000007
		want  string
		tries int
		why   []jobs.Problem
	}{
		"429 a hundred times": {firstTries(100, status(429)), "done", 101, nil},
		"500 twice":           {firstTries(2, status(500)), "done", 3, nil},
		"408 once":            {firstTries(1, status(408)), "done", 2, nil},
		"no answer once":      {firstTries(1, status(0)), "done", 2, nil},
		"deadline once":       {firstTries(1, fmt.Errorf("mail: %w", context.DeadlineExceeded)), "done", 2, nil},
		"503 always":          {firstTries(1000, status(503)), "failed", 6, unavailable},
		"400": {firstTries(1000, status(400)), "failed", 1,
			[]jobs.Problem{{Code: "INTERNAL_ERROR", Message: "Auth POST /mail responded with a 400 status code"}}},
		"an error of ours": {firstTries(1000, errors.New("ada@example.com")), "failed", 1,
			[]jobs.Problem{{Code: "INTERNAL_ERROR", Message: "the work on this id came to an error"}}},
		"a panic": {func(int) error { panic("ada@example.com") }, "failed", 1,
			[]jobs.Problem{{Code: "INTERNAL_ERROR", Message: "the work on this id came to an error"}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const odd = "id-000007"
				tried := map[string]int{}
				var mu sync.Mutex
				do := func(ctx context.Context, id string) (jobs.Outcome, error) {
					mu.Lock()
					tried[id]++
					n := tried[id]
					mu.Unlock()
					time.Sleep(10 * time.Millisecond)
					if id == odd {
						if err := test.fail(n); err != nil {
							return jobs.Outcome{}, err
						}
					}
					return succeed(ctx, id)
				}
				outcomes, _ := each(t, jobs.NewPacer(0), 500, 4, do)
				want := jobs.Outcome{ID: odd, Result: test.want, Problems: test.why}
				if diff := cmp.Diff(want, outcomes[odd]); diff != "" {
					t.Errorf("outcome (-want +got):\n%s", diff)
				}
				if tried[odd] != test.tries || len(outcomes) != 500 || len(tried) != 500 {
					t.Errorf("tried %d times, want %d; %d outcomes", tried[odd], test.tries, len(outcomes))
				}
			})
		})
	}
}

// firstTries returns err for so many tries.
func firstTries(n int, err error) func(int) error {
	return func(try int) error {
		if try <= n {
			return err
		}
		return nil
	}
}

// Many ids that always fail are given up one by one, while the others succeed.
func TestManyPoisonousIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		do := func(ctx context.Context, id string) (jobs.Outcome, error) {
			time.Sleep(50 * time.Millisecond)
			if id[len(id)-1] < '4' {
				return jobs.Outcome{}, status(502)
			}
			return succeed(ctx, id)
		}
		outcomes, took := each(t, jobs.NewPacer(0), 1000, 5, do)
		counts := map[string]int{}
		for _, o := range outcomes {
			counts[o.Result]++
		}
		if diff := cmp.Diff(map[string]int{"done": 600, "failed": 400}, counts); diff != "" || took > time.Hour {
			t.Errorf("took %v, results (-want +got):\n%s", took, diff)
		}
	})
}

func TestUpstreamIsDown(t *testing.T) {
	for name, test := range map[string]struct {
		down, most time.Duration
		want       string
		latency    time.Duration
	}{
		"for ten minutes":           {10 * time.Minute, 11 * time.Minute, "done", 0},
		"for ever":                  {1000 * time.Hour, 31 * time.Minute, "failed", 0},
		"for ever, and slow to say": {1000 * time.Hour, 32 * time.Minute, "failed", 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				do := func(ctx context.Context, id string) (jobs.Outcome, error) {
					if time.Since(start) < test.down {
						time.Sleep(test.latency)
						return jobs.Outcome{}, status(0)
					}
					return succeed(ctx, id)
				}
				outcomes, took := each(t, jobs.NewPacer(0), 10_000, 10, do)
				counts := map[string]int{}
				for _, o := range outcomes {
					counts[o.Result]++
				}
				if diff := cmp.Diff(map[string]int{test.want: 10_000}, counts); diff != "" {
					t.Errorf("results (-want +got):\n%s", diff)
				}
				if took > test.most {
					t.Errorf("took %v, want at most %v", took, test.most)
				}
			})
		})
	}
}

// Calls that fail together make the others wait once.
func TestFailuresTogetherCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		do := func(ctx context.Context, id string) (jobs.Outcome, error) {
			began := time.Since(start)
			time.Sleep(100 * time.Millisecond)
			if began < 300*time.Millisecond {
				return jobs.Outcome{}, status(500)
			}
			return succeed(ctx, id)
		}
		if _, took := each(t, jobs.NewPacer(0), 20, 10, do); took > 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// While an upstream has asked for a pause, nothing can succeed: that is not held against
// the ids.
func TestPausesAreNotFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []error{status(500), &upstream.Error{Status: 429, RetryAfter: 20 * time.Minute}, status(500), nil}
		n := 0
		do := func(ctx context.Context, id string) (jobs.Outcome, error) {
			n++
			if err := answers[n-1]; err != nil {
				return jobs.Outcome{}, err
			}
			return succeed(ctx, id)
		}
		if outcomes, _ := each(t, jobs.NewPacer(0), 1, 1, do); outcomes["id-000000"].Result != "done" {
			t.Errorf("outcomes: %v", outcomes)
		}
	})
}

// At the end of the context what runs is finished and recorded, and nothing begun.
func TestEachIsStopped(t *testing.T) {
	for name, test := range map[string]struct {
		pace     float64
		err      error // of every call
		recorded int
	}{
		"while calls run":          {0, nil, 6},
		"while it waits its turn":  {0.2, nil, 1},
		"while it pauses":          {0, status(429), 0},
		"while the upstream fails": {0, status(500), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				enough := errors.New("enough")
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(2500*time.Millisecond, func() { cancel(enough) })
				do := func(ctx context.Context, id string) (jobs.Outcome, error) {
					time.Sleep(time.Second + 500*time.Millisecond)
					if ctx.Err() != nil {
						t.Error("the context of a call is done")
					}
					if test.err != nil {
						return jobs.Outcome{}, test.err
					}
					return succeed(ctx, id)
				}
				var mu sync.Mutex
				recorded := 0
				record := func(context.Context, ...jobs.Outcome) error {
					mu.Lock()
					defer mu.Unlock()
					recorded++
					return nil
				}
				start := time.Now()
				err := jobs.NewPacer(test.pace).Each(ctx, yields(numbered(100)), 3, do, record)
				if !errors.Is(err, enough) || recorded != test.recorded {
					t.Errorf("error %v, %d recorded, want %d", err, recorded, test.recorded)
				}
				if took := time.Since(start); took > 4*time.Second {
					t.Errorf("the stop took until %v", took)
				}
			})
		})
	}
}

func TestErrorsThatEndEach(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		ids    iter.Seq2[string, error]
		record error
	}{
		"of ids":    {func(yield func(string, error) bool) { _ = yield("a", nil) && yield("", broken) }, nil},
		"of record": {yields(numbered(100)), broken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				record := func(context.Context, ...jobs.Outcome) error { return test.record }
				if err := jobs.NewPacer(0).Each(t.Context(), test.ids, 3, succeed, record); !errors.Is(err, broken) {
					t.Errorf("error %v, want %v", err, broken)
				}
			})
		})
	}
}
