package main

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestRegistrationOfADeadCopy: a copy dies when the account that it made for a user is known to
// the user and its roles are not granted yet. The other copy grants them, and the user can be
// changed again.
func TestRegistrationOfADeadCopy(t *testing.T) {
	overConnectionsAnyway(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var armed atomic.Bool
		c := &copies{}
		rond := c.withRond()
		c.toStore = func(i int, next http.RoundTripper) http.RoundTripper {
			return watchedStore{next: next, after: func(r *http.Request) error {
				links := r.Method == http.MethodPatch && r.URL.Path == "/users/" && strings.Contains(r.URL.RawQuery, "registering")
				if i == 0 && links && armed.CompareAndSwap(true, false) {
					c.members[0].dead.Store(true)
					return errDead
				}
				return nil
			}}
		}
		c.start(t, 2, 1)
		defer c.close()
		id := c.newUser(`"email":"u@example.com","roles":["boss"]`, true)
		armed.Store(true)
		c.members[0].call("POST", "/users/register?sendResetPwdEmail=false", `{"_id":"`+id+`"}`)
		c.members[0].stop()
		<-time.After(2 * time.Minute)
		c.members[1].must("PATCH", "/users/"+id, `{"blocked":true}`)
		c.settled()
		account, _ := c.all("/users")[0]["authUserId"].(string)
		if got := rond.Roles(account); armed.Load() || !slices.Equal(got, []string{"boss"}) {
			t.Errorf("account %s has the roles %q", account, got)
		}
	})
}
