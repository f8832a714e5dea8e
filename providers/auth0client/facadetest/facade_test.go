package facadetest_test

import (
	"cmp"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"user-manager/providers/auth0/auth0test"
	"user-manager/providers/auth0client/facadetest"
)

const (
	form     = "application/x-www-form-urlencoded"
	jsonType = "application/json"
	ada      = `{"user_id":"0123456789abcdef01234567","email":"ada@example.com","username":"ada","password":"Correct-Horse-7-Battery"}`
	adasID   = "auth0%7C0123456789abcdef01234567"
	adaLogin = "grant_type=password&username=ada&password=Correct-Horse-7-Battery"
)

// send makes a request; headers are "Name: value".
func send(h http.Handler, method, path, kind, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// withAda returns a facade before a tenant with one user.
func withAda(t *testing.T, cfg facadetest.Config) http.Handler {
	t.Helper()
	cfg.Tenant = auth0test.New(auth0test.Config{})
	f := facadetest.New(cfg)
	if w := send(f, "POST", "/users", jsonType, ada); w.Code != http.StatusCreated {
		t.Fatalf("creating a user: %d %s", w.Code, w.Body)
	}
	return f
}

// TestSessions: the answers are those of the Auth0 Client's pages.
func TestSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := withAda(t, facadetest.Config{Clients: map[string]facadetest.Client{"app": {}, "site": {Website: true}}, DefaultClient: "app"})
		w := send(f, "POST", "/oauth/token", form, adaLogin)
		tokens := regexp.MustCompile(`^{"accessToken":"[^"]+","expireAt":"2000-01-02T00:00:00\.000000000Z","idToken":"[^"]+","refreshToken":"[^"]+"}\n$`)
		if w.Code != http.StatusOK || !tokens.MatchString(w.Body.String()) {
			t.Errorf("tokens: %d %s", w.Code, w.Body)
		}
		w = send(f, "POST", "/oauth/token", form, adaLogin, "Client-Type: site")
		cookie := regexp.MustCompile(`^sid=[^;]+; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax$`)
		if w.Code != http.StatusOK || w.Body.Len() != 0 || !cookie.MatchString(w.Header().Get("Set-Cookie")) {
			t.Errorf("cookie: %d %s %v", w.Code, w.Body, w.Header())
		}
		sid := "Cookie: " + strings.SplitN(w.Header().Get("Set-Cookie"), ";", 2)[0]
		if w := send(f, "GET", "/userinfo", "", "", sid); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"sub":"auth0|0123456789abcdef01234567"`) {
			t.Errorf("user info: %d %s", w.Code, w.Body)
		}
		time.Sleep(24 * time.Hour)
		if w := send(f, "GET", "/userinfo", "", "", sid); w.Code != http.StatusUnauthorized {
			t.Errorf("user info a day later: %d %s", w.Code, w.Body)
		}
	})
}

// TestRefusals: statuses that are documented, and words.
func TestRefusals(t *testing.T) {
	f := withAda(t, facadetest.Config{})
	tests := map[string]struct {
		method, path, kind, body, header string
		status                           int
		words                            string
	}{
		"a wrong password":           {"POST", "/oauth/token", form, adaLogin + "x", "", 403, "Wrong email or password."},
		"a wrong client":             {"POST", "/oauth/token", form, adaLogin, "Client-Type: x", 401, "unknown client"},
		"a wrong key":                {"POST", "/oauth/token", form, adaLogin, "Secret: x", 401, "unknown client"},
		"a wrong connection":         {"POST", "/oauth/token", form, adaLogin + "&connection=x", "", 400, "the connection is not supported"},
		"another grant":              {"POST", "/oauth/token", form, "grant_type=x", "", 400, "grant_type must be password"},
		"no session":                 {"GET", "/userinfo", "", "", "", 401, "invalid session"},
		"nothing to refresh":         {"POST", "/refreshtoken", jsonType, "{}", "Cookie: sid=x", 401, "invalid session"},
		"a refresh that is no JSON":  {"POST", "/refreshtoken", jsonType, "", "", 400, "the body is not JSON"},
		"a user that is no JSON":     {"POST", "/users", jsonType, "", "", 400, "the body is not JSON"},
		"a user of somewhere else":   {"POST", "/users", jsonType, `{"connection":"x"}`, "", 400, "the connection is not supported"},
		"a user twice":               {"POST", "/users", jsonType, ada, "", 409, "The user already exists."},
		"an unknown user":            {"PATCH", "/users/auth0%7Cx", jsonType, "{}", "", 404, "The user does not exist."},
		"a mail to nobody":           {"POST", "/change-password", jsonType, "{}", "", 400, "authUserId is required"},
		"a mail to an unknown user":  {"POST", "/change-password", jsonType, `{"authUserId":"auth0|x"}`, "", 404, "The user does not exist."},
		"an import that is no form":  {"POST", "/users/import", jsonType, "{}", "", 400, "the body is no multipart form"},
		"an import without its rows": {"POST", "/users/import", "multipart/form-data; boundary=x", "", "", 400, "Must provide 'users' file as multipart part."},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := send(f, test.method, test.path, test.kind, test.body, cmp.Or(test.header, "X-Test: 1"))
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.words) {
				t.Errorf("%d %s, want %d with %q", w.Code, w.Body, test.status, test.words)
			}
		})
	}
}

// TestErrors: what becomes of a refusal of the tenant.
func TestErrors(t *testing.T) {
	tests := map[facadetest.Errors]struct {
		status int
		body   string
	}{
		facadetest.Passed:    {404, `{"error":"Not Found","errorCode":"inexistent_user","message":"The user does not exist.","statusCode":404}`},
		facadetest.Restated:  {404, `{"error":"Not Found","message":"The user does not exist.","statusCode":404}` + "\n"},
		facadetest.Swallowed: {500, `{"error":"Internal Server Error","message":"The user does not exist.","statusCode":500}` + "\n"},
	}
	for errors, want := range tests {
		f := withAda(t, facadetest.Config{Errors: errors})
		w := send(f, "PATCH", "/users/auth0%7Cx", jsonType, "{}")
		if w.Code != want.status || w.Body.String() != want.body {
			t.Errorf("%d: %d %s, want %d %s", errors, w.Code, w.Body, want.status, want.body)
		}
	}
}

// TestSearch: by the parameters that are documented, and by Auth0's own where it is passed on.
func TestSearch(t *testing.T) {
	found := func(f http.Handler, query string) bool {
		t.Helper()
		w := send(f, "GET", "/users?"+query, "", "")
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", query, w.Code, w.Body)
		}
		return w.Body.String() != "[]"
	}
	plain, forwarding := withAda(t, facadetest.Config{}), withAda(t, facadetest.Config{ForwardsQuery: true})
	got := map[string][2]bool{}
	for _, query := range []string{
		"", "_l=1", "_sk=1", "email=ada@example.com", "email=bob@example.com", "username=ada&nickname=ada", "username=ad*", "username=bob&email=ada@example.com",
		"connection=Username-Password-Authentication", "connection=x", `q=user_id:"auth0|x"`, "q=username:ada",
	} {
		got[query] = [2]bool{found(plain, query), found(forwarding, query)}
	}
	want := map[string][2]bool{
		"": {true, true}, "_l=1": {true, true}, "_sk=1": {}, "email=ada@example.com": {true, true}, "email=bob@example.com": {},
		"username=ada&nickname=ada": {true, true}, "username=ad*": {true, true}, "username=bob&email=ada@example.com": {},
		"connection=Username-Password-Authentication": {true, true}, "connection=x": {true, true}, // those that are not supported are left out
		`q=user_id:"auth0|x"`: {true, false}, "q=username:ada": {true, true},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("found without and with queries passed on (-want +got):\n%s", diff)
	}
}

// TestImport: by the name of a connection, and not by its id.
func TestImport(t *testing.T) {
	f := withAda(t, facadetest.Config{})
	tests := map[string]struct {
		field, value string
		status       int
	}{
		"the default":       {"upsert", "true", 202},
		"a connection":      {"connection", auth0test.Connection, 202},
		"another":           {"connection", "x", 400},
		"a connection's id": {"connection_id", auth0test.ConnectionID, 400},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var body strings.Builder
			parts := multipart.NewWriter(&body)
			_ = parts.WriteField(test.field, test.value)
			file, _ := parts.CreateFormFile("users", "users.json")
			_, _ = io.WriteString(file, `[{"email":"`+regexp.MustCompile(`\W`).ReplaceAllString(name, "")+`@example.com"}]`)
			_ = parts.Close()
			w := send(f, "POST", "/users/import", parts.FormDataContentType(), body.String())
			if w.Code != test.status {
				t.Fatalf("%d %s, want %d", w.Code, w.Body, test.status)
			}
			if test.status != http.StatusAccepted {
				return
			}
			id := regexp.MustCompile(`job_\w+`).FindString(w.Body.String())
			if w := send(f, "GET", "/users/import/status/"+id, "", ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"inserted":1`) {
				t.Errorf("status: %d %s", w.Code, w.Body)
			}
			if w := send(f, "GET", "/users/import/status/"+id+"/errors", "", ""); w.Code/100 != 2 {
				t.Errorf("errors: %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestDelete(t *testing.T) {
	f := withAda(t, facadetest.Config{})
	for range 2 { // a tenant does not say whether there was one
		if w := send(f, "DELETE", "/users/"+adasID, "", ""); w.Code != http.StatusNoContent {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}
