package apidoc

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"
)

const root = "/documentation"

// policy lets the page load its own files and nothing else. The viewer writes its styles into the page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

// Handler serves the description below /documentation: json, yaml, and a page at /documentation/ with its files. It
// goes there whatever the service's prefix is; prefix, which may be empty, stands before the paths in the description,
// and version is the service's. Everything is prepared once, for the first request, so that it costs a start nothing.
func Handler(prefix, version string) http.Handler {
	prepared := sync.OnceValue(func() *site { return newSite(prefix, version) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { prepared().ServeHTTP(w, r) })
}

// newSite renders the description. It panics if that cannot be read: a mistake in the program.
func newSite(prefix, version string) *site {
	asYAML, asJSON, err := render(source, prefix, version)
	if err != nil {
		panic(err)
	}
	files := pageFiles()
	files[root+"/yaml"] = newFile("application/x-yaml", revalidate, asYAML)
	files[root+"/json"] = newFile("application/json; charset=utf-8", revalidate, asJSON)
	return &site{files: files, redirects: map[string]string{
		root:                        "." + root + "/", // relative: a gateway may have put us under a path of its own
		root + "/static/index.html": root + "/",
	}}
}

// site answers with files that are ready. It is only read once made.
type site struct {
	files     map[string]file   // by path
	redirects map[string]string // path → Location
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, isFile := s.files[r.URL.Path]
	location, isRedirect := s.redirects[r.URL.Path]
	switch {
	case !isFile && !isRedirect:
		refuse(w, http.StatusNotFound, "there is no route "+r.Method+" "+strings.ToValidUTF8(r.URL.Path, "\uFFFD"))
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, r.Method+" is not allowed here; allowed is GET, HEAD")
	case isRedirect:
		w.Header().Set("Location", location) // http.Redirect would make it absolute
		w.WriteHeader(http.StatusFound)
	default:
		serve(w, r, f)
	}
}

func serve(w http.ResponseWriter, r *http.Request, f file) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", f.cache)
	h.Set("ETag", f.etag)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body)) // knows HEAD and If-None-Match
}

// refuse answers with the service's error shape.
func refuse(w http.ResponseWriter, status int, message string) {
	body, err := json.Marshal(struct {
		StatusCode int    `json:"statusCode"`
		Error      string `json:"error"`
		Message    string `json:"message"`
	}{status, http.StatusText(status), message})
	if err != nil {
		panic(err) // not with two texts and a number
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(body)
}
