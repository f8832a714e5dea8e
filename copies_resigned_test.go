package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestCopyThatResigns: a copy ends in good order while the store does not answer it about an
// operation of its own. The others settle that as soon as it has resigned.
func TestCopyThatResigns(t *testing.T) {
	overConnectionsAnyway(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cut atomic.Bool
		c := &copies{toStore: func(i int, next http.RoundTripper) http.RoundTripper {
			return watchedStore{next: next, before: func(r *http.Request) error {
				ofUser := r.Method == http.MethodPatch && strings.HasPrefix(r.URL.Path, "/users/")
				ofNote := r.Method != http.MethodPost && strings.HasPrefix(r.URL.Path, "/journal/")
				if i == 0 && cut.Load() && (ofUser || ofNote) {
					return errCut
				}
				return nil
			}}
		}}
		c.start(t, 2, 1)
		defer c.close()
		id := c.newUser(`"email":"u@example.com"`, false)
		<-time.After(2 * time.Minute) // the copies know each other
		cut.Store(true)
		if got := c.members[0].call("PATCH", "/users/"+id, `{"blocked":true}`); got.status != http.StatusInternalServerError {
			t.Fatalf("the change that breaks off = %d %s", got.status, got.body)
		}
		c.members[0].stop()
		if err := c.members[0].work.Wait(); err != nil {
			t.Error(err)
		}
		cut.Store(false)
		if err := c.members[0].api.users.Resign(t.Context()); err != nil {
			t.Error(err)
		}
		<-time.After(10 * time.Second) // a look around
		c.members[1].must("PATCH", "/users/"+id, `{"blocked":false}`)
		c.settled()
		c.checkTogether()
	})
}
