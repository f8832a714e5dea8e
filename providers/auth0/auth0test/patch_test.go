package auth0test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPatchRefusals(t *testing.T) {
	d := open(t, Config{})
	id := d.user("ada")
	d.user("bob")
	for body, part := range map[string]string{
		`{"password":"Another-Horse-8","email":"a@example.com"}`:     "Cannot update password and email simultaneously.",
		`{"password":"Another-Horse-8","email_verified":true}`:       "Cannot update password and email_verified simultaneously.",
		`{"username":"eve","email":"eve@example.com"}`:               "Cannot update username and email simultaneously.",
		`{"username":"eve","email_verified":true}`:                   "Cannot update username and email_verified simultaneously.",
		`{"username":"eve","password":"Another-Horse-8"}`:            "Cannot update username and password simultaneously.",
		`{"email":"BOB@example.com"}`:                                "The specified new email already exists",
		`{"username":"Bob"}`:                                         "The specified new username already exists",
		`{"user_id":"auth0|1","logins_count":3}`:                     "'Additional properties not allowed: logins_count,user_id (consider storing them in app_metadata",
		`{"blocked":"yes"}`:                                          "'Expected type boolean but found type string' on property blocked",
		`{"email":"nowhere"}`:                                        "format email",
		`{"connection":"x","blocked":true}`:                          "Connection does not exist.",
		`{"app_metadata":{"blocked":true}}`:                          "blocked",
		`{"user_metadata":{"a.b":true}}`:                             "a.b",
		`[]`:                                                         "Expected type object",
		`{`:                                                          "invalid_body",
		`{"email":null,"phone_number":null,"name":null,"blocked":5}`: "blocked",
	} {
		d.want(body, d.manage("PATCH", "/users/"+id, body), 400, part)
	}
	d.want("nothing changed", d.manage("GET", "/users/"+id, ""), 200, `"email":"ada@example.com"`)
	d.want("a missing user", d.manage("PATCH", "/users/auth0%7Cnobody", `{"blocked":true}`), 404, "inexistent_user")
	d.want("no id", d.manage("PATCH", "/users/nobody", `{"blocked":true}`), 400, "invalid_uri")
}

func TestPatchMergesMetadata(t *testing.T) {
	d := open(t, Config{})
	id := d.user("ada")
	for _, step := range []struct {
		what, body string
		user, app  any
	}{
		{"first", `{"user_metadata":{"a":{"x":1},"b":2},"app_metadata":{"a":1}}`, map[string]any{"a": map[string]any{"x": 1.0}, "b": 2.0}, map[string]any{"a": 1.0}},
		{"a nested object is replaced", `{"user_metadata":{"a":{"y":1}}}`, map[string]any{"a": map[string]any{"y": 1.0}, "b": 2.0}, map[string]any{"a": 1.0}},
		{"null removes a key", `{"user_metadata":{"a":null}}`, map[string]any{"b": 2.0}, map[string]any{"a": 1.0}},
		{"an empty object empties", `{"user_metadata":{},"app_metadata":{}}`, map[string]any{}, nil},
	} {
		got := d.manage("PATCH", "/users/"+id, step.body)
		if diff := cmp.Diff([]any{step.user, step.app}, []any{got.body["user_metadata"], got.body["app_metadata"]}); diff != "" {
			t.Errorf("%s: metadata (-want +got):\n%s", step.what, diff)
		}
	}
}

func TestPatchEffects(t *testing.T) {
	d := open(t, Config{})
	id := d.user("ada")
	d.want("verify", d.manage("PATCH", "/users/"+id, `{"email_verified":true}`), 200, `"email_verified":true`)
	changed := d.manage("PATCH", "/users/"+id, `{"email":"Ada.Two@example.com"}`)
	d.want("lower case", changed, 200, `"email":"ada.two@example.com"`)
	d.want("another email is not verified", changed, 200, `"email_verified":false`)
	d.want("the name stays", changed, 200, `"name":"ada@example.com"`)
	d.want("the old email", d.login("ada@example.com", horse), 403, "")
	d.want("block", d.manage("PATCH", "/users/"+id, `{"blocked":true}`), 200, `"blocked":true`)
	d.want("a blocked login", d.login("ada", horse), 401, "user is blocked")
	d.want("a new password lifts the block", d.manage("PATCH", "/users/"+id, `{"password":"Another-Horse-8","connection":"`+Connection+`"}`), 200, `"blocked":false`)
	d.want("the new password", d.login("ada", "Another-Horse-8"), 200, "")
	d.want("unless it is sent too", d.manage("PATCH", "/users/"+id, `{"password":"Another-Horse-9","blocked":true}`), 200, `"blocked":true`)
	d.want("remove the username", d.manage("PATCH", "/users/"+id, `{"username":null}`), 200, "")
	d.want("the last identifier stays", d.manage("PATCH", "/users/"+id, `{"email":null}`), 400, "")
	if got := d.manage("GET", "/users/"+id, ""); got.body["username"] != nil || got.body["last_password_reset"] == nil {
		t.Errorf("user: %s, want no username and a last_password_reset", got.text)
	}
}

func TestCreateRefusals(t *testing.T) {
	d := open(t, Config{})
	d.user("ada")
	const begin = `{"connection":"Username-Password-Authentication","password":"` + horse + `",`
	const bare = `{"connection":"Username-Password-Authentication",`
	for body, want := range map[string]struct {
		status int
		part   string
	}{
		begin + `"email":"ADA@example.com"}`:                       {409, `"errorCode":"auth0_idp_error"`},
		begin + `"username":"Ada"}`:                                {409, "The user already exists."},
		begin + `"email":"eve@example.com","user_id":"x y"}`:       {400, "user_id"},
		bare + `"email":"eve@example.com","password":"short"}`:     {400, "PasswordStrengthError: Password is too weak"},
		begin + `"email":"eve@example.com","nick":"x","age":3}`:    {400, "'Additional properties not allowed: age,nick'"},
		begin + `"email":"eve"}`:                                   {400, `"errorCode":"invalid_body"`},
		begin + `"email":"eve@example.com","picture":"no"}`:        {400, "picture"},
		begin + `"phone_number":"12"}`:                             {400, "phone_number"},
		bare + `"email":"eve@example.com"}`:                        {400, "password"},
		begin + `"blocked":true}`:                                  {400, "email"},
		`{"email":"eve@example.com"}`:                              {400, "'Missing required property: connection'"},
		`{"email":"eve@example.com","connection":"x"}`:             {400, "Connection does not exist."},
		begin + `"email":"eve@example.com","user_id":"a/b"}`:       {201, `"user_id":"auth0|a/b"`},
		begin + `"email":"twice@example.com","user_id":"auth0|c"}`: {201, `"user_id":"auth0|auth0|c"`},
	} {
		d.want(body, d.manage("POST", "/users", body), want.status, want.part)
	}
	d.want("an id with a slash", d.manage("GET", "/users/auth0%7Ca%2Fb", ""), 200, "eve@example.com")
	d.want("by email as stored", d.manage("GET", "/users-by-email?email=eve%40example.com", ""), 200, "eve@example.com")
	d.want("by email in other letters", d.manage("GET", "/users-by-email?email=Eve%40example.com", ""), 200, "[]")
	d.want("by email and more", d.manage("GET", "/users-by-email?email=eve%40example.com&page=1", ""), 400, "invalid_query_string")
}
