package main

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestPagesOfOthers: what a browser on this machine sends for the pages of other origins does
// nothing here, and what they have their own name resolved to this machine for is not
// answered.
func TestPagesOfOthers(t *testing.T) {
	form, plain := "Content-Type: application/x-www-form-urlencoded", "Content-Type: text/plain"
	for name, test := range map[string]struct {
		env    map[string]string
		host   string
		method string
		header []string
		tls    bool
		passes bool
	}{
		"a program":                            {host: "localhost:3000", method: "POST", passes: true},
		"a program, by address":                {host: "127.0.0.1:3000", method: "DELETE", passes: true},
		"a program, by the new address":        {host: "[::1]:3000", method: "PATCH", passes: true},
		"without a port":                       {host: "localhost", method: "POST", passes: true},
		"in capitals, with a final dot":        {host: "LOCALHOST.:3000", method: "POST", passes: true},
		"a name below localhost":               {host: "users.localhost:3000", method: "POST", passes: true},
		"a client without a name":              {host: "", method: "GET", passes: true},
		"a page of ours":                       {host: "localhost:3000", method: "POST", header: []string{"Sec-Fetch-Site: same-origin", "Origin: http://localhost:3000"}, passes: true},
		"a page of ours, in an old browser":    {host: "localhost:3000", method: "POST", header: []string{"Origin: http://localhost:3000"}, passes: true},
		"an address that was typed in":         {host: "localhost:3000", method: "GET", header: []string{"Sec-Fetch-Site: none"}, passes: true},
		"a link from elsewhere":                {host: "localhost:3000", method: "GET", header: []string{"Sec-Fetch-Site: cross-site"}, passes: true},
		"a form of another site":               {host: "localhost:3000", method: "POST", header: []string{form, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}},
		"a script of another site":             {host: "localhost:3000", method: "POST", header: []string{plain, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}},
		"a page of another port":               {host: "localhost:3000", method: "POST", header: []string{"Sec-Fetch-Site: same-site", "Origin: http://localhost:5173"}},
		"another site, in an old browser":      {host: "localhost:3000", method: "POST", header: []string{form, "Origin: https://evil.example"}},
		"a page without an origin":             {host: "localhost:3000", method: "POST", header: []string{form, "Origin: null"}},
		"a name that leads here":               {host: "evil.example:3000", method: "GET", header: []string{"Sec-Fetch-Site: same-origin"}},
		"a name that leads here, and changes":  {host: "evil.example:3000", method: "POST", header: []string{"Sec-Fetch-Site: same-origin", "Origin: http://evil.example:3000"}},
		"a name that looks like an address":    {host: "127.0.0.1.evil.example", method: "GET"},
		"a name that looks like ours":          {host: "localhost.evil.example", method: "GET"},
		"the address of everything":            {host: "0.0.0.0:3000", method: "GET"},
		"two names":                            {host: "evil.example, localhost", method: "GET"},
		"a name that is ours too":              {env: map[string]string{"ALLOWED_HOSTS": "Users.Example, b.example"}, host: "users.example:3000", method: "POST", passes: true},
		"a name that is ours, another page":    {env: map[string]string{"ALLOWED_HOSTS": "users.example"}, host: "users.example", method: "POST", header: []string{"Sec-Fetch-Site: cross-site"}},
		"a page of ours, by a proxy's name":    {env: map[string]string{"ALLOWED_HOSTS": "users.example"}, host: "127.0.0.1:3000", method: "POST", header: []string{"Origin: http://Users.example:8080"}, passes: true},
		"a page that looks like ours":          {env: map[string]string{"ALLOWED_HOSTS": "users.example"}, host: "127.0.0.1:3000", method: "POST", header: []string{"Origin: http://users.example.evil.example"}},
		"a page by a proxy, none of ours":      {env: map[string]string{"ALLOWED_HOSTS": "users.example"}, host: "127.0.0.1:3000", method: "POST", header: []string{"Origin: null"}},
		"all names":                            {env: map[string]string{"ALLOWED_HOSTS": "*"}, host: "evil.example", method: "POST", header: []string{"Sec-Fetch-Site: cross-site"}, passes: true},
		"a name that is proved":                {host: "users.example", method: "POST", tls: true, passes: true},
		"keys instead":                         {env: map[string]string{"API_KEYS": "0123456789abcdef0123"}, host: "evil.example", method: "POST", header: []string{"Sec-Fetch-Site: cross-site"}, passes: true},
		"a gateway in front, on other machine": {env: map[string]string{"HTTP_HOST": "0.0.0.0", "ALLOW_UNAUTHENTICATED": "true", "ALLOW_FAKE_PROVIDER": "true"}, host: "users.example", method: "POST", passes: true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := loadConfig(environment(test.env))
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequestWithContext(t.Context(), test.method, "/users/", nil)
			r.Host = test.host
			for _, line := range test.header {
				name, value, _ := strings.Cut(line, ": ")
				r.Header.Set(name, value)
			}
			if test.tls {
				r.TLS = &tls.ConnectionState{}
			}
			passed := false
			w := httptest.NewRecorder()
			newBrowsers(cfg, nil).without(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true })).ServeHTTP(w, r)
			if passed != test.passes || !passed && w.Code != http.StatusForbidden {
				t.Errorf("it passes: %v (%d %s), want %v", passed, w.Code, w.Body, test.passes)
			}
		})
	}
}

// TestServiceKeepsPagesOfOthersAway: the service as it is started does.
func TestServiceKeepsPagesOfOthersAway(t *testing.T) {
	cfg, err := loadConfig(environment(map[string]string{"EMBEDDED_PATH": ":memory:"}))
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(t.Context(), cfg, environment(map[string]string{"EMBEDDED_PATH": ":memory:"}), testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for _, path := range []string{"/users/000000000000000000000000/soft-delete", "/oauth/token", "/crud/users/import", "/fake/change-password", "/jobs/bulk-activation"} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", path, nil)
		r.Host = "localhost:3000"
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		w := httptest.NewRecorder()
		s.api.handler().ServeHTTP(w, r)
		if w.Code != http.StatusForbidden || w.Header().Get("X-Request-Id") == "" {
			t.Errorf("POST %s of another page = %d %s, want 403", path, w.Code, w.Body)
		}
	}
}
