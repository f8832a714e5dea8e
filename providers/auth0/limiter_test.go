package auth0

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/upstream"
)

// callAll makes n calls by so many workers at once and returns how long that took.
func callAll(t *testing.T, tr *transport, k kind, l lane, n, workers int) time.Duration {
	t.Helper()
	start := time.Now()
	var group sync.WaitGroup
	next := make(chan int)
	for range workers {
		group.Go(func() {
			for i := range next {
				a, err := tr.do(t.Context(), aCall(k, l, i))
				if err != nil || a.status != http.StatusOK {
					t.Errorf("call %d: %v, %v; want it carried out", i, a, err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
	return time.Since(start)
}

func TestThroughput(t *testing.T) {
	fillings := map[string]filling{"windows from the first call": fromFirst, "windows of the clock": byTheClock, "one by one": oneByOne}
	plans := map[string]struct {
		limit   int
		window  time.Duration
		calls   int
		refused int // 429s that may be seen on the way
	}{
		"2 a second":   {2, time.Second, 400, 8},
		"10 a second":  {10, time.Second, 2000, 30},
		"50 a second":  {50, time.Second, 5000, 60},
		"300 a minute": {300, time.Minute, 3100, 20},
	}
	for fillingName, f := range fillings {
		for planName, test := range plans {
			for _, latency := range []time.Duration{0, 20 * time.Millisecond} {
				t.Run(fmt.Sprintf("%s/%s/latency %v", fillingName, planName, latency), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						time.Sleep(337 * time.Millisecond) // not at the beginning of a second
						p := &plan{limit: test.limit, window: test.window, filling: f, latency: latency}
						took := callAll(t, limited(t, p), manages, background, test.calls, 40)
						over := 105 // in a hundred
						if f == oneByOne {
							over = 110 // some of what comes back is seen late
						}
						most := p.allowed(test.calls)*time.Duration(over)/100 + test.window + time.Second
						if took > most || p.refused > test.refused {
							t.Errorf("%v and %d refusals; want %v at most (the limit allows %v), and %d", took, p.refused, most, p.allowed(test.calls), test.refused)
						}
						if p.most > mostBackground {
							t.Errorf("%d calls at once, want %d at most", p.most, mostBackground)
						}
					})
				})
			}
		}
	}
}

// TestWithoutLimits: a tenant that says nothing of limits has none.
func TestWithoutLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plan{limit: 1_000_000, window: time.Second, silent: true, latency: 100 * time.Millisecond}
		if took := callAll(t, limited(t, p), authenticates, urgent, 500, 50); took > 1500*time.Millisecond {
			t.Errorf("500 calls by 50 took %v", took)
		}
	})
}

// TestSilentLimit: a tenant that does not say when there is more is asked now and then,
// and nothing is lost.
func TestSilentLimit(t *testing.T) {
	for name, k := range map[string]kind{"management": manages, "authentication": authenticates} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &plan{limit: 10, window: time.Second, silent: true, latency: 20 * time.Millisecond}
				took := callAll(t, limited(t, p), k, ordinary, 300, 20)
				if most := 3 * p.allowed(300); took > most {
					t.Errorf("300 calls at 10 a second took %v, want %v at most", took, most)
				}
			})
		})
	}
}

// TestRetryAfter: it says how long to wait, alone or beside the other headers.
func TestRetryAfter(t *testing.T) {
	for name, more := range map[string]http.Header{
		"alone":  {},
		"beside": {"X-Ratelimit-Limit": {"2"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"946685000"}},
	} {
		for _, k := range []kind{manages, authenticates} {
			t.Run(fmt.Sprint(name, k), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tries := 0
					tr := limited(t, nil)
					tr.next = roundTrip(func(req *http.Request) (*http.Response, error) {
						if tries++; tries > 1 {
							return says(200, "", "")(req)
						}
						res, err := says(429, "", "")(req)
						res.Header = more.Clone()
						res.Header.Set("Retry-After", "7")
						return res, err
					})
					if took := callAll(t, tr, k, ordinary, 1, 1); took.Round(time.Second) != 7*time.Second || tries != 2 {
						t.Errorf("%d tries in %v, want 2 in 7s", tries, took)
					}
				})
			})
		}
	}
}

// TestMailsOfOneLimit: a limit of mails that turns out not to be each address's own is kept
// by all.
func TestMailsOfOneLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plan{limit: 10, window: time.Minute, latency: 20 * time.Millisecond}
		tr := limited(t, p)
		var group sync.WaitGroup
		start := time.Now()
		for n := range 59 { // and one that looks
			group.Go(func() {
				r := aCall(mails, background, n)
				r.owner = fmt.Sprint(n)
				if a, err := tr.do(t.Context(), r); err != nil || a.status != http.StatusOK {
					t.Errorf("%v, %v", a, err)
				}
			})
		}
		group.Wait()
		if took := time.Since(start); took > p.allowed(60)*105/100 || p.refused > 40 {
			t.Errorf("%v and %d refusals, want %v and few", took, p.refused, p.allowed(60))
		}
	})
}

func TestSkewedClock(t *testing.T) {
	for _, skew := range []time.Duration{5400 * time.Millisecond, -7300 * time.Millisecond, -3 * time.Hour, 24 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &plan{limit: 300, window: time.Minute, latency: 20 * time.Millisecond, skew: skew}
				took := callAll(t, limited(t, p), manages, background, 1500, 20)
				if most := p.allowed(1500) * 105 / 100; took > most || p.refused > 5 {
					t.Errorf("%v and %d refusals, want %v at most and hardly any", took, p.refused, most)
				}
			})
		})
	}
}

// TestStorm: hundreds wait for a small limit that others use too, and all get through.
func TestStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plan{limit: 5, window: time.Second, latency: 30 * time.Millisecond}
		tr := limited(t, p)
		ctx, stop := context.WithCancel(t.Context())
		var other sync.WaitGroup
		other.Go(func() { // another service, which takes half of it, or more
			for ctx.Err() == nil {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://tenant.test/other", nil)
				if err != nil {
					t.Error(err)
				}
				_, _ = p.RoundTrip(req)
				time.Sleep(250 * time.Millisecond)
			}
		})
		callAll(t, tr, manages, ordinary, 400, 400)
		stop()
		other.Wait()
		tr.limiter.wantIdle(t)
	})
}

// wantIdle checks that nobody waits and nothing is under way.
func (l *limiter) wantIdle(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range []*bucket{l.management, l.authentication, l.token, l.mail} {
		if b.flying != 0 || b.jobs != 0 || b.first() != nil {
			t.Errorf("%d calls, %d of jobs, are under way, and somebody waits: %v", b.flying, b.jobs, b.first() != nil)
		}
	}
}

// TestOrder: within a lane calls go in the order they came, and lanes go one after the
// other.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plan{limit: 1, window: time.Second, filling: byTheClock}
		tr := limited(t, p)
		callAll(t, tr, manages, urgent, 1, 1)
		var group sync.WaitGroup
		for n := range 5 {
			for _, l := range []lane{background, ordinary, urgent} {
				group.Go(func() {
					if _, err := tr.do(t.Context(), aCall(manages, l, n)); err != nil {
						t.Error(err)
					}
				})
				synctest.Wait()
			}
		}
		group.Wait()
		want := slices.Clone(p.passed)
		slices.Sort(want)
		if !slices.Equal(p.passed, want) {
			t.Errorf("calls went in the order %v", p.passed)
		}
	})
}

// TestReserve: a job leaves room for logins, which need not wait.
func TestReserve(t *testing.T) {
	for name, f := range map[string]filling{"windows": fromFirst, "one by one": oneByOne} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &plan{limit: 300, window: time.Minute, filling: f, latency: 20 * time.Millisecond}
				tr := limited(t, p)
				var group sync.WaitGroup
				group.Go(func() { callAll(t, tr, authenticates, background, 1500, 40) })
				var longest time.Duration
				for n := range 60 {
					time.Sleep(3 * time.Second)
					start := time.Now()
					if _, err := tr.do(t.Context(), aCall(authenticates, urgent, n)); err != nil {
						t.Error(err)
					}
					longest = max(longest, time.Since(start))
				}
				group.Wait()
				if longest > time.Second {
					t.Errorf("a login waited for %v beside a job", longest)
				}
			})
		})
	}
}

// TestWaitThatEnds: a call that is given up while it waits has done nothing, and says when
// to come again if its time was up.
func TestWaitThatEnds(t *testing.T) {
	gone, late := errors.New("the client has gone"), errors.New("a deadline of ours")
	tests := map[string]struct {
		end    func(context.Context) (context.Context, context.CancelFunc)
		status int
		causes []error
		after  time.Duration
	}{
		"canceled": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			return ctx, sync.OnceFunc(func() { cancel(gone) })
		}, 0, []error{context.Canceled, gone}, 0},
		"out of time": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, 20*time.Second, late)
		}, 429, []error{context.DeadlineExceeded, late}, 40 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &plan{limit: 1, window: time.Minute}
				tr := limited(t, p)
				callAll(t, tr, manages, background, 1, 1)
				ctx, cancel := test.end(t.Context())
				time.AfterFunc(30*time.Second, cancel)
				_, err := tr.do(ctx, aCall(manages, background, 2))
				failed, ok := errors.AsType[*upstream.Error](err)
				if !ok || failed.Status != test.status || !failed.NotDone || !failed.Refused() {
					t.Errorf("%#v, want status %d and nothing done", err, test.status)
				}
				for _, cause := range test.causes {
					if !errors.Is(err, cause) {
						t.Errorf("%v, %v is not in its chain", failed.Err, cause)
					}
				}
				if off := upstream.RetryAfter(err) - test.after; off.Abs() > time.Second {
					t.Errorf("it says to come again after %v, want about %v", upstream.RetryAfter(err), test.after)
				}
				tr.limiter.wantIdle(t)
				if len(p.passed) != 1 {
					t.Errorf("%d calls were carried out, want 1", len(p.passed))
				}
				callAll(t, tr, manages, background, 1, 1) // those that come later are not held up
			})
		})
	}
}

// TestCancelledWaiters: those who leave make way, wherever they stand.
func TestCancelledWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plan{limit: 10, window: time.Second, latency: 10 * time.Millisecond}
		tr := limited(t, p)
		var group sync.WaitGroup
		for n := range 300 {
			group.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				if n%2 == 0 {
					ctx, cancel = context.WithTimeout(t.Context(), time.Duration(n)*10*time.Millisecond)
				}
				defer cancel()
				if _, err := tr.do(ctx, aCall(manages, lane(n%3), n)); err != nil && n%2 == 1 {
					t.Errorf("call %d, which had time: %v", n, err)
				}
			})
		}
		group.Wait()
		tr.limiter.wantIdle(t)
	})
}

// TestSlowFirstAnswer: a first call that hangs holds nobody up for long.
func TestSlowFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := make(chan struct{})
		p := &plan{limit: 1000, window: time.Second, silent: true}
		tr := limited(t, p)
		tr.next = roundTrip(func(req *http.Request) (*http.Response, error) {
			if strings.HasSuffix(req.URL.Path, "/0") {
				<-hangs
			}
			return p.RoundTrip(req)
		})
		var group sync.WaitGroup
		group.Go(func() { _, _ = tr.do(t.Context(), aCall(authenticates, urgent, 0)) })
		synctest.Wait()
		start := time.Now()
		if _, err := tr.do(t.Context(), aCall(authenticates, urgent, 1)); err != nil || time.Since(start) > 2*time.Second {
			t.Errorf("the second took %v: %v", time.Since(start), err)
		}
		close(hangs)
		group.Wait()
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// BenchmarkLimiter measures the way of a call that does not have to wait.
func BenchmarkLimiter(b *testing.B) {
	for name, limit := range map[string]int{"no limit known": 0, "limit known": mostLimit} {
		b.Run(name, func(b *testing.B) {
			l := newLimiter()
			l.management.careful = 0
			l.management.limit, l.management.gain, l.management.left = limit, limit, limit
			r, a := aCall(manages, urgent, 0), &answer{status: http.StatusNotFound, header: http.Header{"Date": {"Sat, 01 Jan 2000 00:00:00 GMT"}}}
			b.ReportAllocs()
			for b.Loop() {
				permits, err := l.admit(b.Context(), r, l.order())
				if err != nil {
					b.Fatal(err)
				}
				l.leave(permits, r, a, nil, 1)
			}
		})
	}
}
