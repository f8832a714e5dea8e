package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/upstream/faults"
)

// testSecret is what the calls of timers are signed with in tests.
const testSecret = "for tests, of no use elsewhere"

// expiring makes Ann, who expires after d, and returns the body of her timer's call. <id1>
// is the user, <id2> is in its authUserId.
func (h *harness) expiring(d time.Duration) string {
	h.t.Helper()
	date := time.Now().Add(d).UTC().Format(time.RFC3339)
	h.must("POST", "/users/?sendResetPwdEmail=false", `{`+annFields+`,"expirationDate":"`+date+`"}`)
	h.must("GET", "/users/?_p=authUserId", "")
	payload, err := json.Marshal(h.all("/timers")[0]["payload"])
	if err != nil {
		h.t.Fatal(err)
	}
	return string(payload)
}

// checkBlocked reports an Ann who can log in or is not blocked, or the contrary.
func (h *harness) checkBlocked(want bool) {
	h.t.Helper()
	login := h.call("POST", "/oauth/token", `{"username":"ann","password":"correct horse"}`)
	blocked, _ := h.all("/users")[0]["blocked"].(bool)
	if refused := login.status == http.StatusUnauthorized; refused != want || blocked != want {
		h.t.Errorf("login %d %s, blocked %v; blocked should be %v", login.status, login.body, blocked, want)
	}
}

// TestCallsOfTimers: the signature is looked at before anything else is, and the call acts
// when its time has come, once.
func TestCallsOfTimers(t *testing.T) {
	t.Parallel()
	const path = "/-/expire/<id1>"
	jsonBody := "Content-Type: application/json"
	tests := map[string]struct {
		path, header string
		change       func(body string) string
		status       int
		want         string
	}{
		"another user's":        {path: "/-/expire/<id2>", status: 401},
		"another date":          {change: replace(`Z"`, `5Z"`), status: 401},
		"another signature":     {change: replace("v1,", "v1,A"), status: 401},
		"without a signature":   {change: func(string) string { return `{"expirationDate":"2000-01-01T01:00:00.000Z"}` }, status: 400, want: "signature: is required"},
		"without a date":        {change: func(string) string { return `{"signature":"v1,x"}` }, status: 400, want: "expirationDate: is required"},
		"with something more":   {change: replace(`{`, `{"more":1,`), status: 400, want: "more: is not a field of this request"},
		"no JSON":               {change: replace(`}`, ``), status: 400, want: "body: is not valid JSON: it ends too early"},
		"not called JSON":       {header: "Content-Type: text/plain", status: 415},
		"larger than any":       {change: func(body string) string { return body + strings.Repeat(" ", maxExpireBody) }, status: 413},
		"before its time":       {header: jsonBody, status: 503},
		"with a trailing slash": {path: path + "/", status: 503},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, map[string]string{"TIMER_CALLBACK_SECRET": testSecret})
				body := h.expiring(time.Hour)
				if test.change != nil {
					body = test.change(body)
				}
				if test.path == "" {
					test.path = path
				}
				if test.header == "" {
					test.header = jsonBody
				}
				h.plan.Reset()
				got := h.call("POST", test.path, body, test.header)
				if got.status != test.status || !strings.Contains(got.body, test.want) {
					t.Errorf("%d %s\nwant %d %s", got.status, got.body, test.status, test.want)
				}
				if calls := h.plan.Calls(); test.status != 503 && len(calls) > 0 {
					t.Errorf("upstreams were called: %v", calls)
				}
				if after := got.header.Get("Retry-After"); test.status == 503 && after != "3600" {
					t.Errorf("Retry-After %q, want that of an hour", after)
				}
				h.checkBlocked(false)
			})
		})
	}
}

// replace returns a change of the first of what is in a text.
func replace(is, by string) func(string) string {
	return func(text string) string { return strings.Replace(text, is, by, 1) }
}

// TestCallAtItsTime: it blocks whoever has that date still, also when it comes again, whatever
// rows its headers speak of, and wherever else the routes are.
func TestCallAtItsTime(t *testing.T) {
	t.Parallel()
	gone := func(h *harness) { h.must("DELETE", "/users/<id1>", "") }
	for name, test := range map[string]struct {
		prefix string
		before func(h *harness)
		header string
	}{
		"as it is":                    {},
		"below a prefix":              {prefix: "/ums"},
		"with rows in its header":     {header: `Acl_rows: {"userGroup":"staff"}`},
		"of a user that is gone":      {before: gone},
		"of a user in another state":  {before: func(h *harness) { h.must("POST", "/users/<id1>/soft-delete", "") }},
		"of a user with another date": {before: func(h *harness) { h.must("PATCH", "/users/<id1>", `{"expirationDate":"2999-01-01"}`) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, map[string]string{"TIMER_CALLBACK_SECRET": testSecret})
				body := h.expiring(time.Hour)
				if test.prefix != "" { // another service on the same store
					vars := map[string]string{"EMBEDDED_PATH": ":memory:", "SERVICE_PREFIX": test.prefix, "TIMER_CALLBACK_SECRET": testSecret}
					h.restartWith(vars)
				}
				if test.before != nil {
					test.before(h)
				}
				<-time.After(time.Hour)
				for range 2 {
					if got := h.call("POST", "/-/expire/<id1>", body, test.header); got.status != 204 || got.body != "" {
						t.Errorf("%d %s, want 204", got.status, got.body)
					}
				}
				if test.prefix != "" {
					if got := h.call("POST", test.prefix+"/-/expire/<id1>", body); got.status != 404 {
						t.Errorf("below the prefix too: %d", got.status)
					}
					return
				}
				if test.before == nil {
					h.checkBlocked(true)
				}
			})
		})
	}
}

// TestExpiredUserIsLetInAgain with another date or without one, and by nothing less.
func TestExpiredUserIsLetInAgain(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"another date": `{"expirationDate":"2999-01-01","blocked":false}`,
		"no date":      `{"$unset":{"expirationDate":true},"$set":{"blocked":false}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, nil)
				h.expiring(time.Hour)
				h.running(func() { <-time.After(time.Hour + time.Second) })
				h.checkBlocked(true)
				h.checkExchange(on400("PATCH /users/<id1>", `{"blocked":false}`, "blocked: the user has expired; it is unblocked with a new expirationDate, or without one"))
				h.must("POST", "/users/<id1>/state", `{"stateTo":"DRAFT"}`)
				h.checkExchange(exchange{request: "POST /users/<id1>/state", body: `{"stateTo":"PUBLIC"}`, status: 409,
					want: bad(409, "the user has expired; it becomes PUBLIC with a new expirationDate, or without one")})
				h.must("PATCH", "/users/<id1>?_st=DRAFT", change)
				h.must("POST", "/users/<id1>/state", `{"stateTo":"PUBLIC"}`)
				h.checkBlocked(false)
			})
		})
	}
}

// TestCallWhoseUpstreamFails is made again.
func TestCallWhoseUpstreamFails(t *testing.T) {
	t.Parallel()
	overConnectionsAnyway(t)
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, map[string]string{"TIMER_CALLBACK_SECRET": testSecret, "UPSTREAM_ERROR_STATUS": "passthrough"})
		body := h.expiring(time.Hour)
		<-time.After(time.Hour)
		h.plan.Reset()
		h.plan.ArmFrom(1, faults.Refuse503)
		got := h.call("POST", "/-/expire/<id1>", body)
		if got.status != 500 || !strings.Contains(got.body, "Error while expiring user: CRUD ") {
			t.Errorf("%d %s", got.status, got.body)
		}
		h.plan.Heal()
		if got := h.call("POST", "/-/expire/<id1>", body); got.status != 204 {
			t.Errorf("the second time: %d %s", got.status, got.body)
		}
		h.checkBlocked(true)
	})
}

// TestNoTimers: without a Timer Service there is nothing to call.
func TestNoTimers(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.api.timers = nil
	if got := h.call("POST", "/-/expire/000000000000000000000000", `{}`); got.status != 404 {
		t.Errorf("%d %s", got.status, got.body)
	}
}
