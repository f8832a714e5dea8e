package apidoc

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// get answers a request that carries the given headers, in pairs.
func get(h http.Handler, method, path string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHandler(t *testing.T) {
	h := Handler("", "1.2.3")
	tests := map[string]struct {
		method, path          string
		status                int
		contentType, location string
		starts                string
	}{
		"JSON":                         {"GET", "/documentation/json", 200, "application/json; charset=utf-8", "", `{"openapi": "3.1.`},
		"YAML":                         {"GET", "/documentation/yaml", 200, "application/x-yaml", "", "openapi: 3.1."},
		"the page":                     {"GET", "/documentation/", 200, "text/html; charset=utf-8", "", "<!doctype html>"},
		"the viewer":                   {"GET", "/documentation/static/rapidoc-min.js", 200, "text/javascript; charset=utf-8", "", "/*! RapiDoc"},
		"its licence":                  {"GET", "/documentation/static/LICENSE.txt", 200, "text/plain; charset=utf-8", "", ""},
		"the style":                    {"GET", "/documentation/static/page.css", 200, "text/css; charset=utf-8", "", "body {"},
		"HEAD":                         {"HEAD", "/documentation/json", 200, "application/json; charset=utf-8", "", ""},
		"without a slash":              {"GET", "/documentation", 302, "", "./documentation/", ""},
		"HEAD without a slash":         {"HEAD", "/documentation", 302, "", "./documentation/", ""},
		"the page's other name":        {"GET", "/documentation/static/index.html", 302, "", "/documentation/", ""},
		"developers' notes":            {"GET", "/documentation/static/README.md", 404, "application/json; charset=utf-8", "", `{"statusCode":404,"error":"Not Found","message":"there is no route GET /documentation/static/README.md"}`},
		"the folder":                   {"GET", "/documentation/static/", 404, "application/json; charset=utf-8", "", `{"statusCode":404`},
		"nothing there":                {"POST", "/documentation/nowhere", 404, "application/json; charset=utf-8", "", `{"statusCode":404`},
		"another method":               {"POST", "/documentation/json", 405, "application/json; charset=utf-8", "", `{"statusCode":405,"error":"Method Not Allowed","message":"POST is not allowed here; allowed is GET, HEAD"}`},
		"another method on a redirect": {"DELETE", "/documentation", 405, "application/json; charset=utf-8", "", `{"statusCode":405`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			resp := get(h, tt.method, tt.path)
			text := body(t, resp)
			want := []any{tt.status, tt.contentType, tt.location}
			got := []any{resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("Location")}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s: status, type, location (-want +got):\n%s", tt.method, tt.path, diff)
			}
			if !strings.HasPrefix(text, tt.starts) {
				t.Errorf("%s %s: starts with %.80q, want %q", tt.method, tt.path, text, tt.starts)
			}
			if wantAllow := tt.status == 405; wantAllow != (resp.Header.Get("Allow") == "GET, HEAD") {
				t.Errorf("%s %s: Allow is %q", tt.method, tt.path, resp.Header.Get("Allow"))
			}
			if tt.method == "HEAD" && text != "" {
				t.Errorf("HEAD %s: body %.80q", tt.path, text)
			}
		})
	}
}

func TestPageLoadsOnlyItsOwn(t *testing.T) {
	resp := get(Handler("", ""), "GET", "/documentation/")
	policy := resp.Header.Get("Content-Security-Policy")
	for directive := range strings.SplitSeq(policy, "; ") {
		name, sources, _ := strings.Cut(directive, " ")
		for source := range strings.FieldsSeq(sources) {
			known := source == "'none'" || source == "'self'" ||
				name == "style-src" && source == "'unsafe-inline'" || name == "img-src" && source == "data:"
			if !known {
				t.Errorf("policy allows %s for %s", source, name)
			}
		}
	}
	if !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("policy is %q", policy)
	}
	if text := body(t, resp); strings.Contains(text, "//") {
		t.Errorf("the page has an address of another host:\n%s", text)
	}
}

func TestUnchangedFilesAreNotSentAgain(t *testing.T) {
	h := Handler("", "")
	for _, path := range []string{"/documentation/", "/documentation/json", "/documentation/static/rapidoc-min.js"} {
		first := get(h, "GET", path)
		etag := first.Header.Get("ETag")
		if etag == "" || first.Header.Get("Cache-Control") == "" {
			t.Errorf("%s: ETag %q, Cache-Control %q", path, etag, first.Header.Get("Cache-Control"))
		}
		if again := get(h, "GET", path, "If-None-Match", etag); again.StatusCode != 304 || body(t, again) != "" {
			t.Errorf("%s: asked again, got %d", path, again.StatusCode)
		}
		if other := get(h, "GET", path, "If-None-Match", `"other"`); other.StatusCode != 200 {
			t.Errorf("%s: asked with another ETag, got %d", path, other.StatusCode)
		}
	}
	one, two := get(h, "GET", "/documentation/json"), get(Handler("/ums", ""), "GET", "/documentation/json")
	if one.Header.Get("ETag") == two.Header.Get("ETag") {
		t.Error("different descriptions have the same ETag")
	}
}

// head is what these tests look at in a description.
type head struct {
	Info struct {
		Title   string `json:"title"`
		Version string `json:"version"`
	} `json:"info"`
	Paths map[string]any `json:"paths"`
}

func TestPrefixAndVersion(t *testing.T) {
	tests := map[string]struct{ prefix, users string }{
		"no prefix":          {"", "/users/"},
		"a slash":            {"/", "/users/"},
		"a prefix":           {"/ums", "/ums/users/"},
		"with a final slash": {"/ums/", "/ums/users/"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := Handler(tt.prefix, "1.2.3")
			var asJSON, asYAML head
			if err := json.Unmarshal([]byte(body(t, get(h, "GET", "/documentation/json"))), &asJSON); err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal([]byte(body(t, get(h, "GET", "/documentation/yaml"))), &asYAML); err != nil {
				t.Fatal(err)
			}
			for _, doc := range []head{asJSON, asYAML} {
				if doc.Info.Title != "User Manager" || doc.Info.Version != "1.2.3" {
					t.Errorf("info is %+v", doc.Info)
				}
				for _, path := range []string{tt.users, "/-/healthz", "/-/ready", "/-/check-up"} {
					if doc.Paths[path] == nil {
						t.Errorf("no path %s", path)
					}
				}
			}
		})
	}
}

// TestRenderLosesNothing reads the description in three ways, which must agree.
func TestRenderLosesNothing(t *testing.T) {
	asYAML, asJSON, err := render(source, "", "")
	if err != nil {
		t.Fatal(err)
	}
	var want, fromYAML, fromJSON any
	plain, err := yaml.YAMLToJSON(source)
	if err != nil {
		t.Fatal(err)
	}
	again, err := yaml.YAMLToJSON(asYAML)
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []struct {
		text []byte
		into *any
	}{{plain, &want}, {again, &fromYAML}, {asJSON, &fromJSON}} {
		if err := json.Unmarshal(doc.text, doc.into); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, fromYAML); diff != "" {
		t.Errorf("YAML (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, fromJSON); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func TestRenderOfABrokenDescription(t *testing.T) {
	if _, _, err := render([]byte("paths: ["), "", ""); err == nil {
		t.Error("no error")
	}
}

func TestSourceIsACopy(t *testing.T) {
	Source()[0] = '!'
	if got := Source()[0]; got != 'o' {
		t.Errorf("the description starts with %q now", got)
	}
}
