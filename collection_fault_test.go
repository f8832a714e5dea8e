package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/upstream/faults"
)

// A severalOperation is a request for several users that is tried with every fault at
// every upstream call. Which user the nth call is for differs from run to run, since some
// are worked on at once.
type severalOperation struct {
	operation
	users []string // usernames, in the order of the outcomes
}

const (
	plainAnn = `{"userGroup":"customers","email":"ann@example.com","username":"ann"}`
	plainCat = `{"userGroup":"customers","email":"cat@example.com","username":"cat","blocked":true}`
)

func severalOperations() []severalOperation {
	all := "[" + plainAnn + "," + newBob + "," + plainCat + "]"
	three := func(h *harness) { // <id1> is Ann, <id2> Bob, <id3> Cat
		for _, user := range []string{plainAnn, newBob, plainCat} {
			h.must("POST", "/users/?sendResetPwdEmail=false", user)
		}
	}
	changes := `[{"filter":{FILTER"ann"},"update":{"$set":{"blocked":true}}},` +
		`{"filter":{FILTER"bob"},"update":{"email":"rob@example.com","name":"Rob"}},` +
		`{"filter":{FILTER"cat"},"update":{"$unset":{"blocked":true}}}]`
	byField := strings.ReplaceAll(changes, "FILTER", `"username":`)
	byID := strings.NewReplacer(`FILTER"ann"`, `"_id":"<id1>"`, `FILTER"bob"`, `"_id":"<id2>"`, `FILTER"cat"`, `"_id":"<id3>"`).Replace(changes)
	users := []string{"ann", "bob", "cat"}
	return []severalOperation{
		{operation{name: "create", request: call("POST", "/users/bulk?sendResetPwdEmail=false", all), again: []int{409}}, users},
		{operation{name: "create, the accounts postponed", request: call("POST", "/users/bulk?postponeAuthUserCreation=true", all), again: []int{409}}, users},
		{operation{name: "change at once", prepare: three, request: call("PATCH", "/users/bulk", byID)}, users},
		{operation{name: "change in order", prepare: three, request: call("PATCH", "/users/bulk", byField)}, users},
		{operation{name: "delete", prepare: three, request: call("DELETE", "/users/?userGroup=customers", "")}, users},
	}
}

// A person is a user and its account; either may be nil.
type person struct{ User, Account crud.Document }

// people is the world by user name.
func (h *harness) people() map[string]person {
	h.t.Helper()
	found := map[string]person{}
	w := h.world()
	for _, user := range w.Users {
		name := fmt.Sprint(user["username"])
		if _, twice := found[name]; twice {
			h.t.Errorf("two users are called %s", name)
		}
		found[name] = person{User: user}
	}
	for _, account := range w.Accounts {
		name := fmt.Sprint(account["username"])
		p := found[name]
		p.Account = account
		found[name] = p
	}
	return found
}

// TestEveryFaultAmongSeveral fails each upstream call of each request for several users in
// each way. After it no account can log in that must not, each user and its account are
// both as before or both as after, as its outcome says, and the request made again
// completes.
func TestEveryFaultAmongSeveral(t *testing.T) {
	for i, o := range severalOperations() {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			var calls []string
			var before, after map[string]person
			synctest.Test(t, func(t *testing.T) { calls, before, after = o.calls(t) })
			picked := inRequests.picked(i)
			for n := range calls {
				for _, fault := range faults.All() {
					o.try(t, picked(), fmt.Sprintf("%s at call %d", fault, n+1), before, after, func(p *faults.Plan) { p.Arm(n+1, fault) })
				}
				for _, fault := range []faults.Fault{faults.Refuse500, faults.Timeout, faults.DropAnswer} {
					o.try(t, picked(), fmt.Sprintf("%s from call %d on", fault, n+1), before, after, func(p *faults.Plan) { p.ArmFrom(n+1, fault) })
				}
			}
		})
	}
}

// calls runs the operation with nothing going wrong and returns its upstream calls, and
// what is before and after it.
func (o severalOperation) calls(t *testing.T) (calls []string, before, after map[string]person) {
	h := o.start(t)
	before = h.people()
	if got := o.request(h); got.status > 299 {
		t.Fatalf("without a fault = %d %s", got.status, got.body)
	}
	return h.plan.Calls(), before, h.people()
}

func (o severalOperation) try(t *testing.T, picked bool, name string, before, after map[string]person, arm func(*faults.Plan)) {
	if !picked {
		return
	}
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { o.check(t, before, after, arm) })
	})
}

func (o severalOperation) check(t *testing.T, before, after map[string]person, arm func(*faults.Plan)) {
	h := o.start(t)
	arm(h.plan)
	first := o.request(h)
	h.plan.Heal()
	if err := h.failClosed(false); err != nil {
		t.Errorf("after %d %s: %v", first.status, first.body, err)
	}
	o.checkOutcomes(t, first, h.people(), after)
	h.plan.Deliver()
	h.settle()
	settled := h.people()
	for _, name := range o.users {
		if is := settled[name]; !cmp.Equal(before[name], is) && !cmp.Equal(after[name], is) {
			t.Errorf("%s is half done after %d %s:\nagainst before (-want +got):\n%s\nagainst after (-want +got):\n%s",
				name, first.status, first.body, cmp.Diff(before[name], is), cmp.Diff(after[name], is))
		}
	}
	second := o.request(h)
	if second.status > 299 && (len(o.again) == 0 || second.status != o.again[0]) {
		t.Errorf("made again = %d %s, after %d %s", second.status, second.body, first.status, first.body)
	}
	if diff := cmp.Diff(after, h.people()); diff != "" {
		t.Errorf("made again, the work is not done (-want +got):\n%s", diff)
	}
	if err := h.failClosed(false); err != nil {
		t.Errorf("made again: %v", err)
	}
}

// checkOutcomes holds what the answer says of each user against what is.
func (o severalOperation) checkOutcomes(t *testing.T, got reply, is, after map[string]person) {
	t.Helper()
	done := make([]bool, len(o.users))
	if got.status <= 299 {
		for i := range done {
			done[i] = true
		}
	} else if outcomes := readOutcomes(t, got); outcomes != nil {
		if len(outcomes) != len(o.users) {
			t.Fatalf("%d outcomes for %d users: %s", len(outcomes), len(o.users), got.body)
		}
		for i, outcome := range outcomes {
			done[i] = outcome.StatusCode == 0
		}
	}
	for i, name := range o.users {
		if done[i] && !cmp.Equal(after[name], is[name]) {
			t.Errorf("%d %s says that %s is done, but (-want +got):\n%s", got.status, got.body, name, cmp.Diff(after[name], is[name]))
		}
	}
}

// A toldOutcome is an outcome as a client reads it.
type toldOutcome struct {
	ID         string `json:"_id"`
	Changed    *int
	Deleted    *int
	StatusCode int
	Error      string
	Message    string
}

// readOutcomes returns the outcomes of an error; nil when nothing was done.
func readOutcomes(t *testing.T, got reply) []toldOutcome {
	t.Helper()
	checkErrorBody(t, got)
	var body struct{ Outcomes []toldOutcome }
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatal(err)
	}
	failed := body.Outcomes == nil
	for _, outcome := range body.Outcomes {
		failed = failed || outcome.StatusCode == got.status
		if outcome.StatusCode != 0 && (outcome.Error != http.StatusText(outcome.StatusCode) || outcome.Message == "") {
			t.Errorf("an outcome is %+v", outcome)
		}
	}
	if !failed {
		t.Errorf("no outcome has the status %d of %s", got.status, got.body)
	}
	return body.Outcomes
}
