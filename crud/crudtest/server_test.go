package crudtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/crud/crudtest"
	"user-manager/crud/embedded"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// dialled is a client's transport to s.
func dialled(t *testing.T, s *crudtest.Server) *http.Transport {
	t.Helper()
	transport := &http.Transport{DialContext: s.Dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return transport
}

// listening is users behind s, which listens in memory.
func listening(t *testing.T, s *crudtest.Server) crud.Collection {
	t.Helper()
	s.ListenInMemory()
	c, err := crud.New(s.URL, dialled(t, s), timeout)
	if err != nil {
		t.Fatal(err)
	}
	return c.Collection("/users")
}

func TestServer(t *testing.T) {
	tests := map[string]struct {
		arm    func(*faults.Plan)
		status int   // of the error
		cause  error // of the error; nil: none is looked for
		works  bool  // the store does its work
		takes  time.Duration
	}{
		"status 500":      {func(p *faults.Plan) { p.Arm(1, faults.Refuse500) }, 500, nil, false, 0},
		"status 503":      {func(p *faults.Plan) { p.Arm(1, faults.Refuse503) }, 503, nil, false, 0},
		"status 429":      {func(p *faults.Plan) { p.Arm(1, faults.Refuse429) }, 429, nil, false, 0},
		"unreachable":     {func(p *faults.Plan) { p.Arm(1, faults.Unreachable) }, 0, nil, false, 0},
		"timeout":         {func(p *faults.Plan) { p.Arm(1, faults.Timeout) }, 0, context.DeadlineExceeded, false, timeout},
		"answer dropped":  {func(p *faults.Plan) { p.Arm(1, faults.DropAnswer) }, 0, io.EOF, true, 0},
		"answer too late": {func(p *faults.Plan) { p.ArmDelay(1, time.Hour) }, 0, context.DeadlineExceeded, true, timeout},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, plan := &counter{}, faults.NewPlan()
				users := listening(t, &crudtest.Server{Store: store, Plan: plan})
				test.arm(plan)

				start := time.Now()
				_, err := users.Insert(t.Context(), crud.Document{"userGroup": "x"})

				failure, ok := errors.AsType[*upstream.Error](err)
				if !ok || failure.Status != test.status || !errors.Is(err, test.cause) && test.cause != nil {
					t.Errorf("Insert: %v (caused by %v), want status %d and %v", err, errors.Unwrap(err), test.status, test.cause)
				}
				if worked := store.worked.Load() == 1; worked != test.works {
					t.Errorf("the work was done: %v, want %v", worked, test.works)
				}
				if took := time.Since(start); took != test.takes {
					t.Errorf("took %v, want %v", took, test.takes)
				}
				if _, err := users.Insert(t.Context(), crud.Document{}); err != nil {
					t.Errorf("the next call: %v, want no error", err)
				}
				if diff := cmp.Diff([]string{"CRUD POST /users/", "CRUD POST /users/"}, plan.Calls()); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestServerLate: the work is done when the plan delivers, long after the connection
// was closed.
func TestServerLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, plan := &counter{}, faults.NewPlan()
		users := listening(t, &crudtest.Server{Store: store, Plan: plan})
		plan.Arm(1, faults.Late)
		if _, err := users.Insert(t.Context(), crud.Document{}); !errors.Is(err, io.EOF) {
			t.Errorf("Insert: %v, want the end of the connection", err)
		}
		if n := store.worked.Load(); n != 0 {
			t.Errorf("the work was done %d times before it was to be", n)
		}
		plan.Deliver()
		if n := store.worked.Load(); n != 1 {
			t.Errorf("the work was done %d times, want once", n)
		}
	})
}

// TestServerLatency: a call waits before its work; a write is done also when its client
// did not wait as long.
func TestServerLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, wait := &counter{}, time.Second
		users := listening(t, &crudtest.Server{Store: store, Latency: func(call string) time.Duration {
			if call != "CRUD POST /users/" {
				t.Errorf("asked for the latency of %s", call)
			}
			return wait
		}})
		start := time.Now()
		if _, err := users.Insert(t.Context(), crud.Document{}); err != nil || time.Since(start) != wait {
			t.Errorf("Insert: %v after %v, want no error after %v", err, time.Since(start), wait)
		}
		wait = time.Hour
		if _, err := users.Insert(t.Context(), crud.Document{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Insert: %v, want that it takes too long", err)
		}
		synctest.Wait()
		if n := store.worked.Load(); n != 2 {
			t.Errorf("the work was done %d times, want twice", n)
		}
	})
}

// fixed is a store of users with a fixed schema, behind a real socket.
func fixed(t *testing.T, maxLimit int) (url string, client *http.Client) {
	t.Helper()
	users := embedded.Users("/users")
	users.Open = false
	db, err := embedded.Open(t.Context(), embedded.Config{Path: ":memory:", Collections: []embedded.Definition{users}, MaxLimit: maxLimit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := &crudtest.Server{Store: db}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	return s.URL, &http.Client{Transport: dialled(t, s)}
}

func TestServerRefuses(t *testing.T) {
	validation := func(message string) string {
		return `{"code":"FST_ERR_VALIDATION","error":"Bad Request","message":"` + message + `","statusCode":400}`
	}
	unknown := func(message string) string {
		return `{"error":"Bad Request","message":"` + message + `","statusCode":400}`
	}
	for name, test := range map[string]struct {
		maxLimit     int
		method, path string
		body         string
		status       int
		want         string
	}{
		"a page of 200":              {0, "GET", "/users/?_l=200", "", 200, "[\n\n]\n"},
		"a page of 201":              {0, "GET", "/users/?_l=201", "", 400, validation("querystring/_l must be <= 200")},
		"a page beyond a limit":      {50, "GET", "/users/?_l=51", "", 400, validation("querystring/_l must be <= 50")},
		"a page up to a limit":       {1000, "GET", "/users/?_l=1000", "", 200, "[\n\n]\n"},
		"a limit below the default":  {10, "GET", "/users/", "", 200, "[\n\n]\n"},
		"an unknown field":           {0, "POST", "/users/", `{"userGroup":"x","nick":"y"}`, 400, unknown(`body must NOT have additional properties. Property \"nick\" is not defined in validation schema`)},
		"a header section of 16 KiB": {0, "GET", "/users/?username=" + strings.Repeat("x", 17<<10), "", 431, "431 Request Header Fields Too Large"},
		"a URL below 8 KiB":          {0, "GET", "/users/?username=" + strings.Repeat("x", 8000), "", 200, "[\n\n]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			url, client := fixed(t, test.maxLimit)
			req, err := http.NewRequestWithContext(t.Context(), test.method, url+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			if test.body == "" {
				req.Body = http.NoBody
			}
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != test.status {
				t.Errorf("status %d, %v, want %d", res.StatusCode, err, test.status)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if chunked := fmt.Sprint(res.TransferEncoding) == "[chunked]"; res.StatusCode == 200 && !chunked {
				t.Error("the list does not come in chunks")
			}
		})
	}
}

// TestServerCloses: a server waits for nobody who waits for it, and is gone then.
func TestServerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := faults.NewPlan()
		s := &crudtest.Server{Store: &counter{}, Plan: plan}
		users := listening(t, s)
		plan.Arm(1, faults.Timeout)
		answered := make(chan error)
		go func() {
			_, err := users.Insert(t.Context(), crud.Document{})
			answered <- err
		}()
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := <-answered; err == nil {
			t.Error("a call was answered by a server that closed")
		}
		if _, err := users.Insert(t.Context(), crud.Document{}); err == nil {
			t.Error("a call was answered by a server that is closed")
		}
	})
}
