package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"user-manager/rond/rondtest"
)

const (
	editorFields = annFields + `,"roles":["editor","reader"]`
	editor       = `{` + editorFields + `}`
)

// withEditor makes a user with an account that has roles, <id1> and <id2> as [withAnn] does;
// somebody else has granted the account a role too where it stays the service's own business.
func withEditor(h *harness) {
	h.must("POST", "/users/?sendResetPwdEmail=false", editor)
	h.must("GET", "/users/?_p=authUserId", "")
	if h.typedRoles() {
		h.rond.Put(rondtest.Binding{Subjects: []string{h.seen.fill("fake|<id2>"), "bob"}, Roles: []string{othersRole}})
	}
}

// editorIn is withEditor, and the user moved through states.
func editorIn(states ...string) func(h *harness) {
	return func(h *harness) {
		withEditor(h)
		for _, state := range states {
			h.must("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"`+state+`"}]`)
		}
	}
}

// roleOperations are those in which roles are granted or revoked.
func roleOperations() []operation {
	later := func(h *harness) { h.must("POST", "/users/?postponeAuthUserCreation=true", editor) }
	patch := func(name, body string) operation {
		return operation{name: "patch " + name, prepare: withEditor, request: call("PATCH", "/users/<id1>", body), look: lookAtRoles("editor", "reader")}
	}
	soft := map[string]string{"AUTH_HARD_DELETE": "false"}
	return []operation{
		{name: "create", request: call("POST", "/users/", editor), again: []int{409}, survives: isMail},
		{name: "create blocked", request: call("POST", "/users/", `{"blocked":true,`+editorFields+`}`), again: []int{409}, survives: isMail},
		{name: "create with id", prepare: orphanAccount, request: call("POST", "/users/with-id", `{"authUserId":"fake|<id2>","userGroup":"customers","roles":["editor"]}`), again: []int{409}},
		{name: "create with id, blocked", prepare: orphanAccount, request: call("POST", "/users/with-id", `{"authUserId":"fake|<id2>","userGroup":"customers","roles":["editor"],"blocked":true}`), again: []int{409}},
		{name: "register", prepare: later, request: call("POST", "/users/register", `{"_id":"<id1>","password":"correct horse"}`), again: []int{409}, survives: isMail},
		patch("to other roles", `{"roles":["boss"]}`),
		{name: "patch to one more role", prepare: withEditor, request: pushBoss(""), look: lookAtRoles("editor", "reader")},
		patch("to one role less", `{"$pull":{"roles":"editor"}}`),
		patch("to one more role, if it is not there", `{"$addToSet":{"roles":"boss"}}`),
		patch("to a role that is there", `{"$addToSet":{"roles":"editor"}}`),
		patch("to no roles", `{"$unset":{"roles":true}}`),
		patch("to an empty list", `{"$set":{"roles":[]}}`),
		patch("to roles, an address, and blocked", `{"$set":{"roles":["boss"],"email":"anna@example.com","blocked":true}}`),
		{name: "patch to one more role and another name", prepare: withEditor, request: pushBoss(`,"$set":{"username":"anna"}`), look: lookAtRoles("editor", "reader")},
		{name: "patch from no roles", prepare: withAnn, request: call("PATCH", "/users/<id1>", `{"roles":["boss"]}`), look: lookAtRoles()},
		{name: "patch to unblocked, with roles", prepare: func(h *harness) { withEditor(h); h.must("PATCH", "/users/<id1>", `{"blocked":true}`) },
			request: call("PATCH", "/users/<id1>", `{"$unset":{"blocked":true},"$set":{"roles":["boss"]}}`), look: lookAtRoles("editor", "reader")},
		{name: "delete", prepare: withEditor, request: call("DELETE", "/users/<id1>", ""), again: []int{500}},
		{name: "delete in TRASH", prepare: editorIn("TRASH"), request: call("DELETE", "/users/<id1>", ""), again: []int{500}},
		{name: "soft-delete", prepare: withEditor, request: call("POST", "/users/<id1>/soft-delete", ""), halfway: toTrash},
		{name: "soft-delete, keeping the account", env: soft, prepare: withEditor, request: call("POST", "/users/<id1>/soft-delete", ""), halfway: toTrash},
		{name: "state to DELETED", prepare: editorIn("TRASH"), request: call("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"DELETED"}]`)},
		{name: "state to DELETED, keeping the account", env: soft, prepare: editorIn("TRASH"), request: call("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"DELETED"}]`)},
		{name: "state to TRASH", prepare: withEditor, request: toTrash},
		{name: "patch in bulk", prepare: withEditor, request: call("PATCH", "/users/bulk", `[{"filter":{"_id":"<id1>"},"update":{"$set":{"roles":["boss"],"email":"anna@example.com"}}}]`)},
		{name: "import", prepare: withEditor, request: func(h *harness) reply {
			return h.sendFile("_id,roles,email\n<id1>,[boss],anna@example.com\n")
		}},
	}
}

// pushBoss adds a role to those of <id1>, and changes more; once it is there, it stays alone.
func pushBoss(more string) func(h *harness) reply {
	return func(h *harness) reply {
		roles := h.all("/users")[0]["roles"]
		if strings.Contains(fmt.Sprint(roles), "boss") {
			return h.call("PATCH", "/users/<id1>", `{"$addToSet":{"roles":"boss"}`+more+`}`)
		}
		return h.call("PATCH", "/users/<id1>", `{"$push":{"roles":"boss"}`+more+`}`)
	}
}

var toTrash = call("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"TRASH"}]`)

// ronds are the ways in which roles are granted.
var ronds = map[string]map[string]string{
	"by subject":  {"ROND_ENABLED": "true"},
	"by resource": {"ROND_ENABLED": "true", "ROND_RESOURCE_TYPE": "user"},
}

// with returns the operation of a service that has more settings.
func (o operation) with(env map[string]string) operation {
	all := maps.Clone(env)
	maps.Copy(all, o.env)
	o.env = all
	return o
}

// TestEveryFaultWhileRolesChange is TestEveryFaultAtEveryCall for operations on roles: in the
// end the account of a user has its roles, by one binding, and others have none of them.
func TestEveryFaultWhileRolesChange(t *testing.T) {
	t.Parallel()
	for how, env := range ronds {
		for i, o := range roleOperations() {
			if leftOut(i) {
				continue
			}
			t.Run(how+", "+o.name, func(t *testing.T) {
				t.Parallel()
				o.with(env).tryFaults(t, inNeighbours.picked(i+len(how)))
			})
		}
	}
}

// inNeighbours is the density of faults in operations that Rönd or a Timer Service takes part
// in, each of which is tried with several of these.
var inNeighbours = density{31, 131, 401}

// leftOut reports whether a short run tries no faults of the ith of such operations: their
// steps are made in one way.
func leftOut(i int) bool { return testing.Short() && i%5 != 0 }

// rolesTold is what an error says of the roles.
var rolesTold = regexp.MustCompile(`\(the user (has no roles, as before|has no roles any more|has its (?:roles of before|new roles): ([^)]*)|may have no roles until Rönd can be reached, and has its new ones then: ([^)]*)|may have its roles until Rönd can be reached, and has none then)\)`)

// lookAtRoles holds what the error of a change says of the roles against what is granted.
// Where it says nothing, these are those of before.
func lookAtRoles(before ...string) func(h *harness, first reply) {
	return func(h *harness, first reply) {
		h.t.Helper()
		told := rolesTold.FindStringSubmatch(first.body)
		want := before
		switch {
		case first.status < 300:
			return
		case told != nil && strings.HasPrefix(told[1], "may"): // what is to come is what the user says
			user := h.all("/users")[0]
			if roles := fmt.Sprint(user["roles"]); told[3] != "" && roles != fmt.Sprint(strings.Split(told[3], ", ")) || told[3] == "" && roles != "[]" && roles != "<nil>" {
				h.t.Errorf("%d %s, but the user has %s", first.status, first.body, roles)
			}
			return
		case told != nil && told[2] != "":
			want = strings.Split(told[2], ", ")
		case told != nil:
			want = nil
		}
		if diff := cmp.Diff(want, h.granted(h.seen.fill("fake|<id2>")), equateEmpty); diff != "" {
			h.t.Errorf("%d %s, but granted are (-told +granted):\n%s", first.status, first.body, diff)
		}
	}
}

// TestEveryFaultOfAnActivationWithRoles is TestEveryFaultOfAJob for users that have roles.
func TestEveryFaultOfAnActivationWithRoles(t *testing.T) {
	t.Parallel()
	for how, env := range ronds {
		for _, sight := range slices.Sorted(maps.Keys(sights)) {
			if testing.Short() && (how == "by subject") == (sight == "in bulk") {
				continue
			}
			b := bulkJob{kind: activationKind, path: activations + "?upsert=true", env: env, prepare: editorsOfManySorts, body: usersBody("<id1>", "<id2>", "<id3>", "<id4>", "<id5>")}
			t.Run(how+", "+sight, func(t *testing.T) {
				t.Parallel()
				b.tryFaults(t, sight, "")
			})
		}
	}
}

// editorsOfManySorts makes users with roles and without accounts, of whom <id2> is blocked
// and <id3> has no role; <id4> with an account; and <id5>, whose address is that of <id6>'s
// account.
func editorsOfManySorts(h *harness) {
	later := "POST /users/?postponeAuthUserCreation=true"
	h.mustAll(
		later+` {"userGroup":"customers","email":"one@example.com","roles":["editor"]}`,
		later+` {"userGroup":"customers","email":"two@example.com","roles":["editor","reader"],"blocked":true}`,
		later+` {"userGroup":"customers","email":"three@example.com"}`,
		noMail+` {"userGroup":"customers","email":"four@example.com","roles":["reader"]}`,
		later+` {"userGroup":"customers","email":"five@example.com","roles":["reader"]}`,
		noMail+` {"userGroup":"customers","email":"six@example.com"}`,
		`PATCH /crud/users/<id6> {"$set":{"email":"sixth@example.com"}}`,
		`PATCH /crud/users/<id5> {"$set":{"email":"six@example.com"}}`,
	)
}

// TestRolesOfOthers: what others have granted stays where bindings are the service's own, and
// goes with everything else where they are not; what they granted to more than one stays
// with those.
func TestRolesOfOthers(t *testing.T) {
	t.Parallel()
	for how, want := range map[string][]string{"by subject": {"boss"}, "by resource": {"auditor", "boss"}} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, ronds[how])
				h.must("POST", "/users/?sendResetPwdEmail=false", editor)
				h.must("GET", "/users/?_p=authUserId", "")
				account := h.seen.fill("fake|<id2>")
				h.rond.Put(rondtest.Binding{Subjects: []string{account, "bob"}, Roles: []string{othersRole}})
				h.must("PATCH", "/users/<id1>", `{"roles":["boss"]}`)
				if diff := cmp.Diff(want, h.rond.Roles(account)); diff != "" {
					t.Errorf("roles after a change (-want +got):\n%s", diff)
				}
				h.must("DELETE", "/users/<id1>", "")
				if diff := cmp.Diff(want[:len(want)-1], h.rond.Roles(account), equateEmpty); diff != "" {
					t.Errorf("roles after the deletion (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff([]string{othersRole}, h.rond.Roles("bob")); diff != "" {
					t.Errorf("roles of another (-want +got):\n%s", diff)
				}
			})
		})
	}
}

var equateEmpty = cmp.Transformer("empty", func(list []string) string { return fmt.Sprint(list) })
