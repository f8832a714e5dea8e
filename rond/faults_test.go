package rond_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/internal/logtest"
	"user-manager/rond"
	"user-manager/rond/rondtest"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// An operation is one on a Rönd that holds three pages of ada's bindings.
type operation struct {
	do    func(context.Context, *rond.Client) error
	calls int
	done  func(*rondtest.Rond) bool
}

var operations = map[string]operation{
	"a grant": {
		do:    func(ctx context.Context, c *rond.Client) error { return c.Grant(ctx, bob, []string{"new"}) },
		calls: 1,
		done:  func(r *rondtest.Rond) bool { return len(r.Roles(bob)) == 1 },
	},
	"a revoke of many": {
		do:    func(ctx context.Context, c *rond.Client) error { return c.Revoke(ctx, ada) },
		calls: 4,
		done:  func(r *rondtest.Rond) bool { return len(r.Roles(ada)) == 0 },
	},
}

const many = 450

func manyBindings() *rondtest.Rond {
	r := rondtest.New(rondtest.Config{})
	for range many {
		r.Put(rondtest.Binding{Subjects: []string{ada}, Roles: []string{"old"}, Resource: &rondtest.Resource{Type: "user", ID: ada}})
	}
	return r
}

// eachFault lets every fault happen to every call of every operation.
func eachFault(t *testing.T, test func(t *testing.T, resourceType string, op operation, fault faults.Fault, nth int)) {
	eachVariant(t, func(t *testing.T, resourceType string) {
		for name, op := range operations {
			for _, fault := range faults.All() {
				for nth := 1; nth <= op.calls; nth++ {
					t.Run(fmt.Sprintf("%s, %v at call %d", name, fault, nth), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { test(t, resourceType, op, fault, nth) })
					})
				}
			}
		}
	})
}

// TestFaults: a success did all, a refusal nothing, and after anything else the operation can be
// made once more.
func TestFaults(t *testing.T) {
	eachFault(t, func(t *testing.T, resourceType string, op operation, fault faults.Fault, nth int) {
		r, plan := manyBindings(), faults.NewPlan()
		c := client(t, rondtest.NewFaulty(crud.InProcess(r), plan), resourceType)
		plan.Arm(nth, fault)
		err := op.do(t.Context(), c)
		if err == nil {
			t.Fatal("want an error")
		}
		failureOf(t, err)
		if want := fault == faults.Refuse429 && nth == 1; upstream.Refused(err) != want {
			t.Errorf("refused: %v, want %v: %v", upstream.Refused(err), want, err)
		}
		if upstream.Refused(err) && len(r.Bindings()) != many {
			t.Errorf("it is refused, and %d bindings are there", len(r.Bindings()))
		}
		plan.Heal()
		if err := op.do(t.Context(), c); err != nil || !op.done(r) {
			t.Errorf("the next time: %v, done: %v", err, op.done(r))
		}
		plan.Deliver()
		if !op.done(r) {
			t.Error("it is undone by what came late")
		}
	})
}

// network returns the transport of a Rönd over the network whose calls fail by plan.
func network(t *testing.T, r http.Handler, plan *faults.Plan) *upstream.Network {
	return rond.Network(rondtest.NewFaulty(crud.InProcess(r), plan), 4, timeout, logtest.Logger(t), upstream.Observer{})
}

// TestFaultsOfTheNetwork: a revoke comes to its end all the same unless Rönd itself refuses it or
// time is up, and a grant is never made twice.
func TestFaultsOfTheNetwork(t *testing.T) {
	eachFault(t, func(t *testing.T, resourceType string, op operation, fault faults.Fault, nth int) {
		r, plan := manyBindings(), faults.NewPlan()
		c := client(t, network(t, r, plan), resourceType)
		plan.Arm(nth, fault)
		ctx, doubt := upstream.WithDoubt(t.Context())
		err := op.do(ctx, c)

		isGrant := op.calls == 1
		again := fault == faults.Refuse429
		if !isGrant {
			again = fault != faults.Refuse500 && fault != faults.Timeout
		}
		if (err == nil) != again || again && !op.done(r) {
			t.Errorf("%v, done: %v, want it to be tried again: %v", err, op.done(r), again)
		}
		if want := again && fault != faults.Refuse429; doubt.Raised() != want {
			t.Errorf("doubt: %v, want %v", doubt.Raised(), want)
		}
		plan.Deliver()
		if made := len(r.Roles(bob)); made > 1 || len(r.Bindings()) > many+1 {
			t.Errorf("%d bindings", len(r.Bindings()))
		}
	})
}

// TestRefusalAfterDoubt: what the last try was refused with says nothing of the one before.
func TestRefusalAfterDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, plan := manyBindings(), faults.NewPlan()
		c := client(t, network(t, r, plan), "")
		plan.Arm(1, faults.DropAnswer)
		done := make(chan error)
		go func() { done <- c.Revoke(t.Context(), ada) }()
		synctest.Wait() // the first try is lost, the second waits for its turn
		r.SetStore(rondtest.Gone())
		if err := <-done; err == nil || upstream.Refused(err) || len(r.Bindings()) == many {
			t.Errorf("%d bindings are left, refused: %v: %v", len(r.Bindings()), upstream.Refused(err), err)
		}
	})
}

// TestBreaker: a Rönd whose CRUD Service does not answer costs time, and is left alone for a
// while; one whose answers are refusals is not.
func TestBreaker(t *testing.T) {
	for name, test := range map[string]struct {
		store rondtest.Store
		open  bool
	}{
		"no answer in time": {rondtest.Store{Takes: time.Hour}, true},
		"refusals":          {rondtest.Gone(), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := network(t, rondtest.New(rondtest.Config{Store: test.store}), faults.NewPlan())
				c := client(t, n, "")
				for range 5 {
					if err := c.Grant(t.Context(), ada, []string{"editor"}); err == nil || upstream.Refused(err) {
						t.Fatalf("got %v, want an error that leaves doubt", err)
					}
				}
				err := c.Grant(t.Context(), ada, []string{"editor"})
				if state := n.State(); (state.State == "open") != test.open || state.Name != "Rond" || upstream.Unreached(err) != test.open {
					t.Errorf("state %+v, then %v", state, err)
				}
			})
		})
	}
}

// TestGoneCaller: a caller that goes away gets its error at once, though the work may be done.
func TestGoneCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rondtest.New(rondtest.Config{Store: rondtest.Store{Takes: 5 * time.Second}})
		c := client(t, crud.InProcess(r), "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := c.Grant(ctx, ada, []string{"editor"})
		if took := time.Since(start); took != time.Second || err == nil || upstream.Refused(err) {
			t.Errorf("after %v: %v", took, err)
		}
		wantRoles(t, r, ada, "editor")
	})
}
