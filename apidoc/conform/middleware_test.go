package conform

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// spy is a test that notes its failures.
type spy struct {
	testing.TB
	failures []string
}

func (s *spy) Errorf(format string, args ...any) {
	s.failures = append(s.failures, fmt.Sprintf(format, args...))
}

func TestMiddleware(t *testing.T) {
	tests := map[string]struct {
		method, path string
		next         http.HandlerFunc
		want         []string
	}{
		"a described answer": {"GET", "/users/count", write(200, jsonType, "42"), nil},
		"one that is not": {"GET", "/users/count/", write(200, jsonType, `"42"`), []string{
			"GET /users/count/: the answer is not as the API description has it: " +
				"GET /users/count answered 200: the body does not match: /: Value is string but should be integer",
		}},
		"a status that is never named": {"GET", "/users/count", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", jsonType)
			io.WriteString(w, "4")
			io.WriteString(w, "2")
		}, nil},
		"nothing at all": {"GET", "/users/count", func(http.ResponseWriter, *http.Request) {}, []string{
			"GET /users/count: the answer is not as the API description has it: GET /users/count answered 200: the body is empty",
		}},
		"a header that comes too late": {"PUT", "/users/", func(w http.ResponseWriter, r *http.Request) {
			write(405, jsonType, wrongWay)(w, r)
			w.Header().Set("Allow", "GET")
		}, []string{
			"PUT /users/: the answer is not as the API description has it: " +
				"PUT /users/, which is not described, answered 405: the header Allow is missing",
		}},
		"early hints before": {"DELETE", "/users/1", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusNoContent)
		}, nil},
		"a handler that changes its request": {"DELETE", "/users/1", func(w http.ResponseWriter, r *http.Request) {
			r.Method, r.URL.Path = "GET", "/elsewhere"
			w.WriteHeader(http.StatusNoContent)
		}, nil},
		"HEAD":                   {"HEAD", "/users/count", write(200, jsonType, "42"), nil},
		"a skipped path":         {"GET", "/crud/users/", write(200, "text/html", "-"), nil},
		"the skipped path's own": {"GET", "/crud", write(200, "text/html", "-"), nil},
		"a path that only starts like it": {"GET", "/crude", write(200, jsonType, "{}"), []string{
			"GET /crude: the answer is not as the API description has it: " +
				"GET /crude, which is not described, answered 200: the description does not have this status",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			spy := &spy{TB: t}
			h := Middleware(spy, newChecker(t), tt.next, "/documentation", "/crud/")
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(tt.method, tt.path, nil))
			if diff := cmp.Diff(tt.want, spy.failures); diff != "" {
				t.Errorf("failures (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMiddlewareChangesNothing(t *testing.T) {
	server := httptest.NewServer(Middleware(t, newChecker(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "[\n")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		io.WriteString(w, "\n]\n")
	})))
	defer server.Close()
	resp, err := http.Get(server.URL + "/users/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(body); resp.StatusCode != 200 || got != "[\n\n]\n" {
		t.Errorf("got %d %q", resp.StatusCode, got)
	}
}

func TestMiddlewareLetsPanicsPass(t *testing.T) {
	spy := &spy{TB: t}
	h := Middleware(spy, newChecker(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		panic(http.ErrAbortHandler)
	}))
	defer func() {
		if got := recover(); got != http.ErrAbortHandler || len(spy.failures) > 0 {
			t.Errorf("recovered %v, failures %q", got, spy.failures)
		}
	}()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/users/", nil))
}

// write returns a handler that answers so.
func write(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}
