package jobs_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/jobs"
	"user-manager/upstream/faults"
)

// After a stop in the middle nothing that was recorded is done again, whoever goes on.
func TestStoppedJobIsResumed(t *testing.T) {
	for name, ours := range map[string]bool{"store of one process": true, "shared store": false} {
		t.Run(name, func(t *testing.T) {
			onStore(t, func(t *testing.T, w *world) {
				work := &eachDone{pause: time.Second}
				kinds := []jobs.Kind{work.kind("mail")}
				q := w.queue(jobs.Config{Kinds: kinds, StoreIsOurs: ours})
				job := w.add(q, jobs.Request{Kind: "mail", IDs: numbered(300)})
				stop := w.run(q)
				time.Sleep(99*time.Second + time.Millisecond)
				stop()
				stopped := w.job(q, job)
				if stopped.Status != jobs.Pending || stopped.Done != 100 {
					t.Errorf("job after the stop: %+v", stopped)
				}
				checkCounts(w, q, stopped)
				next := w.queue(jobs.Config{Kinds: kinds, StoreIsOurs: ours})
				if err := next.Recover(t.Context()); err != nil {
					t.Errorf("Recover: %v", err)
				}
				w.run(next)
				got := w.await(next, job, 201*time.Second)
				if !got.StartedAt.Equal(stopped.StartedAt) || got.Done != 300 {
					t.Errorf("job at its end: %+v, started first at %v", got, stopped.StartedAt)
				}
				if diff := cmp.Diff(map[int]int{1: 300}, work.times()); diff != "" {
					t.Errorf("ids by how often they were worked on (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// In memory a job goes on when the queue is run again.
func TestQueueIsRunAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		work := &eachDone{pause: time.Second}
		q := w.queue(jobs.Config{Kinds: []jobs.Kind{work.kind("mail")}})
		job := w.add(q, jobs.Request{Kind: "mail", IDs: numbered(20)})
		stop := w.run(q)
		time.Sleep(10 * time.Second)
		stop()
		w.run(q)
		w.await(q, job, 15*time.Second)
		if diff := cmp.Diff(map[int]int{1: 20}, work.times()); diff != "" {
			t.Errorf("ids by how often they were worked on (-want +got):\n%s", diff)
		}
	})
}

func TestProcessesShareJobs(t *testing.T) {
	onStore(t, func(t *testing.T, w *world) {
		work := newInBatches(t)
		cfg := jobs.Config{Kinds: []jobs.Kind{work.kind()}, Concurrency: 1}
		one, two := w.queue(cfg), w.queue(cfg)
		w.run(one)
		w.run(two)
		var added []jobs.Job
		for range 4 {
			added = append(added, w.add(one, jobs.Request{Kind: "mail", IDs: numbered(200)}))
		}
		start := time.Now()
		for _, job := range added {
			if got := w.await(two, job, time.Minute); got.Done != 200 {
				t.Errorf("job: %+v", got)
			}
		}
		if took := time.Since(start); took > 40*time.Second {
			t.Errorf("four jobs of 12s took %v on two queues", took)
		}
	})
}

// A job that was never run by a process that knows its kind waits for one.
func TestJobsOfUnknownKindsAreLeftToOthers(t *testing.T) {
	onStore(t, func(t *testing.T, w *world) {
		one := w.queue(jobs.Config{Kinds: []jobs.Kind{{Name: "old"}}})
		for range 10 {
			w.add(one, jobs.Request{Kind: "old"})
		}
		two := w.queue(jobs.Config{Kinds: []jobs.Kind{new(eachDone).kind("mail")}})
		w.run(two)
		w.await(two, w.add(two, jobs.Request{Kind: "mail", IDs: numbered(1)}), time.Minute)
	})
}

// A process that dies leaves its lease behind; another takes the job over when it is
// over, and at once when no other process can be there.
func TestLeaseOfADeadProcess(t *testing.T) {
	for name, test := range map[string]struct {
		ours bool
		from time.Duration // when the next one ends at the earliest
		to   time.Duration
	}{
		"store of one process": {true, 0, 15 * time.Second},
		"shared store":         {false, 40 * time.Second, 75 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			onStore(t, func(t *testing.T, w *world) {
				hangs := jobs.Kind{Name: "mail", Do: func(ctx context.Context, task *jobs.Task) error {
					for _, id := range numbered(4) {
						if err := task.Record(ctx, jobs.Outcome{ID: id, Result: "early"}); err != nil {
							return err
						}
					}
					<-ctx.Done()
					return context.Cause(ctx)
				}}
				dead := w.queue(jobs.Config{Kinds: []jobs.Kind{hangs}, StoreIsOurs: test.ours})
				job := w.add(dead, jobs.Request{Kind: "mail", IDs: numbered(10)})
				stop := w.run(dead)
				time.Sleep(time.Second)
				w.plan.ArmFrom(len(w.plan.Calls())+1, faults.Unreachable) // it cannot give up its lease
				stop()
				w.plan.Heal()
				if leased, err := w.clean.Count(t.Context(), crud.Query{Filter: crud.Document{"leaseOwner": crud.Document{"$ne": ""}}, States: crud.AllStates}); err != nil || leased == 0 {
					t.Fatalf("the lease is given up, error %v", err)
				}
				var took time.Duration
				start := time.Now()
				var next *jobs.Queue
				goesOn := jobs.Kind{Name: "mail", Do: func(_ context.Context, task *jobs.Task) error {
					took = time.Since(start)
					if got := w.job(next, job); got.Done != 4 || got.Counts["early"] != 4 {
						t.Errorf("job when it is taken over: %+v", got)
					}
					return recordAll(task)
				}}
				next = w.queue(jobs.Config{Kinds: []jobs.Kind{goesOn}, StoreIsOurs: test.ours})
				w.run(next)
				if got := w.await(next, job, test.to); got.Counts["early"] != 4 || got.Counts["done"] != 6 {
					t.Errorf("job at its end: %+v", got)
				}
				if took < test.from {
					t.Errorf("the lease of another was taken after %v", took)
				}
			})
		})
	}
}

// A process that cannot renew its lease stops before another may take it, and writes
// nothing more.
func TestRunEndsBeforeItsLease(t *testing.T) {
	onStore(t, func(t *testing.T, w *world) {
		type end struct {
			after time.Duration
			cause string
		}
		ended := make(chan end, 1)
		recorded := make(chan time.Duration, 1)
		start := time.Now()
		kind := jobs.Kind{Name: "mail", Do: func(ctx context.Context, task *jobs.Task) error {
			<-ctx.Done()
			ended <- end{time.Since(start), context.Cause(ctx).Error()}
			err := task.Record(ctx, jobs.Outcome{ID: "id-000000", Result: "done"})
			if err == nil {
				t.Error("an outcome is recorded while the store is down")
			}
			recorded <- time.Since(start)
			return err
		}}
		q := w.queue(jobs.Config{Kinds: []jobs.Kind{kind}})
		w.add(q, jobs.Request{Kind: "mail", IDs: numbered(1)})
		stop := w.run(q)
		synctest.Wait()
		w.plan.ArmFrom(len(w.plan.Calls())+1, faults.Timeout)
		got := <-ended
		if got.after < 20*time.Second || got.after > 45*time.Second || got.cause != "the lease of the job is lost" {
			t.Errorf("the run ended after %v: %s", got.after, got.cause)
		}
		if last := <-recorded; last > 58*time.Second {
			t.Errorf("the store was written to until %v", last)
		}
		stop()
	})
}

// Who has lost the lease to another learns it with the next renewal.
func TestLeaseIsTaken(t *testing.T) {
	onStore(t, func(t *testing.T, w *world) {
		lost := make(chan error, 1)
		kind := jobs.Kind{Name: "mail", Do: func(ctx context.Context, task *jobs.Task) error {
			<-ctx.Done()
			lost <- context.Cause(ctx)
			return task.Record(ctx, jobs.Outcome{ID: "id-000000", Result: "done"})
		}}
		q := w.queue(jobs.Config{Kinds: []jobs.Kind{kind}})
		job := w.add(q, jobs.Request{Kind: "mail", IDs: numbered(1)})
		stop := w.run(q)
		synctest.Wait()
		taken := crud.Document{"$set": crud.Document{"leaseOwner": "another", "leaseUntil": time.Now().Add(30 * time.Second).UnixMilli()}}
		if _, err := w.clean.PatchAll(t.Context(), crud.Query{Filter: crud.Document{"jobId": job.ID, "type": "job"}}, taken); err != nil {
			t.Fatal(err)
		}
		if err := <-lost; err == nil || err.Error() != "the lease of the job is lost" {
			t.Errorf("cause: %v", err)
		}
		synctest.Wait()
		stop()
		if got := w.job(q, job); got.Done != 0 || got.Status != jobs.Pending {
			t.Errorf("job that another runs: %+v", got)
		}
	})
}

func TestRecoverFailsWithTheStore(t *testing.T) {
	onStore(t, func(t *testing.T, w *world) {
		w.plan.Arm(1, faults.Refuse500)
		q := w.queue(jobs.Config{})
		if err := q.Recover(t.Context()); err == nil {
			t.Error("Recover gives no error")
		}
		if err := q.Recover(t.Context()); err != nil {
			t.Errorf("Recover when all is well: %v", err)
		}
	})
}

func TestQueueFull(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		release := make(chan struct{})
		kind := jobs.Kind{Name: "mail", Do: func(ctx context.Context, task *jobs.Task) error {
			<-release
			return recordAll(task)
		}}
		q := w.queue(jobs.Config{Kinds: []jobs.Kind{kind}, MaxQueued: 3, Concurrency: 1})
		w.run(q)
		first := w.add(q, jobs.Request{Kind: "mail", IDs: numbered(1)})
		synctest.Wait() // it runs
		results := make(chan error)
		for range 10 {
			go func() {
				_, err := q.Add(t.Context(), jobs.Request{Kind: "mail", IDs: numbered(600)})
				results <- err
			}()
		}
		counts := map[error]int{}
		for range 10 {
			counts[<-results]++
		}
		if counts[nil] != 3 || counts[jobs.ErrFull] != 7 {
			t.Errorf("of ten jobs for three places: %v", counts)
		}
		close(release)
		w.await(q, first, time.Minute)
		time.Sleep(time.Minute)
		w.await(q, w.add(q, jobs.Request{Kind: "mail", IDs: numbered(1)}), time.Minute)
	})
}

func TestOldestJobRunsFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		var order []string
		kind := jobs.Kind{Name: "mail", Do: func(_ context.Context, task *jobs.Task) error {
			order = append(order, task.Options()["name"])
			return recordAll(task)
		}}
		q := w.queue(jobs.Config{Kinds: []jobs.Kind{kind}, Concurrency: 1})
		var last jobs.Job
		for _, name := range []string{"a", "b", "c", "d"} {
			last = w.add(q, jobs.Request{Kind: "mail", IDs: numbered(1), Options: map[string]string{"name": name}})
		}
		w.run(q)
		w.await(q, last, time.Minute)
		if diff := cmp.Diff([]string{"a", "b", "c", "d"}, order); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

func TestConcurrencyIsBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		running, most := 0, 0 // guarded by mu
		enter := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			running += n
			most = max(most, running)
		}
		kind := jobs.Kind{Name: "mail", Do: func(_ context.Context, task *jobs.Task) error {
			enter(1)
			defer enter(-1)
			time.Sleep(time.Second)
			return recordAll(task)
		}}
		q := w.queue(jobs.Config{Kinds: []jobs.Kind{kind}, Concurrency: 3})
		var last jobs.Job
		for range 10 {
			last = w.add(q, jobs.Request{Kind: "mail", IDs: numbered(1)})
		}
		w.run(q)
		w.await(q, last, time.Minute)
		if most != 3 {
			t.Errorf("%d jobs ran at once, want 3", most)
		}
	})
}

func TestRetention(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		q := w.queue(jobs.Config{Kinds: []jobs.Kind{new(eachDone).kind("mail")}, Retention: 90 * time.Second})
		job := w.add(q, jobs.Request{Kind: "mail", IDs: numbered(600)})
		waiting := w.add(w.queue(jobs.Config{Kinds: []jobs.Kind{{Name: "other"}}}), jobs.Request{Kind: "other", IDs: numbered(1)})
		stop := w.run(q)
		w.await(q, job, time.Minute)
		stop()
		time.Sleep(91 * time.Second)
		if _, err := q.Job(t.Context(), "mail", job.ID); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("Job past its retention, before the sweep: %v, want ErrNotFound", err)
		}
		w.run(q)
		synctest.Wait()
		for _, err := range q.Outcomes(t.Context(), job) {
			if !errors.Is(err, jobs.ErrNotFound) {
				t.Errorf("Outcomes after the sweep: %v, want ErrNotFound", err)
			}
		}
		if w.clean != nil {
			if n := w.count(); n != 2 { // the waiting one and its part
				t.Errorf("%d documents are left, want those of the job %s", n, waiting.ID)
			}
		}
	})
}
