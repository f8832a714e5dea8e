package auth0

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/upstream"
)

// TestWaitsAreTold: a call that has to wait for the tenant's limits is told of, by which they
// are and for how long; one that need not is not.
func TestWaitsAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var waits []string
		l := newLimiter()
		l.observer = upstream.Observer{Wait: func(limiter string, took time.Duration) { waits = append(waits, limiter+" "+took.String()) }}
		for range 2 { // the second waits for an answer to the first, which tells whether there is a limit
			if _, err := l.enter(t.Context(), l.management, ordinary, l.order()); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]string{"auth0 management " + patience.String()}, waits); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
	})
}
