package auth0

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/secret"
	"user-manager/upstream"
)

const password = "Correct-Horse-7-Battery"

// people makes n accounts by an import of the tenant's and returns their ids.
func people(t *testing.T, p *Provider, n int) []string {
	t.Helper()
	accounts := make([]providers.ImportAccount, n)
	for i := range accounts {
		accounts[i] = providers.ImportAccount{Key: fmt.Sprintf("%024x", i), Email: fmt.Sprintf("person%d@example.com", i)}
	}
	ids := make([]string, 0, n)
	for chunk := range providers.ImportChunks(accounts, p.ImportLimits()) {
		outcomes, err := p.Import(t.Context(), chunk)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range outcomes {
			if o.Refusal != nil {
				t.Fatal(*o.Refusal)
			}
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// TestManyMails: all mails go out, as fast as the tenant's limits allow, whatever the rate
// at which they are asked for, and nobody who logs in meanwhile waits.
func TestManyMails(t *testing.T) {
	plans := map[string]auth0test.Limits{"whole windows": auth0test.Free(), "one by one": auth0test.Free()}
	continuous := plans["one by one"]
	continuous.Continuous = true
	plans["one by one"] = continuous
	for name, limits := range plans {
		for _, rate := range []int{3, 10, 1000} {
			t.Run(fmt.Sprintf("%s/%d a second", name, rate), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tenant := auth0test.New(auth0test.Config{Limits: limits, IndexLag: time.Second})
					p := front(t, tenant)
					ids := people(t, p, 1000)
					ada := providers.NewAccount{Key: strings.Repeat("f", 24), Username: "ada", Email: "ada@example.com", Password: secret.New(password)}
					if _, err := p.Create(t.Context(), ada); err != nil {
						t.Fatal(err)
					}
					time.Sleep(2 * time.Second) // the index has them
					took, longest := mailAll(t, p, ids, rate)
					if got := len(tenant.Mails()); got != len(ids) {
						t.Errorf("%d mails went out, want %d", got, len(ids))
					}
					// looks take some: most runs need a tenth more than the limits, one in fifty a sixth
					most := freePlan(limits.Continuous, len(ids), rate)*120/100 + 5*time.Second
					if took > most {
						t.Errorf("it took %v, want %v at most", took, most)
					}
					if longest > 2*time.Second {
						t.Errorf("a login waited for %v", longest)
					}
					if refused := tenant.Seen().Limited["authentication"]; refused > 5 {
						t.Errorf("%d calls were over the limit", refused)
					}
				})
			})
		}
	}
}

// mailAll sends mails at the rate, while somebody logs in every ten seconds. It returns how
// long the mails took, and the longest login.
func mailAll(t *testing.T, p *Provider, ids []string, rate int) (took, longest time.Duration) {
	t.Helper()
	ctx := upstream.InBackground(t.Context())
	start := time.Now()
	var group sync.WaitGroup
	work := make(chan string)
	for range 20 {
		group.Go(func() {
			for id := range work {
				if err := p.ChangePassword(ctx, id); err != nil {
					t.Errorf("ChangePassword: %v", err)
				}
			}
		})
	}
	done, stop := context.WithCancel(t.Context())
	var logins sync.WaitGroup
	logins.Go(func() {
		for done.Err() == nil {
			begin := time.Now()
			if _, err := p.Login(t.Context(), "ada", secret.New(password)); err != nil {
				t.Errorf("Login: %v", err)
			}
			longest = max(longest, time.Since(begin))
			_ = upstream.Wait(done, 10*time.Second)
		}
	})
	for _, id := range ids {
		work <- id
		time.Sleep(time.Second / time.Duration(rate))
	}
	close(work)
	group.Wait()
	took = time.Since(start)
	stop()
	logins.Wait()
	return took, longest
}

// freePlan returns how long n mails at a rate take at best within the 300 calls a minute of
// the free plan; where they come one by one a fifth is kept for logins.
func freePlan(continuous bool, n, rate int) time.Duration {
	asked := time.Duration(n/rate) * time.Second
	if continuous {
		return max(asked, time.Duration(n-240)*time.Second/5)
	}
	windows := (n - 1) / 300
	return max(asked, time.Duration(windows)*time.Minute+time.Duration((n-windows*300)/rate)*time.Second)
}
