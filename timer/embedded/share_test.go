package embedded_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/crud/crudtest"
	"user-manager/internal/logtest"
	"user-manager/timer/embedded"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// process returns a service on w as another process has it: with a plan of its own.
func (w *world) process(cfg embedded.Config) (*embedded.Service, *faults.Plan) {
	plan := faults.NewPlan()
	cfg.Timers = w.collection(crudtest.NewFaulty(crud.InProcess(w.db), plan))
	cfg.Log = logtest.Logger(w.t)
	return embedded.New(cfg), plan
}

// TestTwoProcesses: each timer is called by one of them.
func TestTwoProcesses(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		to := &callee{answer: func(ctx context.Context, _ string, _ int) (int, string, error) {
			return 204, "", pause(ctx, 10*time.Millisecond)
		}}
		w.fill(500, time.Now().Add(5*time.Second))
		for range 2 {
			s, _ := w.process(embedded.Config{})
			w.run(s, to)
		}
		s, _ := w.process(embedded.Config{})
		w.schedule(s, "told-to-another", time.Now().Add(30*time.Second))
		time.Sleep(time.Minute)
		if diff := cmp.Diff(map[int]int{1: 501}, to.byTimes()); diff != "" {
			t.Errorf("users by calls (-want +got):\n%s", diff)
		}
		if to.most <= 8 {
			t.Errorf("%d calls at once: one process did it all", to.most)
		}
	})
}

// TestProcessDies: what it had taken is called by another when the lease is over, or at
// once by the next if there can be no other.
func TestProcessDies(t *testing.T) {
	for name, test := range map[string]struct {
		ours bool
		want float64 // seconds
	}{
		"another takes over": {false, 60},
		"the store is ours":  {true, 12},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				start, dead := time.Now(), make(chan struct{})
				hangs := &callee{answer: func(context.Context, string, int) (int, string, error) {
					<-dead
					return 204, "", nil
				}}
				dying, plan := w.process(embedded.Config{StoreIsOurs: test.ours})
				id := w.schedule(dying, "ada", start)
				stop := w.run(dying, hangs)
				synctest.Wait()
				plan.ArmFrom(1, faults.Unreachable) // it writes nothing more
				time.Sleep(12 * time.Second)

				s, _ := w.process(embedded.Config{StoreIsOurs: test.ours})
				to := &callee{}
				w.run(s, to)
				time.Sleep(100 * time.Second)
				if diff := cmp.Diff([]float64{test.want}, to.times("ada", start)); diff != "" {
					t.Errorf("seconds of the calls (-want +got):\n%s", diff)
				}
				close(dead)
				stop()
				if diff := cmp.Diff(stored{Status: 1}, w.stored(id)); diff != "" {
					t.Errorf("timer (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestCrash: timers in a file are called when it is opened again, also those that were
// about to be.
func TestCrash(t *testing.T) {
	path := t.TempDir() + "/db"
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, path)
		s, plan := w.process(embedded.Config{StoreIsOurs: true})
		w.fill(150, time.Now())
		w.schedule(s, "ahead", time.Now().Add(time.Minute))
		ctx, crash := context.WithCancel(t.Context())
		hangs := &callee{answer: func(context.Context, string, int) (int, string, error) {
			<-ctx.Done()
			return 204, "", nil
		}}
		stop := w.run(s, hangs)
		synctest.Wait()
		plan.ArmFrom(1, faults.Unreachable)
		crash()
		stop()
		w.db.Close()

		time.Sleep(2 * time.Minute)
		again := newWorld(t, path)
		to := &callee{}
		again.run(again.service(embedded.Config{StoreIsOurs: true}), to)
		time.Sleep(time.Second)
		if diff := cmp.Diff(map[int]int{1: 151}, to.byTimes()); diff != "" {
			t.Errorf("users by calls (-want +got):\n%s", diff)
		}
	})
}

// TestAbortedWhileCalled: the timer stays aborted, whatever comes of the call.
func TestAbortedWhileCalled(t *testing.T) {
	for name, status := range map[string]int{"answered": 204, "refused": 500} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				to := &callee{answer: func(ctx context.Context, _ string, _ int) (int, string, error) {
					return status, "", pause(ctx, 5*time.Second)
				}}
				s := w.service(embedded.Config{})
				w.run(s, to)
				id := w.schedule(s, "ada", time.Now())
				time.Sleep(time.Second)
				if err := w.client(s).Abort(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				if diff := cmp.Diff(stored{Status: 2}, w.stored(id)); diff != "" || len(to.byTimes()) != 1 {
					t.Errorf("timer, called %v (-want +got):\n%s", to.byTimes(), diff)
				}
			})
		})
	}
}

// TestEveryFaultOfTheStore: whichever call of the store fails, and however, the timers are
// called, no later than a lease takes, and are over in the end. A call is made again only
// when what came of it was not written.
func TestEveryFaultOfTheStore(t *testing.T) {
	for _, ours := range []bool{true, false} {
		for _, fault := range faults.All() {
			for nth := 1; nth <= 8; nth++ {
				if testing.Short() && (nth+int(fault))%3 != 0 {
					continue
				}
				inBubble(t, func(t *testing.T, w *world) { oneFault(t, w, ours, fault, nth) })
			}
		}
	}
}

func oneFault(t *testing.T, w *world, ours bool, fault faults.Fault, nth int) {
	start := time.Now()
	w.fill(2, start.Add(3*time.Second))
	s, plan := w.process(embedded.Config{StoreIsOurs: ours})
	plan.Arm(nth, fault)
	to := &callee{}
	w.run(s, to)
	time.Sleep(30 * time.Second)
	plan.Deliver()
	time.Sleep(3 * time.Minute)
	name := plan.Calls()[nth-1]
	for _, user := range []string{"user-0", "user-1"} {
		times := to.times(user, start)
		if len(times) == 0 || len(times) > 2 || times[0] < 3 || times[len(times)-1] > 3+65 {
			t.Errorf("%v at call %d, %s: %s was called after %v seconds", fault, nth, name, user, times)
		}
	}
	if n := w.count(crud.Document{"expirationStatus.id": 1, "dueAt": crud.Document{"$exists": false}, "leaseOwner": crud.Document{"$exists": false}}); n != 2 {
		t.Errorf("%v at call %d, %s: %d timers are over, want 2", fault, nth, name, n)
	}
}

// TestStoreIsGone: when it comes back, timers are called.
func TestStoreIsGone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s, to, start := w.service(embedded.Config{StoreIsOurs: true}), &callee{}, time.Now()
		w.fill(20, start.Add(time.Minute))
		w.plan.ArmFrom(1, faults.Refuse503)
		w.run(s, to)
		time.Sleep(time.Hour)
		if calls := len(w.plan.Calls()); calls > 400 {
			t.Errorf("%d calls of a store that is gone, in an hour", calls)
		}
		w.plan.Heal()
		time.Sleep(11 * time.Second)
		if diff := cmp.Diff(map[int]int{1: 20}, to.byTimes()); diff != "" {
			t.Errorf("users by calls (-want +got):\n%s", diff)
		}
	})
}

// TestOverTheNetwork: on a store that is reached over connections.
func TestOverTheNetwork(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		server := &crudtest.Server{Store: w.db}
		server.ListenInMemory()
		sockets := &http.Transport{DialContext: server.Dial}
		client, err := crud.New(server.URL, crud.Network(sockets, 4, callTimeout, logtest.Logger(t), upstream.Observer{}), callTimeout)
		if err != nil {
			t.Fatal(err)
		}
		s, to, start := embedded.New(embedded.Config{Timers: client.Collection("/timers"), Log: logtest.Logger(t)}), &callee{}, time.Now()
		stop := w.run(s, to)
		w.schedule(s, "ada", start.Add(time.Minute))
		w.fill(120, start.Add(time.Minute))
		time.Sleep(61 * time.Second)
		if diff := cmp.Diff(map[int]int{1: 121}, to.byTimes()); diff != "" {
			t.Errorf("users by calls (-want +got):\n%s", diff)
		}
		stop()
		sockets.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}
