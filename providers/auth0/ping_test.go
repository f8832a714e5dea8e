package auth0

import (
	"testing"
	"testing/synctest"

	"user-manager/crud"
	"user-manager/providers/auth0/auth0test"
	"user-manager/upstream/faults"
)

// TestPingOfATenantThatWentAway: a token that is still good does not hide it.
func TestPingOfATenantThatWentAway(t *testing.T) {
	for _, fault := range []faults.Fault{faults.Unreachable, faults.Timeout, faults.Refuse500, faults.Refuse503} {
		t.Run(fault.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plan := faults.NewPlan()
				p := open(t, crud.InProcess(auth0test.New(auth0test.Config{Faults: plan})), nil)
				if err := p.Ping(t.Context()); err != nil {
					t.Fatal(err)
				}
				plan.Reset()
				plan.ArmFrom(1, fault)
				if err := p.Ping(t.Context()); err == nil {
					t.Error("all is well, it says")
				}
				plan.Heal()
				if err := p.Ping(t.Context()); err != nil {
					t.Errorf("the tenant is back: %v", err)
				}
			})
		})
	}
}
