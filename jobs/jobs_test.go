package jobs_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/jobs"
)

func TestJobFromBeginningToEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		work := &eachDone{pause: time.Second}
		q := w.queue(jobs.Config{Kinds: []jobs.Kind{work.kind("mail")}})
		start := time.Now().UTC()
		ids := numbered(600)
		added := w.add(q, jobs.Request{Kind: "mail", IDs: append(ids, ids[3], ids[599])})
		want := jobs.Job{ID: added.ID, Kind: "mail", Status: jobs.Pending, CreatedAt: start, Total: 600, Counts: map[string]int{}}
		if diff := cmp.Diff(want, added); diff != "" {
			t.Errorf("added job (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, w.job(q, added)); diff != "" {
			t.Errorf("job before it runs (-want +got):\n%s", diff)
		}
		w.run(q)
		time.Sleep(100*time.Second + time.Millisecond)
		synctest.Wait()
		want.StartedAt, want.Done, want.Counts = start, 100, map[string]int{"done": 100}
		if diff := cmp.Diff(want, w.job(q, added)); diff != "" {
			t.Errorf("job while it runs (-want +got):\n%s", diff)
		}
		got := w.await(q, added, time.Hour)
		want.Status, want.FinishedAt, want.Done, want.Counts = jobs.Completed, start.Add(600*time.Second), 600, map[string]int{"done": 600}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("job at its end (-want +got):\n%s", diff)
		}
		var wantOutcomes []string
		for _, id := range ids {
			wantOutcomes = append(wantOutcomes, id+" done")
		}
		if diff := cmp.Diff(wantOutcomes, w.outcomes(q, added)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestJobNotFound(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		q := w.queue(jobs.Config{Kinds: []jobs.Kind{{Name: "mail"}, {Name: "other"}}})
		added := w.add(q, jobs.Request{Kind: "mail", IDs: []string{"a"}})
		for name, test := range map[string]struct{ kind, id string }{
			"another id":   {"mail", "c735cf45-536b-45ce-8ef1-d0066515c185"},
			"another kind": {"other", added.ID},
			"odd id":       {"mail", `{"$ne":""}`},
		} {
			if _, err := q.Job(t.Context(), test.kind, test.id); !errors.Is(err, jobs.ErrNotFound) {
				t.Errorf("%s: error %v, want ErrNotFound", name, err)
			}
		}
	})
}

func TestUnknownKind(t *testing.T) {
	if _, err := jobs.New(jobs.Config{}).Add(t.Context(), jobs.Request{Kind: "mail"}); err == nil {
		t.Error("Add of a kind that is not known gives no error")
	}
}

func TestJobWithoutIDs(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		q := w.queue(jobs.Config{Kinds: []jobs.Kind{new(eachDone).kind("mail")}})
		w.run(q)
		added := w.add(q, jobs.Request{Kind: "mail"})
		if got := w.await(q, added, time.Minute); got.Status != jobs.Completed || got.Total != 0 {
			t.Errorf("job: %+v, want completed with no ids", got)
		}
	})
}

func TestKindsErrors(t *testing.T) {
	failing := errors.New("not now")
	for name, test := range map[string]struct {
		do    func(run int, t *jobs.Task) error
		want  jobs.Status
		runs  int
		takes time.Duration
	}{
		"fails for good":            {func(int, *jobs.Task) error { return jobs.Fail(failing) }, jobs.Failed, 1, 0},
		"fails once":                {onceThenDone(func() error { return failing }), jobs.Completed, 2, 5 * time.Second},
		"panics once":               {onceThenDone(func() error { panic("ada@example.com") }), jobs.Completed, 2, 5 * time.Second},
		"done with ids left":        {onceThenDone(func() error { return nil }), jobs.Completed, 2, 5 * time.Second},
		"panics always":             {func(int, *jobs.Task) error { panic("x") }, jobs.Failed, 5, (5 + 10 + 20 + 40) * time.Second},
		"fails again and again":     {func(run int, t *jobs.Task) error { return failUntil(run, 8, t) }, jobs.Completed, 8, (5 + 10 + 20 + 40 + 80 + 160 + 300) * time.Second},
		"fails for good, some done": {func(_ int, t *jobs.Task) error { return someThenFail(t) }, jobs.Failed, 1, 0},
		"wrapped failure, for good": {func(int, *jobs.Task) error { return errors.Join(failing, jobs.Fail(failing)) }, jobs.Failed, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				runs := 0
				kind := jobs.Kind{Name: "mail", Do: func(_ context.Context, t *jobs.Task) error {
					runs++
					return test.do(runs, t)
				}}
				q := w.queue(jobs.Config{Kinds: []jobs.Kind{kind}})
				w.run(q)
				got := w.await(q, w.add(q, jobs.Request{Kind: "mail", IDs: []string{"a", "b"}}), time.Hour)
				if got.Status != test.want || runs != test.runs {
					t.Errorf("%s after %d runs, want %s after %d", got.Status, runs, test.want, test.runs)
				}
				took := got.FinishedAt.Sub(got.StartedAt)
				if took < test.takes || took > test.takes+time.Duration(test.runs)*5*time.Second {
					t.Errorf("took %v, want %v", took, test.takes)
				}
				checkCounts(w, q, got)
			})
		})
	}
}

func onceThenDone(once func() error) func(int, *jobs.Task) error {
	return func(run int, t *jobs.Task) error {
		if run == 1 {
			return once()
		}
		return recordAll(t)
	}
}

func failUntil(run, last int, t *jobs.Task) error {
	if run < last {
		return errors.New("not now")
	}
	return recordAll(t)
}

func someThenFail(t *jobs.Task) error {
	if err := t.Record(context.Background(), jobs.Outcome{ID: "b", Result: "done"}); err != nil {
		return err
	}
	return jobs.Fail(errors.New("no more"))
}

func recordAll(t *jobs.Task) error {
	for id, err := range t.Pending() {
		if err != nil {
			return err
		}
		if err := t.Record(context.Background(), jobs.Outcome{ID: id, Result: "done"}); err != nil {
			return err
		}
	}
	return nil
}

// checkCounts holds a job's counts against its outcomes.
func checkCounts(w *world, q *jobs.Queue, j jobs.Job) {
	w.t.Helper()
	counts, done := map[string]int{}, 0
	for o, err := range q.Outcomes(w.t.Context(), j) {
		if err != nil {
			w.t.Fatalf("Outcomes: %v", err)
		}
		counts[o.Result]++
		done++
	}
	if diff := cmp.Diff(counts, j.Counts); diff != "" || done != j.Done {
		w.t.Errorf("%d done, %d outcomes; counts (-outcomes +job):\n%s", j.Done, done, diff)
	}
}
