package main

import (
	"strings"
	"sync"
	"testing"
)

// TestOperationsOnOneUserAtOnce makes opposite requests for one user at the same time,
// with its id in either case. Whoever wins: no account can log in whose user may not,
// and account and user belong together.
func TestOperationsOnOneUserAtOnce(t *testing.T) {
	t.Parallel()
	id := func(h *harness) string { return h.seen.values["<id1>"] }
	send := func(method, path, body string) func(*harness) reply {
		return func(h *harness) reply {
			at := id(h)
			return h.call(method, strings.NewReplacer("ID", strings.ToUpper(at), "id", at).Replace(path), strings.ReplaceAll(body, `"id"`, `"`+at+`"`))
		}
	}
	block := send("PATCH", "/users/ID", `{"blocked":true}`)
	for what, test := range map[string]struct {
		prepare func(*harness)
		both    [2]func(*harness) reply
	}{
		"block and unblock":        {withAnn, [2]func(*harness) reply{send("PATCH", "/users/id", `{"blocked":false}`), block}},
		"unblock and trash":        {withAnn, [2]func(*harness) reply{send("PATCH", "/users/id", `{"blocked":false}`), send("POST", "/users/state", `[{"filter":{"email":"ann@example.com"},"stateTo":"TRASH"}]`)}},
		"publish and trash":        {inState("DRAFT"), [2]func(*harness) reply{send("POST", "/users/state", `[{"filter":{"email":"ann@example.com"},"stateTo":"PUBLIC"}]`), send("POST", "/users/ID/soft-delete", "")}},
		"delete and soft-delete":   {withAnn, [2]func(*harness) reply{send("DELETE", "/users/id", ""), send("POST", "/users/ID/soft-delete", "")}},
		"delete and change":        {withAnn, [2]func(*harness) reply{send("DELETE", "/users/ID", ""), send("PATCH", "/users/id", `{"email":"anna@example.com"}`)}},
		"register and soft-delete": {postponed, [2]func(*harness) reply{send("POST", "/users/register", `{"_id":"id","password":"correct horse"}`), send("POST", "/users/ID/soft-delete", "")}},
		"register and delete":      {postponed, [2]func(*harness) reply{send("POST", "/users/register", `{"_id":"id","password":"correct horse"}`), send("DELETE", "/users/ID", "")}},
		"register and register":    {postponed, [2]func(*harness) reply{send("POST", "/users/register", `{"_id":"id"}`), send("POST", "/users/register", `{"_id":"id"}`)}},
		"register and block":       {postponed, [2]func(*harness) reply{send("POST", "/users/register", `{"_id":"id"}`), block}},
		"create and trash all":     {withAnn, [2]func(*harness) reply{send("POST", "/users/", `{"userGroup":"customers","email":"bob@example.com"}`), send("POST", "/users/state", `[{"filter":{},"stateTo":"TRASH"}]`)}},
		"create twice":             {withAnn, [2]func(*harness) reply{send("POST", "/users/", `{"userGroup":"customers","email":"bob@example.com"}`), send("POST", "/users/", `{"userGroup":"customers","email":"bob@example.com"}`)}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for range meetings() {
				h := newHarness(t, nil)
				test.prepare(h)
				var both sync.WaitGroup
				var got [2]reply
				for i, request := range test.both {
					both.Go(func() { got[i] = request(h) })
				}
				both.Wait()
				if got[0].status > 299 && got[1].status > 299 {
					t.Errorf("neither succeeded: %d %s, %d %s", got[0].status, got[0].body, got[1].status, got[1].body)
				}
				if err := h.failClosed(false); err != nil {
					t.Error(err)
				}
				for _, user := range h.world().Users {
					if user["linked"] == true && user["account"] == false && user["__STATE__"] != "DELETED" {
						t.Errorf("a user in %v has an authUserId without an account", user["__STATE__"])
					}
				}
				if n := h.api.users.Unsettled(); n != 0 {
					t.Errorf("%d operations are not settled", n)
				}
			}
		})
	}
}

func postponed(h *harness) { h.must("POST", "/users/?postponeAuthUserCreation=true", ann) }

// meetings is how many times two requests meet.
func meetings() int {
	if testing.Short() {
		return 3
	}
	return 10
}
