package main

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/rond/rondtest"
	"user-manager/upstream/faults"
)

// withEditor makes Ann, who is an editor, and returns the ordinal of the first revoke of a
// change of her roles. <id1> is the user, <id2> is in its authUserId.
func (h *harness) withEditor() (revoke int) {
	h.t.Helper()
	h.must("POST", "/users/?sendResetPwdEmail=false", `{`+annFields+`,"roles":["editor"]}`)
	h.must("GET", "/users/?_p=authUserId", "")
	h.plan.Reset()
	h.must("PATCH", "/users/<id1>", `{"roles":["editor"]}`)
	for i, call := range h.plan.Calls() {
		if strings.Contains(call, "revoke") {
			revoke = i + 1
			break
		}
	}
	h.plan.Reset()
	return revoke
}

// checkRoles reports roles of Ann's account that are not those of the user, or not by one
// binding.
func (h *harness) checkRoles() {
	h.t.Helper()
	var now []any
	for _, role := range h.rond.Roles(h.seen.fill("fake|<id2>")) {
		now = append(now, role)
	}
	if diff := cmp.Diff(h.all("/users")[0]["roles"], any(now)); diff != "" {
		h.t.Errorf("roles (-want +got):\n%s", diff)
	}
	if n := len(h.rond.Bindings()); n != 1 {
		h.t.Errorf("%d bindings", n)
	}
}

// TestRevokeThenRefused: a revoke that was carried out without an answer is not forgotten when
// the next try is refused.
func TestRevokeThenRefused(t *testing.T) {
	t.Parallel()
	overConnectionsAnyway(t)
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, map[string]string{"ROND_ENABLED": "true"})
		n := h.withEditor()
		for i := range 3 { // the tries of one call
			h.plan.Arm(n+i, faults.DropAnswer)
		}
		h.plan.ArmFrom(n+3, faults.Refuse429)
		if got := h.call("PATCH", "/users/<id1>", `{"roles":["boss"]}`); got.status != 500 {
			t.Errorf("change = %d %s", got.status, got.body)
		}
		h.plan.Heal()
		h.settle()
		h.checkRoles()
	})
}

// TestRevokeComesLate: a revoke whose first tries got no answer comes once more, when the new
// roles are granted.
func TestRevokeComesLate(t *testing.T) {
	t.Parallel()
	overConnectionsAnyway(t)
	for name, tries := range map[string]int{"one try": 1, "a whole call": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, map[string]string{"ROND_ENABLED": "true"})
				n := h.withEditor()
				for i := range tries {
					h.plan.Arm(n+i, faults.Late)
				}
				h.must("PATCH", "/users/<id1>", `{"roles":["boss"]}`)
				h.plan.Deliver()
				h.settle()
				h.checkRoles()
			})
		})
	}
}

// TestRevokeTakesTooLong: a revoke whose first try got no answer in time may come yet, so that
// the change stays noted for a while.
func TestRevokeTakesTooLong(t *testing.T) {
	t.Parallel()
	overConnectionsAnyway(t)
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, map[string]string{"ROND_ENABLED": "true"})
		h.plan.Arm(h.withEditor(), faults.Timeout)
		h.must("PATCH", "/users/<id1>", `{"roles":["boss"]}`)
		if notes := h.all("/journal"); len(notes) != 1 {
			t.Errorf("%d notes in the journal, want that of the change", len(notes))
		}
		h.settle()
		h.checkRoles()
	})
}

// TestSettlingComesLate: what a change was settled by comes once more, after it.
func TestSettlingComesLate(t *testing.T) {
	t.Parallel()
	overConnectionsAnyway(t)
	for _, part := range []string{"revoke", "grant"} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			settled := func(t *testing.T, late int) (calls []string) {
				h := newHarness(t, map[string]string{"ROND_ENABLED": "true"})
				h.plan.ArmFrom(h.withEditor(), faults.Refuse500)
				if got := h.call("PATCH", "/users/<id1>", `{"roles":["boss"]}`); got.status != 500 {
					t.Fatalf("change = %d %s", got.status, got.body)
				}
				h.plan.Heal()
				h.running(func() {
					<-time.After(25 * time.Second) // it has been settled, and will be once more
					h.plan.Reset()
					if late > 0 {
						h.plan.Arm(late, faults.Late)
					}
					<-time.After(25 * time.Second)
					calls = h.plan.Calls()
					h.plan.Deliver()
				})
				h.settle()
				h.checkRoles()
				return calls
			}
			var calls []string
			synctest.Test(t, func(t *testing.T) { calls = settled(t, 0) })
			at := slices.IndexFunc(calls, func(call string) bool { return strings.Contains(call, part) }) + 1
			if at == 0 {
				t.Fatalf("no %s among %v", part, calls)
			}
			synctest.Test(t, func(t *testing.T) { settled(t, at) })
		})
	}
}

// TestRolesChangedThoughItFails: what fails behind a change of roles, and cannot be undone, says
// that the user has the new ones.
func TestRolesChangedThoughItFails(t *testing.T) {
	t.Parallel()
	overConnectionsAnyway(t)
	for roles, want := range map[string]string{`["boss"]`: "(the user has its new roles: boss)", `[]`: "(the user has no roles any more)"} {
		t.Run(roles, func(t *testing.T) {
			t.Parallel()
			change := func(t *testing.T, failing int) (reply, []string) {
				h := newHarness(t, map[string]string{"ROND_ENABLED": "true"})
				h.must("POST", "/users/?sendResetPwdEmail=false", `{`+annFields+`,"roles":["editor"],"expirationDate":"2999-01-01"}`)
				h.must("GET", "/users/?_p=authUserId", "")
				h.plan.Reset()
				if failing > 0 {
					h.plan.ArmFrom(failing, faults.Refuse500)
				}
				got := h.call("PATCH", "/users/<id1>", `{"$set":{"roles":`+roles+`},"$unset":{"expirationDate":true}}`)
				return got, h.plan.Calls()
			}
			abort := 0
			synctest.Test(t, func(t *testing.T) {
				_, calls := change(t, 0)
				abort = slices.IndexFunc(calls, func(call string) bool { return strings.Contains(call, "abort") }) + 1
			})
			synctest.Test(t, func(t *testing.T) {
				if got, _ := change(t, abort); got.status != 500 || !strings.Contains(got.body, want) {
					t.Errorf("%d %s, want one that says %q", got.status, got.body, want)
				}
			})
		})
	}
}

// TestChangedWhileGranted: a user is changed or deleted while the grant of its creation is under
// way. In the end its account has the roles that it has, and none when it is gone.
func TestChangedWhileGranted(t *testing.T) {
	t.Parallel()
	for how, create := range map[string]func(h *harness){
		"created": func(h *harness) {
			h.must("POST", "/users/?sendResetPwdEmail=false", `{`+annFields+`,"roles":["editor"]}`)
		},
		"created with id": func(h *harness) {
			h.must("POST", "/users/with-id", `{"authUserId":"fake|<id2>","userGroup":"customers","roles":["editor"]}`)
		},
	} {
		for change, want := range map[string][]string{`PATCH /users/<id3> {"roles":["boss"]}`: {"boss"}, `DELETE /users/<id3>`: nil} {
			t.Run(how+", "+change, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := newHarness(t, map[string]string{"ROND_ENABLED": "true"})
					if orphanAccount(h); how == "created" {
						h.removeAccount("ann@example.com")
					}
					h.rond.SetStore(rondtest.Store{Takes: 2 * time.Second})
					var beside sync.WaitGroup
					beside.Go(func() { create(h) })
					<-time.After(time.Second)
					h.rond.SetStore(rondtest.Store{})
					h.must("GET", "/users/?_p=_id", "") // <id3>
					h.mustAll(change)
					beside.Wait()
					h.settle()
					var got []string
					for _, b := range h.rond.Bindings() {
						got = append(got, b.Roles...)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("roles of all bindings (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}
