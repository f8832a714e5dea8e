package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"user-manager/crud"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// An operation is a request that is tried with every fault at every upstream call.
type operation struct {
	name string
	env  map[string]string
	// service makes one with another provider than the fake; nil: with the fake.
	service func(t *testing.T, env map[string]string) *harness
	// prepare makes what the operation needs, before anything goes wrong.
	prepare func(h *harness)
	request func(h *harness) reply
	// halfway brings about where the operation may stop, consistent; nil: nowhere.
	halfway func(h *harness) reply
	// again are the statuses that the request made once more may have when it had
	// succeeded before: what was to be done is done.
	again []int
	// survives tells the calls whose failure does not fail the request.
	survives func(call string) bool
	// look looks at the answer and what is true then, while calls still fail; nil: no more
	// than at others.
	look func(h *harness, first reply)
}

const (
	annFields = `"userGroup":"customers","email":"ann@example.com","username":"ann","name":"Ann","password":"correct horse"`
	ann       = `{` + annFields + `}`
)

// withAnn makes a user with an account; <id1> is the user, <id2> is in its
// authUserId.
func withAnn(h *harness) {
	h.must("POST", "/users/?sendResetPwdEmail=false", ann)
	h.must("GET", "/users/?_p=authUserId", "")
}

func inState(states ...string) func(h *harness) {
	return func(h *harness) {
		withAnn(h)
		for _, state := range states {
			h.must("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"`+state+`"}]`)
		}
	}
}

func isMail(call string) bool {
	return strings.Contains(call, "change-password") || strings.Contains(call, "ChangePassword") || strings.Contains(call, "change_password")
}

func operations() []operation {
	send := func(method, path, body string, header ...string) func(*harness) reply {
		return func(h *harness) reply {
			return h.call(method, path, strings.ReplaceAll(body, "fake|", h.idPrefix()), header...)
		}
	}
	toTrash := send("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"TRASH"}]`)
	logIn := func(h *harness) {
		withAnn(h)
		h.must("POST", "/oauth/token", `{"username":"ann","password":"correct horse"}`)
	}
	return []operation{
		{name: "create", request: send("POST", "/users/", ann), again: []int{409}, survives: isMail},
		{name: "create blocked", request: send("POST", "/users/", `{"blocked":true,`+annFields+`}`), again: []int{409}, survives: isMail},
		{name: "create with the account postponed", request: send("POST", "/users/?postponeAuthUserCreation=true", ann), again: []int{409}},
		{name: "create in a group without accounts", request: send("POST", "/users/", `{"userGroup":"contacts","name":"Ann","email":"ann@example.com"}`), again: []int{409}},
		{name: "register", prepare: func(h *harness) { h.must("POST", "/users/?postponeAuthUserCreation=true", ann) },
			request: send("POST", "/users/register", `{"_id":"<id1>","password":"correct horse"}`), again: []int{409}, survives: isMail},
		{name: "create with id", prepare: orphanAccount, request: send("POST", "/users/with-id", `{"authUserId":"fake|<id2>","userGroup":"customers","name":"Ann"}`), again: []int{409}},
		{name: "create with id, blocked", prepare: orphanAccount, request: send("POST", "/users/with-id", `{"authUserId":"fake|<id2>","userGroup":"customers","blocked":true}`), again: []int{409}},
		{name: "patch what the account does not know", prepare: withAnn, request: send("PATCH", "/users/<id1>", `{"$set":{"name":"Anna"},"$unset":{"username":true}}`)},
		{name: "patch a field of the user alone", prepare: withAnn, request: send("PATCH", "/users/<id1>", `{"name":"Anna"}`)},
		{name: "patch the address", prepare: withAnn, request: send("PATCH", "/users/<id1>", `{"email":"anna@example.com","name":"Anna"}`)},
		{name: "patch to blocked", prepare: withAnn, request: send("PATCH", "/users/<id1>", `{"$set":{"blocked":true,"email":"anna@example.com"}}`)},
		{name: "patch to unblocked", prepare: func(h *harness) { withAnn(h); h.must("PATCH", "/users/<id1>", `{"blocked":true}`) },
			request: send("PATCH", "/users/<id1>", `{"$unset":{"blocked":true},"$set":{"email":"anna@example.com"}}`)},
		{name: "delete", prepare: withAnn, request: send("DELETE", "/users/<id1>", ""), again: []int{500}},
		{name: "delete in TRASH", prepare: inState("TRASH"), request: send("DELETE", "/users/<id1>", ""), again: []int{500}},
		{name: "soft-delete", prepare: withAnn, request: send("POST", "/users/<id1>/soft-delete", ""), halfway: toTrash},
		{name: "soft-delete, keeping the account", env: map[string]string{"AUTH_HARD_DELETE": "false"}, prepare: withAnn, request: send("POST", "/users/<id1>/soft-delete", ""), halfway: toTrash},
		{name: "soft-delete from DRAFT", prepare: inState("DRAFT"), request: send("POST", "/users/<id1>/soft-delete", ""), halfway: toTrash},
		{name: "state to TRASH", prepare: withAnn, request: toTrash},
		{name: "state to DELETED", prepare: inState("TRASH"), request: send("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"DELETED"}]`)},
		{name: "state to PUBLIC", prepare: inState("DRAFT"), request: send("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"PUBLIC"}]`)},
		{name: "change password", prepare: withAnn, request: send("POST", "/users/change-password", `{"authUserId":"fake|<id2>"}`)},
		{name: "log in", prepare: withAnn, request: send("POST", "/oauth/token", `{"username":"ann","password":"correct horse"}`)},
		{name: "refresh", prepare: logIn, request: send("POST", "/refreshtoken", `{"refreshToken":"<refresh1>"}`, "Authorization: Bearer <token1>"), again: []int{401}},
		{name: "user info", prepare: logIn, request: send("GET", "/userinfo", "", "Authorization: Bearer <token1>")},
		{name: "create in bulk", request: send("POST", "/users/bulk", "["+ann+"]"), again: []int{409}, survives: isMail},
		{name: "validate", request: send("POST", "/users/validate", ann)},
		{name: "patch in bulk, by id", prepare: withAnn, request: send("PATCH", "/users/bulk", `[{"filter":{"_id":"<id1>"},"update":{"$set":{"blocked":true,"email":"anna@example.com"}}}]`)},
		{name: "patch in bulk, by a field", prepare: withAnn, request: send("PATCH", "/users/bulk", `[{"filter":{"username":"ann"},"update":{"email":"anna@example.com"}}]`)},
		{name: "delete by a field", prepare: withAnn, request: send("DELETE", "/users/?username=ann", "")},
		{name: "delete by a field and state", prepare: inState("TRASH"), request: send("DELETE", "/users/?username=ann&_st=PUBLIC,TRASH", "")},
		{name: "one state to TRASH", prepare: withAnn, request: send("POST", "/users/<id1>/state", `{"stateTo":"TRASH"}`)},
		{name: "one state to DELETED", prepare: inState("TRASH"), request: send("POST", "/users/<id1>/state", `{"stateTo":"DELETED"}`)},
		{name: "one state to PUBLIC", prepare: inState("DRAFT"), request: send("POST", "/users/<id1>/state", `{"stateTo":"PUBLIC"}`)},
		{name: "one state to the same", prepare: inState("DRAFT"), request: send("POST", "/users/<id1>/state", `{"stateTo":"DRAFT"}`)},
		{name: "one", prepare: withAnn, request: send("GET", "/users/<id1>", "")},
		{name: "export", prepare: withAnn, request: send("GET", "/users/export", "")},
		{name: "schema", request: send("GET", "/users/schema", "")},
		{name: "list", prepare: withAnn, request: send("GET", "/users/", "")},
		{name: "count", prepare: withAnn, request: send("GET", "/users/count", "")},
	}
}

// orphanAccount makes an account without a user: <id2> is in its id.
func orphanAccount(h *harness) {
	withAnn(h)
	if err := h.client.Collection("/users").Delete(h.t.Context(), h.seen.values["<id1>"]); err != nil {
		h.t.Fatal(err)
	}
}

// A world is what is true of users and accounts, whatever their ids.
type world struct {
	Users    []crud.Document
	Accounts []crud.Document
	// Strays is how many bindings there are of accounts that no user has, OfOthers how many
	// have roles that others than the service granted.
	Strays, OfOthers int
}

func (h *harness) all(path string) []crud.Document {
	h.t.Helper()
	var docs []crud.Document
	for doc, err := range h.client.Collection(path).All(h.t.Context(), crud.Query{States: crud.AllStates}) {
		if err != nil {
			h.t.Fatal(err)
		}
		docs = append(docs, doc)
	}
	return docs
}

// world reads users and accounts beside the plan. Of a user's account it keeps
// whether there is one, and what it is granted; of its timer, whether that fires.
func (h *harness) world() world {
	var w world
	accounts := map[string]bool{}
	for id, account := range h.accounts() {
		accounts[id] = true
		w.Accounts = append(w.Accounts, account)
	}
	for _, user := range h.all("/users") {
		id, linked := user["authUserId"].(string)
		kept := crud.Document{"account": accounts[id], "linked": linked}
		if user["__STATE__"] == crud.Deleted { // then it is of no meaning
			delete(kept, "linked")
		}
		for field, value := range user {
			switch field {
			case "_id", "authUserId", "createdAt", "creatorId", "updatedAt", "updaterId", "expirationId":
			default:
				kept[field] = value
			}
		}
		h.addNeighbours(kept, user)
		w.Users = append(w.Users, kept)
	}
	w.Strays, w.OfOthers = h.strays(), h.ofOthers()
	return w
}

// accountID is the id of one of the fake's accounts.
func accountID(account crud.Document) string { return fmt.Sprintf("fake|%v", account["key"]) }

// accounts yields what there is at the provider by id, beside the plan.
func (h *harness) accounts() iter.Seq2[string, crud.Document] {
	return func(yield func(string, crud.Document) bool) {
		accounts, id := h.accountDocuments()
		for _, account := range accounts {
			if !yield(id(account), crud.Document{"username": account["username"], "email": account["email"], "blocked": account["blocked"] == true}) {
				return
			}
		}
	}
}

func (h *harness) accountDocuments() (accounts []crud.Document, id func(crud.Document) string) {
	if h.tenant == nil {
		return h.all("/fake/accounts"), accountID
	}
	return h.tenant.Users(), func(account crud.Document) string { return fmt.Sprint(account["user_id"]) }
}

// idPrefix is what the ids of accounts begin with.
func (h *harness) idPrefix() string {
	if h.tenant == nil {
		return "fake|"
	}
	return "auth0|"
}

// failClosed reports an account that can log in although its user may not. alone says
// that an account without a user is none of them.
func (h *harness) failClosed(alone bool) error {
	users := map[string]crud.Document{}
	for _, user := range h.all("/users") {
		id, _ := user["authUserId"].(string)
		if _, key, _ := strings.Cut(id, "|"); !strings.HasPrefix(id, h.idPrefix()) { // a mark
			id = h.idPrefix() + key
		}
		users[id] = user
	}
	for id, account := range h.accounts() {
		if account["blocked"] == true {
			continue
		}
		user, ok := users[id]
		if !ok && alone {
			continue
		}
		if !ok {
			return fmt.Errorf("an account without a user can log in")
		}
		if user["__STATE__"] != "PUBLIC" || user["blocked"] == true {
			return fmt.Errorf("the account of a user in %v, blocked %v, can log in", user["__STATE__"], user["blocked"])
		}
	}
	return nil
}

// keepsAccountWithoutUser: the operation begins with an account that has no user.
func (o operation) keepsAccountWithoutUser() bool { return strings.HasPrefix(o.name, "create with id") }

// start makes a service with what the operation needs.
func (o operation) start(t *testing.T) *harness {
	h := o.open(t)
	if o.prepare != nil {
		o.prepare(h)
	}
	h.plan.Reset()
	return h
}

func (o operation) open(t *testing.T) *harness {
	if o.service != nil {
		return o.service(t, o.env)
	}
	return newHarness(t, o.env)
}

// worlds are those that an operation may leave.
type worlds struct{ before, after, halfway world }

func (w worlds) has(is world) bool {
	return cmp.Equal(w.before, is) || cmp.Equal(w.after, is) || cmp.Equal(w.halfway, is)
}

// calls runs the operation with nothing going wrong and returns its upstream calls,
// and the worlds that it may leave.
func (o operation) calls(t *testing.T) (calls []string, w worlds) {
	h := o.start(t)
	w.before = h.world()
	if got := o.request(h); got.status > 299 {
		t.Fatalf("%s without a fault = %d %s", o.name, got.status, got.body)
	}
	calls, w.after, w.halfway = h.plan.Calls(), h.world(), w.before
	if o.halfway != nil {
		h := o.start(t)
		o.halfway(h)
		w.halfway = h.world()
	}
	return calls, w
}

// TestEveryFaultAtEveryCall fails each upstream call of each operation in each way, or in
// some of them, see density.
// After it: no account can log in that must not, everything is as before or as after
// the operation as the answer says, and the same request made again completes.
func TestEveryFaultAtEveryCall(t *testing.T) {
	for i, o := range operations() {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			o.tryFaults(t, inRequests.picked(i))
		})
	}
}

// tryFaults tries those that are picked of every fault at every call.
func (o operation) tryFaults(t *testing.T, picked func() bool) {
	var calls []string
	var w worlds
	synctest.Test(t, func(t *testing.T) { calls, w = o.calls(t) })
	if len(calls) == 0 {
		t.Fatal("the operation made no upstream call")
	}
	for n, call := range calls {
		try := func(how string, check func(t *testing.T)) {
			if picked() {
				t.Run(how, func(t *testing.T) { synctest.Test(t, check) })
			}
		}
		name := fmt.Sprintf("%d %s", n+1, strings.ReplaceAll(call, "/", "_"))
		for _, fault := range faults.All() {
			try(name+", "+fault.String(), func(t *testing.T) {
				o.checkFault(t, call, w, func(p *faults.Plan) { p.Arm(n+1, fault) })
			})
		}
		for _, early := range []bool{false, true} {
			try(fmt.Sprintf("%s, late, early %v", name, early), func(t *testing.T) { o.checkLate(t, w, n+1, early) })
		}
		for _, fault := range []faults.Fault{faults.Refuse500, faults.Timeout, faults.DropAnswer} {
			try(fmt.Sprintf("from %s on, %s", name, fault), func(t *testing.T) {
				o.checkFault(t, call, w, func(p *faults.Plan) { p.ArmFrom(n+1, fault) })
			})
		}
	}
}

func (o operation) checkFault(t *testing.T, call string, w worlds, arm func(*faults.Plan)) {
	h := o.start(t)
	arm(h.plan)
	first := o.request(h)
	if err := h.failClosed(o.keepsAccountWithoutUser()); err != nil {
		t.Errorf("after %d %s: %v", first.status, first.body, err)
	}
	if o.look != nil {
		o.look(h, first)
	}
	if first.status > 299 {
		checkErrorBody(t, first)
	} else if o.survives == nil || !o.survives(call) {
		if diff := cmp.Diff(w.after, h.world()); diff != "" {
			t.Errorf("answered %d but the work is not done (-want +got):\n%s", first.status, diff)
		}
	}
	h.plan.Heal()
	h.settle()
	settled := h.world()
	if !w.has(settled) {
		t.Errorf("half done after %d %s:\nagainst before (-want +got):\n%s\nagainst after (-want +got):\n%s",
			first.status, first.body, cmp.Diff(w.before, settled), cmp.Diff(w.after, settled))
	}
	second := o.request(h)
	if second.status > 299 && !(slices.Contains(o.again, second.status) && cmp.Equal(w.after, settled)) {
		t.Errorf("made again = %d %s, after %d %s", second.status, second.body, first.status, first.body)
	}
	if diff := cmp.Diff(w.after, h.world()); diff != "" {
		t.Errorf("made again, the work is not done (-want +got):\n%s", diff)
	}
	if err := h.failClosed(false); err != nil {
		t.Errorf("made again: %v", err)
	}
}

// checkLate makes the request while the work of the nth call is done late: early says
// that it is before the request is made again, otherwise after. In the end all is as
// after the operation, and nobody can log in who must not.
func (o operation) checkLate(t *testing.T, w worlds, n int, early bool) {
	h := o.start(t)
	h.plan.Arm(n, faults.Late)
	first := o.request(h)
	h.plan.Heal()
	if early {
		h.plan.Deliver()
	}
	second := o.request(h)
	h.plan.Deliver()
	h.settle()
	if diff := cmp.Diff(w.after, h.world()); diff != "" {
		t.Errorf("after %d %s and %d %s (-want +got):\n%s", first.status, first.body, second.status, second.body, diff)
	}
	if err := h.failClosed(false); err != nil {
		t.Error(err)
	}
}

// settle lets the service run for a while, as it does beside its requests: by the end
// everything that was left open is settled.
func (h *harness) settle() {
	h.t.Helper()
	for _, d := range []time.Duration{2 * time.Minute, 4 * time.Minute, 4 * time.Hour} { // on the bubble's clock
		h.running(func() { <-time.After(d) })
		open := depending(0, h.api.users.Unsettled()) // what may be another process's takes longer
		if open == 0 && len(h.all("/journal")) == 0 && !strings.Contains(fmt.Sprint(h.all("/users")), "ing|") {
			break // marks of jobs, and what an import may still do, take longer
		}
	}
	if n := h.api.users.Unsettled(); n != 0 {
		h.t.Errorf("%d operations are not settled", n)
	}
	if left := h.all("/journal"); len(left) != 0 {
		h.t.Errorf("the journal still has %v", left)
	}
}

// running does f while the service settles in the background what is left open, and timers
// call.
func (h *harness) running(f func()) {
	ctx, stop := context.WithCancel(h.t.Context())
	var work errgroup.Group
	work.Go(func() error { return h.api.users.Run(ctx) })
	if h.hasTimers() { // else they would only be looked for, for hours
		work.Go(func() error { return h.api.timers.run(ctx, h.handler) })
	}
	f()
	stop()
	if err := work.Wait(); err != nil {
		h.t.Error(err)
	}
	h.resigned()
}

// hasTimers reports whether the embedded Timer Service has any.
func (h *harness) hasTimers() bool {
	timers := h.api.timers
	return timers != nil && timers.embedded != nil && len(h.all("/timers")) > 0
}

// resigned takes the service off the journal, as its end does, beside the plan. A store
// whose journal is elsewhere has none to look at.
func (h *harness) resigned() {
	q := crud.Query{Filter: crud.Document{"kind": "process"}, States: crud.AllStates}
	_, err := h.client.Collection("/journal").DeleteAll(context.WithoutCancel(h.t.Context()), q)
	if err != nil && upstream.Status(err) != http.StatusNotFound {
		h.t.Error(err)
	}
}

func checkErrorBody(t *testing.T, got reply) {
	t.Helper()
	var body failure
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatalf("error body %q: %v", got.body, err)
	}
	if body.StatusCode != got.status || body.Error != http.StatusText(got.status) || body.Message == "" {
		t.Errorf("error body of a %d = %s", got.status, got.body)
	}
}
