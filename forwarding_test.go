package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/apidoc/conform"
	"user-manager/crud"
	"user-manager/crud/embedded"
	"user-manager/internal/logtest"
	"user-manager/providers"
	"user-manager/upstream"
)

// A storeCall is what a store over the network saw of one call.
type storeCall struct {
	call   string // "PATCH /users/:id"
	header http.Header
}

// remoteStore is a CRUD Service behind a real socket that notes what it is sent.
type remoteStore struct {
	mu    sync.Mutex
	calls []storeCall // guarded by mu
	next  http.Handler
}

func (s *remoteStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.calls = append(s.calls, storeCall{r.Method + " " + varying.ReplaceAllString(r.URL.Path, ":id"), r.Header.Clone()})
	s.mu.Unlock()
	s.next.ServeHTTP(w, r)
}

// took returns the calls since the last time.
func (s *remoteStore) took() []storeCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

// remoteHarness is a service on a store over the network.
func remoteHarness(t *testing.T, env map[string]string) (*harness, *remoteStore) {
	t.Helper()
	db, err := embedded.Open(t.Context(), embedded.Config{
		Path: ":memory:", Collections: []embedded.Definition{withTestFields(embedded.Users("/users")), embedded.Groups("/ums-config")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	remote := &remoteStore{next: db}
	server := serveStore(t, remote, nil)
	vars := map[string]string{"CRUD_SERVICE": server.URL, "USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/ums-config", "RANDOM_PWD_GEN": "false"}
	for name, value := range env {
		vars[name] = value
	}
	cfg, err := loadConfig(environment(vars))
	if err != nil {
		t.Fatal(err)
	}
	s, err := openStore(t.Context(), cfg, testLog(t), upstream.Observer{})
	if err != nil {
		t.Fatal(err)
	}
	groups, err := readGroups(strings.NewReader(string(demoGroups)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.groups.InsertAll(t.Context(), groups); err != nil {
		t.Fatal(err)
	}
	provider, err := providers.Open(t.Context(), cfg.provider, providers.Settings{Getenv: getenv(environment(vars)), Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { provider.(io.Closer).Close() })
	h := &harness{t: t, client: s.client, provider: provider, seen: newPlaceholders(), api: newAPI(cfg, neighbours{store: s, provider: provider}, testLog(t))}
	h.handler = h.api.handler()
	remote.took()
	return h, remote
}

// TestHeadersForwardedToTheStore: the caller's own headers go with every call that a
// request causes; those that limit what the caller may see and change only with the
// calls that are the caller's own business.
func TestHeadersForwardedToTheStore(t *testing.T) {
	t.Parallel()
	h, remote := remoteHarness(t, map[string]string{"ADDITIONAL_HEADERS_TO_PROXY": "x-tenant,acl_rows"})
	sent := []string{
		"miauserid: ann", "miausergroups: a,,b", "client-type: web", "isbackoffice: yes", `miauserproperties: { "a": 1 }`,
		"X-Request-Id: r1", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Port: 443", "X-Tenant: t", "Cookie: sid=x", "Authorization: Bearer x", "Client-Key: k",
		`acl_rows: {"userGroup":"customers"}`, "acl_read_columns: name", "acl_write_columns: name",
	}
	h.must("POST", "/users/?sendResetPwdEmail=false", ann)
	remote.took()
	h.must("PATCH", "/users/<id1>", `{"name":"Anna"}`, sent...)
	for _, c := range remote.took() {
		for name, want := range map[string]string{
			"Miauserid": "ann", "Miausergroups": "a,b", "Client-Type": "web", "Isbackoffice": "1", "Miauserproperties": `{"a":1}`,
			"X-Request-Id": "r1", "X-Forwarded-For": "1.2.3.4", "X-Forwarded-Port": "443", "X-Tenant": "t", "Cookie": "", "Authorization": "", "Client-Key": "",
		} {
			if got := c.header.Get(name); got != want {
				t.Errorf("%s was sent %s: %q, want %q", c.call, name, got, want)
			}
		}
		acl := []string{}
		for _, name := range []string{"Acl_rows", "Acl_read_columns", "Acl_write_columns"} {
			if c.header.Get(name) != "" {
				acl = append(acl, name)
			}
		}
		want := map[string][]string{"GET /users/:id": {"Acl_rows"}, "PATCH /users/:id": {"Acl_rows", "Acl_write_columns"}, "GET /ums-config/": {}}
		if diff := cmp.Diff(want[c.call], acl); diff != "" {
			t.Errorf("limits sent with %s (-want +got):\n%s", c.call, diff)
		}
	}
}

// TestStoreOverTheNetwork walks through a user's life on a store behind a socket.
func TestStoreOverTheNetwork(t *testing.T) {
	t.Parallel()
	h, remote := remoteHarness(t, nil)
	h.must("POST", "/users/?sendResetPwdEmail=false", ann)
	var calls []string
	for _, c := range remote.took() {
		calls = append(calls, c.call)
	}
	if want := []string{"GET /ums-config/", "POST /users/", "PATCH /users/"}; !slices.Equal(calls, want) {
		t.Errorf("creating a user called %v, want %v", calls, want)
	}
	h.must("POST", "/oauth/token", `{"username":"ann","password":"correct horse"}`)
	if got := h.must("GET", "/userinfo", "", "Authorization: Bearer <token1>"); !strings.Contains(got.body, `"userGroup":"customers"`) {
		t.Errorf("user info = %s", got.body)
	}
	h.must("PATCH", "/users/<id1>", `{"blocked":true}`)
	if got := h.call("POST", "/oauth/token", `{"username":"ann","password":"correct horse"}`); got.status != http.StatusUnauthorized {
		t.Errorf("log in of a blocked user = %d %s", got.status, got.body)
	}
	h.must("POST", "/users/<id1>/soft-delete", "")
	h.must("DELETE", "/users/<id1>", "")
	if got := h.must("GET", "/users/count?_st=PUBLIC,DRAFT,TRASH,DELETED", ""); got.body != "0" {
		t.Errorf("count = %s", got.body)
	}
	if got := h.call("GET", "/crud/users/", ""); got.status != http.StatusNotFound {
		t.Errorf("/crud/ on a remote store = %d", got.status)
	}
}

// switched is a way to a store that can be cut.
type switched struct {
	next http.RoundTripper
	cut  atomic.Bool
}

func (s *switched) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.cut.Load() {
		return nil, errors.New("connection reset")
	}
	return s.next.RoundTrip(r)
}

// TestStoreThatIsGone: it is left alone after five calls, the status routes tell, and the
// first call that is answered again ends it.
func TestStoreThatIsGone(t *testing.T) {
	t.Parallel()
	cfg, err := loadConfig(environment(map[string]string{"CRUD_SERVICE": "http://crud-service", "USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/ums-config"}))
	if err != nil {
		t.Fatal(err)
	}
	checker, err := newChecker()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		way := &switched{next: crud.InProcess(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") }))}
		log := testLog(t)
		s, err := openNetwork(cfg, way, log, upstream.Observer{})
		if err != nil {
			t.Fatal(err)
		}
		h := conform.Middleware(t, checker, newAPI(cfg, neighbours{store: s}, log).handler())
		get := func(path string, status int, want string) {
			t.Helper()
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
			if w.Code != status || w.Body.String() != want {
				t.Errorf("%s = %d %s\nwant %d %s", path, w.Code, w.Body, status, want)
			}
		}
		const is = `{"name":"user-manager","status":`
		get("/-/ready", 200, is+`"OK","version":"dev"}`)
		get("/-/check-up", 200, is+`"OK","version":"dev","unsettledOperations":0,"upstreams":[{"name":"CRUD","state":"closed"}]}`)
		way.cut.Store(true)
		get("/users/", 500, `{"statusCode":500,"error":"Internal Server Error","message":"Error while reading users: CRUD GET /users/ could not be reached"}`)
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/users/", nil)) // three tries each
		state := s.state()[0]
		since, next := state.Since.Format(time.RFC3339Nano), state.NextTry.Format(time.RFC3339Nano)
		gone := "CRUD GET /users/ could not be reached: CRUD is not called for now: since 2000-01-01T00:00:00Z, when 5 calls in a row had failed; the next try is at " +
			state.NextTry.Format(time.RFC3339)
		get("/users/", 500, `{"statusCode":500,"error":"Internal Server Error","message":"Error while reading users: `+gone+`"}`)
		get("/-/ready", 503, is+`"KO","version":"dev","message":"`+gone+`"}`)
		get("/-/check-up", 503, is+`"KO","version":"dev","message":"`+gone+`","unsettledOperations":0,"upstreams":[{"name":"CRUD","state":"open","since":"`+since+`","nextTry":"`+next+`"}]}`)
		way.cut.Store(false)
		get("/users/count", 500, `{"statusCode":500,"error":"Internal Server Error","message":"Error while counting users: `+strings.Replace(gone, "/users/", "/users/count", 1)+`"}`)
		time.Sleep(time.Second)
		get("/-/ready", 200, is+`"OK","version":"dev"}`)
		get("/-/check-up", 200, is+`"OK","version":"dev","unsettledOperations":0,"upstreams":[{"name":"CRUD","state":"closed"}]}`)
	})
}

// TestStatusOfAFailedChange: a duplicate is one however the store answers it, and what was
// not sent has no status.
func TestStatusOfAFailedChange(t *testing.T) {
	t.Parallel()
	const route, words = "PATCH /users/:id", "x :: caused by :: E11000 duplicate key error"
	settings := &upstream.Error{Service: providers.Service, Route: "POST /users", Status: 400, Message: "Connection does not exist.", Err: providers.ErrMisconfigured}
	const refused = "Error while updating user: Auth POST /users responded with a 400 status code: the service's own settings are refused"
	duplicate := &upstream.Error{Service: crud.Service, Route: route, Status: 500, Message: words, Err: crud.ErrDuplicate, NotDone: true}
	tests := map[string]struct {
		refusal     refusalPolicy
		passThrough bool
		err         error
		status      int
		message     string
	}{
		"a duplicate answered with 500":       {documented500, false, duplicate, 500, "Error while updating user: CRUD PATCH /users/:id responded with a 500 status code: " + words},
		"one that is passed through":          {documented500, true, duplicate, 409, "Error while updating user: CRUD PATCH /users/:id responded with a 500 status code: " + words},
		"one where data is blamed":            {passData, false, duplicate, 409, words},
		"another failure":                     {passData, true, &upstream.Error{Service: crud.Service, Route: route, Status: 500, Message: "no"}, 500, "Error while updating user: CRUD PATCH /users/:id responded with a 500 status code"},
		"what was not sent":                   {documented500, true, &upstream.Error{Service: crud.Service, Route: route, NotDone: true}, 500, "Error while updating user: CRUD PATCH /users/:id could not be reached"},
		"what was not sent, with data":        {passData, true, &upstream.Error{Service: crud.Service, Route: route, NotDone: true}, 500, "Error while updating user: CRUD PATCH /users/:id could not be reached"},
		"settings that are refused":           {documented500, true, settings, 500, refused},
		"settings, where data is blamed":      {passData, false, settings, 500, refused},
		"settings, where credentials are":     {passCredentials, false, settings, 500, refused},
		"too many logins":                     {passLogin, false, &upstream.Error{Service: providers.Service, Route: "POST /oauth/token", Status: 429, Message: "Slow down."}, 429, "Slow down."},
		"too many that were wrong":            {passLogin, false, &upstream.Error{Service: providers.Service, Route: "POST /oauth/token", Status: 429, Message: "Blocked.", Err: providers.ErrUnauthorized}, 429, "Blocked."},
		"too many mails":                      {passMail, false, &upstream.Error{Service: providers.Service, Route: "POST /x", Status: 429, Message: "Later."}, 429, "Later."},
		"a mail to nobody":                    {passMail, false, providers.Refuse("POST /x", providers.ErrNotFound, "No such user."), 404, "No such user."},
		"too much of what a list has":         {passCredentials, false, &upstream.Error{Service: providers.Service, Route: route, Status: 429}, 500, "Error while updating user: Auth PATCH /users/:id responded with a 429 status code"},
		"too much of anything else":           {documented500, false, &upstream.Error{Service: providers.Service, Route: route, Status: 429}, 500, "Error while updating user: Auth PATCH /users/:id responded with a 429 status code"},
		"a refusal that is passed through":    {documented500, true, &upstream.Error{Service: crud.Service, Route: route, Status: 403}, 403, "Error while updating user: CRUD PATCH /users/:id responded with a 403 status code"},
		"one after which others stay as done": {documented500, true, &upstream.Error{Service: crud.Service, Route: route, Status: 403, Partial: true}, 500, "Error while updating user: CRUD PATCH /users/:id responded with a 403 status code"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &api{passRefusals: test.passThrough}
			status, message := a.classify(failed("updating user", test.refusal, test.err))
			if status != test.status || message != test.message {
				t.Errorf("%d %s\nwant %d %s", status, message, test.status, test.message)
			}
		})
	}
}

// TestTimeToComeBack: an answer that asks the caller to come back later says when, and
// what the provider says against the service's settings is for the log alone.
func TestTimeToComeBack(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err    upstream.Error
		status int
		after  string
		logged string
	}{
		"too many logins":      {upstream.Error{Service: providers.Service, Status: 429, RetryAfter: 1500 * time.Millisecond}, 429, "2", ""},
		"no time is named":     {upstream.Error{Service: providers.Service, Status: 429}, 429, "", ""},
		"another failure":      {upstream.Error{Status: 500, RetryAfter: time.Second}, 500, "", ""},
		"settings are refused": {upstream.Error{Status: 403, Message: "no client grant", Err: providers.ErrMisconfigured}, 500, "", "no client grant"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lines strings.Builder
			a := &api{log: slog.New(slog.NewTextHandler(io.MultiWriter(&lines, logtest.For(t)), &slog.HandlerOptions{Level: slog.LevelDebug}))}
			w := httptest.NewRecorder()
			a.logged(a.answer(func(http.ResponseWriter, *http.Request) error {
				return failed("logging in", passLogin, &test.err)
			}, 1)).
				ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", "/oauth/token", nil))
			if w.Code != test.status || w.Header().Get("Retry-After") != test.after || strings.Contains(w.Body.String(), "grant") {
				t.Errorf("%d, Retry-After %q, %s; want %d, %q", w.Code, w.Header().Get("Retry-After"), w.Body, test.status, test.after)
			}
			if !strings.Contains(lines.String(), test.logged) {
				t.Errorf("the log is %s, want %q in it", &lines, test.logged)
			}
		})
	}
}

// TestHeadersOfJobs: what a job calls is not called on behalf of who asked for it.
func TestHeadersOfJobs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var answered bool            // guarded by mu, as what follows
		after := map[string]string{} // calls after the answer, and the caller's headers that they had
		c := &copies{toStore: func(_ int, next http.RoundTripper) http.RoundTripper {
			return watchedStore{next: next, before: func(r *http.Request) error {
				mu.Lock()
				defer mu.Unlock()
				if answered {
					call := r.Method + " " + varying.ReplaceAllString(r.URL.Path, ":id")
					for _, name := range []string{"Miauserid", "Miausergroups", "Client-Type", "Isbackoffice", "X-Request-Id", "X-Forwarded-For"} {
						after[call] += r.Header.Get(name)
					}
				}
				return nil
			}}
		}}
		c.start(t, 1, 1)
		defer c.close()
		id := c.newUser(`"email":"u@example.com"`, true)
		c.members[0].must("POST", "/jobs/bulk-activation", `[{"filter":{"userId":"`+id+`"}}]`,
			"miauserid: ann", "miausergroups: a", "client-type: web", "isbackoffice: 1", "X-Request-Id: r1", "X-Forwarded-For: 1.2.3.4")
		mu.Lock()
		answered = true
		mu.Unlock()
		<-time.After(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		for _, call := range []string{"PATCH /users/bulk", "PATCH /jobs/", "PATCH /journal/"} {
			if _, made := after[call]; !made {
				t.Errorf("no %s among the calls %v", call, after)
			}
		}
		for call, headers := range after {
			if headers != "" {
				t.Errorf("%s had the caller's headers %q", call, headers)
			}
		}
	})
}

// TestLooksAreShared: many who ask how the service is cost the store no more than one. Anybody
// may ask.
func TestLooksAreShared(t *testing.T) {
	t.Parallel()
	cfg, err := loadConfig(environment(map[string]string{"CRUD_SERVICE": "crud", "USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/groups"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/-/ready", "/-/check-up"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				slow := crud.InProcess(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					calls.Add(1)
					time.Sleep(time.Second)
					_, _ = io.WriteString(w, "[]")
				}))
				s, err := openNetwork(cfg, slow, testLog(t), upstream.Observer{})
				if err != nil {
					t.Fatal(err)
				}
				h := newAPI(cfg, neighbours{store: s}, testLog(t)).handler()
				first, leave := context.WithCancel(t.Context())
				var all sync.WaitGroup
				for i := range 50 {
					ctx := t.Context()
					if i == 0 {
						ctx = first
					}
					all.Go(func() {
						w := httptest.NewRecorder()
						h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", path, nil))
						if w.Code != 200 {
							t.Errorf("%d %s", w.Code, w.Body)
						}
					})
					synctest.Wait()
				}
				leave()
				all.Wait()
				if got := calls.Load(); got != 2 { // its two collections
					t.Errorf("%d calls of the store", got)
				}
			})
		})
	}
}
