package jobs_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/jobs"
	"user-manager/upstream/faults"
)

// inBatches is a kind that works on 65 ids at a time, for a few seconds. It
// notes the outcomes that were recorded for sure, and two runs of a job at once.
type inBatches struct {
	t *testing.T

	mu       sync.Mutex
	running  map[string]int // by job; guarded by mu
	recorded map[string]int // by id; guarded by mu
	worked   map[string]int // by id; guarded by mu
}

func newInBatches(t *testing.T) *inBatches {
	return &inBatches{t: t, running: map[string]int{}, recorded: map[string]int{}, worked: map[string]int{}}
}

func (k *inBatches) kind() jobs.Kind { return jobs.Kind{Name: "mail", Do: k.do} }

func (k *inBatches) do(ctx context.Context, t *jobs.Task) error {
	k.enter(t.ID(), 1)
	defer k.enter(t.ID(), -1)
	var batch []jobs.Outcome
	for id, err := range t.Pending() {
		if err != nil {
			return err
		}
		if batch = append(batch, jobs.Outcome{ID: id, Result: "done"}); len(batch) == 65 {
			if err := k.record(ctx, t, batch); err != nil {
				return err
			}
			batch = nil
		}
	}
	if len(batch) > 0 {
		return k.record(ctx, t, batch)
	}
	return nil
}

func (k *inBatches) record(ctx context.Context, t *jobs.Task, batch []jobs.Outcome) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	k.count(k.worked, batch)
	time.Sleep(3 * time.Second)
	err := t.Record(ctx, batch...)
	if err == nil {
		k.count(k.recorded, batch)
	}
	return err
}

func (k *inBatches) count(counts map[string]int, batch []jobs.Outcome) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, o := range batch {
		counts[o.ID]++
	}
}

func (k *inBatches) enter(job string, n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.running[job] += n; k.running[job] > 1 {
		k.t.Error("a job runs twice at once")
	}
}

// most returns the most times that an id was counted.
func (k *inBatches) most(counts map[string]int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Max(slices.Collect(maps.Values(counts)))
}

// faultyIDs are two parts.
const faultyIDs = 260

// runWithFaults adds a job and runs it on two queues, and checks that it is as it should
// be whatever arm lets go wrong. After down all is well again, and what is late is done.
func runWithFaults(t *testing.T, down time.Duration, arm func(*faults.Plan)) (calls []string) {
	w := newWorld(t, ":memory:")
	work := newInBatches(t)
	cfg := jobs.Config{Kinds: []jobs.Kind{work.kind()}, MaxQueued: 1, Retention: time.Hour}
	one, two := w.queue(cfg), w.queue(cfg)
	arm(w.plan)
	healed := time.AfterFunc(down, func() {
		w.plan.Heal()
		w.plan.Deliver()
	})
	defer healed.Stop()
	job, err := one.Add(t.Context(), jobs.Request{Kind: "mail", IDs: numbered(faultyIDs)})
	stopOne, stopTwo := w.run(one), w.run(two)
	if err == nil {
		w.awaitEnd(two, job)
		calls = w.plan.Calls()
		checkFinished(t, w, two, job, work)
	}
	time.Sleep(down)
	stopOne()
	stopTwo()
	time.Sleep(2 * time.Hour) // beyond retention
	stop := w.run(w.queue(cfg))
	synctest.Wait()
	stop()
	if n := w.count(); n != 0 {
		t.Errorf("%d documents are left at the end; Add: %v", n, err)
	}
	if err != nil && len(work.worked) > 0 {
		t.Errorf("a job that was not added was run; Add: %v", err)
	}
	return calls
}

// awaitEnd waits for the end of a job, however often the store fails meanwhile.
func (w *world) awaitEnd(q *jobs.Queue, j jobs.Job) {
	w.t.Helper()
	for range 3600 {
		synctest.Wait()
		if docs, err := w.clean.Count(w.t.Context(), crud.Query{Filter: crud.Document{"jobId": j.ID, "status": jobs.Completed}}); err != nil || docs == 1 {
			return
		}
		time.Sleep(time.Second)
	}
	w.t.Errorf("the job does not come to its end")
}

func (w *world) count() int {
	w.t.Helper()
	n, err := w.clean.Count(w.t.Context(), crud.Query{States: crud.AllStates})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func checkFinished(t *testing.T, w *world, q *jobs.Queue, added jobs.Job, work *inBatches) {
	t.Helper()
	w.plan.Heal()
	got := w.job(q, added)
	if got.Status != jobs.Completed || got.Done != faultyIDs {
		t.Errorf("job: %+v", got)
	}
	checkCounts(w, q, got)
	want := []string{}
	for _, id := range numbered(faultyIDs) {
		want = append(want, id+" done")
	}
	if diff := cmp.Diff(want, w.outcomes(q, got)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if n := work.most(work.recorded); n != 1 {
		t.Errorf("an id was recorded %d times", n)
	}
}

func TestFaultsAtEveryCall(t *testing.T) {
	var calls []string
	synctest.Test(t, func(t *testing.T) { calls = runWithFaults(t, time.Minute, func(*faults.Plan) {}) })
	for n, call := range calls {
		if testing.Short() && n%3 != 0 {
			continue
		}
		name := fmt.Sprintf("%d %s", n+1, strings.ReplaceAll(call, "/", "_"))
		for _, fault := range []faults.Fault{faults.Refuse500, faults.Refuse429, faults.Timeout, faults.DropAnswer, faults.Late} {
			t.Run(name+", "+fault.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					runWithFaults(t, time.Minute, func(p *faults.Plan) { p.Arm(n+1, fault) })
				})
			})
		}
		for _, fault := range []faults.Fault{faults.Timeout, faults.DropAnswer} {
			t.Run("from "+name+" on, "+fault.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					runWithFaults(t, 5*time.Minute, func(p *faults.Plan) { p.ArmFrom(n+1, fault) })
				})
			})
		}
	}
}

// What was done although the answer was lost is not taken for undone.
func TestAddLooksBeforeItGivesUp(t *testing.T) {
	for n, call := range map[int]string{2: "the job", 3: "the parts", 4: "what shows it"} {
		t.Run(call, func(t *testing.T) {
			onStore(t, func(t *testing.T, w *world) {
				q := w.queue(jobs.Config{Kinds: []jobs.Kind{new(eachDone).kind("mail")}, MaxQueued: 1})
				w.plan.Arm(n, faults.DropAnswer)
				job := w.add(q, jobs.Request{Kind: "mail", IDs: numbered(600)})
				if n := w.count(); n != 4 {
					t.Errorf("%d documents, want a job and three parts", n)
				}
				w.run(q)
				w.await(q, job, time.Minute)
			})
		})
	}
}

// An outcome that an earlier run's write brings late is not the one that counts.
func TestLateOutcomeDoesNotCount(t *testing.T) {
	onStore(t, func(t *testing.T, w *world) {
		q := w.queue(jobs.Config{Kinds: []jobs.Kind{{Name: "mail", Do: func(_ context.Context, task *jobs.Task) error {
			if err := recordAll(task); err != nil {
				return err
			}
			late := crud.Document{"$push": crud.Document{"outcomes": jobs.Outcome{ID: "id-000001", Result: "late"}}}
			_, err := w.clean.PatchAll(t.Context(), crud.Query{Filter: crud.Document{"type": "part"}}, late)
			return err
		}}}})
		w.run(q)
		job := w.await(q, w.add(q, jobs.Request{Kind: "mail", IDs: numbered(3)}), time.Minute)
		if diff := cmp.Diff([]string{"id-000000 done", "id-000001 done", "id-000002 done"}, w.outcomes(q, job)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		checkCounts(w, q, job)
	})
}
