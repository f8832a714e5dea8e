package auth0test_test

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"strings"
	"time"

	"user-manager/providers/auth0/auth0test"
)

const (
	domain           = "tenant.test"
	managementID     = auth0test.ManagementClientID
	managementSecret = auth0test.ManagementClientSecret
	password         = "Testpassword123!"
	callerIP         = "192.0.2.1" // of the requests that httptest makes
)

// given are the values of this tenant that are known before the first step.
var given = map[string]string{
	"{{tenant}}":          domain,
	"{{client_id}}":       auth0test.ClientID,
	"{{other_client_id}}": auth0test.ClientID,
	"{{client_secret}}":   auth0test.ClientSecret,
	"{{password}}":        password,

	"test-audience":                      auth0test.Audience,
	"https://brucke.club/custom/api/v1/": auth0test.Audience,

	"con_ftSSLHb0O7rcUGmF": auth0test.ConnectionID, // of the two tenants
	"con_Xx4Kruoab04wvlYX": auth0test.ConnectionID, // that were recorded
	"203.0.113.7":          callerIP,
}

// recordedTenant is one with the limits that the recordings show.
func recordedTenant() auth0test.Config {
	return auth0test.Config{
		Domain:    domain,
		APIScopes: []string{"test:scope"},
		Limits: auth0test.Limits{
			Management:     auth0test.Limit{Size: 50, Refill: 50, Every: time.Second},
			Authentication: auth0test.Limit{Size: 1000, Refill: 1000, Every: time.Second},
			UserInfo:       auth0test.Limit{Size: 10, Refill: 5, Every: time.Minute},
			ChangePassword: auth0test.Limit{Size: 10, Refill: 1, Every: time.Minute},
			Address:        auth0test.Limit{Size: 100, Refill: 1, Every: 864 * time.Second},
			SignUp:         auth0test.Limit{Size: 50, Refill: 1, Every: 1200 * time.Millisecond},
			Continuous:     true, // userinfo: one in twelve seconds
		},
	}
}

// apart are the steps, as "recording/step", that the stand-in answers in another way,
// with the reason.
var apart = byStep(map[string][]string{
	"managing connections is left out": {
		"connections-read-by-name/1", "connections-read-by-name/2", "connections-read-by-name/3", "connections-read-by-name/4",
		"errors-400-invalid-body/1",
		"errors-404-with-error-code/1", "errors-404-with-error-code/2", "errors-404-with-error-code/4",
	},
	"settings of the tenant are left out": {
		"attack-protection-suspicious-ip/1", "attack-protection-suspicious-ip/2", "attack-protection-suspicious-ip/3", "attack-protection-suspicious-ip/4",
		"errors-409-conflict/1",
	},
	"roles and permissions are left out": {
		"errors-404-permission/1",
		"errors-404-without-error-code/1", "errors-404-without-error-code/2", "errors-404-without-error-code/3", "errors-404-without-error-code/4",
		"users-roles/2", "users-roles/3", "users-roles/4", "users-roles/5", "users-roles/6", "users-roles/7",
	},
	"exports are left out":                                {"jobs-users-export-default-format/1", "jobs-users-export-default-format/2"},
	"linked accounts are left out":                        {"users-link/4"},
	"logs and statistics are left out":                    {"users-logs-empty/2", "stats-active-users/1"},
	"logins by browser and by second factor are left out": {"oauth-token-code/1", "oauth-token-mfa-pending/1"},
	"clients have secrets, not keys":                      {"oauth-token-client-assertion/1"},
	"new_password was withdrawn after the recording":      {"tickets-legacy-login-page/3"},
})

func byStep(reasons map[string][]string) map[string]string {
	steps := map[string]string{}
	for reason, keys := range reasons {
		for _, key := range keys {
			steps[key] = reason
		}
	}
	return steps
}

// strange are the places of bodies that are not compared, by "recording/step".
var strange = map[string][]string{
	"jobs-import-errors/2":   settings,
	"jobs-import-upsert/1":   settings,
	"oauth-token-password/1": {"/id_token"}, // the recorder dropped it
	"oauth-token-refresh/1":  {"/id_token"},
	"userinfo/1":             {"/sub", "/unknown-param"}, // put in by those who recorded it
	"users-link/3":           settings,
}

// settings are those in which the recorded tenant's connection is not as this one's.
var settings = []string{
	"/connections/0/enabled_clients", "/connections/0/options/mfa", "/connections/0/options/passwordPolicy",
	"/connections/0/options/password_dictionary", "/connections/0/options/password_history",
	"/connections/0/options/password_no_personal_info", "/connections/0/options/validation",
}

// presupposed makes what a recording takes for granted, by the recording's name.
var presupposed = map[string]func(*replayer){
	"dbconnections-change-password":            person("mytestaccount@example.com"),
	"dbconnections-change-password-rate-limit": person(rubyUser),
	"oauth-revoke": loggedIn,
	"oauth-token-password": func(r *replayer) {
		r.public()
		r.user(map[string]any{"email": "test-user@example.com", "username": "test-user"})
	},
	"oauth-token-password-audience":         person(rubyUser),
	"oauth-token-password-default-scope":    person(rubyUser),
	"oauth-token-password-invalid-audience": person(rubyUser),
	"oauth-token-password-wrong-email":      person(rubyUser),
	"oauth-token-password-wrong-password":   person(rubyUser),
	"oauth-token-refresh":                   loggedIn,
	"userinfo":                              loggedIn,
	"userinfo-after-login":                  person(rubyUser),
	"users-list-bare-array":                 regular,
	"users-search-wildcard":                 crowd,
}

const rubyUser = "rubytest-210908-username-1@auth0.com"

func person(email string) func(*replayer) {
	return func(r *replayer) { r.user(map[string]any{"email": email}) }
}

// public makes the client one without a secret.
func (r *replayer) public() { r.match.ours["{{client_id}}"] = auth0test.PublicClientID }

// user makes a user of the connection.
func (r *replayer) user(fields map[string]any) {
	all := map[string]any{"connection": auth0test.Connection, "password": password}
	maps.Copy(all, fields)
	r.post("/api/v2/users", all, 201)
}

// loggedIn makes a user who has logged in to the client without a secret.
func loggedIn(r *replayer) {
	r.public()
	r.user(map[string]any{"email": "test-user@example.com", "email_verified": true})
	tokens := r.token(map[string]any{
		"grant_type": "password", "client_id": auth0test.PublicClientID, "username": "test-user@example.com", "password": password,
		"scope": "openid profile email offline_access",
	})
	r.match.ours["{{token}}"], r.match.ours["{{refresh_token}}"] = tokens["access_token"], tokens["refresh_token"]
}

// regular makes a user who has logged in three times, the last time a minute after the
// account was made.
func regular(r *replayer) {
	const email = "rubytest-210903-username-1@auth0.com"
	person(email)(r)
	for range 3 {
		time.Sleep(20 * time.Second)
		r.token(map[string]any{
			"grant_type": "password", "client_id": auth0test.ClientID, "client_secret": auth0test.ClientSecret, "username": email, "password": password,
		})
	}
}

// crowd makes two users by imports, and three one by one.
func crowd(r *replayer) {
	for _, name := range []string{"marleen_hagenes@example.net", "aaron_spencer@example.org"} {
		r.imports(map[string]any{
			"email": "rubytest-210908" + name, "email_verified": false,
			"app_metadata": map[string]any{"roles": []string{"admin"}}, "user_metadata": map[string]any{"theme": "light"},
		})
		time.Sleep(time.Second)
	}
	for _, u := range []map[string]any{
		{"name": "byron.schaden", "email": "rubytest-210908byron_schaden@example.org"},
		{"name": "herbert", "email": "rubytest-210908herbert@example.net"},
		{"name": "quintin", "email": "rubytest-210908quintin@example.org"},
	} {
		r.user(u)
		time.Sleep(time.Second)
	}
}

// imports has one user imported.
func (r *replayer) imports(row map[string]any) {
	users, err := json.Marshal([]any{row})
	if err != nil {
		r.t.Fatal(err)
	}
	body, contentType := multiparts(r.t, parts{
		Fields: map[string]string{"connection_id": auth0test.ConnectionID},
		Files:  []file{{Name: "users", Filename: "users.json", ContentType: "application/json", Content: users}},
	})
	req := httptest.NewRequest("POST", "https://"+domain+"/api/v2/jobs/users-imports", strings.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Authorization", "Bearer "+r.management)
	if got := r.do(req); got.status != 202 {
		r.t.Fatalf("import: %d %s", got.status, got.body)
	}
}
