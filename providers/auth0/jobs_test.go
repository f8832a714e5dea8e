package auth0

import (
	"net/http"
	"testing"
	"testing/synctest"

	"user-manager/crud"
	"user-manager/providers/auth0/auth0test"
)

// TestConnectionMadeAnew: an import asks for the id of its connection again.
func TestConnectionMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := crud.InProcess(auth0test.New(auth0test.Config{}))
		asked := 0
		p := open(t, answering(tenant, "GET /api/v2/connections", func(req *http.Request) (*http.Response, error) {
			if asked++; asked == 1 {
				return says(200, "application/json", `[{"id":"con_0000000000000000","name":"`+auth0test.Connection+`"}]`)(req)
			}
			return tenant.RoundTrip(req)
		}), nil)
		people(t, p, 3)
	})
}
