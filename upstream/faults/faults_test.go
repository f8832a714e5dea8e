package faults_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/upstream/faults"
)

// played makes n calls by plan and returns the fault of each.
func played(plan *faults.Plan, n int) []faults.Fault {
	var got []faults.Fault
	for range n {
		got = append(got, plan.Next("call").Fault)
	}
	return got
}

func TestPlan(t *testing.T) {
	const none, refuse, drop = faults.None, faults.Refuse500, faults.DropAnswer
	tests := map[string]struct {
		arm  func(*faults.Plan)
		want []faults.Fault
	}{
		"nothing armed":               {func(*faults.Plan) {}, []faults.Fault{none, none, none, none}},
		"one call":                    {func(p *faults.Plan) { p.Arm(2, refuse) }, []faults.Fault{none, refuse, none, none}},
		"several calls":               {func(p *faults.Plan) { p.Arm(1, refuse); p.Arm(3, drop) }, []faults.Fault{refuse, none, drop, none}},
		"every call from one on":      {func(p *faults.Plan) { p.ArmFrom(3, drop) }, []faults.Fault{none, none, drop, drop}},
		"one call among every call":   {func(p *faults.Plan) { p.ArmFrom(2, drop); p.Arm(3, none) }, []faults.Fault{none, drop, none, drop}},
		"healed":                      {func(p *faults.Plan) { p.ArmFrom(1, drop); p.Arm(3, refuse); p.Heal() }, []faults.Fault{none, none, none, none}},
		"the last word on a call":     {func(p *faults.Plan) { p.Arm(1, drop); p.Arm(1, refuse) }, []faults.Fault{refuse, none, none, none}},
		"a call that is long past":    {func(p *faults.Plan) { p.Next("past"); p.Arm(1, refuse) }, []faults.Fault{none, none, none, none}},
		"counted anew after a reset":  {func(p *faults.Plan) { p.Next("past"); p.Reset(); p.Arm(1, refuse) }, []faults.Fault{refuse, none, none, none}},
		"disarmed by a reset as well": {func(p *faults.Plan) { p.ArmFrom(1, drop); p.Reset() }, []faults.Fault{none, none, none, none}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			plan := faults.NewPlan()
			test.arm(plan)
			if diff := cmp.Diff(test.want, played(plan, 4)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanRecordsCalls(t *testing.T) {
	plan := faults.NewPlan()
	plan.Arm(2, faults.Unreachable)
	for _, name := range []string{"first", "second", "third"} {
		plan.Next(name)
	}
	calls := plan.Calls()
	if diff := cmp.Diff([]string{"first", "second", "third"}, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	calls[0] = "changed"
	if got := plan.Calls()[0]; got != "first" {
		t.Errorf("the plan's own list was changed: %q", got)
	}
	plan.Reset()
	if got := plan.Calls(); len(got) != 0 {
		t.Errorf("calls after a reset: %q, want none", got)
	}
}

func TestOneFaultAmongCallsAtOnce(t *testing.T) {
	plan := faults.NewPlan()
	plan.Arm(7, faults.Refuse500)
	var group sync.WaitGroup
	var mu sync.Mutex
	refused := 0
	for range 20 {
		group.Go(func() {
			if plan.Next("call").Fault == faults.Refuse500 {
				mu.Lock()
				defer mu.Unlock()
				refused++
			}
		})
	}
	group.Wait()
	if refused != 1 || len(plan.Calls()) != 20 {
		t.Errorf("%d of %d calls were refused, want 1 of 20", refused, len(plan.Calls()))
	}
}

func TestInjection(t *testing.T) {
	tests := map[string]struct {
		injection faults.Injection
		before    error
		after     error
		takes     time.Duration
	}{
		"none":           {faults.Injection{}, nil, nil, 0},
		"unreachable":    {faults.Injection{Fault: faults.Unreachable}, faults.ErrUnreachable, nil, 0},
		"timeout":        {faults.Injection{Fault: faults.Timeout}, context.DeadlineExceeded, nil, time.Minute},
		"work late":      {faults.Injection{Fault: faults.Late}, faults.ErrLate, nil, 0},
		"answer dropped": {faults.Injection{Fault: faults.DropAnswer}, nil, faults.ErrDropped, 0},
		"late":           {faults.Injection{Delay: time.Second}, nil, nil, time.Second},
		"too late":       {faults.Injection{Delay: time.Hour}, nil, context.DeadlineExceeded, time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				if err := test.injection.Before(ctx); !errors.Is(err, test.before) {
					t.Errorf("before the work: %v, want %v", err, test.before)
				}
				if test.before == nil {
					if err := test.injection.After(ctx); !errors.Is(err, test.after) {
						t.Errorf("after the work: %v, want %v", err, test.after)
					}
				}
				if took := time.Since(start); took != test.takes {
					t.Errorf("took %v, want %v", took, test.takes)
				}
			})
		})
	}
}

func TestAllFaultsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, fault := range faults.All() {
		if fault == faults.None || fault.String() == "" || seen[fault.String()] {
			t.Errorf("fault %d is called %q", fault, fault)
		}
		seen[fault.String()] = true
	}
	if len(seen) != 7 {
		t.Errorf("%d faults, want 7", len(seen))
	}
}

func TestDeliver(t *testing.T) {
	plan := faults.NewPlan()
	var done []int
	for i := range 3 {
		plan.Defer(func() { done = append(done, i) })
	}
	plan.Deliver()
	plan.Deliver() // has nothing left to do
	if diff := cmp.Diff([]int{0, 1, 2}, done); diff != "" {
		t.Errorf("work done (-want +got):\n%s", diff)
	}
}
