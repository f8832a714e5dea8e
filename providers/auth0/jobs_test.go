package auth0

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/secret"
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

// TestImportNamesWhatIsTaken: a row that fails over another account is told the property,
// which the job's report does not say.
func TestImportNamesWhatIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, crud.InProcess(auth0test.New(auth0test.Config{IndexLag: time.Second})), nil)
		for n, name := range []string{"ada", "bob"} {
			_, err := p.Create(t.Context(), providers.NewAccount{Key: fmt.Sprintf("%024x", n), Username: name, Email: name + "@example.com", Password: secret.New("Correct-Horse-7")})
			if err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second) // the index knows them
		outcomes, err := p.Import(t.Context(), []providers.ImportAccount{
			{Key: fmt.Sprintf("%024x", 10), Username: "carol", Email: "ADA@example.com"},
			{Key: fmt.Sprintf("%024x", 11), Username: "Bob", Email: "dave@example.com"},
			{Key: fmt.Sprintf("%024x", 12), Username: `e"ve`, Email: "eve@example.com"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{`Property "email" has non-unique value: ADA@example.com`, `Property "username" has non-unique value: Bob`} {
			if got := outcomes[i].Refusal; got == nil || got.Code != providers.CodeNotUnique || got.Message != want {
				t.Errorf("outcome %d: %+v, want %s", i, got, want)
			}
		}
	})
}
