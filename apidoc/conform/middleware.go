package conform

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
)

// Middleware returns next with each of its answers held against c; one that does not match fails t. Paths below one of
// skip ("/documentation", "/crud") are not looked at.
//
// The answers go out unchanged and as they come. An answer that next gives up by a panic is not checked. All requests
// must be over when t is: close the test's server before.
func Middleware(t testing.TB, c *Checker, next http.Handler, skip ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, path := r.Method, r.URL.EscapedPath() // next may change its request
		if isBelow(path, skip) {
			next.ServeHTTP(w, r)
			return
		}
		rec := &recorder{ResponseWriter: w, keep: method != http.MethodHead} // of a HEAD no body leaves the server
		next.ServeHTTP(rec, r)
		rec.finish()
		if err := c.Check(method, path, rec.status, rec.header, rec.body.Bytes()); err != nil {
			t.Errorf("%s %s: the answer is not as the API description has it: %v", method, path, err)
		}
	})
}

func isBelow(path string, places []string) bool {
	for _, place := range places {
		place = strings.TrimSuffix(place, "/")
		if path == place || strings.HasPrefix(path, place+"/") {
			return true
		}
	}
	return false
}

// recorder keeps what passes through it.
type recorder struct {
	http.ResponseWriter
	keep   bool
	status int         // 0 until the header is out
	header http.Header // as it went out
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK { // those below announce another
		r.status, r.header = status, r.Header().Clone()
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.finish()
	if r.keep {
		r.body.Write(p)
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the writer below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// finish notes the status that the server sends when the handler has named none.
func (r *recorder) finish() {
	if r.status == 0 {
		r.status, r.header = http.StatusOK, r.Header().Clone()
	}
}
