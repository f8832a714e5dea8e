package upstream_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/internal/logtest"
	"user-manager/upstream"
)

// fail makes n calls that are not tried again, and returns the last one's error.
func fail(t *testing.T, n *upstream.Network, calls int) error {
	t.Helper()
	var last error
	for range calls {
		res, err := n.RoundTrip(request(t.Context(), t, "POST"))
		if last = err; err == nil {
			res.Body.Close()
		}
	}
	return last
}

func isOpen(err error) bool {
	_, open := errors.AsType[*upstream.OpenError](err)
	return open
}

func TestWhatOpensTheBreaker(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script []try
		open   bool
	}{
		"no answers":                     {[]try{reset}, true},
		"answers of 502":                 {[]try{answered(502)}, true},
		"answers of 503":                 {[]try{answered(503)}, true},
		"answers of 504":                 {[]try{answered(504)}, true},
		"time that runs out":             {[]try{lateReset}, true},
		"answers of 500":                 {[]try{answered(500)}, false},
		"answers of 507":                 {[]try{answered(507)}, false},
		"answers of 404":                 {[]try{answered(404)}, false},
		"answers of 409":                 {[]try{answered(409)}, false},
		"four failures":                  {[]try{reset, reset, reset, reset, ok200}, false},
		"an answer between the failures": {[]try{reset, reset, reset, reset, answered(400), reset, reset, reset, reset, ok200}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{script: test.script}
				n := network(t, s)
				calls := max(5, len(test.script))
				for range calls {
					ctx, cancel := context.WithTimeout(t.Context(), within)
					if res, err := n.RoundTrip(request(ctx, t, "POST")); err == nil {
						res.Body.Close()
					}
					cancel()
				}
				state := n.State()
				if (state.State == "open") != test.open || state.Name != "CRUD" {
					t.Errorf("state: %+v; want open %v", state, test.open)
				}
				if isOpen(fail(t, n, 1)) != test.open || s.calls() == calls != test.open {
					t.Errorf("%d calls were made, want them to stop: %v", s.calls(), test.open)
				}
			})
		})
	}
}

// TestCallersThatGoAwayDoNotOpenTheBreaker: they say nothing of the upstream.
func TestCallersThatGoAwayDoNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := network(t, &scripted{script: []try{lateReset}})
		for range 10 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			if _, err := n.RoundTrip(request(ctx, t, "POST")); !errors.Is(err, context.Canceled) {
				t.Fatalf("error %v, want %v", err, context.Canceled)
			}
		}
		if state := n.State(); state.State != "closed" {
			t.Errorf("state: %+v", state)
		}
	})
}

// TestOurTimeCountsAlsoWhenItCancels: a stream's time ends by a cancellation.
func TestOurTimeCountsAlsoWhenItCancels(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := network(t, &scripted{script: []try{lateReset}})
		for range 5 {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(context.DeadlineExceeded) })
			if _, err := n.RoundTrip(request(ctx, t, "POST")); err == nil {
				t.Fatal("no error")
			}
		}
		if state := n.State(); state.State != "open" {
			t.Errorf("state: %+v", state)
		}
	})
}

// TestOpenBreakerIsNotTriedAgain: its error comes at once and says when to call again.
func TestOpenBreakerIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{script: []try{reset}}
		n := network(t, s)
		fail(t, n, 5)
		start := time.Now()
		_, err := n.RoundTrip(request(t.Context(), t, "GET"))
		if !isOpen(err) || !errors.Is(err, upstream.ErrNotSent) || s.calls() != 5 || !time.Now().Equal(start) {
			t.Errorf("error %v after %v and %d calls", err, time.Since(start), s.calls())
		}
		failed := upstream.Unanswered("CRUD", "GET /users/", err)
		if !failed.Refused() || !upstream.Unreached(failed) || failed.RetryAfter < 800*time.Millisecond || failed.RetryAfter > time.Second {
			t.Errorf("%+v, want one that did nothing, and a pause of 0.8 to 1 s", failed)
		}
		want := "CRUD GET /users/ could not be reached: CRUD is not called for now: since 2000-01-01T00:00:00Z, when 5 calls in a row had failed; the next try is at 2000-01-01T00:00:00Z"
		if failed.Error() != want {
			t.Errorf("it says\n%s, want\n%s", failed.Error(), want)
		}
	})
}

// TestRetriesCountOneByOne: a read that is tried thrice is three failures.
func TestRetriesCountOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{script: []try{reset}}
		n := network(t, s)
		for range 2 {
			_, err := n.RoundTrip(request(t.Context(), t, "GET"))
			if err == nil {
				t.Fatal("no error")
			}
		}
		if s.calls() != 5 || n.State().State != "open" {
			t.Errorf("%d calls, state %+v; want 5 and open", s.calls(), n.State())
		}
	})
}

// TestBreaksGrow: a probe after each break, of one second, doubled to half a minute, and
// a fifth shorter at most.
func TestBreaksGrow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{script: append(slices.Repeat([]try{reset}, 12), ok200)}
		n := network(t, s)
		fail(t, n, 5)
		for i, length := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
			length *= time.Second
			time.Sleep(length*4/5 - time.Millisecond)
			if err := fail(t, n, 1); !isOpen(err) || s.calls() != 5+i {
				t.Fatalf("before break %d is over: %v, %d calls", i+1, err, s.calls())
			}
			time.Sleep(length/5 + time.Millisecond)
			if err := fail(t, n, 1); isOpen(err) || s.calls() != 6+i {
				t.Fatalf("after break %d: %v, %d calls", i+1, err, s.calls())
			}
		}
		if state := n.State(); state.State != "closed" || state.Since != nil || state.NextTry != nil {
			t.Errorf("after a probe that was answered: %+v", state)
		}
		s.script, s.bodies = []try{reset}, nil
		fail(t, n, 5)
		time.Sleep(time.Second)
		if fail(t, n, 1); s.calls() != 6 {
			t.Errorf("%d calls, want breaks to begin at a second again", s.calls())
		}
	})
}

// TestOneProbe: while it is under way nobody else calls; one whose caller goes away
// leaves its turn to the next.
func TestOneProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{script: append(slices.Repeat([]try{reset}, 5), lateReset, try{status: 200, takes: time.Second})}
		n := network(t, s)
		fail(t, n, 5)
		time.Sleep(time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		var probe sync.WaitGroup
		probe.Go(func() { _, _ = n.RoundTrip(request(ctx, t, "POST")) })
		synctest.Wait()
		err := fail(t, n, 1)
		if !isOpen(err) || !strings.HasSuffix(err.Error(), "the next try is under way") {
			t.Errorf("during the probe: %v", err)
		}
		cancel()
		probe.Wait()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { fail(t, n, 1) })
		}
		all.Wait()
		if s.calls() != 7 || n.State().State != "closed" {
			t.Errorf("%d calls, state %+v; want 7 and closed", s.calls(), n.State())
		}
	})
}

// TestOldCallsSayNothing: outcomes of calls from before an opening come too late.
func TestOldCallsSayNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := try{status: 200, takes: 500 * time.Millisecond}
		s := &scripted{script: []try{slow, reset}}
		n := network(t, s)
		var old sync.WaitGroup
		old.Go(func() { fail(t, n, 1) })
		synctest.Wait()
		fail(t, n, 5)
		old.Wait()
		if state := n.State(); state.State != "open" {
			t.Errorf("state: %+v", state)
		}
	})
}

// TestExcusedFailures: they count neither for nor against.
func TestExcusedFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{script: []try{reset}}
		n := upstream.NewNetwork(upstream.NetworkConfig{Service: "CRUD", Timeout: within, Log: logtest.Logger(t), Base: s,
			Excuse: func(_ *http.Request, err error) bool { return errors.Is(err, errReset) }})
		fail(t, n, 10)
		if state := n.State(); state.State != "closed" {
			t.Errorf("state: %+v", state)
		}
	})
}

// TestExcusedProbes: one that gets no answer, for whatever reason, is followed by the next
// break, and not by every other call.
func TestExcusedProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{script: append(slices.Repeat([]try{answered(503)}, 5), reset)}
		n := upstream.NewNetwork(upstream.NetworkConfig{Service: "CRUD", Timeout: within, Log: logtest.Logger(t), Base: s,
			Excuse: func(_ *http.Request, err error) bool { return errors.Is(err, errReset) }})
		fail(t, n, 5)
		time.Sleep(time.Second)
		before := s.calls()
		fail(t, n, 10)
		if probes := s.calls() - before; probes != 1 {
			t.Errorf("%d calls were let through after the first break, want 1", probes)
		}
		if state := n.State(); state.State != "open" {
			t.Errorf("state: %+v", state)
		}
	})
}

// TestBreakerLogs: once when it opens and once when it closes.
func TestBreakerLogs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lines strings.Builder
		log := slog.New(slog.NewTextHandler(io.MultiWriter(&lines, logtest.For(t)), &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		s := &scripted{script: append(slices.Repeat([]try{reset}, 6), ok200)}
		n := upstream.NewNetwork(upstream.NetworkConfig{Service: "CRUD", Timeout: within, Log: log, Base: s})
		fail(t, n, 5)
		time.Sleep(time.Second)
		fail(t, n, 1)
		time.Sleep(2 * time.Second)
		fail(t, n, 3)
		want := "level=WARN msg=\"upstream not called for now\" service=CRUD failures=5 err=\"connection reset\"\n" +
			"level=INFO msg=\"upstream called again\" service=CRUD took=3s\n"
		if lines.String() != want {
			t.Errorf("log:\n%s, want:\n%s", lines.String(), want)
		}
	})
}

// TestManyCallersOfABadUpstream: with the race detector.
func TestManyCallersOfABadUpstream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{script: []try{reset, ok200, answered(503), {status: 200, takes: time.Second}, reset, reset, reset, reset, reset, unsent, ok200}}
		n := network(t, s)
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				for range 20 {
					res, err := n.RoundTrip(request(t.Context(), t, []string{"GET", "POST", "PATCH*"}[i%3]))
					if err == nil {
						_, _ = io.Copy(io.Discard, res.Body)
						res.Body.Close()
					}
					_ = n.State()
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		all.Wait()
		for range 12 { // what is left of the script
			time.Sleep(30 * time.Second) // the longest break
			fail(t, n, 1)
		}
		if s.open != 0 || n.State().State != "closed" {
			t.Errorf("%d answers are not closed, state %+v", s.open, n.State())
		}
	})
}
