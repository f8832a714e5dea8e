package main

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"user-manager/apidoc"
	"user-manager/internal/logtest"
	"user-manager/metrics"
)

const (
	firstKey  = "first-key-of-the-tests"
	secondKey = "second-key-of-the-tests"
)

// TestKeysOfRoutes tries every route of the tables without a key, with a wrong one, and with
// a right one in either header. The store is not there, nor is a body that a handler takes:
// it is enough that somebody else than the guard refuses.
func TestKeysOfRoutes(t *testing.T) {
	t.Parallel()
	h := newHarness(t, map[string]string{"API_KEYS": firstKey + ", " + secondKey})
	type refusal struct {
		status int
		body   string
	}
	missing := refusal{401, `{"statusCode":401,"error":"Unauthorized","message":"client-key: is required: one of this service's API keys, in this header or in secret"}`}
	wrong := refusal{401, `{"statusCode":401,"error":"Unauthorized","message":"client-key: is none of this service's API keys"}`}
	type place struct {
		method, path string
		access       who
	}
	places := []place{
		{"GET", "/crud/users/", withKey}, {"DELETE", "/crud/users/", withKey}, {"GET", "/crud/", withKey},
		{"GET", "/fake/outbox", withKey}, {"GET", "/fake/outbox/", withKey}, {"GET", "/fake/", withKey}, {"GET", "/fake/%6futbox", withKey},
		{"GET", "/fake/change-password/x", withKey}, {"GET", "/fake/change-password%2Foutbox", withKey},
		{"GET", "/fake/change-password", anybody}, {"POST", "/fake/change-password/", anybody},
		{"GET", "/documentation/json", anybody}, {"HEAD", "/users/", withKey},
	}
	for _, r := range append(h.api.routes(), h.api.statusRoutes()...) {
		path := strings.ReplaceAll(r.path, "{id}", "66e19957f72ba7349eb7b7b3")
		places = append(places, place{r.method, path, r.access}, place{r.method, path + "/", r.access})
	}
	tries := []struct {
		what, header string
		want         *refusal // nil: somebody else's answer
	}{
		{"no key", "x-other: " + firstKey, &missing},
		{"an empty key", "client-key: ", &missing},
		{"a wrong key", "client-key: " + firstKey + "x", &wrong},
		{"a wrong secret", "secret: other", &wrong},
		{"the first key", "client-key: " + firstKey, nil},
		{"the second as secret", "secret: " + secondKey, nil},
		{"one beside another's", "client-key: theirs, " + secondKey, nil},
	}
	for _, p := range places {
		for _, try := range tries {
			r := httptest.NewRequestWithContext(t.Context(), p.method, p.path, nil)
			name, value, _ := strings.Cut(try.header, ": ")
			r.Header.Set(name, value)
			w := httptest.NewRecorder()
			h.handler.ServeHTTP(w, r)
			got := refusal{w.Code, w.Body.String()}
			refused := got.status == 401 && w.Header().Get("WWW-Authenticate") != ""
			if p.access == anybody || try.want == nil {
				if refused {
					t.Errorf("%s %s with %s = %d %s, want it to be let through", p.method, p.path, try.what, got.status, got.body)
				}
				continue
			}
			if diff := cmp.Diff(*try.want, got, cmp.AllowUnexported(refusal{})); diff != "" || !refused {
				t.Errorf("%s %s with %s (-want +got):\n%s", p.method, p.path, try.what, diff)
			}
		}
	}
}

// TestKeysAreDescribed holds who may call a route against the API description.
func TestKeysAreDescribed(t *testing.T) {
	t.Parallel()
	var doc struct {
		Security []map[string][]string
		Paths    map[string]map[string]any
	}
	if err := yaml.Unmarshal(apidoc.Source(), &doc); err != nil {
		t.Fatal(err)
	}
	want := []map[string][]string{{"clientKey": {}}, {"secret": {}}}
	if diff := cmp.Diff(want, doc.Security); diff != "" {
		t.Errorf("without a word a route asks for (-want +got):\n%s", diff)
	}
	a := &api{neighbours: neighbours{metrics: metrics.New("")}}
	for _, r := range append(a.routes(), a.statusRoutes()...) {
		item := doc.Paths[r.path]
		if item == nil {
			item = doc.Paths[r.path+"/"]
		}
		operation, _ := item[strings.ToLower(r.method)].(map[string]any)
		if _, says := operation["security"]; operation == nil || says != (r.access == anybody) {
			t.Errorf("%s %s: it says who may call: %v, want that of open routes only", r.method, r.path, says)
		}
	}
}

// TestKeysAreAskedForWhereTheyAreSet: without any, everything is open.
func TestKeysAreAskedForWhereTheyAreSet(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	for _, path := range []string{"/users/count", "/crud/users/count", "/fake/outbox"} {
		if got := h.call("GET", path, "", "client-key: theirs"); got.status != 200 {
			t.Errorf("GET %s = %d %s", path, got.status, got.body)
		}
	}
}

// unreadBody fails the test when it is read.
type unreadBody struct{ t *testing.T }

func (b unreadBody) Read([]byte) (int, error) {
	b.t.Error("the body is read before the key is known")
	return 0, http.ErrBodyReadAfterClose
}

func TestBodyWithoutKeyIsNotRead(t *testing.T) {
	t.Parallel()
	h := newHarness(t, map[string]string{"API_KEYS": firstKey})
	r := httptest.NewRequestWithContext(t.Context(), "PATCH", "/users/import", unreadBody{t})
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	if w.Code != 401 {
		t.Errorf("import without a key = %d %s", w.Code, w.Body)
	}
}

func TestTakeKeys(t *testing.T) {
	t.Parallel()
	var keys keyring
	for _, key := range []string{firstKey, secondKey} {
		if err := keys.add(key); err != nil {
			t.Fatal(err)
		}
	}
	for what, test := range map[string]struct {
		keys      keyring
		got, want http.Header
		found     bool
	}{
		"nothing":               {keys, http.Header{}, http.Header{}, false},
		"another's":             {keys, http.Header{"Client-Key": {"theirs"}}, http.Header{"Client-Key": {"theirs"}}, false},
		"ours":                  {keys, http.Header{"Client-Key": {firstKey}, "X": {"y"}}, http.Header{"X": {"y"}}, true},
		"both headers":          {keys, http.Header{"Client-Key": {firstKey}, "Secret": {secondKey}}, http.Header{}, true},
		"ours as secret":        {keys, http.Header{"Client-Key": {"theirs"}, "Secret": {firstKey}}, http.Header{"Client-Key": {"theirs"}}, true},
		"beside another's":      {keys, http.Header{"Client-Key": {"theirs", firstKey}}, http.Header{"Client-Key": {"theirs"}}, true},
		"in a list":             {keys, http.Header{"Client-Key": {"theirs, " + firstKey}}, http.Header{}, true},
		"in another header":     {keys, http.Header{"Authorization": {firstKey}}, http.Header{"Authorization": {firstKey}}, false},
		"hidden in a long list": {keys, http.Header{"Client-Key": {strings.Repeat("x,", 9) + firstKey}}, http.Header{}, false},
		"many lines":            {keys, http.Header{"Client-Key": strings.Split(strings.Repeat("x ", 9)+firstKey, " ")}, http.Header{}, false},
		"many lines, no keys":   {keyring{}, http.Header{"Client-Key": {strings.Repeat("x,", 9)}}, http.Header{"Client-Key": {strings.Repeat("x,", 9)}}, false},
	} {
		before := test.got.Clone()
		got, found := test.keys.takeKeys(test.got)
		if diff := cmp.Diff(test.want, got); diff != "" || found != test.found {
			t.Errorf("%s: found %v, want %v (-want +got):\n%s", what, found, test.found, diff)
		}
		if diff := cmp.Diff(before, test.got); diff != "" {
			t.Errorf("%s: what was given is changed:\n%s", what, diff)
		}
	}
}

// TestConfigOfKeys: errors name the variable and the place of a key, never the key.
func TestConfigOfKeys(t *testing.T) {
	t.Parallel()
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	elsewhere := "HTTP_HOST: others than this machine reach the service there: set API_KEYS or API_KEYS_FILE, or ALLOW_UNAUTHENTICATED=true"
	for what, test := range map[string]struct {
		env     map[string]string
		keys    int
		problem string
	}{
		"none on loopback":         {nil, 0, ""},
		"an empty host":            {map[string]string{"HTTP_HOST": ""}, 0, ""},
		"none on localhost":        {map[string]string{"HTTP_HOST": "localhost"}, 0, ""},
		"none on IPv6 loopback":    {map[string]string{"HTTP_HOST": "::1"}, 0, ""},
		"none everywhere":          {map[string]string{"HTTP_HOST": "0.0.0.0"}, 0, elsewhere},
		"none everywhere, IPv6":    {map[string]string{"HTTP_HOST": "::"}, 0, elsewhere},
		"none on a name":           {map[string]string{"HTTP_HOST": "users.example"}, 0, elsewhere},
		"none on another address":  {map[string]string{"HTTP_HOST": "192.0.2.1"}, 0, elsewhere},
		"none, open":               {map[string]string{"HTTP_HOST": "0.0.0.0", "ALLOW_UNAUTHENTICATED": "true"}, 0, ""},
		"some":                     {map[string]string{"HTTP_HOST": "0.0.0.0", "API_KEYS": firstKey + "," + secondKey}, 2, ""},
		"a file":                   {map[string]string{"HTTP_HOST": "0.0.0.0", "API_KEYS_FILE": file("# ours\n\n  " + firstKey + "\r\n" + secondKey)}, 2, ""},
		"both":                     {map[string]string{"API_KEYS": secondKey, "API_KEYS_FILE": file(firstKey)}, 2, ""},
		"some, and open":           {map[string]string{"API_KEYS": firstKey, "ALLOW_UNAUTHENTICATED": "true"}, 1, "ALLOW_UNAUTHENTICATED: contradicts API_KEYS and API_KEYS_FILE"},
		"a file, and open":         {map[string]string{"API_KEYS_FILE": file(firstKey), "ALLOW_UNAUTHENTICATED": "true"}, 1, "ALLOW_UNAUTHENTICATED: contradicts"},
		"commas alone":             {map[string]string{"API_KEYS": " , "}, 0, "API_KEYS: has no key"},
		"a character that cannot":  {map[string]string{"API_KEYS": firstKey + ",s\x01cret"}, 1, "API_KEYS: key 2 must be of visible ASCII characters without a comma"},
		"a space within":           {map[string]string{"API_KEYS": "s cret"}, 0, "API_KEYS: key 1 must be"},
		"a letter that cannot":     {map[string]string{"API_KEYS_FILE": file("# ä\n\nsécret")}, 0, "keys: the key in line 3 must be of visible ASCII"},
		"a list in a file":         {map[string]string{"API_KEYS_FILE": file("secret,secret")}, 0, "keys: the key in line 1 must be"},
		"a file that is not there": {map[string]string{"API_KEYS_FILE": "no/such/file", "HTTP_HOST": "::"}, 0, "API_KEYS_FILE: open no/such/file"},
		"a file without keys":      {map[string]string{"API_KEYS_FILE": file("# none\n\n")}, 0, "keys: has no key"},
		"an empty file":            {map[string]string{"API_KEYS_FILE": file("")}, 0, "keys: has no key"},
	} {
		env := map[string]string{"ALLOW_FAKE_PROVIDER": "true"}
		for name, value := range test.env {
			env[name] = value
		}
		cfg, err := loadConfig(environment(env))
		if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) {
			t.Errorf("%s: loadConfig: %v, want %q", what, err, test.problem)
		}
		if err != nil && (strings.Contains(err.Error(), "cret") || strings.Contains(err.Error(), firstKey) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: the error names a key, or a second problem: %v", what, err)
		}
		if got := cfg.access.keys.and(cfg.access.fileKeys).size(); got != test.keys {
			t.Errorf("%s: %d keys, want %d", what, got, test.keys)
		}
	}
}

// TestLocalhostIsLoopback: a machine on which localhost is another address does not make an
// open service of what others reach.
func TestLocalhostIsLoopback(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		host, address string
		refused       bool
	}{
		{"localhost", "127.0.0.1", false}, {"localhost", "::1", false}, {"localhost", "192.0.2.1", true}, {"localhost", "0.0.0.0", true}, {"localhost", "::", true},
		{"127.0.0.1", "127.0.0.1", false}, {"0.0.0.0", "::", false}, {"users.example", "192.0.2.1", false},
	} {
		err := config{host: test.host}.listensAt(&net.TCPAddr{IP: net.ParseIP(test.address), Port: 3000})
		if (err != nil) != test.refused {
			t.Errorf("HTTP_HOST=%s at %s: %v, want a refusal: %v", test.host, test.address, err, test.refused)
		}
	}
}

// reloading is a service whose keys are in a file.
type reloading struct {
	*harness
	path string
	logs *bytes.Buffer
}

func newReloading(t *testing.T) *reloading {
	path := filepath.Join(t.TempDir(), "keys")
	r := &reloading{path: path, logs: &bytes.Buffer{}}
	r.write(t, "short\n")
	r.harness = newHarness(t, map[string]string{"API_KEYS_FILE": path, "API_KEYS": firstKey})
	r.api.access.log = slog.New(slog.NewTextHandler(io.MultiWriter(r.logs, logtest.For(t)), nil))
	return r
}

func (r *reloading) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(r.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// may reports whether a key is let through.
func (r *reloading) may(key string) bool {
	return r.call("GET", "/users/count", "", "client-key: "+key).status == 200
}

// TestKeysAreReadAgain: a file that cannot be used leaves the keys of before, and the log
// says so without any key.
func TestKeysAreReadAgain(t *testing.T) {
	t.Parallel()
	r := newReloading(t)
	for _, step := range []struct {
		text     string // of the file; "": there is none
		may, not []string
		logged   string
	}{
		{"short\n" + secondKey, []string{firstKey, "short", secondKey}, []string{"other"}, `"keys read again" keys=3`},
		{secondKey, []string{firstKey, secondKey}, []string{"short"}, `"keys read again" keys=2`},
		{"# nothing\n", []string{firstKey, secondKey}, []string{"short"}, "has no key"},
		{"fresh-key-of-the-tests\nb\x00d", []string{firstKey, secondKey}, []string{"fresh-key-of-the-tests"}, "the key in line 2 must be"},
		{"", []string{firstKey, secondKey}, nil, "no such file"},
		{"fresh-key-of-the-tests", []string{firstKey, "fresh-key-of-the-tests"}, []string{secondKey}, "keys=2"},
	} {
		r.logs.Reset()
		if step.text == "" {
			if err := os.Remove(r.path); err != nil {
				t.Fatal(err)
			}
		} else {
			r.write(t, step.text)
		}
		r.api.access.reload(t.Context())
		for _, key := range step.may {
			if !r.may(key) {
				t.Errorf("with %q %q is refused", step.text, key)
			}
		}
		for _, key := range step.not {
			if r.may(key) {
				t.Errorf("with %q %q is let through", step.text, key)
			}
		}
		logged := r.logs.String()
		if !strings.Contains(logged, step.logged) || strings.Contains(logged, "short") || strings.Contains(logged, "-key-of-the-tests") {
			t.Errorf("with %q the log says %s, want %s and no key", step.text, logged, step.logged)
		}
	}
}

func TestShortKeysAreWarnedOf(t *testing.T) {
	t.Parallel()
	r := newReloading(t)
	r.api.access.warn(t.Context())
	if got := r.logs.String(); !strings.Contains(got, "keys=1 characters=16") || strings.Contains(got, "short") {
		t.Errorf("the log says %s", got)
	}
}
