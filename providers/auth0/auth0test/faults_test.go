package auth0test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/upstream/faults"
)

func TestFaults(t *testing.T) {
	for _, test := range []struct {
		fault      faults.Fault
		status     int // 0: no answer
		done       bool
		deliveries bool // done when it is delivered
	}{
		{faults.Refuse500, 500, false, false},
		{faults.Refuse503, 503, false, false},
		{faults.Refuse429, 429, false, false},
		{faults.Unreachable, 0, false, false},
		{faults.Timeout, 0, false, false},
		{faults.DropAnswer, 0, true, true},
		{faults.Late, 0, false, true},
	} {
		t.Run(test.fault.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plan := faults.NewPlan()
				d := open(t, Config{Faults: plan})
				id := d.user("ada")
				plan.Arm(3, test.fault) // after the token and the creation
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, "DELETE", "https://tenant.test/api/v2/users/"+id, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", "Bearer "+d.token)
				res, err := d.client.Do(req)
				if got := statusOf(res); got != test.status || (err == nil) != (test.status != 0) {
					t.Errorf("delete: %d, %v, want %d", got, err, test.status)
				}
				there := func() bool { return d.manage("GET", "/users/"+id, "").status == 200 }
				if there() == test.done {
					t.Errorf("the work was done: %v, want %v", !test.done, test.done)
				}
				plan.Deliver()
				if there() == test.deliveries {
					t.Errorf("the work was done in the end: %v, want %v", !test.deliveries, test.deliveries)
				}
				want := []string{"Auth0 POST /oauth/token", "Auth0 POST /api/v2/users", "Auth0 DELETE /api/v2/users/{id}", "Auth0 GET /api/v2/users/{id}", "Auth0 GET /api/v2/users/{id}"}
				if diff := cmp.Diff(want, plan.Calls()); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// statusOf returns the status of an answer, whose body it closes, or 0 when there is none.
func statusOf(res *http.Response) int {
	if res == nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}
