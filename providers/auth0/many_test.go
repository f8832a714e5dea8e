package auth0

import (
	"net/http"
	"testing"
	"testing/synctest"

	"user-manager/crud"
	"user-manager/providers/auth0/auth0test"
)

// TestSearchThatIsTooSlow: a tenant that has no time for searches tells of accounts all the
// same, and counts as one that answers.
func TestSearchThatIsTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{})
		ids := people(t, front(t, tenant), 250)
		next := crud.InProcess(tenant)
		calls := count(roundTrip(func(req *http.Request) (*http.Response, error) {
			if req.URL.Path == "/api/v2/users" {
				return says(503, "application/json", `{"statusCode":503,"message":"The query exceeded the timeout."}`)(req)
			}
			return next.RoundTrip(req)
		}))
		p := open(t, calls, nil)
		if got, err := p.Accounts(t.Context(), ids); err != nil || len(got) != len(ids) {
			t.Errorf("%d accounts, %v; want %d", len(got), err, len(ids))
		}
		if state := p.State()[0]; state.State != "closed" {
			t.Errorf("the tenant counts as one that does not answer: %+v", state)
		}
		if got := calls.of(searchRoute); got > 6 {
			t.Errorf("%d searches, want those of one query with its repetitions", got)
		}
	})
}
