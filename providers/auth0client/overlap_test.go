package auth0client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/providers"
	"user-manager/providers/auth0client/facadetest"
	"user-manager/upstream"
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

// TestUpdateThatWaits: until its time is over, and then does nothing.
func TestUpdateThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		p := opened(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			requests++
			time.Sleep(time.Second)
			fmt.Fprint(w, `{"user_id":"auth0|1","identities":[]}`)
		}), nil)
		block := func(ctx context.Context) error {
			_, err := p.Update(ctx, "auth0|1", providers.Change{Blocked: new(true)})
			return err
		}
		var first sync.WaitGroup
		first.Go(func() {
			if err := block(t.Context()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := block(ctx); !upstream.Unreached(err) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want one of a call that was not made in time", err)
		}
		first.Wait()
		if err := block(t.Context()); err != nil || requests != 2 {
			t.Errorf("error %v after %d requests, want none after 2", err, requests)
		}
	})
}
