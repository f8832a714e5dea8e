package auth0client_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/providers"
	"user-manager/providers/auth0client/facadetest"
)

// TestOverlappingUpdates: an update that is taken back does not take another's block back.
func TestOverlappingUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		facade := facadetest.New(facadetest.Config{Tenant: newTenant()})
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPatch && r.ContentLength > 70 { // of a name
				time.Sleep(time.Second)
			}
			facade.ServeHTTP(w, r)
		})
		p := opened(t, slow, nil)
		id := created(t, p, "ada")
		created(t, p, "bob")
		var both sync.WaitGroup
		both.Go(func() {
			_, err := p.Update(t.Context(), id, providers.Change{Username: new("countess"), Email: new("bob@example.com"), Blocked: new(true)})
			if taken, _ := errors.AsType[providers.Taken](err); taken.Property != "email" {
				t.Errorf("an address that is taken: %v", err)
			}
		})
		both.Go(func() {
			time.Sleep(1500 * time.Millisecond) // between the names
			if _, err := p.Update(t.Context(), id, providers.Change{Blocked: new(true)}); err != nil {
				t.Errorf("a block: %v", err)
			}
		})
		both.Wait()
		if got, err := p.Account(t.Context(), id); err != nil || !got.Blocked || got.Username != "ada" {
			t.Errorf("account %+v, error %v; want it to be blocked", got, err)
		}
	})
}
