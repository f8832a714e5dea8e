package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/upstream"
)

// linesOf are the lines that do logs at a level and above, without time, pid and hostname.
func linesOf(t *testing.T, level slog.Level, do func(*slog.Logger)) []map[string]any {
	t.Helper()
	var out strings.Builder
	do(newLog(&out, level))
	var lines []map[string]any
	for text := range strings.Lines(out.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("line %q: %v", text, err)
		}
		machine, _ := os.Hostname()
		if time, ok := line["time"].(float64); !ok || time < 1e12 || line["pid"] != float64(os.Getpid()) || line["hostname"] != machine {
			t.Errorf("line %s lacks time, pid or hostname", text)
		}
		for _, always := range []string{"time", "pid", "hostname"} {
			delete(line, always)
		}
		lines = append(lines, line)
	}
	return lines
}

// TestLogFormat: levels are numbers, errors are error.message, durations milliseconds.
func TestLogFormat(t *testing.T) {
	t.Parallel()
	ctx := upstream.WithCaller(t.Context(), upstream.Caller{RequestID: "r1"})
	got := linesOf(t, levelTrace, func(log *slog.Logger) {
		log.Log(ctx, levelTrace, "a trace")
		log.Debug("a text", "err", "it broke")
		log.Info("a duration", "took", 1500*time.Microsecond, "at", time.UnixMilli(0).UTC())
		log.With("jobId", "j1").WarnContext(ctx, "an error", "err", errors.New("it broke"))
		log.Error("no error", "err", nil)
		log.Error("with causes", "err", fmt.Errorf("look for jobs: %w", errors.Join(&upstream.Error{Service: "CRUD", Route: "GET /jobs/", Err: io.EOF})))
	})
	want := []map[string]any{
		{"level": 10., "msg": "a trace", "reqId": "r1"},
		{"level": 20., "msg": "a text", "error": map[string]any{"message": "it broke"}},
		{"level": 30., "msg": "a duration", "took": 1.5, "at": "1970-01-01T00:00:00Z"},
		{"level": 40., "msg": "an error", "error": map[string]any{"message": "it broke"}, "jobId": "j1", "reqId": "r1"},
		{"level": 50., "msg": "no error"},
		{"level": 50., "msg": "with causes", "error": map[string]any{"message": "look for jobs: CRUD GET /jobs/ could not be reached: EOF"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// TestTextsOfLines: whatever a text has, its line is one, and says nothing of people.
func TestTextsOfLines(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"plain":             {"it broke", "it broke"},
		"an address":        {"ann.lee@example.com is taken", "[email] is taken"},
		"what is quoted":    {`malformed HTTP status code "Ann \"Lee\""`, `malformed HTTP status code "…"`},
		"a pattern":         {"missing closing ): `(Ann Lee`", `missing closing ): "…"`},
		"a duplicate":       {`E11000 dup key: { name: "Ann", email: "ann.lee@example.com" }`, `E11000 dup key: { name: "…", email: "…" }`},
		"both ends":         {"read tcp 10.0.0.1:3000->203.0.113.9:52514: i/o timeout", "read tcp [connection] i/o timeout"},
		"an upstream":       {"dial tcp 10.0.0.1:3000: connect: connection refused", "dial tcp 10.0.0.1:3000: connect: connection refused"},
		"line separators":   {"a\u2028b\u0085c", "a�b�c"},
		"escape sequences":  {"a\x1b[31mb\u009bc", "a�[31mb�c"},
		"turned around":     {"a\u202eb", "a�b"},
		"no UTF-8":          {"a\xffb", "a�b"},
		"very long":         {strings.Repeat("é", maxText), strings.Repeat("é", maxText/2) + "…"},
		"cut in the middle": {"x" + strings.Repeat("é", maxText), "x" + strings.Repeat("é", maxText/2-1) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, line := range linesOf(t, slog.LevelInfo, func(log *slog.Logger) {
				log.Error("failed", "err", errors.New(test.text))
			}) {
				if diff := cmp.Diff(map[string]any{"message": test.want}, line["error"]); diff != "" {
					t.Errorf("error (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// TestRequestLine: a request has one line, with what the platform asks for and without what
// it was about.
func TestRequestLine(t *testing.T) {
	t.Parallel()
	gone, leave := context.WithCancel(t.Context())
	leave()
	broken := errors.New("the store broke")
	for name, test := range map[string]struct {
		level   slog.Level
		target  string
		ctx     context.Context
		do      handler
		want    string // the line, as JSON; "" for none
		showsIP bool
	}{
		"well": {slog.LevelInfo, "GET /users/7?name=ann", t.Context(), answering(200, "{}"),
			`{"level":30,"msg":"request completed","http":{"request":{"method":"GET","userAgent":{"original":"curl/8"}},"response":{"statusCode":200,"body":{"bytes":2}}},"url":{"path":"/users/{id}"},"host":{"hostname":"example.com","forwardedHost":"h.example:80"},"reqId":"r1"}`, false},
		"no body": {slog.LevelInfo, "GET /users/7", t.Context(), answering(204, ""),
			`{"level":30,"msg":"request completed","http":{"request":{"method":"GET","userAgent":{"original":"curl/8"}},"response":{"statusCode":204}},"url":{"path":"/users/{id}"},"host":{"hostname":"example.com","forwardedHost":"h.example:80"},"reqId":"r1"}`, false},
		"no route": {slog.LevelInfo, "GET /people/ann", t.Context(), nil,
			`{"level":30,"msg":"request completed","http":{"request":{"method":"GET","userAgent":{"original":"curl/8"}},"response":{"statusCode":404,"body":{"bytes":19}}},"host":{"hostname":"example.com","forwardedHost":"h.example:80"},"reqId":"r1"}`, false},
		"with the client": {slog.LevelInfo, "GET /users/7", t.Context(), answering(200, "{}"),
			`{"level":30,"msg":"request completed","http":{"request":{"method":"GET","userAgent":{"original":"curl/8"}},"response":{"statusCode":200,"body":{"bytes":2}}},"url":{"path":"/users/{id}"},"host":{"hostname":"example.com","forwardedHost":"h.example:80","ip":"203.0.113.9, 10.0.0.1"},"reqId":"r1"}`, true},
		"failed": {slog.LevelInfo, "GET /users/7", t.Context(), func(http.ResponseWriter, *http.Request) error { return broken },
			`{"level":50,"msg":"request completed","http":{"request":{"method":"GET","userAgent":{"original":"curl/8"}},"response":{"statusCode":500,"body":{"bytes":77}}},"url":{"path":"/users/{id}"},"host":{"hostname":"example.com","forwardedHost":"h.example:80"},"error":{"message":"the store broke"},"reqId":"r1"}`, false},
		"refused": {slog.LevelInfo, "GET /users/7", t.Context(), func(http.ResponseWriter, *http.Request) error { return badRequest("name: must not be %q", "ann") },
			`{"level":30,"msg":"request completed","http":{"request":{"method":"GET","userAgent":{"original":"curl/8"}},"response":{"statusCode":400,"body":{"bytes":78}}},"url":{"path":"/users/{id}"},"host":{"hostname":"example.com","forwardedHost":"h.example:80"},"reqId":"r1"}`, false},
		"refused, in depth": {slog.LevelDebug, "GET /users/7", t.Context(), func(http.ResponseWriter, *http.Request) error { return badRequest("name: must not be %q", "ann") },
			`{"level":30,"msg":"request completed","http":{"request":{"method":"GET","userAgent":{"original":"curl/8"}},"response":{"statusCode":400,"body":{"bytes":78}}},"url":{"path":"/users/{id}"},"host":{"hostname":"example.com","forwardedHost":"h.example:80"},"error":{"message":"name: must not be \"…\""},"reqId":"r1"}`, false},
		"broken off": {slog.LevelInfo, "GET /users/7", t.Context(), func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(200)
			panic(http.ErrAbortHandler)
		}, `{"level":50,"msg":"request broken off","http":{"request":{"method":"GET","userAgent":{"original":"curl/8"}}},"url":{"path":"/users/{id}"},"host":{"hostname":"example.com","forwardedHost":"h.example:80"},"reqId":"r1"}`, false},
		"the client is gone": {slog.LevelInfo, "GET /users/7", gone, func(http.ResponseWriter, *http.Request) error { return context.Canceled },
			`{"level":30,"msg":"request broken off","http":{"request":{"method":"GET","userAgent":{"original":"curl/8"}},"response":{"body":{"bytes":77}}},"url":{"path":"/users/{id}"},"host":{"hostname":"example.com","forwardedHost":"h.example:80"},"reqId":"r1"}`, false},
		"status, well": {slog.LevelDebug, "GET /-/ready", t.Context(), answering(200, "{}"), "", false},
		"status, not well": {slog.LevelError, "GET /-/ready", t.Context(), func(http.ResponseWriter, *http.Request) error { return broken },
			`{"level":50,"msg":"request completed","http":{"request":{"method":"GET","userAgent":{"original":"curl/8"}},"response":{"statusCode":500,"body":{"bytes":77}}},"url":{"path":"/-/ready"},"host":{"hostname":"example.com","forwardedHost":"h.example:80"},"error":{"message":"the store broke"},"reqId":"r1"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := linesOf(t, test.level, func(log *slog.Logger) {
				a := &api{log: log, clientIP: test.showsIP}
				mux := http.NewServeMux()
				for _, pattern := range []string{"GET /users/{id}", "GET /-/ready"} {
					mux.Handle(pattern, a.answer(test.do, 1))
				}
				method, target, _ := strings.Cut(test.target, " ")
				r := httptest.NewRequestWithContext(test.ctx, method, target, nil)
				r.Header = http.Header{"User-Agent": {"curl/8"}, "X-Request-Id": {"r1"}, "X-Forwarded-Host": {"h.example:80"}, "X-Forwarded-For": {"203.0.113.9, 10.0.0.1"}}
				_ = upstream.Protect(func() error { // one that is broken off
					a.identify(a.logged(mux)).ServeHTTP(httptest.NewRecorder(), r)
					return nil
				})
			})
			var want []map[string]any
			if test.want != "" {
				want = []map[string]any{{}}
				if err := json.Unmarshal([]byte(test.want), &want[0]); err != nil {
					t.Fatal(err)
				}
			}
			for _, line := range got {
				if took, ok := line["responseTime"].(float64); !ok || took < 0 {
					t.Errorf("responseTime is %v", line["responseTime"])
				}
				delete(line, "responseTime")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func answering(status int, body string) handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(status)
		_, err := io.WriteString(w, body)
		return err
	}
}

// TestHostileHeaders: what a client chooses breaks no line, and is cut.
func TestHostileHeaders(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 10_000)
	lines := linesOf(t, levelTrace, func(log *slog.Logger) {
		a := &api{log: log, clientIP: true}
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.Method, r.Host = long, long+"\u2028:80"
		r.Header = http.Header{
			"User-Agent": {"x\r\n{\"level\":50}\u2028\x1b[2J" + long}, "X-Request-Id": {"r1\n{}"},
			"X-Forwarded-Host": {long}, "X-Forwarded-For": {long},
		}
		a.identify(a.logged(http.NotFoundHandler())).ServeHTTP(httptest.NewRecorder(), r)
	})
	if len(lines) != 2 {
		t.Fatalf("%d lines: %v", len(lines), lines)
	}
	for _, line := range lines {
		if text, _ := json.Marshal(line); len(text) > 7*maxClientText || strings.Contains(string(text), "r1") || strings.ContainsRune(string(text), '\x1b') {
			t.Errorf("line of %d bytes: %s", len(text), text)
		}
	}
}

// TestServerLines: what net/http says of a connection does not say whose it is.
func TestServerLines(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text, want, withIP string
		level              float64
	}{
		"a handshake":  {"http: TLS handshake error from 203.0.113.9:52514: EOF\n", "http: TLS handshake error from [address]: EOF", "http: TLS handshake error from 203.0.113.9:52514: EOF", 20},
		"of IPv6":      {"http: TLS handshake error from [2001:db8::1]:52514: EOF", "http: TLS handshake error from [address]: EOF", "http: TLS handshake error from [2001:db8::1]:52514: EOF", 20},
		"what it sent": {`Unsolicited response received on idle HTTP channel starting with "{\"email\":\"a\"}"; err=<nil>`, `Unsolicited response received on idle HTTP channel starting with "…"; err=<nil>`, `Unsolicited response received on idle HTTP channel starting with "…"; err=<nil>`, 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for clientIP, want := range map[bool]string{false: test.want, true: test.withIP} {
				got := linesOf(t, slog.LevelDebug, func(log *slog.Logger) { newServerLog(log, clientIP).Print(test.text) })
				if diff := cmp.Diff([]map[string]any{{"level": test.level, "msg": want}}, got); diff != "" {
					t.Errorf("lines (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// A givenAnswer is a store that answers all calls the same.
type givenAnswer struct {
	status int
	body   io.Reader
}

func (g givenAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: g.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(g.body), Request: r}, nil
}

// TestLinesOfStoresAnswers: an answer that is passed on as it is has its reason too.
func TestLinesOfStoresAnswers(t *testing.T) {
	t.Parallel()
	cfg, err := loadConfig(environment(map[string]string{"CRUD_SERVICE": "crud", "USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/groups"}))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		store givenAnswer
		want  any
	}{
		"well":       {givenAnswer{200, strings.NewReader("[]")}, nil},
		"a refusal":  {givenAnswer{400, strings.NewReader(`{"message":"Ann"}`)}, map[string]any{"message": "the answer is the store's own"}},
		"a failure":  {givenAnswer{500, strings.NewReader(`{"message":"Ann"}`)}, map[string]any{"message": "the answer is the store's own"}},
		"broken off": {givenAnswer{200, iotest.ErrReader(io.ErrUnexpectedEOF)}, map[string]any{"message": "the store's answer broke off"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines := linesOf(t, slog.LevelDebug, func(log *slog.Logger) {
				store, err := openNetwork(cfg, test.store, log, upstream.Observer{})
				if err != nil {
					t.Fatal(err)
				}
				handler := newAPI(cfg, neighbours{store: store}, log).handler()
				_ = upstream.Protect(func() error { // one that is broken off
					ctx := context.WithValue(t.Context(), http.ServerContextKey, &http.Server{}) // else ReverseProxy ends it in peace
					handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/users/", nil))
					return nil
				})
			})
			if len(lines) != 1 {
				t.Fatalf("%d lines: %v", len(lines), lines)
			}
			if diff := cmp.Diff(test.want, lines[0]["error"]); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}
