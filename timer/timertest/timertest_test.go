package timertest_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/secret"
	"user-manager/timer"
	"user-manager/timer/timertest"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

var noon = time.Date(2090, 7, 1, 12, 0, 0, 0, time.UTC)

func client(t *testing.T, transport http.RoundTripper) *timer.Client {
	t.Helper()
	c, err := timer.New(timer.Config{
		URL: "http://timer-service", Transport: transport, Timeout: time.Second,
		Callback: "http://user-manager", Secret: secret.New("correct horse battery staple"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func schedule(t *testing.T, s http.Handler, user string, at time.Time) string {
	t.Helper()
	id, err := client(t, crud.InProcess(s)).Schedule(t.Context(), user, at)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// answers is a callee that answers its calls with the given statuses, 0 for no answer; the
// last one again and again.
type answers []int

var errNone = errors.New("no answer")

func (a *answers) RoundTrip(*http.Request) (*http.Response, error) {
	status := (*a)[0]
	if len(*a) > 1 {
		*a = (*a)[1:]
	}
	if status == 0 {
		return nil, errNone
	}
	return &http.Response{StatusCode: status, Body: http.NoBody}, nil
}

// TestFire: what is due is called in the order of its dates, and again while it fails.
func TestFire(t *testing.T) {
	s := timertest.New(timertest.Config{})
	late, soon, future := schedule(t, s, "late", noon), schedule(t, s, "soon", noon.Add(-time.Minute)), schedule(t, s, "future", noon.Add(time.Millisecond))
	if got := len(s.Pending()); got != 3 {
		t.Errorf("%d pending, want 3", got)
	}
	to := &answers{500, 0, 302, 204}
	want := [][]timertest.Result{
		{{ID: soon, Status: 500}, {ID: late, Err: errNone}},
		{{ID: soon, Status: 302}, {ID: late, Status: 204}},
		{{ID: soon, Status: 204}},
		nil,
	}
	sameError := cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) })
	for i, want := range want {
		if diff := cmp.Diff(want, s.Fire(t.Context(), to, noon), sameError); diff != "" {
			t.Errorf("time %d (-want +got):\n%s", i, diff)
		}
	}
	got := map[string][2]int{}
	for _, timer := range s.Timers() {
		got[timer.ID] = [2]int{timer.Status, timer.Failures}
	}
	if diff := cmp.Diff(map[string][2]int{soon: {timertest.Expired, 2}, late: {timertest.Expired, 1}, future: {timertest.Pending, 0}}, got); diff != "" {
		t.Errorf("status and failures (-want +got):\n%s", diff)
	}
}

func TestRepeat(t *testing.T) {
	s := timertest.New(timertest.Config{Repeat: 2})
	schedule(t, s, "ada", noon)
	if got := len(s.Fire(t.Context(), &answers{204}, noon)); got != 3 {
		t.Errorf("%d calls, want 3", got)
	}
	if got := len(s.Fire(t.Context(), &answers{204}, noon)); got != 0 {
		t.Errorf("%d calls afterwards, want none", got)
	}
}

// TestCallAfterAbort: the call comes, and the timer stays aborted.
func TestCallAfterAbort(t *testing.T) {
	s := timertest.New(timertest.Config{})
	id := schedule(t, s, "ada", noon)
	if err := client(t, crud.InProcess(s)).Abort(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got := s.Fire(t.Context(), &answers{204}, noon); got != nil {
		t.Errorf("calls %v, want none", got)
	}
	got := s.Call(t.Context(), &answers{204}, id)
	if status := s.Timers()[0].Status; got.Status != 204 || status != timertest.Aborted {
		t.Errorf("call %v, status %d; want an answer, and aborted", got, status)
	}
}

func TestUnknownAborted(t *testing.T) {
	for _, fine := range []bool{true, false} {
		s := timertest.New(timertest.Config{UnknownAborted: fine})
		if err := client(t, crud.InProcess(s)).Abort(t.Context(), "unknown"); err != nil {
			t.Errorf("abort: %v", err)
		}
	}
}

// TestNewFaulty: calls have names, and fail by plan.
func TestNewFaulty(t *testing.T) {
	plan := faults.NewPlan()
	c := client(t, timertest.NewFaulty(crud.InProcess(timertest.New(timertest.Config{})), plan))
	plan.Arm(2, faults.Refuse503)
	calls := []func(context.Context) error{
		c.Ping,
		func(ctx context.Context) error { return c.Abort(ctx, "1") },
		func(ctx context.Context) error { _, err := c.Schedule(ctx, "ada", noon); return err },
	}
	var got []int
	for _, call := range calls {
		got = append(got, upstream.Status(call(t.Context())))
	}
	if diff := cmp.Diff([]int{0, 503, 0}, got); diff != "" {
		t.Errorf("status of the errors (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Timer GET /-/ready", "Timer POST /abort", "Timer POST /schedule"}, plan.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
