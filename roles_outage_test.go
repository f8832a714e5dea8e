package main

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"user-manager/rond/rondtest"
)

// TestBlockWhileRolesAreUnsettled changes roles while Rönd fails halfway and then for good.
// Users whose roles are not set right yet can be blocked, moved and changed all the same; and
// when Rönd is well again they have the roles that they are said to have.
func TestBlockWhileRolesAreUnsettled(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]struct{ method, path, body string }{
		"patch to blocked": {"PATCH", "/users/<id1>", `{"blocked":true}`},
		"state to TRASH":   {"POST", "/users/<id1>/state", `{"stateTo":"TRASH"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, map[string]string{"ROND_ENABLED": "true"})
				withEditor(h)
				h.rond.SetStore(rondtest.Store{Create: rondtest.Lost, Delete: rondtest.Lost}) // revoked and granted, but nobody learns of it
				if got := h.call("PATCH", "/users/<id1>", `{"roles":["boss"]}`); got.status != 500 {
					t.Fatalf("change of roles = %d %s", got.status, got.body)
				}
				h.rond.SetStore(rondtest.Gone())
				for range 3 {
					if got := h.call(request.method, request.path, request.body); got.status > 299 {
						t.Fatalf("%s while Rönd is gone = %d %s", name, got.status, got.body)
					}
					if err := h.failClosed(false); err != nil {
						t.Fatal(err)
					}
				}
				h.rond.SetStore(rondtest.Store{})
				h.settle()
				want := []any{"boss"}
				if diff := cmp.Diff(want, h.all("/users")[0]["roles"]); diff != "" {
					t.Errorf("roles of the user (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff([]string{"boss"}, h.granted(h.seen.fill("fake|<id2>"))); diff != "" {
					t.Errorf("granted roles (-want +got):\n%s", diff)
				}
			})
		})
	}
}
