package auth0test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func (d *desk) text(got outcome, name string) string {
	d.t.Helper()
	value, _ := got.body[name].(string)
	if value == "" {
		d.t.Errorf("no %s in %s", name, got.text)
	}
	return value
}

func TestRefreshTokensRotate(t *testing.T) {
	d := open(t, Config{})
	d.user("ada")
	first := d.text(d.login("ada", horse), "refresh_token")
	second := d.text(d.refresh(first), "refresh_token")
	third := d.text(d.refresh(second), "refresh_token")
	d.want("an old one", d.refresh(first), 403, "Unknown or invalid refresh token.")
	d.want("its family", d.refresh(third), 403, "Unknown or invalid refresh token.")
	d.want("an unknown one", d.refresh("v1.x"), 403, "invalid_grant")
}

// TestNoOfflineAccess: an API that does not allow it gives no refresh tokens, userinfo does.
func TestNoOfflineAccess(t *testing.T) {
	d := open(t, Config{NoOfflineAccess: true})
	d.user("ada")
	d.want("without an audience", d.login("ada", horse), 200, `"refresh_token"`)
	got := d.post("/oauth/token", map[string]any{
		"grant_type": passwordGrant, "client_id": ClientID, "client_secret": ClientSecret, "audience": Audience,
		"username": "ada", "password": horse, "scope": "openid offline_access",
	})
	d.want("with one", got, 200, `"scope":"openid"`)
	if _, given := got.body["refresh_token"]; given {
		t.Errorf("a refresh token in %s", got.text)
	}
}

func TestFixedRefreshToken(t *testing.T) {
	d := open(t, Config{FixedRefreshTokens: true})
	d.user("ada")
	value := d.text(d.login("ada", horse), "refresh_token")
	for range 2 {
		if got := d.refresh(value); got.status != 200 || got.body["refresh_token"] != nil {
			t.Errorf("refresh: %d %s, want 200 without a refresh token", got.status, got.text)
		}
	}
	d.want("revoke", d.post("/oauth/revoke", map[string]any{"client_id": ClientID, "client_secret": ClientSecret, "token": value}), 200, "")
	d.want("revoked", d.refresh(value), 403, "")
	d.want("revoke again", d.post("/oauth/revoke", map[string]any{"client_id": ClientID, "client_secret": ClientSecret, "token": value}), 200, "")
}

func TestBlockAndSessions(t *testing.T) {
	for name, test := range map[string]struct {
		cfg                    Config
		userinfo, afterUnblock int
	}{
		"tokens outlive a block": {Config{FixedRefreshTokens: true}, 200, 200},
		"unless told otherwise":  {Config{FixedRefreshTokens: true, EndsSessionsOnBlock: true}, 401, 403},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, test.cfg)
			id := d.user("ada")
			session := d.login("ada", horse)
			d.manage("PATCH", "/users/"+id, `{"blocked":true}`)
			d.want("refresh while blocked", d.refresh(d.text(session, "refresh_token")), 403, "invalid_grant")
			d.want("userinfo while blocked", d.userInfo(d.text(session, "access_token")), test.userinfo, "")
			d.manage("PATCH", "/users/"+id, `{"blocked":false}`)
			d.want("refresh when unblocked", d.refresh(d.text(session, "refresh_token")), test.afterUnblock, "")
			d.manage("DELETE", "/users/"+id, "")
			d.want("refresh when deleted", d.refresh(d.text(session, "refresh_token")), 403, "")
		})
	}
}

func TestDeviceCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, Config{DeviceLag: time.Second})
		id := d.user("ada")
		value := d.text(d.login("ada", horse), "refresh_token")
		list := func(kind string) outcome { return d.manage("GET", "/device-credentials?user_id="+id+kind, "") }
		d.want("early", list("&type=rotating_refresh_token"), 200, "[]")
		time.Sleep(time.Second)
		d.want("of another type", list("&type=refresh_token"), 200, "[]")
		d.want("of no type", list(""), 200, "[]")
		got := list("&type=rotating_refresh_token")
		d.want("list", got, 200, `"type":"rotating_refresh_token"`)
		credential := got.list[0].(map[string]any)["id"].(string)
		d.want("delete", d.manage("DELETE", "/device-credentials/"+credential, ""), 204, "")
		d.want("refresh", d.refresh(value), 403, "")
		d.want("delete again", d.manage("DELETE", "/device-credentials/"+credential, ""), 204, "")
		d.want("all at once", d.manage("DELETE", "/users/"+id+"/refresh-tokens", ""), 403, "feature_not_enabled")
	})
}

func TestBruteForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, Config{})
		id := d.user("ada")
		for range 9 {
			d.login("ada", "wrong")
		}
		d.want("a success begins anew", d.login("ada", horse), 200, "")
		for range 10 {
			d.want("wrong", d.login("ada@example.com", "wrong"), 403, "")
		}
		d.want("blocked", d.login("ada", horse), 429, "too_many_attempts")
		d.want("listed", d.manage("GET", "/user-blocks/"+id, ""), 200, `{"blocked_for":[{"connection":"Username-Password-Authentication","identifier":"ada@example.com","ip":"in-process"}]}`)
		d.want("not lifted by a patch", d.manage("PATCH", "/users/"+id, `{"blocked":false}`), 200, "")
		d.want("still blocked", d.login("ada", horse), 429, "")
		d.want("lift", d.manage("DELETE", "/user-blocks?identifier=ada", ""), 204, "")
		d.want("lifted", d.login("ada", horse), 200, "")
		for range 10 {
			d.login("ada", "wrong")
		}
		time.Sleep(30 * 24 * time.Hour)
		d.token = "" // it has expired
		d.want("a month later", d.login("ada", horse), 200, "")
		d.want("no blocks", d.manage("GET", "/user-blocks/"+id, ""), 200, `{"blocked_for":[]}`)
		d.want("nobody's blocks", d.manage("GET", "/user-blocks/auth0%7Cnobody", ""), 404, "User not found.")
		d.want("nobody's by name", d.manage("GET", "/user-blocks?identifier=nobody", ""), 200, `{"blocked_for":[]}`)
	})
}

func TestLoginRefusals(t *testing.T) {
	cfg := Config{MFA: []string{"mia@example.com"}, Leaked: []string{"lea@example.com"}, ForbidsBlocked: true}
	d := open(t, cfg)
	for _, name := range []string{"ada", "mia", "lea"} {
		d.user(name)
	}
	blocked := d.user("bob")
	d.manage("PATCH", "/users/"+blocked, `{"blocked":true}`)
	ask := func(changes ...string) map[string]any {
		body := map[string]any{"grant_type": passwordGrant, "client_id": ClientID, "client_secret": ClientSecret, "username": "ada", "password": horse}
		for i := 0; i < len(changes); i += 2 {
			body[changes[i]] = changes[i+1]
		}
		return body
	}
	for name, test := range map[string]struct {
		body   map[string]any
		status int
		part   string
	}{
		"all is well":          {ask(), 200, `"scope":"openid profile email address phone"`},
		"a wrong secret":       {ask("client_secret", "x"), 401, `{"error":"access_denied","error_description":"Unauthorized"}`},
		"an unknown client":    {ask("client_id", "x"), 401, "access_denied"},
		"a client without it":  {ask("client_id", ManagementClientID, "client_secret", ManagementClientSecret), 403, "unauthorized_client"},
		"an unknown user":      {ask("username", "nobody"), 403, "Wrong email or password."},
		"a wrong audience":     {ask("audience", "x"), 400, "invalid audience specified for password grant exchange"},
		"a wrong realm":        {ask("grant_type", realmGrant, "realm", "x"), 400, "realm"},
		"no grant":             {ask("grant_type", ""), 400, "invalid_request"},
		"an unknown grant":     {ask("grant_type", "x"), 501, "unsupported_grant_type"},
		"a second factor":      {ask("username", "mia"), 403, `"mfa_token"`},
		"a leaked password":    {ask("username", "lea"), 401, "password_leaked"},
		"blocked":              {ask("username", "bob"), 403, "user is blocked"},
		"blocked and mistaken": {ask("username", "bob", "password", "x"), 403, "Wrong email or password."},
	} {
		t.Run(name, func(t *testing.T) { d.want(name, d.post("/oauth/token", test.body), test.status, test.part) })
	}
	form := d.send("POST", "/oauth/token", "application/x-www-form-urlencoded", "grant_type=password&client_id="+PublicClientID+
		"&username=ada&password="+horse+"&audience=https%3A%2F%2Fapi.example.com&scope=openid+offline_access")
	d.want("a form of a public client", form, 200, `"scope":"openid offline_access"`)
	if token := d.text(form, "access_token"); strings.Count(token, ".") != 2 {
		t.Errorf("the token for an audience is %q, want a JWT", token)
	}
	got := d.userInfo(d.text(form, "access_token"))
	if got.status != 200 || got.body["email"] != nil {
		t.Errorf("userinfo without the scope email: %d %s", got.status, got.text)
	}
}

func TestManagementTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, Config{Scopes: []string{"read:users", "update:users_app_metadata"}})
		credentials := func(id, secret, audience string) outcome {
			return d.post("/oauth/token", map[string]any{"grant_type": "client_credentials", "client_id": id, "client_secret": secret, "audience": audience})
		}
		const management = "https://tenant.test/api/v2/"
		d.want("a wrong secret", credentials(ManagementClientID, "x", management), 401, "access_denied")
		d.want("another's API", credentials(ClientID, ClientSecret, management), 403, "client-grant")
		d.want("no such API", credentials(ManagementClientID, ManagementClientSecret, "https://tenant.test/api/v2"), 403, "Service not enabled within domain")
		d.want("no grant", d.post("/oauth/token", map[string]any{"grant_type": "client_credentials", "client_id": PublicClientID}), 403, "unauthorized_client")
		d.want("basic", d.send("POST", "/oauth/token", "application/x-www-form-urlencoded", "grant_type=client_credentials&audience="+management,
			"Authorization", "Basic dXNlci1tYW5hZ2VyLW1hbmFnZW1lbnQ6dXNlci1tYW5hZ2VyLW1hbmFnZW1lbnQtc2VjcmV0"), 200, `"scope":"read:users update:users_app_metadata"`)
		d.want("a scope", d.manage("GET", "/users", ""), 200, "[]")
		d.want("no scope", d.manage("POST", "/users", "{}"), 403, `{"error":"Forbidden","errorCode":"insufficient_scope","message":"Insufficient scope, expected any of: create:users","statusCode":403}`)
		d.want("app_metadata alone", d.manage("PATCH", "/users/auth0%7C1", `{"app_metadata":{}}`), 404, "")
		d.want("more than that", d.manage("PATCH", "/users/auth0%7C1", `{"app_metadata":{},"blocked":true}`), 403, "update:users")
		get := func(token string) outcome {
			return d.send("GET", "/api/v2/users", "", "", "Authorization", "Bearer "+token)
		}
		d.want("none", d.send("GET", "/api/v2/users", "", ""), 401, "")
		d.want("no JWT", get("x"), 400, "Bad HTTP authentication header format")
		d.want("changed", get(d.token[:len(d.token)-6]+"AAAAAA"), 401, "Invalid signature received for JSON Web Token validation.")
		d.want("another audience", get(d.text(credentials(ClientID, ClientSecret, Audience), "access_token")), 401, "Bad audience: https://api.example.com")
		time.Sleep(24 * time.Hour)
		d.want("expired", get(d.token), 401, "Expired token received for JSON Web Token validation")
	})
}

func TestSignUp(t *testing.T) {
	d := open(t, Config{})
	sign := func(email, password string) outcome {
		return d.post("/dbconnections/signup", map[string]any{"client_id": ClientID, "connection": Connection, "email": email, "password": password})
	}
	d.want("new", sign("Ada@example.com", horse), 200, `"email":"ada@example.com","email_verified":false`)
	d.want("who exists", sign("ada@example.com", horse), 400, "invalid_signup")
	d.want("a weak password", sign("bob@example.com", "x"), 400, "PasswordStrengthError")
	d.want("login", d.login("ada@example.com", horse), 200, "")
}
