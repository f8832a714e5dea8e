package main

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/providers/auth0/auth0test"
)

// TestActivationOfWhoExpiresMeanwhile activates users whose date comes while a tenant's
// import is at work on them. A timer that calls finds them marked, so that the activation
// itself must not leave them an account that can log in.
func TestActivationOfWhoExpiresMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newTenantHarness(t, nil, auth0test.Config{ImportRate: 1})
		date := time.Now().Add(10 * time.Second).UTC().Format(time.RFC3339)
		const n = 20 // seconds that the import takes
		for i := range n {
			h.must("POST", "/users/?postponeAuthUserCreation=true", fmt.Sprintf(`{"userGroup":"customers","email":"user%d@example.com","expirationDate":%q}`, i, date))
		}
		h.must("POST", "/users/?postponeAuthUserCreation=true", `{"userGroup":"customers","email":"stays@example.com"}`)
		h.activate(n + 1)
		blocked := 0
		for _, account := range h.accounts() {
			if account["blocked"] == true {
				blocked++
			} else if account["email"] != "stays@example.com" {
				t.Errorf("%v can log in", account["email"])
			}
		}
		if blocked != n {
			t.Errorf("%d accounts are blocked, want %d", blocked, n)
		}
	})
}
