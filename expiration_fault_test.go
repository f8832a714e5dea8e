package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/upstream/faults"
)

// Dates of the bubble, whose clock begins with the year 2000.
const (
	soonDate  = "2000-01-01T00:00:20.000Z" // while what a fault left is being settled
	laterDate = "2000-01-01T00:01:10.000Z"
	farDate   = "2000-02-01T00:00:00.000Z" // long after
	afterAll  = "2000-03-01T00:00:00.000Z"
)

// withDate makes Ann, who has a date, as [withAnn] does.
func withDate(date string) func(h *harness) {
	return func(h *harness) {
		h.must("POST", "/users/?sendResetPwdEmail=false", `{`+annFields+`,"expirationDate":"`+date+`"}`)
		h.must("GET", "/users/?_p=authUserId", "")
	}
}

// datedIn is withDate, and the user moved to a state.
func datedIn(date, state string) func(h *harness) {
	return func(h *harness) {
		withDate(date)(h)
		h.must("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"`+state+`"}]`)
	}
}

// dateOperations are those that concern timers: of users that come to have a date, move
// from another to it, or lose it.
func dateOperations(date, other string) []operation {
	const columns = "acl_write_columns: expirationDate"
	dated := `"expirationDate":"` + date + `"`
	create := func(name, path, fields string) operation {
		return operation{name: name, request: call("POST", path, `{`+fields+`,`+dated+`}`), again: []int{409}, survives: isMail}
	}
	patch := func(name string, prepare func(*harness), body string, header ...string) operation {
		return operation{name: "patch " + name, prepare: prepare, request: func(h *harness) reply { return h.call("PATCH", "/users/<id1>", body, header...) }}
	}
	made := func(path, fields string) func(*harness) {
		return func(h *harness) { h.must("POST", path, `{`+fields+`,"expirationDate":"`+other+`"}`) }
	}
	const contact = `"userGroup":"contacts","name":"Ann","email":"ann@example.com"`
	adopt := create("create with id", "/users/with-id", `"authUserId":"fake|<id2>","userGroup":"customers"`)
	adopt.prepare = orphanAccount
	adoptBlocked := create("create with id, blocked", "/users/with-id", `"authUserId":"fake|<id2>","userGroup":"customers","blocked":true`)
	adoptBlocked.prepare = orphanAccount
	soft := map[string]string{"AUTH_HARD_DELETE": "false"}
	return []operation{
		create("create", "/users/", annFields),
		create("create blocked", "/users/", `"blocked":true,`+annFields),
		create("create with the account postponed", "/users/?postponeAuthUserCreation=true", annFields),
		create("create in a group without accounts", "/users/", contact),
		adopt, adoptBlocked,
		patch("to a date", withAnn, `{`+dated+`}`),
		patch("to a date, with no other column", withAnn, `{`+dated+`}`, columns),
		patch("to another date", withDate(other), `{`+dated+`}`),
		patch("to another date, with no other column", withDate(other), `{`+dated+`}`, columns),
		patch("to the same date", withDate(date), `{`+dated+`}`),
		patch("from a date", withDate(other), `{"$unset":{"expirationDate":true}}`),
		patch("from a date, with no other column", withDate(other), `{"$unset":{"expirationDate":true}}`, columns),
		patch("to another date, blocked", withDate(other), `{"$set":{"blocked":true,`+dated+`}}`),
		patch("to another date and address", withDate(other), `{"$set":{"email":"anna@example.com",`+dated+`}}`),
		patch("from a date to another address", withDate(other), `{"$unset":{"expirationDate":true},"$set":{"email":"anna@example.com"}}`),
		patch("what has no account to another date", made("/users/?postponeAuthUserCreation=true", annFields), `{`+dated+`}`),
		patch("what never has an account to another date", made("/users/", contact), `{`+dated+`}`),
		patch("what has no account from a date", made("/users/?postponeAuthUserCreation=true", annFields), `{"$unset":{"expirationDate":true}}`),
		patch("another field of who has a date", withDate(date), `{"email":"anna@example.com"}`),
		{name: "register", prepare: made("/users/?postponeAuthUserCreation=true", annFields), request: call("POST", "/users/register", `{"_id":"<id1>","password":"correct horse"}`), again: []int{409}, survives: isMail},
		{name: "delete", prepare: withDate(date), request: call("DELETE", "/users/<id1>", ""), again: []int{500}},
		{name: "delete in TRASH", prepare: datedIn(date, "TRASH"), request: call("DELETE", "/users/<id1>", ""), again: []int{500}},
		{name: "soft-delete", prepare: withDate(date), request: call("POST", "/users/<id1>/soft-delete", ""), halfway: toTrash},
		{name: "soft-delete, keeping the account", env: soft, prepare: withDate(date), request: call("POST", "/users/<id1>/soft-delete", ""), halfway: toTrash},
		{name: "state to PUBLIC", prepare: datedIn(date, "DRAFT"), request: call("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"PUBLIC"}]`)},
		{name: "patch in bulk", prepare: withDate(other), request: call("PATCH", "/users/bulk", `[{"filter":{"_id":"<id1>"},"update":{"$set":{`+dated+`}}}]`)},
	}
}

// timerServices are those that users are blocked by.
var timerServices = map[string]func(o operation) operation{
	"embedded": func(o operation) operation { o.service = plannedTimers; return o },
	"remote":   func(o operation) operation { return o.with(remoteTimer) },
}

// TestEveryFaultWhileDatesChange is TestEveryFaultAtEveryCall for operations on users that
// expire: in the end who has a date has a timer that fires then.
func TestEveryFaultWhileDatesChange(t *testing.T) {
	t.Parallel()
	for where, with := range timerServices {
		for i, o := range dateOperations(farDate, afterAll) {
			if leftOut(i + 1) {
				continue
			}
			t.Run(where+", "+o.name, func(t *testing.T) {
				t.Parallel()
				with(o).tryFaults(t, inNeighbours.picked(i+len(where)))
			})
		}
	}
}

// beforeDates is the density of faults in operations that are each tried at six times.
var beforeDates = density{47, 131, 401}

// TestEveryFaultBeforeADate fails each upstream call of each such operation in each way, and
// lets time pass: until long after everything is settled, or so that the date comes meanwhile.
// Whatever has become of the operation: who has a date is blocked by then, and nobody else.
func TestEveryFaultBeforeADate(t *testing.T) {
	t.Parallel()
	for where, with := range timerServices {
		for when, dates := range map[string][2]string{"far": {farDate, afterAll}, "soon": {soonDate, laterDate}, "sooner": {laterDate, soonDate}} {
			for i, o := range dateOperations(dates[0], dates[1]) {
				if leftOut(i + len(when)) {
					continue
				}
				t.Run(where+", "+when+", "+o.name, func(t *testing.T) {
					t.Parallel()
					with(o).tryDates(t, beforeDates.picked(i+len(where+when)))
				})
			}
		}
	}
}

// tryDates tries those that are picked of every fault at every call before a date.
func (o operation) tryDates(t *testing.T, picked func() bool) {
	var calls []string
	synctest.Test(t, func(t *testing.T) { calls, _ = o.calls(t) })
	for n, call := range calls {
		for _, c := range dateFaults(n + 1) {
			if picked() {
				name := fmt.Sprintf("%d %s, %s", n+1, strings.ReplaceAll(call, "/", "_"), c.name)
				t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { o.checkDate(t, c) }) })
			}
		}
	}
}

// dateFaults are the ways in which the nth call fails; work that is late is done at once,
// later, or when the date has come.
func dateFaults(n int) []faultCase {
	var all []faultCase
	for _, fault := range faults.All() {
		all = append(all, faultCase{name: fault.String(), arm: func(p *faults.Plan) { p.Arm(n, fault) }})
	}
	for _, late := range []time.Duration{15 * time.Second, 25 * time.Second} {
		all = append(all, faultCase{name: fmt.Sprintf("work done %v late", late), arm: func(p *faults.Plan) { p.Arm(n, faults.Late) }, late: late})
	}
	for _, fault := range []faults.Fault{faults.Refuse500, faults.Timeout, faults.DropAnswer} {
		all = append(all, faultCase{name: "from there on, " + fault.String(), arm: func(p *faults.Plan) { p.ArmFrom(n, fault) }})
	}
	return all
}

func (o operation) checkDate(t *testing.T, c faultCase) {
	h := o.start(t)
	c.arm(h.plan)
	first := o.request(h)
	t.Logf("%d %s", first.status, first.body)
	h.plan.Heal()
	if c.late > 0 {
		h.runUntil(time.Now().Add(c.late))
	}
	h.plan.Deliver()
	h.checkExpiry(expiry{alone: o.keepsAccountWithoutUser(), mayHaveBeen: isOver(t, soonDate)})
	h.settle()
}

// An expiry is what may be when all dates are over.
type expiry struct {
	alone       bool // accounts without users, see failClosed
	mayHaveBeen bool // a user without a date had one when that came, and lost it late
}

// checkExpiry lets time pass until well after every date, and then reports users that have
// one and are not blocked, users that have none and are, and accounts that are not as their
// users say.
func (h *harness) checkExpiry(e expiry) {
	h.t.Helper()
	for _, date := range []string{laterDate, afterAll} { // soonDate is before
		at, err := time.Parse(time.RFC3339, date)
		if err != nil {
			h.t.Fatal(err)
		}
		h.passTo(at)
	}
	accounts := maps.Collect(h.accounts())
	for _, user := range h.all("/users") {
		date, _ := user["expirationDate"].(string)
		if date == "" && user["blocked"] == true && !e.mayHaveBeen {
			h.t.Errorf("%v, who does not expire, is blocked", user["email"])
		}
		if date != "" && isOver(h.t, date) && user["blocked"] != true {
			h.t.Errorf("%v, who has expired at %s, is not blocked; the timer is %s", user["email"], date, h.timerState(user))
		}
		id, _ := user["authUserId"].(string)
		mayNot := user["blocked"] == true || user["__STATE__"] != crud.Public
		if account, ok := accounts[id]; ok && (account["blocked"] == true) != mayNot {
			h.t.Errorf("the account of %v with the date %q in %v, blocked %v, is blocked: %v", user["email"], date, user["__STATE__"], user["blocked"], account["blocked"])
		}
	}
	if err := h.failClosed(e.alone); err != nil {
		h.t.Error(err)
	}
}

// TestEveryFaultOfATimersCall fails each upstream call of the calls that a timer makes, once
// or for a while. It calls again, until the user is blocked and its account is; nobody has to
// be asked for that again.
func TestEveryFaultOfATimersCall(t *testing.T) {
	t.Parallel()
	for where, with := range timerServices {
		for name, prepare := range map[string]func(*harness){
			"with an account": withDate(soonDate), "in TRASH": datedIn(soonDate, "TRASH"),
			"without an account": func(h *harness) {
				h.must("POST", "/users/?postponeAuthUserCreation=true", `{`+annFields+`,"expirationDate":"`+soonDate+`"}`)
			},
		} {
			if testing.Short() && name == "in TRASH" {
				continue
			}
			o := with(operation{name: name, prepare: prepare, request: timerFires})
			t.Run(where+", "+name, func(t *testing.T) {
				t.Parallel()
				o.tryFirings(t)
			})
		}
	}
}

// timerFires lets the timers that are due call, and call again after a while.
func timerFires(h *harness) reply {
	h.runUntil(time.Now().Add(25 * time.Second))
	h.plan.Deliver() // nothing takes effect after half a minute
	h.runUntil(time.Now().Add(2 * time.Minute))
	return reply{}
}

func (o operation) tryFirings(t *testing.T) {
	var calls []string
	synctest.Test(t, func(t *testing.T) {
		h := o.start(t)
		<-time.After(time.Minute)
		o.request(h)
		calls = h.plan.Calls()
	})
	picked := inNeighbours.picked(len(o.name))
	for n := range min(len(calls), 24) { // later ones look for timers that there are not
		for _, c := range slices.Concat(dateFaults(n+1), faultCases(n+1)) {
			if picked() {
				name := fmt.Sprintf("%d %s, %s", n+1, strings.ReplaceAll(calls[n], "/", "_"), c.name)
				t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { o.checkFiring(t, c) }) })
			}
		}
	}
}

func (o operation) checkFiring(t *testing.T, c faultCase) {
	h := o.start(t)
	<-time.After(time.Minute)
	c.arm(h.plan)
	o.request(h)
	if err := h.failClosed(false); err != nil {
		t.Error(err)
	}
	h.plan.Heal()
	h.runUntil(time.Now().Add(10 * time.Minute))
	h.settle()
	user := h.all("/users")[0]
	if state := h.timerState(user); state != "expired" {
		t.Errorf("the timer is %s", state)
	}
	h.checkExpiry(expiry{})
}

// TestTimersCallIsMadeAgain: a call that failed at any upstream call is answered so that the
// timer calls again, and does the rest then; a third does nothing.
func TestTimersCallIsMadeAgain(t *testing.T) {
	t.Parallel()
	timersCall := func(h *harness) reply {
		payload, err := json.Marshal(h.all("/timers")[0]["payload"])
		if err != nil {
			h.t.Fatal(err)
		}
		return h.call("POST", "/-/expire/<id1>", string(payload))
	}
	o := operation{name: "expire", prepare: func(h *harness) { withDate(soonDate)(h); <-time.After(time.Minute) }, request: timersCall}
	var calls []string
	synctest.Test(t, func(t *testing.T) { calls, _ = o.calls(t) })
	picked := density{3, 7, 11}.picked(0)
	for n, call := range calls {
		for _, c := range dateFaults(n + 1) {
			if !picked() {
				continue
			}
			t.Run(fmt.Sprintf("%d %s, %s", n+1, strings.ReplaceAll(call, "/", "_"), c.name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := o.start(t)
					c.arm(h.plan)
					first := timersCall(h)
					if first.status != 204 && first.status != 500 {
						t.Errorf("%d %s", first.status, first.body)
					}
					h.plan.Heal()
					if second := timersCall(h); second.status != 204 {
						t.Errorf("the second time: %d %s", second.status, second.body)
					}
					h.checkBlocked(true)
					h.plan.Deliver()
					h.plan.Reset()
					if third := timersCall(h); third.status != 204 {
						t.Errorf("the third time: %d %s", third.status, third.body)
					}
					for _, call := range h.plan.Calls() {
						if call == "Auth Update" || strings.HasPrefix(call, "CRUD PATCH /users") {
							t.Errorf("the third time: %s", call)
						}
					}
					h.settle()
					h.checkBlocked(true)
				})
			})
		}
	}
}
