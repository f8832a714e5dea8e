package auth0test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/textproto"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// importUsers starts a job.
func (d *desk) importUsers(users string, upsert bool) outcome {
	d.t.Helper()
	return d.sendImport(users, map[string]string{"connection_id": ConnectionID, "upsert": fmt.Sprint(upsert)})
}

// sendImport sends a file, or none for "", and then the fields.
func (d *desk) sendImport(users string, fields map[string]string) outcome {
	d.t.Helper()
	if d.token == "" {
		d.manage("GET", "/connections", "") // for the token
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", `form-data; name="users"; filename="users.json"`)
	if users != "" {
		part, _ := w.CreatePart(header) // into memory
		_, _ = part.Write([]byte(users))
	}
	for name, value := range fields {
		_ = w.WriteField(name, value)
	}
	_ = w.Close()
	return d.send("POST", "/api/v2/jobs/users-imports", w.FormDataContentType(), body.String(), "Authorization", "Bearer "+d.token)
}

// rows returns n users to be imported.
func rows(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"email":"u%04d@example.com","user_id":"%024d"}`, i, i))
	}
	return "[" + strings.Join(all, ",") + "]"
}

func (d *desk) job(started outcome) outcome {
	d.t.Helper()
	return d.manage("GET", "/jobs/"+d.text(started, "id"), "")
}

func TestImportTakesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, Config{ImportRate: 10, JobDetails: true})
		started := d.importUsers(rows(20), false)
		d.want("start", started, 202, `"status":"pending"`)
		d.want("nobody yet", d.manage("GET", "/users/auth0%7C"+fmt.Sprintf("%024d", 0), ""), 404, "")
		time.Sleep(500 * time.Millisecond)
		d.want("under way", d.job(started), 200, `"percentage_done":25,"status":"processing","time_left_seconds":2`)
		landed := d.manage("GET", "/users/auth0%7C"+fmt.Sprintf("%024d", 4), "")
		d.want("the fifth row", landed, 200, `"created_at":"2000-01-01T00:00:00.500Z"`)
		d.want("the sixth", d.manage("GET", "/users/auth0%7C"+fmt.Sprintf("%024d", 5), ""), 404, "")
		second := d.importUsers(rows(1), true)
		d.want("a second job", second, 202, "")
		d.want("a third", d.importUsers(rows(1), true), 429, "There are 2 active import users jobs")
		time.Sleep(100 * time.Millisecond)
		d.want("the second is done", d.job(second), 200, `"summary":{"failed":0,"inserted":0,"total":1,"updated":1}`)
		time.Sleep(1400 * time.Millisecond)
		d.want("done", d.job(started), 200, `"status":"completed","summary":{"failed":0,"inserted":20,"total":20,"updated":0}`)
		d.want("no errors", d.manage("GET", "/jobs/"+d.text(started, "id")+"/errors", ""), 204, "")
		time.Sleep(22 * time.Hour)
		d.token = "" // so that it outlives the job
		d.want("remembered", d.job(started), 200, "")
		time.Sleep(2 * time.Hour)
		d.want("forgotten", d.job(started), 404, "Job not found.")
		seen := d.tenant.Seen()
		if seen.Imports != 2 || seen.ActiveImports != 2 || seen.Limited["jobs"] != 1 {
			t.Errorf("seen %+v, want 2 imports, 2 at once, 1 refused", seen)
		}
	})
}

func TestImportTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, Config{ImportRate: 1. / 3600})
		started := d.importUsers(rows(3), false)
		time.Sleep(2*time.Hour - time.Second)
		d.want("just in time", d.job(started), 200, `"status":"pending"`)
		time.Sleep(time.Second)
		d.want("the job", d.job(started), 200, `"status":"failed"`)
		d.want("the second row", d.manage("GET", "/users-by-email?email=u0001%40example.com", ""), 200, "u0001")
		d.want("the third", d.manage("GET", "/users-by-email?email=u0002%40example.com", ""), 200, "[]")
	})
}

func TestImportThatNeverEnds(t *testing.T) {
	d := open(t, Config{ImportRate: 1e-300})
	d.want("the job", d.job(d.importUsers(rows(1), false)), 200, `"status":"pending"`)
}

func TestImportRefusals(t *testing.T) {
	d := open(t, Config{})
	for name, test := range map[string]struct {
		users  string
		fields map[string]string
		status int
		part   string
	}{
		"no file":            {"", map[string]string{"connection_id": ConnectionID}, 400, "Must provide 'users' file as multipart part."},
		"no connection":      {"[]", nil, 400, "Must provide 'connection_id' as multipart part."},
		"an empty file":      {" ", map[string]string{"connection_id": ConnectionID}, 400, "Users file must not be empty."},
		"a bad connection":   {"[]", map[string]string{"connection_id": "x"}, 400, "^con_[A-Za-z0-9]{16}$"},
		"no such connection": {"[]", map[string]string{"connection_id": "con_0000000000000000"}, 400, "The connection does not exist."},
		"a bad upsert":       {"[]", map[string]string{"connection_id": ConnectionID, "upsert": "yes"}, 400, "upsert"},
		"too large":          {strings.Repeat("x", 512_000), map[string]string{"connection_id": ConnectionID}, 413, "Payload content length greater than maximum allowed: 512000."},
		"an external id":     {"[]", map[string]string{"connection_id": ConnectionID, "external_id": "mine"}, 202, `"external_id":"mine"`},
		"none":               {"[]", map[string]string{"connection_id": ConnectionID, "external_id": ""}, 202, `"created_at"`},
	} {
		t.Run(name, func(t *testing.T) { d.want(name, d.sendImport(test.users, test.fields), test.status, test.part) })
	}
	d.want("no multipart", d.manage("POST", "/jobs/users-imports", "[]"), 400, "Invalid multipart payload format")
	broken := d.importUsers("{}", false)
	d.want("no array", broken, 202, "")
	d.want("its job", d.job(broken), 200, `"status":"failed"`)
	d.want("its errors", d.manage("GET", "/jobs/"+d.text(broken, "id")+"/errors", ""), 200, "status_details")
	d.want("a malformed id", d.manage("GET", "/jobs/x", ""), 400, "invalid_uri")
	d.want("an unknown id", d.manage("GET", "/jobs/job_0000000000000000/errors", ""), 404, "The job does not exist")
}

// TestImportRows: what becomes of one row, in a tenant with Ada and Bob.
func TestImportRows(t *testing.T) {
	const ada, bob = `"email":"ada@example.com"`, `"username":"bob"`
	for name, test := range map[string]struct {
		rows   string
		upsert bool
		code   string         // of the last row's error, or ""
		want   map[string]any // of the user with the last row's email; nil: not looked at
	}{
		"a new user":                   {`{"email":"Eve@example.com","username":"Eve","blocked":true}`, false, "", map[string]any{"username": "eve", "blocked": true, "email_verified": false, "nickname": "eve"}},
		"who exists":                   {`{` + ada + `}`, false, "DUPLICATED_USER", nil},
		"a username that exists":       {`{"email":"eve@example.com",` + bob + `}`, false, "DUPLICATED_USER", nil},
		"an id that exists":            {`{"email":"eve@example.com","user_id":"ada"}`, false, "DUPLICATED_USER", nil},
		"updated":                      {`{"email":"ADA@example.com","name":"Ada L","email_verified":true}`, true, "", map[string]any{"name": "Ada L", "email_verified": true}},
		"metadata is replaced":         {`{` + ada + `,"app_metadata":{"b":1}}`, true, "", map[string]any{"app_metadata": map[string]any{"b": 1.0}}},
		"blocked is not updated":       {`{` + ada + `,"blocked":true}`, true, "", map[string]any{"blocked": nil}},
		"a username is not updated":    {`{` + ada + `,"username":"eve"}`, true, "", map[string]any{"username": "ada"}},
		"an id is not updated":         {`{` + ada + `,"user_id":"eve"}`, true, "", map[string]any{"user_id": "auth0|ada"}},
		"another's username":           {`{` + ada + `,` + bob + `}`, true, "CONFLICT_USERNAME", map[string]any{"username": "ada"}},
		"another's username, inserted": {`{"email":"eve@example.com",` + bob + `}`, true, "CONFLICT_USERNAME", nil},
		"another's id":                 {`{` + ada + `,"user_id":"bob"}`, true, "CONFLICT", nil},
		"an id with another email":     {`{"email":"eve@example.com","user_id":"ada"}`, true, "CONFLICT", nil},
		"twice in the file":            {`{"email":"eve@example.com"},{"email":"EVE@example.com"}`, true, "DUPLICATED_USER", nil},
		"a bad email":                  {`{"email":"eve"}`, true, "INVALID_FORMAT", nil},
		"no email":                     {`{"username":"eve"}`, true, "OBJECT_REQUIRED", nil},
		"a wrong type":                 {`{"email":"eve@example.com","blocked":"no"}`, true, "INVALID_TYPE", nil},
		"an unknown algorithm":         {`{"email":"eve@example.com","custom_password_hash":{"algorithm":"rot13","hash":{"value":"x"}}}`, true, "ENUM_MISMATCH", nil},
		"no factors":                   {`{"email":"eve@example.com","mfa_factors":[]}`, true, "ARRAY_LENGTH_SHORT", nil},
		"too many factors":             {`{"email":"eve@example.com","mfa_factors":[1,2,3,4,5,6,7,8,9,0,1]}`, true, "ARRAY_LENGTH_LONG", nil},
		"a password":                   {`{"email":"eve@example.com","password":"Correct-Horse-7"}`, true, "NOT_PASSED", nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, Config{})
			if err := d.tenant.Sow([]byte(`[{"email":"ada@example.com","username":"ada","user_id":"ada","app_metadata":{"a":1}},{"email":"bob@example.com","username":"bob","user_id":"bob"}]`)); err != nil {
				t.Fatal(err)
			}
			started := d.importUsers("["+test.rows+"]", test.upsert)
			d.want("the job", d.job(started), 200, `"status":"completed"`)
			got := d.manage("GET", "/jobs/"+d.text(started, "id")+"/errors", "")
			var failures []rowFailure
			_ = json.Unmarshal([]byte(got.text), &failures) // none when it is empty
			code := ""
			if len(failures) == 1 {
				code = failures[0].Errors[0].Code
			}
			if code != test.code || len(failures) > 1 {
				t.Errorf("errors: %s, want the code %q", got.text, test.code)
			}
			email := "ada@example.com"
			if strings.Contains(strings.ToLower(test.rows), "eve@") {
				email = "eve@example.com"
			}
			for property, want := range test.want {
				user, _ := d.manage("GET", "/users-by-email?email="+email, "").list[0].(map[string]any)
				if diff := cmp.Diff(want, user[property]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", property, diff)
				}
			}
		})
	}
}

func TestImportedPassword(t *testing.T) {
	d := open(t, Config{})
	const hash = "$2b$10$HDLXqZbSHQyhCVnAHmpHCeNKrnqh8fuu2tpjcFkiXWWNtJ/MHGhLO" // made up
	started := d.importUsers(`[{"email":"ada@example.com","password_hash":"`+hash+`"},{"email":"no","password_hash":"`+hash+`"}]`, false)
	got := d.manage("GET", "/jobs/"+d.text(started, "id")+"/errors", "")
	d.want("errors", got, 200, `"password_hash":"*****"`)
	if kind := got.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("content type %s", kind)
	}
	d.want("a wrong password", d.login("ada@example.com", horse), 403, "")
	d.user("eve")
	d.importUsers(`[{"email":"eve@example.com","custom_password_hash":{"algorithm":"md5","hash":{"value":"`+strings.Repeat("0", 32)+`"}}}]`, true)
	d.want("the password before a hash that was brought up to date", d.login("eve", horse), 403, "")
	d.want("without a password", d.importUsers(`[{"email":"bob@example.com"}]`, false), 202, "")
	d.want("any", d.login("bob@example.com", "x"), 403, "")
}
