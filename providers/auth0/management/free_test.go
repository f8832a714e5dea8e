package management_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"user-manager/crud"
	"user-manager/internal/logtest"
	"user-manager/providers"
	"user-manager/providers/auth0"
	"user-manager/providers/auth0/auth0test"
)

// importer returns a driver in front of the tenant.
func importer(t *testing.T, tenant *auth0test.Tenant) providers.Importer {
	t.Helper()
	values := map[string]string{
		"AUTH0_DOMAIN": "tenant.test", "AUTH0_CLIENT_ID": auth0test.ClientID, "AUTH0_CLIENT_SECRET": auth0test.ClientSecret,
		"AUTH0_MANAGEMENT_CLIENT_ID": auth0test.ManagementClientID, "AUTH0_MANAGEMENT_CLIENT_SECRET": auth0test.ManagementClientSecret,
	}
	p, err := auth0.Open(t.Context(), providers.Settings{
		Getenv: func(name string) string { return values[name] }, Log: logtest.Logger(t), Timeout: 10 * time.Second, Base: crud.InProcess(tenant),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestTenantOfTheFreePlan: two imports at once of 5,000 accounts each take as long as their
// jobs and 5 % more at most; the same again finds them all, in requests for many at once.
func TestTenantOfTheFreePlan(t *testing.T) {
	n, rate := 10000, 10 // rows, and rows a second of a job
	if testing.Short() {
		n = 2000
	}
	accounts := make([]providers.ImportAccount, n)
	for i := range accounts {
		accounts[i] = providers.ImportAccount{Key: fmt.Sprintf("%024x", i+1), Username: fmt.Sprintf("p%d", i), Email: fmt.Sprintf("p%d@example.com", i), Blocked: i%10 == 0}
	}
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{Limits: auth0test.Free(), IndexLag: 2 * time.Second, ImportRate: float64(rate)})
		im := importer(t, tenant)
		jobs := time.Duration(n/2/rate) * time.Second
		for _, round := range []struct {
			name string
			most time.Duration
		}{{"first", jobs * 105 / 100}, {"again", jobs*105/100 + time.Minute}} {
			time.Sleep(5 * time.Minute) // the index of the tenant knows all by then
			began := time.Now()
			var g errgroup.Group
			for half := range 2 {
				g.Go(func() error {
					outcomes, err := im.Import(t.Context(), accounts[half*n/2:(half+1)*n/2])
					for _, o := range outcomes {
						if !o.Inserted {
							return fmt.Errorf("outcome %+v", o)
						}
					}
					return err
				})
			}
			if err := g.Wait(); err != nil {
				t.Fatalf("%s: %v", round.name, err)
			}
			if took := time.Since(began); took > round.most {
				t.Errorf("%s: %v, want %v at most; %+v", round.name, took, round.most, tenant.Seen())
			}
			if seen := tenant.Seen(); seen.LargestImport > 512000 || seen.ActiveImports > 2 || len(seen.Limited) > 0 {
				t.Errorf("%s: the tenant has seen %+v", round.name, seen)
			}
		}
	})
}
