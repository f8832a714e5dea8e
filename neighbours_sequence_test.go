package main

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/upstream/faults"
)

// TestRandomSequencesWithNeighbours makes random requests for one user that has roles and
// expires, some with a fault at some call or taking effect late, then a clean one, while time
// passes. In the end the account has the roles of its user and no others, nothing that was
// granted is left of accounts that are gone, and who has expired is blocked.
func TestRandomSequencesWithNeighbours(t *testing.T) {
	t.Parallel()
	for where, with := range timerServices {
		for how, rond := range ronds {
			o := with(operation{}).with(rond)
			t.Run(where+", "+how, func(t *testing.T) {
				t.Parallel()
				for seed := range amount(300, depending(40, 15), 3) {
					t.Run(fmt.Sprint(seed), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { neighboursSequence(t, o, rand.New(rand.NewPCG(uint64(seed), 31))) })
					})
				}
			})
		}
	}
}

// dated is a request with a date that is soon, later or far from now.
func dated(method, path, fields string) func(h *harness, rng *rand.Rand) reply {
	return func(h *harness, rng *rand.Rand) reply {
		in := []time.Duration{5 * time.Second, 20 * time.Second, time.Minute, 5 * time.Minute, 31 * 24 * time.Hour}[rng.IntN(5)]
		date := time.Now().Add(in).UTC().Format(time.RFC3339)
		return h.call(method, path, `{`+fields+`"expirationDate":"`+date+`"}`)
	}
}

func plain(method, path, body string) func(h *harness, rng *rand.Rand) reply {
	return func(h *harness, _ *rand.Rand) reply { return h.call(method, path, body) }
}

var requestsWithNeighbours = []func(h *harness, rng *rand.Rand) reply{
	plain("PATCH", "/users/<id1>", `{"roles":["boss"]}`),
	plain("PATCH", "/users/<id1>", `{"$addToSet":{"roles":"editor"}}`),
	plain("PATCH", "/users/<id1>", `{"$unset":{"roles":true}}`),
	plain("PATCH", "/users/<id1>", `{"roles":["reader"],"email":"anna@example.com","blocked":true}`),
	plain("PATCH", "/users/<id1>", `{"email":"ann@example.com"}`),
	plain("PATCH", "/users/<id1>", `{"$unset":{"expirationDate":true}}`),
	plain("PATCH", "/users/<id1>", `{"$unset":{"expirationDate":true},"$set":{"blocked":false}}`),
	dated("PATCH", "/users/<id1>", ``),
	dated("PATCH", "/users/<id1>", `"blocked":false,`),
	dated("PATCH", "/users/<id1>", `"roles":["editor","reader"],`),
	dated("POST", "/users/", `"userGroup":"customers","email":"anna@example.com","username":"anna","roles":["reader"],`),
	dated("POST", "/users/", annFields+`,"roles":["editor"],`),
	plain("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"TRASH"}]`),
	plain("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"PUBLIC"}]`),
	plain("POST", "/users/<id1>/soft-delete", ""),
	plain("POST", "/users/register", `{"_id":"<id1>","password":"correct horse"}`),
	plain("DELETE", "/users/<id1>", ""),
}

func neighboursSequence(t *testing.T, o operation, rng *rand.Rand) {
	h := o.open(t)
	body := []string{ann, editor, `{` + editorFields + `,"expirationDate":"` + soonDate + `"}`, `{` + annFields + `,"expirationDate":"` + laterDate + `"}`}[rng.IntN(4)]
	h.must("POST", fmt.Sprintf("/users/?postponeAuthUserCreation=%v", rng.IntN(3) == 0), body)
	for range 1 + rng.IntN(4) {
		h.plan.Reset()
		n, fault, request := 1+rng.IntN(12), faults.All()[rng.IntN(len(faults.All()))], rng.IntN(len(requestsWithNeighbours))
		if rng.IntN(4) == 0 && fault != faults.Late {
			h.plan.ArmFrom(n, fault)
		} else {
			h.plan.Arm(n, fault)
		}
		got := requestsWithNeighbours[request](h, rng)
		t.Logf("%v request %d with %v at call %d = %d %s", time.Now().Format(time.TimeOnly), request, fault, n, got.status, got.body)
		h.plan.Heal()
		if rng.IntN(2) == 0 { // nothing takes effect after half a minute
			h.runUntil(time.Now().Add(time.Duration(rng.IntN(25)) * time.Second))
			h.plan.Deliver()
			h.runUntil(time.Now().Add(time.Duration(rng.IntN(60)) * time.Second))
		}
		h.plan.Deliver()
	}
	last := rng.IntN(len(requestsWithNeighbours))
	clean := requestsWithNeighbours[last](h, rng)
	t.Logf("%v request %d = %d %s", time.Now().Format(time.TimeOnly), last, clean.status, clean.body)
	h.runUntil(time.Now().Add(10 * time.Minute))
	h.settle()
	h.checkBelonging()
	h.checkGrants()
	h.checkTimers()
	h.checkExpiry(expiry{mayHaveBeen: true})
}

// checkTimers reports users that have yet to expire and have no timer for that.
func (h *harness) checkTimers() {
	h.t.Helper()
	for _, user := range h.all("/users") {
		date, _ := user["expirationDate"].(string)
		if date == "" || isOver(h.t, date) {
			continue
		}
		if state := h.timerState(user); state != "pending" {
			h.t.Errorf("%v, who expires at %s, has a timer that is %s", user["email"], date, state)
		}
	}
}
