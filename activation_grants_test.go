package main

import (
	"testing"
	"testing/synctest"

	"user-manager/rond/rondtest"
)

// TestActivationWithoutGrants activates users together of which one cannot be granted its
// roles. It fails and gets no account; the others have theirs.
func TestActivationWithoutGrants(t *testing.T) {
	t.Parallel()
	for sight, wrap := range sights {
		t.Run(sight, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarnessWith(t, map[string]string{"ROND_ENABLED": "true"}, wrap)
				h.addDormant(2)
				h.mustAll(`POST /users/?postponeAuthUserCreation=true {"userGroup":"customers","email":"boss@example.com","roles":["boss"]}`)
				h.rond.SetStore(rondtest.Store{Create: rondtest.Refused})
				h.activate(3)
				h.rond.SetStore(rondtest.Store{})
				h.settle()
				h.checkPairing()
				h.checkAccounts(map[string]string{"user0@example.com": "", "user1@example.com": ""})
				if left := h.rond.Bindings(); len(left) != 0 {
					t.Errorf("bindings of nobody: %v", left)
				}
			})
		})
	}
}
