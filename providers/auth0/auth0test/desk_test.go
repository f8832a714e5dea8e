package auth0test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"user-manager/crud"
)

// desk calls a tenant as its applications do.
type desk struct {
	t      *testing.T
	tenant *Tenant
	client *http.Client
	token  string // of the Management API; "" until it is needed
}

func open(t *testing.T, cfg Config) *desk {
	tenant := New(cfg)
	return &desk{t: t, tenant: tenant, client: &http.Client{Transport: crud.InProcess(tenant)}}
}

// outcome is what came back.
type outcome struct {
	status int
	header http.Header
	text   string
	body   map[string]any // of a JSON object
	list   []any          // of a JSON array
}

func (d *desk) send(method, path, kind, body string, headers ...string) outcome {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, "https://tenant.test"+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := d.client.Do(req)
	if err != nil {
		d.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	a := outcome{status: res.StatusCode, header: res.Header, text: string(text)}
	_ = json.Unmarshal(text, &a.body) // one of the two fits, or none
	_ = json.Unmarshal(text, &a.list)
	return a
}

// manage calls the Management API; body may be "".
func (d *desk) manage(method, path, body string) outcome {
	d.t.Helper()
	if d.token == "" {
		got := d.post("/oauth/token", map[string]any{
			"grant_type": "client_credentials", "client_id": ManagementClientID,
			"client_secret": ManagementClientSecret, "audience": "https://tenant.test/api/v2/",
		})
		d.token, _ = got.body["access_token"].(string)
	}
	return d.send(method, "/api/v2"+path, "application/json", body, "Authorization", "Bearer "+d.token)
}

// post calls the Authentication API.
func (d *desk) post(path string, body map[string]any) outcome {
	d.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		d.t.Fatal(err)
	}
	return d.send("POST", path, "application/json", string(encoded))
}

const horse = "Correct-Horse-7"

// user makes a user and returns the id as it stands in paths.
func (d *desk) user(name string) string {
	d.t.Helper()
	got := d.manage("POST", "/users", `{"connection":"Username-Password-Authentication","email":"`+name+`@example.com","username":"`+name+`","password":"`+horse+`"}`)
	if got.status != http.StatusCreated {
		d.t.Fatalf("create %s: %d %s", name, got.status, got.text)
	}
	return strings.ReplaceAll(got.body["user_id"].(string), "|", "%7C")
}

// login logs in by password.
func (d *desk) login(name, password string) outcome {
	d.t.Helper()
	return d.post("/oauth/token", map[string]any{
		"grant_type": "http://auth0.com/oauth/grant-type/password-realm", "realm": Connection,
		"client_id": ClientID, "client_secret": ClientSecret,
		"username": name, "password": password, "scope": "openid profile email offline_access",
	})
}

func (d *desk) refresh(token string) outcome {
	d.t.Helper()
	return d.post("/oauth/token", map[string]any{
		"grant_type": "refresh_token", "client_id": ClientID, "client_secret": ClientSecret, "refresh_token": token,
	})
}

func (d *desk) userInfo(token string) outcome {
	d.t.Helper()
	return d.send("GET", "/userinfo", "", "", "Authorization", "Bearer "+token)
}

// want checks a status and a part of the text.
func (d *desk) want(what string, got outcome, status int, part string) {
	d.t.Helper()
	if got.status != status || !strings.Contains(got.text, part) {
		d.t.Errorf("%s: %d %s, want %d with %q", what, got.status, got.text, status, part)
	}
}

func TestUserComesLogsInAndGoes(t *testing.T) {
	d := open(t, Config{})
	id := d.user("ada")
	d.want("read", d.manage("GET", "/users/"+id, ""), 200, `"nickname":"ada"`)
	session := d.login("ADA@example.com", horse)
	d.want("login", session, 200, `"scope":"openid profile email offline_access"`)
	d.want("userinfo", d.userInfo(session.body["access_token"].(string)), 200, `"email":"ada@example.com"`)
	d.want("wrong password", d.login("ada", "wrong"), 403, "Wrong email or password.")
	d.want("delete", d.manage("DELETE", "/users/"+id, ""), 204, "")
	d.want("delete again", d.manage("DELETE", "/users/"+id, ""), 204, "")
	d.want("read", d.manage("GET", "/users/"+id, ""), 404, "inexistent_user")
	d.want("userinfo", d.userInfo(session.body["access_token"].(string)), 401, "Unauthorized")
}
