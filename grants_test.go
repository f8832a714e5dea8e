package main

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"user-manager/rond/rondtest"
)

// TestRolesAtRond: an account has the roles of its user, and the answer to what fails says
// why, and which roles the user has now.
func TestRolesAtRond(t *testing.T) {
	t.Parallel()
	const editor = `{"userGroup":"customers","email":"ann@example.com","username":"ann","password":"correct horse","roles":["editor"]}`
	const route = "Rond POST /grant/bindings responded with a 500 status code"
	const reason = "failed crud request for creating bindings"
	for name, test := range map[string]struct {
		without, with []exchange // a store behind Rönd
		roles         []string   // of the account in the end
	}{
		"granted":  {without: []exchange{{request: noMail, body: editor, status: 200, want: aCreated}, linked}, roles: []string{"editor"}},
		"replaced": {without: []exchange{{request: noMail, body: editor, status: 200, want: aCreated}, linked, {request: "PATCH /users/<id1>", body: `{"roles":["boss"]}`, status: 200, want: "*"}}, roles: []string{"boss"}},
		"creation that fails": {
			with: []exchange{{request: noMail, body: editor, status: 500, want: bad(500, "Error while creating user: "+route+": "+reason)}},
		},
		"change that fails": {
			without: []exchange{{request: noMail, body: newAnn, status: 200, want: aCreated}, linked},
			with:    []exchange{{request: "PATCH /users/<id1>", body: `{"roles":["boss"]}`, status: 500, want: bad(500, "Error while updating user: "+route+" (the user has no roles, as before): "+reason)}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, map[string]string{"ROND_ENABLED": "true"})
				for _, step := range test.without {
					h.checkExchange(step)
				}
				h.rond.SetStore(rondtest.Store{Create: rondtest.Refused})
				for _, step := range test.with {
					h.checkExchange(step)
				}
				if diff := cmp.Diff(test.roles, h.rond.Roles(h.seen.fill("fake|<id2>"))); diff != "" {
					t.Errorf("roles (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestRolesOfADeletedUser are kept with it, and granted to the account that it gets when it
// is made use of again; the one that it had is gone.
func TestRolesOfADeletedUser(t *testing.T) {
	t.Parallel()
	for hard, granted := range map[string][]string{"true": nil, "false": {"boss"}} {
		t.Run("AUTH_HARD_DELETE="+hard, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, map[string]string{"ROND_ENABLED": "true", "AUTH_HARD_DELETE": hard})
			h.checkExchange(exchange{request: noMail, body: newAnn, status: 200, want: aCreated})
			h.checkExchange(linked)
			h.must("POST", "/users/<id1>/soft-delete", "")
			h.must("PATCH", "/users/<id1>?_st=DELETED", `{"roles":["boss"]}`)
			check := func(want []string) {
				t.Helper()
				if diff := cmp.Diff(want, h.rond.Roles(h.seen.fill("fake|<id2>"))); diff != "" {
					t.Errorf("roles (-want +got):\n%s", diff)
				}
			}
			check(granted)
			h.must("POST", "/users/<id1>/state", `{"stateTo":"TRASH"}`)
			check(granted)
		})
	}
}
