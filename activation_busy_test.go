package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestActivationOfABusyUser: an activation marks a user, learns no more of that, and sees then
// that another copy has died in the middle of a change of the user. Neither waits for the other:
// the change is settled, and the user can be changed again.
func TestActivationOfABusyUser(t *testing.T) {
	overConnectionsAnyway(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var dies, cut atomic.Bool
		c := &copies{}
		c.toStore = func(i int, next http.RoundTripper) http.RoundTripper {
			return watchedStore{
				next: next,
				before: func(r *http.Request) error {
					if i == 0 && r.Method == http.MethodPatch && strings.HasPrefix(r.URL.Path, "/users/") && dies.CompareAndSwap(true, false) {
						c.members[0].dead.Store(true)
						return errDead
					}
					return nil
				},
				after: func(r *http.Request) error {
					if i == 1 && r.Method == http.MethodPatch && r.URL.Path == "/users/bulk" && cut.Load() {
						return errCut
					}
					return nil
				},
			}
		}
		c.start(t, 2, 1)
		defer c.close()
		id := c.newUser(`"email":"u@example.com"`, true)
		<-time.After(2 * time.Minute) // the copies know each other
		dies.Store(true)
		c.members[0].call("PATCH", "/users/"+id, `{"blocked":true}`)
		c.members[0].stop()
		<-time.After(55 * time.Second) // soon the copy counts as gone
		cut.Store(true)
		c.members[1].must("POST", activations, usersBody(id))
		<-time.After(12 * time.Second)
		cut.Store(false)
		<-time.After(2 * time.Minute)
		c.members[1].must("PATCH", "/users/"+id, `{"blocked":true}`)
		c.settled()
		c.checkTogether()
	})
}
