package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// arm finds the call of an operation by a part of its name, when nothing goes wrong,
// and arms the plan of h with a fault at that call. "name#2" is the second like it.
func (h *harness) arm(fault faults.Fault, call string, prepare func(*harness), request func(*harness) reply) {
	h.t.Helper()
	dry := newHarness(h.t, nil)
	if prepare != nil {
		prepare(dry)
	}
	dry.plan.Reset()
	request(dry)
	call, second := strings.CutSuffix(call, "#2")
	n := slices.IndexFunc(dry.plan.Calls(), func(name string) bool {
		found := strings.Contains(name, call) && !second
		second = second && !strings.Contains(name, call)
		return found
	})
	if n < 0 {
		h.t.Fatalf("no call like %q among %v", call, dry.plan.Calls())
	}
	h.plan.Reset()
	h.plan.Arm(n+1, fault)
}

// restart makes h go on as a new process on the same store would.
func (h *harness) restart() {
	h.t.Helper()
	h.restartWith(map[string]string{"EMBEDDED_PATH": ":memory:", "RANDOM_PWD_GEN": "false"})
}

// restartWith is restart with other settings.
func (h *harness) restartWith(vars map[string]string) {
	h.t.Helper()
	cfg, err := loadConfig(environment(vars))
	if err != nil {
		h.t.Fatal(err)
	}
	log := testLog(h.t)
	n := neighbours{store: h.api.store, provider: h.provider}
	n.grants, n.timers = h.others(cfg, log, upstream.Observer{})
	h.api = newAPI(cfg, n, log)
	h.handler = h.api.handler()
	if err := h.api.users.Recover(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func call(method, path, body string) func(*harness) reply {
	return func(h *harness) reply { return h.call(method, path, body) }
}

// TestLateEffects: a call takes effect long after its answer was lost, when another
// operation on the user has been acknowledged or the process has been started anew. No
// account that must not log in can, then or later.
func TestLateEffects(t *testing.T) {
	t.Parallel()
	block := call("PATCH", "/users/<id1>", `{"blocked":true}`)
	unblock := call("PATCH", "/users/<id1>", `{"blocked":false}`)
	trash := call("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"TRASH"}]`)
	rename := call("PATCH", "/users/<id1>", `{"name":"Zed"}`)
	register := call("POST", "/users/register", `{"_id":"<id1>","password":"correct horse"}`)
	create := call("POST", "/users/", ann)
	for what, test := range map[string]struct {
		prepare func(*harness)
		late    func(*harness) reply
		call    string // of late
		then    func(*harness) reply
		restart bool
		shut    bool // what is late keeps somebody out: nobody is let in meanwhile
	}{
		"block, then a change of the name":             {withAnn, block, "CRUD PATCH /users/:id", rename, false, true},
		"move to TRASH, then a change of the name":     {withAnn, trash, "/state", rename, false, true},
		"unblock, then a change of the name":           {func(h *harness) { withAnn(h); block(h) }, unblock, "Auth Update", rename, false, false},
		"block without an account, then register":      {postponed, block, "CRUD PATCH /users/:id", register, false, false},
		"TRASH without an account, then register":      {postponed, trash, "/state", register, false, false},
		"register's mark, then register":               {postponed, register, "CRUD PATCH /users/", register, false, false},
		"register's account, then a change":            {postponed, register, "Auth Create", rename, false, false},
		"register's link, then register":               {postponed, register, "CRUD PATCH /users/#2", register, false, false},
		"the created account, then a start":            {nil, create, "Auth Create", nil, true, false},
		"the created account, then another's creation": {nil, create, "Auth Create", call("POST", "/users/", `{"userGroup":"customers","email":"bob@example.com","username":"ann"}`), false, false},
		"deletion of the account, then a soft-delete":  {withAnn, call("DELETE", "/users/<id1>", ""), "Auth Delete", call("POST", "/users/<id1>/soft-delete", ""), false, false},
		"a note, then a soft-delete":                   {withAnn, call("DELETE", "/users/<id1>", ""), "CRUD POST /journal/", call("POST", "/users/<id1>/soft-delete", ""), false, false},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, nil)
				if test.prepare != nil {
					test.prepare(h)
				}
				h.arm(faults.Late, test.call, test.prepare, test.late)
				first := test.late(h)
				h.plan.Heal()
				if test.restart {
					h.restart()
				}
				second := reply{}
				if test.then != nil {
					second = test.then(h)
				}
				h.running(func() {
					<-time.After(time.Second)
					h.plan.Deliver()
					if err := h.failClosed(false); err != nil && test.shut {
						t.Errorf("just after %s took effect: %v", test.call, err)
					}
					<-time.After(10 * time.Minute)
				})
				if err := h.failClosed(false); err != nil {
					t.Errorf("after %d %s, then %d %s: %v", first.status, first.body, second.status, second.body, err)
				}
				h.checkBelonging()
				if left := h.all("/journal"); len(left) != 0 {
					t.Errorf("the journal still has %v", left)
				}
			})
		})
	}
}

// TestMarksWithoutNotes: marks of creations that nobody is at work on and nothing notes
// are found at the start, and what they stand for is undone.
func TestMarksWithoutNotes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		keys := []string{"111111111111111111111111", "222222222222222222222222", "333333333333333333333333", "444444444444444444444444"}
		for i, mark := range []string{"creating|", "registering|", "uncreating|", "unregistering|"} {
			user := crud.Document{"userGroup": "customers", "username": mark, "authUserId": mark + keys[i]}
			if _, err := h.client.Collection("/users").Insert(t.Context(), user); err != nil {
				t.Fatal(err)
			}
			account := providers.NewAccount{Key: keys[i], Username: mark, Password: secret.New("correct horse")}
			if _, err := h.provider.Create(t.Context(), account); err != nil {
				t.Fatal(err)
			}
		}
		h.restart()
		h.settle()
		var left []string
		for _, user := range h.all("/users") {
			left = append(left, fmt.Sprint(user["username"], user["authUserId"]))
		}
		if diff := cmp.Diff([]string{"registering|<nil>", "unregistering|<nil>"}, left); diff != "" {
			t.Errorf("users (-want +got):\n%s", diff)
		}
		if accounts := h.all("/fake/accounts"); len(accounts) != 0 {
			t.Errorf("%d accounts are left", len(accounts))
		}
	})
}

// TestLeavingDeleted: a user whose account was deleted with the state DELETED has none when
// it leaves that state, and can be registered again.
func TestLeavingDeleted(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	withAnn(h)
	h.must("POST", "/users/<id1>/soft-delete", "")
	h.must("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"TRASH"}]`)
	h.checkBelonging()
	h.must("POST", "/users/register", `{"_id":"<id1>","password":"correct horse"}`)
	h.must("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"PUBLIC"}]`)
	h.must("POST", "/oauth/token", `{"username":"ann","password":"correct horse"}`)
}

// checkBelonging reports marks that stay, and users whose authUserId leads nowhere
// though they are not DELETED.
func (h *harness) checkBelonging() {
	h.t.Helper()
	accounts := map[string]bool{}
	for id := range h.accounts() {
		accounts[id] = true
	}
	for _, user := range h.all("/users") {
		id, linked := user["authUserId"].(string)
		if linked && !accounts[id] && user["__STATE__"] != "DELETED" {
			h.t.Errorf("a user in %v has the authUserId %s, of no account", user["__STATE__"], id)
		}
	}
}

// TestRandomSequences makes random requests for one user, some with a fault at some
// call or taking effect late, then a clean one. In the end nobody can log in who must
// not, nothing is orphaned, and what the clean request acknowledged stands.
func TestRandomSequences(t *testing.T) {
	t.Parallel()
	for seed := range amount(300, depending(120, 40), 20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { randomSequence(t, rand.New(rand.NewPCG(uint64(seed), 11))) })
		})
	}
}

var randomRequests = []func(*harness) reply{
	call("PATCH", "/users/<id1>", `{"blocked":true}`),
	call("PATCH", "/users/<id1>", `{"blocked":false}`),
	call("PATCH", "/users/<id1>", `{"email":"anna@example.com","name":"Anna"}`),
	call("PATCH", "/users/<id1>", `{"email":"ann@example.com","blocked":true}`),
	call("PATCH", "/users/<id1>?_st=PUBLIC,DRAFT,TRASH,DELETED", `{"name":"Zed"}`),
	call("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"TRASH"}]`),
	call("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"DRAFT"}]`),
	call("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"PUBLIC"}]`),
	call("POST", "/users/<id1>/soft-delete", ""),
	call("POST", "/users/register", `{"_id":"<id1>","password":"correct horse"}`),
	call("DELETE", "/users/<id1>", ""),
	call("POST", "/users/", `{"userGroup":"customers","email":"anna@example.com","username":"anna"}`),
	call("POST", "/users/", ann),
}

func randomSequence(t *testing.T, rng *rand.Rand) {
	h := newHarness(t, nil)
	if rng.IntN(2) == 0 {
		withAnn(h)
	} else {
		postponed(h)
	}
	var since time.Duration // that something may be late
	for range 1 + rng.IntN(3) {
		h.plan.Reset()
		n, fault, request := 1+rng.IntN(7), faults.All()[rng.IntN(len(faults.All()))], rng.IntN(len(randomRequests))
		h.plan.Arm(n, fault)
		got := randomRequests[request](h)
		t.Logf("request %d with %v at call %d = %d %s", request, fault, n, got.status, got.body)
		if rng.IntN(3) == 0 {
			pause := time.Duration(rng.IntN(45)) * time.Second
			if since += pause; since > 25*time.Second { // nothing takes effect after half a minute
				since = 0
				h.plan.Deliver()
			}
			h.running(func() { <-time.After(pause) })
		}
		if rng.IntN(3) == 0 {
			h.plan.Deliver()
		}
	}
	h.plan.Heal()
	h.plan.Deliver()
	last := rng.IntN(len(randomRequests))
	clean := randomRequests[last](h)
	t.Logf("request %d = %d %s", last, clean.status, clean.body)
	before := h.all("/users")
	h.settle()
	if err := h.failClosed(false); err != nil {
		t.Error(err)
	}
	h.checkBelonging()
	if clean.status < 300 && len(before) != len(h.all("/users")) {
		t.Errorf("%d users when %d %s was acknowledged, %d later", len(before), clean.status, clean.body, len(h.all("/users")))
	}
}
