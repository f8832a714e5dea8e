package main

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/timer/timertest"
)

// TestWhoHasExpired stays blocked until its date is moved or goes: what would let it in is
// refused, and says why.
func TestWhoHasExpired(t *testing.T) {
	t.Parallel()
	const why = "has expired"
	unblock := func(more string) func(*harness) reply {
		return call("PATCH", "/users/<id1>", `{"blocked":false`+more+`}`)
	}
	toDraft := call("POST", "/users/<id1>/state", `{"stateTo":"DRAFT"}`)
	for name, test := range map[string]struct {
		before  func(*harness) reply // nil: nothing
		request func(*harness) reply
		status  int
		in      bool // Ann can log in then
	}{
		"unblocked":                   {request: unblock(""), status: 400},
		"unblocked by taking it off":  {request: call("PATCH", "/users/<id1>", `{"$unset":{"blocked":true}}`), status: 400},
		"unblocked, with that date":   {request: unblock(`,"expirationDate":"` + soonDate + `"`), status: 400},
		"unblocked in bulk":           {request: call("PATCH", "/users/bulk", `[{"filter":{"_id":"<id1>"},"update":{"$set":{"blocked":false}}}]`), status: 400},
		"unblocked, with a new date":  {request: unblock(`,"expirationDate":"` + afterAll + `"`), status: 200, in: true},
		"unblocked, without a date":   {request: call("PATCH", "/users/<id1>", `{"$unset":{"expirationDate":true,"blocked":true}}`), status: 200, in: true},
		"a new date alone":            {request: call("PATCH", "/users/<id1>", `{"expirationDate":"`+afterAll+`"}`), status: 200},
		"no date alone":               {request: call("PATCH", "/users/<id1>", `{"$unset":{"expirationDate":true}}`), status: 200},
		"a new date, then unblocked":  {before: call("PATCH", "/users/<id1>", `{"expirationDate":"`+afterAll+`"}`), request: unblock(""), status: 200, in: true},
		"no date, then unblocked":     {before: call("PATCH", "/users/<id1>", `{"$unset":{"expirationDate":true}}`), request: unblock(""), status: 200, in: true},
		"another name":                {request: call("PATCH", "/users/<id1>", `{"name":"Anna"}`), status: 200},
		"blocked once more":           {request: call("PATCH", "/users/<id1>", `{"blocked":true}`), status: 200},
		"to PUBLIC, as it is":         {request: call("POST", "/users/<id1>/state", `{"stateTo":"PUBLIC"}`), status: 204},
		"to PUBLIC again":             {before: toDraft, request: call("POST", "/users/<id1>/state", `{"stateTo":"PUBLIC"}`), status: 409},
		"to PUBLIC again, among many": {before: toDraft, request: call("POST", "/users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"PUBLIC"}]`), status: 409},
		"to PUBLIC, with a new date": {before: func(h *harness) reply {
			toDraft(h)
			return h.must("PATCH", "/users/<id1>?_st=DRAFT", `{"blocked":false,"expirationDate":"`+afterAll+`"}`)
		}, request: call("POST", "/users/<id1>/state", `{"stateTo":"PUBLIC"}`), status: 204, in: true},
		"to TRASH":     {request: call("POST", "/users/<id1>/state", `{"stateTo":"TRASH"}`), status: 204},
		"soft-deleted": {request: call("POST", "/users/<id1>/soft-delete", ""), status: 204},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, nil)
				withDate(soonDate)(h)
				h.runUntil(time.Now().Add(time.Minute))
				h.checkBlocked(true)
				if test.before != nil {
					test.before(h)
				}
				got := test.request(h)
				if got.status != test.status || (got.status >= 400 && !strings.Contains(got.body, why) && !strings.Contains(got.body, "expirationDate: ")) {
					t.Errorf("%d %s, want %d", got.status, got.body, test.status)
				}
				login := h.call("POST", "/oauth/token", `{"username":"ann","password":"correct horse"}`)
				if (login.status == 200) != test.in {
					t.Errorf("login = %d %s", login.status, login.body)
				}
				if err := h.failClosed(false); err != nil {
					t.Error(err)
				}
				h.checkExpiry(expiry{mayHaveBeen: true})
			})
		})
	}
}

// TestCallsOfOldTimers: a call that comes twice, after its timer was ended or after the user
// got another date does nothing, wherever the timer is kept.
func TestCallsOfOldTimers(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"after it was ended":      `{"$unset":{"expirationDate":true}}`,
		"after a new date":        `{"expirationDate":"` + afterAll + `"}`,
		"after the date and back": `{"expirationDate":"` + soonDate + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, remoteTimer)
				h.timer = timertest.New(timertest.Config{Repeat: 2}) // instead of the one that calls once
				vars := map[string]string{"EMBEDDED_PATH": ":memory:", "RANDOM_PWD_GEN": "false"}
				maps.Copy(vars, remoteTimer)
				h.restartWith(vars)
				withDate(soonDate)(h)
				old := h.timer.Timers()[0].ID
				back := name == "after the date and back"
				if back {
					h.must("PATCH", "/users/<id1>", `{"expirationDate":"`+afterAll+`"}`)
				}
				h.must("PATCH", "/users/<id1>", change)
				<-time.After(time.Minute)
				if got := h.timer.Call(t.Context(), crud.InProcess(h.handler), old); got.Status != 204 {
					t.Errorf("the old timer's call = %+v", got)
				}
				h.checkBlocked(back)
				for _, result := range h.timer.Fire(t.Context(), crud.InProcess(h.handler), time.Now()) {
					if result.Status != 204 {
						t.Errorf("a call = %+v", result)
					}
				}
				h.checkBlocked(back)
			})
		})
	}
}

// TestImportsWithDates fails each upstream call of an import of users that expire, and makes
// it again. With IMPORT_SCHEDULES_EXPIRATION everybody is blocked at the date; without it
// those who had a timer are, at the new one.
func TestImportsWithDates(t *testing.T) {
	t.Parallel()
	for where, with := range timerServices {
		for _, schedules := range []bool{true, false} {
			o := with(operation{env: map[string]string{"IMPORT_SCHEDULES_EXPIRATION": fmt.Sprint(schedules)}, prepare: usersOfDatedFile,
				request: func(h *harness) reply { return h.sendFile(datedFile) }})
			t.Run(fmt.Sprintf("%s, %v", where, schedules), func(t *testing.T) {
				t.Parallel()
				var calls []string
				synctest.Test(t, func(t *testing.T) { calls, _ = o.calls(t) })
				picked := inNeighbours.picked(len(where))
				for n, call := range calls {
					for _, c := range importFaults(n + 1) {
						if picked() {
							name := fmt.Sprintf("%d %s, %s", n+1, strings.ReplaceAll(call, "/", "_"), c.name)
							t.Run(name, func(t *testing.T) {
								synctest.Test(t, func(t *testing.T) { o.checkDatedImport(t, c, schedules) })
							})
						}
					}
				}
			})
		}
	}
}

// datedFile has new users who expire, and users with and without accounts who come to have a
// date or get another one.
const datedFile = `_id,userGroup,email,name,expirationDate
,customers,new1@example.com,,` + soonDate + `
,contacts,new2@example.com,New,` + farDate + `
,customers,new3@example.com,,
<id1>,,,,` + farDate + `
<id2>,,,,` + farDate + `
<id3>,,,,` + soonDate + `
<id4>,,,,` + farDate + `
`

// usersOfDatedFile makes <id1> and <id2>, who have accounts, and <id3> and <id4>, who have
// none; <id2> and <id4> have a date already.
func usersOfDatedFile(h *harness) {
	dated := `,"expirationDate":"` + laterDate + `"}`
	h.mustAll(
		noMail+` {"userGroup":"customers","email":"one@example.com"}`,
		noMail+` {"userGroup":"customers","email":"two@example.com"`+dated,
		`POST /users/?postponeAuthUserCreation=true {"userGroup":"customers","email":"three@example.com"}`,
		`POST /users/?postponeAuthUserCreation=true {"userGroup":"customers","email":"four@example.com"`+dated,
	)
}

func (o operation) checkDatedImport(t *testing.T, c faultCase, schedules bool) {
	h := o.start(t)
	c.arm(h.plan)
	first := o.request(h)
	h.plan.Heal()
	h.plan.Deliver()
	h.runUntil(time.Now().Add(12 * time.Second)) // a Timer Service that failed is called again
	second := reportOf(t, o.request(h))
	if rows := second.rows(); rows != strings.Count(datedFile, "\n")-1 {
		t.Errorf("after %d %s the second import has %d rows", first.status, first.body, rows)
	}
	for range 8 { // a look for users without a timer that failed is made again in half a minute
		h.runUntil(time.Now().Add(15 * time.Second))
	}
	h.settle()
	for _, date := range []string{laterDate, afterAll} {
		at, err := time.Parse(time.RFC3339, date)
		if err != nil {
			t.Fatal(err)
		}
		h.passTo(at)
	}
	for _, user := range h.all("/users") {
		hadTimer := user["email"] == "two@example.com" || user["email"] == "four@example.com"
		want := user["expirationDate"] != nil && (schedules || hadTimer)
		if (user["blocked"] == true) != want {
			t.Errorf("%v with the date %v is blocked: %v, want %v", user["email"], user["expirationDate"], user["blocked"], want)
		}
	}
	if err := h.failClosed(false); err != nil {
		t.Error(err)
	}
}
