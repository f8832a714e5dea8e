package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/timer/embedded"
)

// TestFiresInTime: never early, and within a second, however far ahead and in whatever
// order timers were scheduled.
func TestFiresInTime(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s, to, start := w.service(embedded.Config{}), &callee{}, time.Now()
		stop := w.run(s, to)
		synctest.Wait()
		ahead := map[string]time.Duration{
			"past": -time.Hour, "now": 0, "moment": time.Millisecond, "second": time.Second, "look": 10 * time.Second,
			"minute": time.Minute + 123*time.Millisecond, "hour": time.Hour,
		}
		ids := map[string]string{}
		for _, name := range []string{"hour", "minute", "second", "look", "moment", "now", "past"} {
			ids[name] = w.schedule(s, name, start.Add(ahead[name]))
		}
		century := w.schedule(s, "century", start.AddDate(100, 0, 0))
		time.Sleep(61 * time.Minute)
		stop()
		for name, d := range ahead {
			times := to.times(name, start)
			if want := max(d, 0).Seconds(); len(times) != 1 || times[0] < want || times[0] > want+1 {
				t.Errorf("%s: called after %v seconds, want once after %v", name, times, want)
			}
			if diff := cmp.Diff(stored{Status: 1}, w.stored(ids[name])); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		if got := w.stored(century); got.Status != 0 || len(to.times("century", start)) > 0 {
			t.Errorf("a timer in 100 years: %+v", got)
		}
	})
}

// TestScheduledWhileOthersWait: a timer with an earlier time than all others is in time.
func TestScheduledWhileOthersWait(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s, to, start := w.service(embedded.Config{}), &callee{}, time.Now()
		w.run(s, to)
		w.schedule(s, "later", start.Add(9*time.Second))
		synctest.Wait()
		time.Sleep(2 * time.Second)
		w.schedule(s, "sooner", start.Add(5*time.Second))
		time.Sleep(10 * time.Second)
		for user, want := range map[string]float64{"sooner": 5, "later": 9} {
			if diff := cmp.Diff([]float64{want}, to.times(user, start)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", user, diff)
			}
		}
	})
}

// TestMissed: what came to be due while nothing ran is called at once.
func TestMissed(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.fill(250, time.Now().Add(time.Minute))
		time.Sleep(time.Hour)
		to := &callee{}
		w.run(w.service(embedded.Config{}), to)
		time.Sleep(time.Second)
		if diff := cmp.Diff(map[int]int{1: 250}, to.byTimes()); diff != "" {
			t.Errorf("users by calls (-want +got):\n%s", diff)
		}
	})
}

// TestFailures: a call that fails comes again, after ever longer pauses or such as the
// answer asks for, also by another process, and for ever.
func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		status     int
		retryAfter string
		err        error
		panics     bool
		want       []float64
	}{
		"status 500":      {500, "", nil, false, []float64{0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111, 1411, 1711}},
		"a redirect":      {302, "", nil, false, []float64{0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111, 1411, 1711}},
		"not found":       {404, "", nil, false, []float64{0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111, 1411, 1711}},
		"no answer":       {0, "", errors.New("reset"), false, []float64{0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111, 1411, 1711}},
		"a panic":         {0, "", nil, true, []float64{0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111, 1411, 1711}},
		"asks for 40 s":   {503, "40", nil, false, []float64{0, 40, 80, 120, 160, 200, 240, 304, 432, 688, 988, 1288, 1588}},
		"asks for a day":  {503, "86400", nil, false, []float64{0, 300, 600, 900, 1200, 1500, 1800}},
		"asks for 0 s":    {503, "0", nil, false, []float64{0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111, 1411, 1711}},
		"asks for a word": {503, "soon", nil, false, []float64{0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111, 1411, 1711}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				start := time.Now()
				to := &callee{answer: func(context.Context, string, int) (int, string, error) {
					if test.panics {
						panic("a mistake")
					}
					return test.status, test.retryAfter, test.err
				}}
				s := w.service(embedded.Config{})
				stop := w.run(s, to)
				id := w.schedule(s, "ada", start)
				time.Sleep(100 * time.Second)
				stop()
				stop = w.run(w.service(embedded.Config{StoreIsOurs: true}), to)
				time.Sleep(1750 * time.Second)
				stop()
				if diff := cmp.Diff(test.want, to.times("ada", start)); diff != "" {
					t.Errorf("seconds of the calls (-want +got):\n%s", diff)
				}
				if got := w.stored(id); got.Status != 0 || got.FailureCount != len(test.want) || got.LeaseOwner != "" {
					t.Errorf("timer %+v, want a pending one with %d failures", got, len(test.want))
				}
			})
		})
	}
}

// TestRecovers: a call that fails and then does not is over.
func TestRecovers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		start := time.Now()
		to := &callee{answer: func(_ context.Context, _ string, nth int) (int, string, error) {
			if nth < 3 {
				return 503, "2", nil
			}
			return 200, "", nil
		}}
		s := w.service(embedded.Config{})
		w.run(s, to)
		id := w.schedule(s, "ada", start)
		time.Sleep(time.Hour)
		if diff := cmp.Diff([]float64{0, 2, 4}, to.times("ada", start)); diff != "" {
			t.Errorf("seconds of the calls (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(stored{Status: 1, FailureCount: 2}, w.stored(id)); diff != "" {
			t.Errorf("timer (-want +got):\n%s", diff)
		}
	})
}

// TestNoAnswers: a callee that keeps everybody waiting is left after its time, and holds up
// no timer for good. No lease is used up by waiting.
func TestNoAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		start := time.Now()
		to := &callee{answer: func(ctx context.Context, _ string, nth int) (int, string, error) {
			if nth == 1 {
				<-ctx.Done()
				return 0, "", ctx.Err()
			}
			return 204, "", nil
		}}
		w.fill(40, start)
		w.run(w.service(embedded.Config{}), to)
		time.Sleep(10 * time.Minute)
		if diff := cmp.Diff(map[int]int{2: 40}, to.byTimes()); diff != "" {
			t.Errorf("users by calls (-want +got):\n%s", diff)
		}
		if to.most != 8 {
			t.Errorf("%d calls at once, want 8", to.most)
		}
		if n := w.count(crud.Document{"expirationStatus.id": 1}); n != 40 {
			t.Errorf("%d timers expired, want 40", n)
		}
	})
}

func (w *world) count(filter crud.Document) int {
	w.t.Helper()
	n, err := w.clean.Count(w.t.Context(), crud.Query{Filter: filter})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestStop: Run waits for calls under way, and what it had taken beyond them is due again
// at once for others.
func TestStop(t *testing.T) {
	for name, test := range map[string]struct {
		takes time.Duration // of a call
		waits time.Duration // of Run
		ended int           // timers
	}{
		"calls that end":         {4 * time.Second, 3 * time.Second, 8},
		"calls that do not":      {time.Hour, 10 * time.Second, 0},
		"calls that end at once": {0, 0, 20},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				to := &callee{answer: func(ctx context.Context, _ string, _ int) (int, string, error) {
					return 204, "", pause(ctx, test.takes)
				}}
				w.fill(20, time.Now())
				stop := w.run(w.service(embedded.Config{}), to)
				time.Sleep(time.Second)
				start := time.Now()
				stop()
				if took := time.Since(start); took != test.waits {
					t.Errorf("stopped after %v, want %v", took, test.waits)
				}
				if n := w.count(crud.Document{"expirationStatus.id": 1}); n != test.ended {
					t.Errorf("%d timers expired, want %d", n, test.ended)
				}
				if n := w.count(crud.Document{"leaseOwner": crud.Document{"$gt": ""}}); n != 0 {
					t.Errorf("%d timers are still leased", n)
				}
			})
		})
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestClockJumps: a clock that is put forward is noticed within ten seconds, and one that
// is put back makes no call early.
func TestClockJumps(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var offset atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
		s, to, start := w.service(embedded.Config{Now: now}), &callee{}, time.Now()
		w.run(s, to)
		w.schedule(s, "ada", start.Add(2*time.Hour))
		w.schedule(s, "bob", start.Add(3*time.Hour))
		time.Sleep(time.Hour)
		offset.Store(int64(90 * time.Minute))
		time.Sleep(11 * time.Second)
		offset.Store(0)
		time.Sleep(3 * time.Hour)
		if got := to.times("ada", start); len(got) != 1 || got[0] < 3600 || got[0] > 3610 {
			t.Errorf("ada's calls after %v seconds, want one after 3600 to 3610", got)
		}
		if diff := cmp.Diff([]float64{3 * 3600}, to.times("bob", start)); diff != "" {
			t.Errorf("bob's calls (-want +got):\n%s", diff)
		}
	})
}

// TestOldTimersAreRemoved: a day after they are over, and no other.
func TestOldTimersAreRemoved(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.service(embedded.Config{})
		runFor := func(d time.Duration) {
			stop := w.run(s, &callee{})
			time.Sleep(d)
			stop()
		}
		w.fill(450, time.Now())
		if err := w.client(s).Abort(t.Context(), w.schedule(s, "aborted", time.Now().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
		w.schedule(s, "pending", time.Now().AddDate(1, 0, 0))
		runFor(time.Second)
		time.Sleep(24*time.Hour - time.Minute)
		runFor(time.Second)
		if n := w.count(nil); n != 452 {
			t.Errorf("%d timers after nearly a day, want 452", n)
		}
		runFor(61 * time.Minute) // the first look is too early, the next an hour later
		if n := w.count(nil); n != 1 {
			t.Errorf("%d timers after a day and an hour, want the pending one", n)
		}
	})
}

// TestManyAtOnce: timers that are all due have no goroutine each, nor are they all in
// memory.
func TestManyAtOnce(t *testing.T) {
	n, looked := 100_000, 3_000
	if testing.Short() {
		n, looked = 3_000, 300
	}
	w := newWorld(t, ":memory:")
	w.fill(n, time.Now().Add(-time.Minute))
	before, most, heap, calls := runtime.NumGoroutine(), 0, uint64(0), 0
	to := &callee{forget: true}
	to.each = func() { // under the callee's lock
		most = max(most, runtime.NumGoroutine())
		if calls++; calls%(looked/3) == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			heap = max(heap, m.HeapAlloc)
		}
	}
	w.fireSome(looked, to)
	if over := w.count(crud.Document{"expirationStatus.id": 1}); calls < looked || over != calls {
		t.Errorf("%d calls, and %d timers expired; want as many, and at least %d", calls, over, looked)
	}
	if due := w.count(crud.Document{"dueAt": crud.Document{"$lte": time.Now().UnixMilli()}}); due != n-calls {
		t.Errorf("%d timers are still due, want %d", due, n-calls)
	}
	// A call is a goroutine, and one or two more in the store.
	if most-before > 60 {
		t.Errorf("%d goroutines more than before, want at most 60", most-before)
	}
	if heap > 64<<20 {
		t.Errorf("%d MiB in use", heap>>20)
	}
}

// TestOddDocuments: one that nobody here has written keeps no timer from being called.
func TestOddDocuments(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		now := time.Now().UnixMilli()
		for i, odd := range []crud.Document{
			{},
			{"outputMode": crud.Document{"path": 1}},
			{"outputMode": crud.Document{"protocol": "http", "hostname": "a b", "path": "/", "method": "post"}},
			{"outputMode": crud.Document{"protocol": "http", "hostname": "a", "path": "/", "method": "p t"}},
		} {
			odd["dueAt"], odd["failureCount"] = now-int64(i)-1, 1.5
			odd["expirationStatus"] = crud.Document{"id": 0}
			if _, err := w.clean.Insert(t.Context(), odd); err != nil {
				t.Fatal(err)
			}
		}
		s, to, start := w.service(embedded.Config{}), &callee{}, time.Now()
		w.schedule(s, "ada", start)
		w.run(s, to)
		time.Sleep(time.Second)
		if diff := cmp.Diff([]float64{0}, to.times("ada", start)); diff != "" {
			t.Errorf("ada's calls (-want +got):\n%s", diff)
		}
		if n := w.count(crud.Document{"failureCount": 2.5}); n != 4 {
			t.Errorf("%d odd timers counted as failed, want 4", n)
		}
	})
}

// TestCallsByMethod: what goes over the line.
func TestCallsByMethod(t *testing.T) {
	const mode = `"outputMode":{"type":"rest","method":"%s","protocol":"%s","hostname":"%s"%s,"path":"/a%%20b?c=d"%s}`
	for name, test := range map[string]struct {
		method, protocol, host, port, headers string
		payload                               string
		want                                  sent
	}{
		"post": {"post", "http", "h", "", "", `{"a":1.50}`, sent{"POST", "http://h/a%20b?c=d", http.Header{"Content-Type": {"application/json"}}, `{"a":1.50}`}},
		"put, with a port and headers": {"put", "https", "h", `,"port":81`, `,"headers":{"x-a":"b"}`, `{}`,
			sent{"PUT", "https://h:81/a%20b?c=d", http.Header{"Content-Type": {"application/json"}, "X-A": {"b"}}, `{}`}},
		"patch, to a bare number": {"patch", "http", "::1", `,"port":81`, "", "", sent{"PATCH", "http://[::1]:81/a%20b?c=d", http.Header{"Content-Type": {"application/json"}}, `{}`}},
		"another type":            {"delete", "http", "[::1]", "", `,"headers":{"content-type":"text/plain"}`, `{"b":[]}`, sent{"DELETE", "http://[::1]/a%20b?c=d", http.Header{"Content-Type": {"text/plain"}}, `{"b":[]}`}},
		"get, without a body":     {"get", "http", "h", "", "", `{"a":1}`, sent{"GET", "http://h/a%20b?c=d", http.Header{}, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				payload := ""
				if test.payload != "" {
					payload = `"payload":` + test.payload + `,`
				}
				body := `{` + payload + `"startDate":"2000-01-01T00:00:00+02:00","expirationIntervalMs":1,"applicantService":"x",` +
					fmt.Sprintf(mode, test.method, test.protocol, test.host, test.port, test.headers) + `}`
				s := w.service(embedded.Config{})
				if status, message := post(t, s, "/schedule", body); status != 200 {
					t.Fatalf("status %d: %s", status, message)
				}
				to := &recorder{}
				stop := w.run(s, to)
				time.Sleep(time.Second)
				stop()
				if diff := cmp.Diff([]sent{test.want}, to.calls, cmp.AllowUnexported(sent{})); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}
