package jobs_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/jobs"
	"user-manager/upstream/faults"
)

// runOnce runs do as a job's kind over ids, and returns the job.
func runOnce(t *testing.T, w *world, ids []string, do func(ctx context.Context, t *jobs.Task) error) (*jobs.Queue, jobs.Job) {
	t.Helper()
	q := w.queue(jobs.Config{Kinds: []jobs.Kind{{Name: "mail", Do: do}}})
	w.run(q)
	return q, w.await(q, w.add(q, jobs.Request{Kind: "mail", IDs: ids}), time.Hour)
}

func TestFirstOutcomeStays(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		q, job := runOnce(t, w, numbered(4), func(ctx context.Context, task *jobs.Task) error {
			record := func(outcomes ...jobs.Outcome) {
				if err := task.Record(ctx, outcomes...); err != nil {
					t.Errorf("Record: %v", err)
				}
			}
			record()
			record(jobs.Outcome{ID: "id-000002", Result: "first"}) // was not handed out
			for id := range task.Pending() {
				record(jobs.Outcome{ID: id, Result: "first"}, jobs.Outcome{ID: id, Result: "second"})
				record(jobs.Outcome{ID: id, Result: "third"})
			}
			record(jobs.Outcome{ID: "id-000002", Result: "fourth"}, jobs.Outcome{ID: "not of the job", Result: "fourth"})
			return nil
		})
		want := []string{"id-000000 first", "id-000001 first", "id-000002 first", "id-000003 first"}
		if diff := cmp.Diff(want, w.outcomes(q, job)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		checkCounts(w, q, job)
	})
}

func TestOutcomesKeepTheirProblems(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		want := []jobs.Outcome{
			{ID: "a \"quoted\" $id.", Result: "failed", Problems: []jobs.Problem{{Code: "X", Message: "for a reason"}, {Code: "Y"}}},
			{ID: "b", Result: "inserted"},
		}
		q, job := runOnce(t, w, []string{want[0].ID, "b"}, func(ctx context.Context, task *jobs.Task) error {
			return task.Record(ctx, want...)
		})
		var got []jobs.Outcome
		for o, err := range q.Outcomes(t.Context(), job) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, o)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]int{"failed": 1, "inserted": 1}, job.Counts); diff != "" {
			t.Errorf("counts (-want +got):\n%s", diff)
		}
	})
}

func TestIDsThatHaveNoOutcomeArePending(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		ids, run := numbered(5500), 0 // more than is read at once
		runOnce(t, w, ids, func(ctx context.Context, task *jobs.Task) error {
			run++
			want := []string{}
			for i, id := range ids {
				if run == 1 || i%3 != 0 {
					want = append(want, id)
				}
			}
			got := []string{}
			for id, err := range task.Pending() {
				if err != nil {
					return err
				}
				got = append(got, id)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("pending in run %d (-want +got):\n%s", run, diff)
			}
			var outcomes []jobs.Outcome
			for i, id := range ids {
				if run == 2 || i%3 == 0 {
					outcomes = append(outcomes, jobs.Outcome{ID: id, Result: fmt.Sprint("run ", run)})
				}
			}
			return task.Record(ctx, outcomes...)
		})
	})
}

// Writers that come while a write is under way share the next.
func TestWritersShareWrites(t *testing.T) {
	onStore(t, func(t *testing.T, w *world) {
		const writers = 64
		runOnce(t, w, numbered(writers), func(ctx context.Context, task *jobs.Task) error {
			for _, err := range task.Pending() { // all are handed out
				if err != nil {
					return err
				}
			}
			before := len(w.plan.Calls())
			w.plan.ArmDelay(before+1, time.Second) // the first is slow: all others come meanwhile
			var running sync.WaitGroup
			for _, id := range numbered(writers) {
				running.Go(func() {
					if err := task.Record(ctx, jobs.Outcome{ID: id, Result: "done"}); err != nil {
						t.Errorf("Record: %v", err)
					}
				})
			}
			running.Wait()
			writes := 0
			for _, call := range w.plan.Calls()[before:] {
				if call == "CRUD PATCH /jobs/bulk" {
					writes++
				}
			}
			if writes > 3 {
				t.Errorf("%d writers made %d writes", writers, writes)
			}
			return nil
		})
	})
}

// What was recorded when the job is told to stop is kept, though the store fails for a
// few seconds; a store that fails on does not keep the stop waiting for long.
func TestRecordAtTheStop(t *testing.T) {
	for name, test := range map[string]struct {
		down  time.Duration
		kept  bool
		takes time.Duration
	}{
		"store fails for a while": {3 * time.Second, true, 8 * time.Second},
		"store fails on":          {time.Hour, false, 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			onStore(t, func(t *testing.T, w *world) {
				kind := jobs.Kind{Name: "mail", Do: func(ctx context.Context, task *jobs.Task) error {
					<-ctx.Done()
					w.plan.ArmFrom(len(w.plan.Calls())+1, faults.Unreachable)
					time.AfterFunc(test.down, w.plan.Heal)
					if err := task.Record(ctx, jobs.Outcome{ID: "id-000000", Result: "done"}); (err == nil) != test.kept {
						t.Errorf("Record: %v", err)
					}
					return context.Cause(ctx)
				}}
				q := w.queue(jobs.Config{Kinds: []jobs.Kind{kind}})
				job := w.add(q, jobs.Request{Kind: "mail", IDs: numbered(2)})
				stop := w.run(q)
				time.Sleep(time.Second)
				start := time.Now()
				stop()
				if took := time.Since(start); took > test.takes {
					t.Errorf("the stop took %v", took)
				}
				w.plan.Heal()
				if kept := len(w.outcomes(q, job)) == 1; kept != test.kept {
					t.Errorf("kept: %v, want %v", kept, test.kept)
				}
				synctest.Wait()
			})
		})
	}
}

func TestTaskKnowsItsJob(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		options := map[string]string{"upsert": "false", "odd": "$x.y"}
		var id string
		kind := jobs.Kind{Name: "mail", Do: func(_ context.Context, task *jobs.Task) error {
			id = task.ID()
			if diff := cmp.Diff(options, task.Options()); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
			task.Log().Info("working")
			return recordAll(task)
		}}
		q := w.queue(jobs.Config{Kinds: []jobs.Kind{kind}})
		w.run(q)
		job := w.add(q, jobs.Request{Kind: "mail", IDs: numbered(1), Options: options})
		w.await(q, job, time.Minute)
		if id != job.ID || len(id) != 36 || strings.Count(id, "-") != 4 || id[14] != '4' {
			t.Errorf("task of %q, job %q", id, job.ID)
		}
	})
}
