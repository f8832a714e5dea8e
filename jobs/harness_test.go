package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/crud/crudtest"
	"user-manager/crud/embedded"
	"user-manager/internal/logtest"
	"user-manager/jobs"
	"user-manager/upstream/faults"
)

// callTimeout is what the store's client gives a call.
const callTimeout = 5 * time.Second

// A world is a keeper of jobs, and queues on it, each its own process.
type world struct {
	t     *testing.T
	plan  *faults.Plan     // of the queues' calls of the store
	docs  *crud.Collection // with the plan; nil: in memory
	clean *crud.Collection // without it
}

// definition is the collection as the service declares it, but for the default state: that
// is not the one in which jobs are kept.
func definition() embedded.Definition {
	jobs := embedded.Jobs("/jobs")
	jobs.DefaultState = ""
	return jobs
}

// newWorld opens a store at path, or none.
func newWorld(t testing.TB, path string) *world {
	w := &world{plan: faults.NewPlan()}
	w.t, _ = t.(*testing.T)
	if path == "" {
		return w
	}
	db, err := embedded.Open(t.Context(), embedded.Config{
		Path: path, Sync: "normal", Collections: []embedded.Definition{definition()}, Log: logtest.Logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	collection := func(transport http.RoundTripper) *crud.Collection {
		client, err := crud.New("http://embedded", transport, callTimeout)
		if err != nil {
			t.Fatal(err)
		}
		docs := client.Collection("/jobs")
		return &docs
	}
	w.docs = collection(crudtest.NewFaulty(crud.InProcess(db), w.plan))
	w.clean = collection(crudtest.NewFaulty(crud.InProcess(db), faults.NewPlan()))
	return w
}

// onBoth runs a test with either keeper, its clock a fake one.
func onBoth(t *testing.T, test func(t *testing.T, w *world)) {
	for name, path := range map[string]string{"in memory": "", "in a collection": ":memory:"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, path)) })
		})
	}
}

// onStore runs a test with a collection.
func onStore(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, ":memory:")) })
}

// queue makes a queue; what cfg leaves open is set for tests.
func (w *world) queue(cfg jobs.Config) *jobs.Queue {
	cfg.Collection = w.docs
	if cfg.Log == nil {
		cfg.Log = logtest.Logger(w.t)
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = 2
	}
	return jobs.New(cfg)
}

// run runs q and returns what stops it and waits.
func (w *world) run(q *jobs.Queue) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := q.Run(ctx); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	w.t.Cleanup(stop)
	return stop
}

func (w *world) add(q *jobs.Queue, r jobs.Request) jobs.Job {
	w.t.Helper()
	job, err := q.Add(w.t.Context(), r)
	if err != nil {
		w.t.Fatalf("Add: %v", err)
	}
	return job
}

func (w *world) job(q *jobs.Queue, j jobs.Job) jobs.Job {
	w.t.Helper()
	job, err := q.Job(w.t.Context(), j.Kind, j.ID)
	if err != nil {
		w.t.Fatalf("Job: %v", err)
	}
	return job
}

// outcomes returns the outcomes of a job as "id result".
func (w *world) outcomes(q *jobs.Queue, j jobs.Job) []string {
	w.t.Helper()
	found := []string{}
	for o, err := range q.Outcomes(w.t.Context(), j) {
		if err != nil {
			w.t.Fatalf("Outcomes: %v", err)
		}
		found = append(found, o.ID+" "+o.Result)
	}
	return found
}

// await waits until the job is over, at most for a long time.
func (w *world) await(q *jobs.Queue, j jobs.Job, long time.Duration) jobs.Job {
	w.t.Helper()
	for end := time.Now().Add(long); ; time.Sleep(time.Second) {
		synctest.Wait()
		job, err := q.Job(w.t.Context(), j.Kind, j.ID)
		switch {
		case err == nil && job.Status != jobs.Pending:
			return job
		case errors.Is(err, jobs.ErrNotFound):
			w.t.Fatal("the job is gone")
		case time.Now().After(end):
			w.t.Fatalf("after %v the job is %+v, error %v", long, job, err)
		}
	}
}

func numbered(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("id-%06d", i)
	}
	return ids
}

// eachDone is a kind that records "done" for every id, one after the other, and counts
// how often it worked on each.
type eachDone struct {
	mu     sync.Mutex
	worked map[string]int // guarded by mu
	pause  time.Duration  // per id
}

func (k *eachDone) kind(name string) jobs.Kind {
	k.worked = map[string]int{}
	return jobs.Kind{Name: name, Do: k.do}
}

func (k *eachDone) do(ctx context.Context, t *jobs.Task) error {
	for id, err := range t.Pending() {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		k.work(id)
		if err := t.Record(ctx, jobs.Outcome{ID: id, Result: "done"}); err != nil {
			return err
		}
	}
	return nil
}

func (k *eachDone) work(id string) {
	time.Sleep(k.pause)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.worked[id]++
}

// times returns how often the ids were worked on, by number of times.
func (k *eachDone) times() map[int]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	counts := map[int]int{}
	for _, n := range k.worked {
		counts[n]++
	}
	return counts
}
