package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestActivationsAtOnce asks for the same users in two jobs that run together: each user
// gets one account, and fails in the other job at most because it is busy.
func TestActivationsAtOnce(t *testing.T) {
	t.Parallel()
	for sight := range sights {
		t.Run(sight, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarnessWith(t, nil, sights[sight])
				const n = 30
				for i := range n {
					h.mustAll(fmt.Sprintf(`POST /users/?postponeAuthUserCreation=true {"userGroup":"customers","email":"user%d@example.com"}`, i))
				}
				for range 2 {
					h.mustAll("POST " + activations + " " + activationOf(n))
				}
				h.pass(time.Minute)
				inserted := 0
				for _, id := range []string{"<job1>", "<job2>"} {
					var job shownJob
					if err := json.Unmarshal([]byte(h.must("GET", activations+"/"+id, "").body), &job); err != nil {
						t.Fatal(err)
					}
					s := job.Summary
					inserted += s["inserted"]
					if job.Status != "completed" || s["total"] != n || s["failed"]+s["updated"]+s["inserted"] != n || len(job.Failures) != s["failed"] {
						t.Errorf("job %s is %s: %v with %d failures", id, job.Status, s, len(job.Failures))
					}
				}
				if inserted != n || len(h.all("/fake/accounts")) != n {
					t.Errorf("%d users were inserted, %d accounts are there, want %d", inserted, len(h.all("/fake/accounts")), n)
				}
				h.settle()
				h.checkPairing()
			})
		})
	}
}

// besides are operations on <id1> that come while an activation is at work on it.
var besides = map[string]func(*harness) reply{
	"a block":             call("PATCH", "/users/<id1>", `{"blocked":true}`),
	"another address":     call("PATCH", "/users/<id1>", `{"email":"anna@example.com"}`),
	"TRASH":               call("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"TRASH"}]`),
	"a soft-deletion":     call("POST", "/users/<id1>/soft-delete", ""),
	"a deletion":          call("DELETE", "/users/<id1>", ""),
	"a registration":      call("POST", "/users/register", `{"_id":"<id1>","password":"correct horse"}`),
	"another activation":  call("POST", activations, usersBody("<id1>")),
	"an import of a name": func(h *harness) reply { return h.sendFile("_id,email\n<id1>,anna@example.com\n") },
	"a creation of the same address": call("POST", "/users/?sendResetPwdEmail=false",
		`{"userGroup":"staff","username":"bob","name":"B","surname":"B","email":"ann.new@example.com"}`),
}

// TestOperationsBesideAnActivation holds back the answer of each upstream call of an
// activation in turn, and meanwhile makes another request for the user. Whoever comes
// first: user and account belong together, and nobody can log in who must not.
func TestOperationsBesideAnActivation(t *testing.T) {
	t.Parallel()
	prepares := map[string]func(*harness){
		"without an account": postponed,
		"with an account": func(h *harness) {
			withAnn(h)
			h.mustAll(`PATCH /crud/users/<id1> {"$set":{"email":"ann.new@example.com"}}`)
		},
	}
	for state, prepare := range prepares {
		for what, beside := range besides {
			for sight := range sights {
				if testing.Short() && sight == "in bulk" {
					continue
				}
				t.Run(fmt.Sprintf("%s %s, %s", what, state, sight), func(t *testing.T) {
					t.Parallel()
					calls := 0
					synctest.Test(t, func(t *testing.T) { calls = activationCalls(t, sight, prepare) })
					for n := 0; n < calls; n += amount(1, depending(7, 23), 53) {
						t.Run(fmt.Sprint(n+1), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) { besideActivation(t, sight, prepare, beside, n+1) })
						})
					}
				})
			}
		}
	}
}

// activationCalls counts the upstream calls of an activation of <id1>.
func activationCalls(t *testing.T, sight string, prepare func(*harness)) int {
	h := newHarnessWith(t, nil, sights[sight])
	prepare(h)
	h.must("POST", activations, usersBody("<id1>"))
	h.plan.Reset()
	h.runJobs(func() { h.awaitJobs(time.Minute) })
	return len(h.plan.Calls())
}

// besideActivation holds back the answer of the nth call of the activation for three
// seconds; the other request comes after one.
func besideActivation(t *testing.T, sight string, prepare func(*harness), beside func(*harness) reply, n int) {
	h := newHarnessWith(t, nil, sights[sight])
	prepare(h)
	h.must("POST", activations, usersBody("<id1>"))
	h.plan.Reset()
	h.plan.ArmDelay(n, 3*time.Second)
	var got reply
	h.runJobs(func() {
		<-time.After(time.Second)
		got = beside(h)
		if !h.awaitJobs(time.Hour) {
			t.Error("a job is still open")
		}
	})
	h.plan.Heal()
	outcome := h.must("GET", activations+"/<job1>", "").body
	h.settle()
	h.checkPairing()
	h.checkAgreement()
	h.checkBlocks()
	if !strings.Contains(outcome, `"total":1`) {
		t.Errorf("job = %s", outcome)
	}
	if t.Failed() {
		t.Logf("beside = %d %s, job = %s", got.status, got.body, outcome)
	}
}

// checkBlocks reports users who may log in, but whose account is blocked.
func (h *harness) checkBlocks() {
	h.t.Helper()
	blocked := map[string]bool{}
	for _, account := range h.all("/fake/accounts") {
		blocked[accountID(account)] = account["blocked"] == true
	}
	for _, user := range h.all("/users") {
		id, _ := user["authUserId"].(string)
		if may := user["__STATE__"] == "PUBLIC" && user["blocked"] != true; may && blocked[id] {
			h.t.Error("the account of a user who may log in is blocked")
		}
	}
}
