package auth0test

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"user-manager/upstream/faults"
)

func TestAuthenticationRefusals(t *testing.T) {
	d := open(t, Config{RequiresUsername: true})
	const connection = `"connection":"` + Connection + `"`
	for _, test := range []struct {
		method, path, body string
		status             int
		part               string
	}{
		{"GET", "/oauth/token", "", 405, "method_not_allowed"},
		{"GET", "/authorize", "", 404, "endpoint_disabled"},
		{"GET", "/api/v2/roles", "", 404, `"statusCode":404`},
		{"POST", "/oauth/token", "[]", 400, "invalid_request"},
		{"POST", "/oauth/token", `{"grant_type":"authorization_code","client_id":"` + PublicClientID + `"}`, 403, "Invalid authorization code"},
		{"POST", "/oauth/token", `{"grant_type":"password","client_id":"` + PublicClientID + `"}`, 400, "username"},
		{"POST", "/oauth/token", `{"grant_type":"password","client_id":"` + PublicClientID + `","username":"a","password":"b","scope":3}`, 400, "invalid_scope"},
		{"POST", "/oauth/token", `{"grant_type":"password","client_id":"` + PublicClientID + `","username":"a","password":"b","scope":["openid"]}`, 403, "invalid_grant"},
		{"POST", "/oauth/token", `{"grant_type":"refresh_token","client_id":"` + PublicClientID + `"}`, 400, "refresh_token"},
		{"POST", "/oauth/token", strings.Repeat("x", bodyLimit+1), 413, ""},
		{"POST", "/oauth/revoke", `{"client_id":"x","token":"y"}`, 401, "access_denied"},
		{"POST", "/oauth/revoke", `{"client_id":"` + PublicClientID + `"}`, 400, "token"},
		{"POST", "/oauth/revoke", `{"client_id":"` + PublicClientID + `","token":"y"}`, 200, ""},
		{"POST", "/dbconnections/change_password", `{` + connection + `}`, 400, `{"error":"email is required"}`},
		{"POST", "/dbconnections/change_password", `{"email":"a@example.com"}`, 400, "connection is required"},
		{"POST", "/dbconnections/change_password", `{"email":"a@example.com","connection":"x"}`, 400, "connection not found"},
		{"POST", "/dbconnections/change_password", `{"email":"a@example.com","client_id":"x",` + connection + `}`, 400, "client"},
		{"POST", "/dbconnections/signup", `{"client_id":"x"}`, 400, "invalid_signup"},
		{"POST", "/dbconnections/signup", `{"client_id":"` + ClientID + `","email":"a@example.com","password":"` + horse + `",` + connection + `}`, 400, "missing username for"},
	} {
		d.want(test.method+" "+test.path+" "+fmt.Sprintf("%.80s", test.body), d.send(test.method, test.path, "application/json", test.body), test.status, test.part)
	}
}

func TestManagementAnswers(t *testing.T) {
	d := open(t, Config{Enterprise: true, FixedRefreshTokens: true, PatchConflicts: true})
	ada, _ := d.user("ada"), d.user("bob")
	session := d.login("ada", horse)
	d.want("one MB", d.manage("POST", "/users", strings.Repeat(" ", bodyLimit+1)), 413, "")
	d.want("a conflict", d.manage("PATCH", "/users/"+ada, `{"username":"bob"}`), 409, "auth0_idp_error")
	d.want("a connection", d.manage("GET", "/connections/"+ConnectionID, ""), 200, Connection)
	d.want("no connection", d.manage("GET", "/connections/con_0000000000000000", ""), 404, "inexistent_connection")
	d.want("connections of a name", d.manage("GET", "/connections?name=x", ""), 200, "[]")
	d.want("connections", d.manage("GET", "/connections?include_totals=true&fields=id", ""), 200, `{"connections":[{"id":"`+ConnectionID+`"}],"limit":50,"start":0,"total":1}`)
	d.want("no page", d.manage("GET", "/connections?per_page=0", ""), 400, "less than minimum 1")
	d.want("credentials", d.manage("GET", "/device-credentials?user_id="+ada+"&fields=type&include_totals=true", ""), 200, `"device_credentials":[{"type":"refresh_token"}]`)
	d.want("credentials of a strange type", d.manage("GET", "/device-credentials?type=x", ""), 400, "invalid_query_string")
	d.want("end sessions", d.manage("DELETE", "/users/"+ada+"/sessions", ""), 202, "{}")
	d.want("sessions are no tokens", d.refresh(d.text(session, "refresh_token")), 200, "")
	d.want("end refresh tokens", d.manage("DELETE", "/users/"+ada+"/refresh-tokens", ""), 202, "{}")
	d.want("ended", d.refresh(d.text(session, "refresh_token")), 403, "")
	d.want("sessions", d.manage("GET", "/users/"+ada+"/sessions?take=50", ""), 200, `{"sessions":[]}`)
}

// TestNotEnabled: a client that the connection is not switched on for makes no users.
func TestNotEnabled(t *testing.T) {
	d := open(t, Config{NotEnabled: true})
	d.want("create", d.manage("POST", "/users", `{"connection":"`+Connection+`","email":"ada@example.com","password":"`+horse+`"}`), 400,
		"Connection must be enabled for this client to perform single user creation and signup operations (client_id: "+ManagementClientID+" - connection: "+Connection+")")
	d.want("the connection", d.manage("GET", "/connections", ""), 200, `"enabled_clients":["`+ClientID+`","`+PublicClientID+`"]`)
	d.want("sign up", d.post("/dbconnections/signup", map[string]any{"client_id": ClientID, "connection": Connection, "email": "ada@example.com", "password": horse}), 200, "ada@example.com")
}

// TestIDsInPaths: the escaped path is what leads to a user.
func TestIDsInPaths(t *testing.T) {
	d := open(t, Config{})
	for i, id := range []string{"a/b", "a/../b", "..", "//", "a%2Fb", "a?b#c", "a+b", "ä|ö", "auth0|x"} {
		body := fmt.Sprintf(`{"connection":%q,"email":"u%d@example.com","password":%q,"user_id":%q}`, Connection, i, horse, id)
		d.want("create "+id, d.manage("POST", "/users", body), 201, "")
		path := "/users/" + url.PathEscape("auth0|"+id)
		d.want("read "+id, d.manage("GET", path, ""), 200, fmt.Sprintf(`"email":"u%d@example.com"`, i))
		d.want("change "+id, d.manage("PATCH", path, `{"blocked":true}`), 200, `"blocked":true`)
		d.want("blocks of "+id, d.manage("GET", "/user-blocks/"+url.PathEscape("auth0|"+id), ""), 200, "")
		d.want("delete "+id, d.manage("DELETE", path, ""), 204, "")
		d.want("read "+id+" again", d.manage("GET", path, ""), 404, "inexistent_user")
	}
}

// TestPlannedAnswers: refusals by plan have the shape of their API.
func TestPlannedAnswers(t *testing.T) {
	plan := faults.NewPlan()
	d := open(t, Config{Faults: plan})
	for fault, part := range map[faults.Fault]string{
		faults.Refuse500: `{"error":"server_error"`, faults.Refuse503: `{"error":"temporarily_unavailable"`, faults.Refuse429: `{"error":"too_many_requests"`,
	} {
		plan.Arm(len(plan.Calls())+1, fault)
		d.want(fault.String(), d.mail("ada@example.com"), fault.Status(), part)
	}
	plan.ArmFrom(1, faults.Refuse503)
	d.token = "x" // nobody looks at it
	d.want("management", d.manage("GET", "/users", ""), 503, `"error":"Service Unavailable"`)
}

func TestErrorsOfJobsMaskSecrets(t *testing.T) {
	d := open(t, Config{})
	started := d.importUsers(`[{"email":"no","custom_password_hash":{"algorithm":"hmac","hash":{"value":"h1","key":{"value":"k1"}},"salt":{"value":"s1"}},"mfa_factors":[{"totp":{"secret":"t1"}}]}]`, true)
	got := d.manage("GET", "/jobs/"+d.text(started, "id")+"/errors", "")
	d.want("errors", got, 200, `"algorithm":"hmac"`)
	for _, secret := range []string{"h1", "k1", "s1", "t1"} {
		if strings.Contains(got.text, `"`+secret+`"`) {
			t.Errorf("%s is in %s", secret, got.text)
		}
	}
}

// TestManyAtOnce: of many creations with one email address, one is made.
func TestManyAtOnce(t *testing.T) {
	d := open(t, Config{Limits: Limits{Management: Limit{Size: 1000, Refill: 1000, Every: 1 << 40}}})
	d.manage("GET", "/users", "") // for the token
	var made sync.Map
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			got := d.manage("POST", "/users", `{"connection":"`+Connection+`","email":"ada@example.com","password":"`+horse+`"}`)
			if got.status == 201 {
				made.Store(i, true)
			}
		})
	}
	all.Wait()
	n := 0
	made.Range(func(any, any) bool { n++; return true })
	if n != 1 || d.tenant.Seen().Requests["POST /api/v2/users"] != 50 {
		t.Errorf("%d were made of %v, want 1 of 50", n, d.tenant.Seen().Requests)
	}
}
