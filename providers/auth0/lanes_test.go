package auth0

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/secret"
	"user-manager/upstream"
)

// TestRequestsGoBeforeJobs: while a job's calls of the Management API queue for its two a
// second, a call that somebody waits for is next.
func TestRequestsGoBeforeJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, crud.InProcess(auth0test.New(auth0test.Config{Limits: auth0test.Free()})), nil)
		made, err := p.Create(t.Context(), providers.NewAccount{Key: fmt.Sprintf("%024x", 1), Email: "ada@example.com", Password: secret.New("Correct-Horse-7")})
		if err != nil {
			t.Fatal(err)
		}
		job := upstream.InBackground(t.Context())
		var group sync.WaitGroup
		const calls = 80
		began := time.Now()
		for range calls {
			group.Go(func() {
				if _, err := (directory{Provider: p}).Read(job, made.ID); err != nil {
					t.Errorf("Read: %v", err)
				}
			})
		}
		for range 5 {
			time.Sleep(2 * time.Second)
			asked := time.Now()
			if _, err := p.Account(t.Context(), made.ID); err != nil {
				t.Errorf("Account: %v", err)
			}
			if waited := time.Since(asked); waited > 1500*time.Millisecond {
				t.Errorf("a request waited %v beside a job", waited)
			}
		}
		group.Wait()
		if took := time.Since(began); took < 30*time.Second {
			t.Errorf("the job took %v: there was no queue to go before", took)
		}
	})
}
