package conform

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// answer is one to be checked.
type answer struct {
	method, path string
	status       int
	contentType  string
	allow        string
	body         string
}

func (a answer) check(c *Checker) error {
	header := http.Header{}
	if a.contentType != "" {
		header.Set("Content-Type", a.contentType)
	}
	if a.allow != "" {
		header.Set("Allow", a.allow)
	}
	return c.Check(a.method, a.path, a.status, header, []byte(a.body))
}

func newChecker(t *testing.T) *Checker {
	t.Helper()
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const (
	jsonType = "application/json; charset=utf-8"
	notFound = `{"statusCode":404,"error":"Not Found","message":"there is no route GET /nowhere"}`
	wrongWay = `{"statusCode":405,"error":"Method Not Allowed","message":"PUT is not allowed here"}`
)

func TestCheckAllows(t *testing.T) {
	c := newChecker(t)
	tests := map[string]answer{
		"a created user":               {"POST", "/users/", 200, jsonType, "", `{"_id":"1"}`},
		"a created user with warnings": {"POST", "/users", 200, jsonType, "", `{"_id":"1","warnings":["no email"]}`},
		"a query string":               {"POST", "/users?sendResetPwdEmail=false", 200, jsonType, "", `{"_id":"1"}`},
		"a list without charset":       {"GET", "/users/", 200, "application/json", "", "[\n{\"_id\":\"1\",\"age\":3}\n]\n"},
		"a list of parts of users":     {"GET", "/users/", 200, jsonType, "", `[{"username":"u"},{}]`},
		"a bare number":                {"GET", "/users/count", 200, jsonType, "", `42`},
		"a number of changes":          {"POST", "/users/state/", 200, jsonType, "", `0`},
		"a changed user":               {"PATCH", "/users/1", 200, jsonType, "", `{"_id":"1","createdAt":"2024-09-11T13:21:27.115Z"}`},
		"an encoded id":                {"DELETE", "/users/a%2Fb%7Cc/", 204, "", "", ``},
		"a word as an id":              {"DELETE", "/users/count", 204, "", "", ``},
		"JSON lines":                   {"GET", "/users/export", 200, "application/x-ndjson", "", "{\"_id\":\"1\"}\n"},
		"outcomes of several users":    {"POST", "/users/bulk", 409, jsonType, "", `{"statusCode":409,"error":"Conflict","message":"m","outcomes":[{"_id":"1"},{"statusCode":409,"error":"Conflict","message":"m"}]}`},
		"a soft-delete":                {"POST", "/users/1/soft-delete", 204, "", "", ``},
		"tokens":                       {"POST", "/oauth/token", 200, jsonType, "", `{"accessToken":"a","refreshToken":"r","expireAt":"2024-02-03T15:14:35Z"}`},
		"tokens with nanoseconds":      {"POST", "/refreshtoken/", 200, jsonType, "", `{"accessToken":"a","refreshToken":"r","expireAt":"2024-02-03T15:14:35.568365226Z"}`},
		"a cookie and no body":         {"POST", "/oauth/token", 200, "", "", ``},
		"an error":                     {"POST", "/oauth/token", 401, jsonType, "", `{"statusCode":401,"error":"Unauthorized","message":"no"}`},
		"the store's own error":        {"GET", "/users/", 404, jsonType, "", `{"error":"not found"}`},
		"who is logged in":             {"GET", "/userinfo", 200, jsonType, "", `{"sub":"auth0|1"}`},
		"a status":                     {"GET", "/-/healthz", 200, jsonType, "", `{"name":"n","status":"OK","version":"1"}`},
		"a check-up that says more":    {"GET", "/-/check-up", 503, jsonType, "", `{"name":"n","status":"KO","version":"1","message":"m","store":"KO"}`},
		"HEAD":                         {"HEAD", "/users/", 200, jsonType, "", ``},
		"a path that is not described": {"GET", "/nowhere", 404, jsonType, "", notFound},
		"an empty id":                  {"DELETE", "/users//", 404, jsonType, "", notFound},
		"a method that is not":         {"PUT", "/users/", 405, jsonType, "GET, POST", wrongWay},
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			if err := answer.check(c); err != nil {
				t.Errorf("%+v: %v", answer, err)
			}
		})
	}
}

func TestCheckRefuses(t *testing.T) {
	c := newChecker(t)
	tests := map[string]struct {
		answer answer
		want   string
	}{
		"a status that is not described": {
			answer{"POST", "/users/", 201, jsonType, "", `{"_id":"1"}`},
			"POST /users/ answered 201: the description does not have this status",
		},
		"another route's status": {
			answer{"POST", "/users/state", 204, "", "", ``},
			"POST /users/state answered 204: the description does not have this status",
		},
		"a missing property": {
			answer{"POST", "/users/", 200, jsonType, "", `{}`},
			"POST /users/ answered 200: the body does not match: /: Required property '_id' is missing",
		},
		"a status that needs a setting": {
			answer{"PATCH", "/users/1", 404, jsonType, "", notFound},
			"PATCH /users/:id answered 404: the description has this status only with UPSTREAM_ERROR_STATUS=passthrough",
		},
		"a property too many": {
			answer{"POST", "/users/with-id", 200, jsonType, "", `{"_id":"1","warnings":["w"]}`},
			"POST /users/with-id answered 200: the body does not match: /warnings: the description does not have this property",
		},
		"a wrong type": {
			answer{"GET", "/users/count", 200, jsonType, "", `"42"`},
			"GET /users/count answered 200: the body does not match: /: Value is string but should be integer",
		},
		"a wrong format, deep inside": {
			answer{"GET", "/users/", 200, jsonType, "", `[{"_id":"1"},{"_id":"2","createdAt":"yesterday"}]`},
			"GET /users/ answered 200: the body does not match: /1/createdAt: Value does not match format 'date-time'",
		},
		"a value that is not listed": {
			answer{"PATCH", "/users/1", 200, jsonType, "", `{"_id":"1","__STATE__":"HIDDEN"}`},
			"PATCH /users/:id answered 200: the body does not match: /__STATE__: Value HIDDEN should be one of the allowed values: PUBLIC, DRAFT, TRASH, DELETED",
		},
		"several mistakes": {
			answer{"POST", "/oauth/token", 200, jsonType, "", `{"accessToken":1,"refreshToken":"","expireAt":"2024-02-03T15:14:35Z"}`},
			"POST /oauth/token answered 200: the body does not match: /accessToken: Value is integer but should be string; /refreshToken: Value should be at least 1 characters",
		},
		"KO with 200": {
			answer{"GET", "/-/ready", 200, jsonType, "", `{"name":"n","status":"KO","version":"1"}`},
			"GET /-/ready answered 200: the body does not match: /status: Value does not match the constant value",
		},
		"an error without a message": {
			answer{"POST", "/users/", 400, jsonType, "", `{"statusCode":400,"error":"Bad Request"}`},
			"POST /users/ answered 400: the body does not match: /: Required property 'message' is missing",
		},
		"an error that names another status": {
			answer{"POST", "/users/", 400, jsonType, "", `{"statusCode":500,"error":"Bad Request","message":"m"}`},
			"POST /users/ answered 400: the body does not match: /statusCode: is 500",
		},
		"a content type that is not described": {
			answer{"GET", "/users/count", 200, "text/plain; charset=utf-8", "", `42`},
			`GET /users/count answered 200: the description does not have the content type "text/plain; charset=utf-8"`,
		},
		"no content type": {
			answer{"GET", "/users/count", 200, "", "", `42`},
			`GET /users/count answered 200: content type "": mime: no media type`,
		},
		"a body that is not JSON": {
			answer{"GET", "/userinfo", 200, jsonType, "", `{"sub":`},
			"GET /userinfo answered 200: the body is not JSON",
		},
		"a name twice": {
			answer{"GET", "/userinfo", 200, jsonType, "", `{"sub":"1","sub":"2"}`},
			"GET /userinfo answered 200: the body does not match: /: Invalid JSON format",
		},
		"no body where there must be one": {
			answer{"GET", "/users/count", 200, jsonType, "", ``},
			"GET /users/count answered 200: the body is empty",
		},
		"a body where there must be none": {
			answer{"DELETE", "/users/1", 204, jsonType, "", `{}`},
			"DELETE /users/:id answered 204: the body must be empty with this status, but has 2 bytes",
		},
		"a body to HEAD": {
			answer{"HEAD", "/users/count", 200, jsonType, "", `42`},
			"GET /users/count answered 200: the body must be empty to HEAD, but has 2 bytes",
		},
		"an answer of a path that is not described": {
			answer{"GET", "/nowhere", 200, jsonType, "", `{}`},
			"GET /nowhere, which is not described, answered 200: the description does not have this status",
		},
		"404 without the error's shape": {
			answer{"GET", "/nowhere", 404, jsonType, "", `{"error":"not found"}`},
			"GET /nowhere, which is not described, answered 404: the body does not match: /: Required properties 'statusCode', 'message' are missing",
		},
		"404 in plain text": {
			answer{"GET", "/nowhere", 404, "text/plain; charset=utf-8", "", "404 page not found\n"},
			`GET /nowhere, which is not described, answered 404: the description does not have the content type "text/plain; charset=utf-8"`,
		},
		"404 for a method that is not described": {
			answer{"PUT", "/users/", 404, jsonType, "", notFound},
			"PUT /users/, which is not described, answered 404: the description does not have this status",
		},
		"405 without Allow": {
			answer{"PUT", "/users/", 405, jsonType, "", wrongWay},
			"PUT /users/, which is not described, answered 405: the header Allow is missing",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := tt.answer.check(c)
			if err == nil {
				t.Fatalf("%+v: allowed", tt.answer)
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("%+v (-want +got):\n%s", tt.answer, diff)
			}
		})
	}
}

func TestPrefix(t *testing.T) {
	tests := map[string]struct {
		prefix, path string
		want         string
	}{
		"below the prefix":               {"/ums", "/ums/users/count", ""},
		"prefix with a slash at its end": {"/ums/", "/ums/users/count", ""},
		"no prefix":                      {"", "/users/count", ""},
		"a slash is no prefix":           {"/", "/users/count", ""},
		"outside the prefix":             {"/ums", "/users/count", "which is not described"},
		"a longer word":                  {"/ums", "/umsusers/count", "which is not described"},
		"status outside the prefix":      {"/ums", "/-/healthz", "Required properties"}, // found: only its body is wrong
		"status below the prefix":        {"/ums", "/ums/-/healthz", "which is not described"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			body := `42`
			if strings.Contains(tt.path, "/-/") {
				body = `{}`
			}
			err := answer{"GET", tt.path, 200, jsonType, "", body}.check(newChecker(t).WithPrefix(tt.prefix))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("%q with prefix %q: %v", tt.path, tt.prefix, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%q with prefix %q: got %v, want %q in it", tt.path, tt.prefix, err, tt.want)
			}
		})
	}
}

func TestSetting(t *testing.T) {
	c := newChecker(t).WithSetting("UPSTREAM_ERROR_STATUS=passthrough").WithPrefix("/ums")
	refusal := answer{"PATCH", "/ums/users/1", 429, jsonType, "", `{"statusCode":429,"error":"Too Many Requests","message":"no"}`}
	if err := refusal.check(c); err != nil {
		t.Error(err)
	}
	refusal.body = notFound
	if err := refusal.check(c); err == nil {
		t.Error("a body that names another status is allowed")
	}
}

func TestRoutes(t *testing.T) {
	want := []string{
		"DELETE /users/",
		"DELETE /users/:id",
		"GET /-/check-up",
		"GET /-/healthz",
		"GET /-/metrics",
		"GET /-/ready",
		"GET /jobs/bulk-activation/:id",
		"GET /jobs/bulk-activation/:id/events",
		"GET /jobs/change-password/bulk/:id",
		"GET /jobs/change-password/bulk/:id/events",
		"GET /userinfo",
		"GET /users/",
		"GET /users/:id",
		"GET /users/count",
		"GET /users/export",
		"GET /users/schema",
		"PATCH /users/:id",
		"PATCH /users/bulk",
		"PATCH /users/import",
		"POST /-/expire/:id",
		"POST /jobs/bulk-activation",
		"POST /jobs/change-password/bulk",
		"POST /oauth/token",
		"POST /refreshtoken",
		"POST /users/",
		"POST /users/:id/soft-delete",
		"POST /users/:id/state",
		"POST /users/bulk",
		"POST /users/change-password",
		"POST /users/register",
		"POST /users/state",
		"POST /users/validate",
		"POST /users/with-id",
	}
	if diff := cmp.Diff(want, newChecker(t).WithPrefix("/ums").Routes()); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

func TestCheckerIsSafeForConcurrentUse(t *testing.T) {
	c := newChecker(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := (answer{"GET", "/users/", 200, jsonType, "", `[{"_id":"1"}]`}).check(c); err != nil {
				t.Error(err)
			}
			if err := (answer{"GET", "/users/", 200, jsonType, "", `[1]`}).check(c); err == nil {
				t.Error("a number passed for a user")
			}
		})
	}
	wg.Wait()
}
