package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/internal/logtest"
	"user-manager/upstream"
)

// TestEmbeddedTimers block whoever expires while the service runs, and at the next start
// whoever did meanwhile, though the new process has another key.
func TestEmbeddedTimers(t *testing.T) {
	t.Parallel()
	for name, restarts := range map[string]bool{"while it runs": false, "at the next start": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, nil)
				h.expiring(10 * time.Second)
				h.checkBlocked(false)
				if restarts {
					<-time.After(time.Hour)
					h.restart()
				} else {
					h.running(func() { <-time.After(9 * time.Second) })
					h.checkBlocked(false)
				}
				h.running(func() { <-time.After(2 * time.Second) })
				h.checkBlocked(true)
			})
		})
	}
}

// TestStopWaitsForTheCallsOfTimers: what they do is over before the service closes.
func TestStopWaitsForTheCallsOfTimers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		h.expiring(time.Second)
		ctx, stop := context.WithCancel(t.Context())
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			stop()
			<-time.After(5 * time.Second)
			h.handler.ServeHTTP(w, r)
		})
		if err := h.api.timers.run(ctx, slow); err != nil {
			t.Error(err)
		}
		h.checkBlocked(true)
	})
}

// TestTimersCallOneRoute: a timer that this service did not write can have nothing done by
// it.
func TestTimersCallOneRoute(t *testing.T) {
	t.Parallel()
	for _, call := range []struct{ method, path string }{
		{"delete", "/users/<id1>"}, {"post", "/users/<id1>/soft-delete"}, {"post", "/-/expire/../../users/<id1>/soft-delete"}, {"delete", "/-/expire/../../users/<id1>"},
		{"post", "/-/expire/%2e%2e/%2e%2e/users/<id1>/soft-delete"},
	} {
		t.Run(call.method+" "+call.path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, nil)
				h.must("POST", "/users/?sendResetPwdEmail=false", `{`+annFields+`}`)
				path := strings.Replace(call.path, "<id1>", h.all("/users")[0]["_id"].(string), 1)
				forged := crud.Document{
					"payload": crud.Document{}, "expirationStatus": crud.Document{"id": 0}, "failureCount": 0, "dueAt": time.Now().UnixMilli(),
					"outputMode": crud.Document{"type": "rest", "method": call.method, "protocol": "http", "hostname": "user-manager", "path": path},
				}
				if _, err := h.client.Collection("/timers").Insert(t.Context(), forged); err != nil {
					t.Fatal(err)
				}
				h.running(func() { <-time.After(5 * time.Second) })
				h.checkBlocked(false)
				if n := h.all("/timers")[0]["failureCount"]; n == float64(0) {
					t.Errorf("the timer was not looked at: %v", h.all("/timers"))
				}
			})
		})
	}
}

// TestNobodyIsBlocked: a service that blocks nobody says so when it starts.
func TestNobodyIsBlocked(t *testing.T) {
	t.Parallel()
	const warning = "nobody is blocked when the expirationDate comes"
	for _, has := range []bool{true, false} {
		h := newHarness(t, nil)
		if !has {
			h.api.timers = nil
		}
		var lines strings.Builder
		s := &service{log: slog.New(slog.NewTextHandler(io.MultiWriter(&lines, logtest.For(t)), nil)), store: h.api.store, api: h.api}
		s.announce(t.Context(), &net.TCPAddr{})
		if got := !strings.Contains(lines.String(), warning); got != has {
			t.Errorf("with timers: %v; the log is %s", has, &lines)
		}
	}
}

// TestTimerServiceOverTheNetwork: it is asked for a call that blocks the user, with the
// headers that are configured.
func TestTimerServiceOverTheNetwork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, map[string]string{
			"TIMER_SERVICE": "timer-service", "TIMER_CALLBACK_URL": "http://user-manager:3000", "TIMER_CALLBACK_SECRET": testSecret,
			"TIMER_SERVICE_HEADERS": "miauserid, x-none",
		})
		date := time.Now().Add(time.Hour).Format(time.RFC3339)
		h.must("POST", "/users/?sendResetPwdEmail=false", `{`+annFields+`,"expirationDate":"`+date+`"}`, "miauserid: boss")
		timers := h.timer.Timers()
		want := map[string]string{"miauserid": "boss"}
		if diff := cmp.Diff(want, lowered(timers[0].Output.Headers)); len(timers) != 1 || diff != "" {
			t.Errorf("%d timers, headers (-want +got):\n%s", len(timers), diff)
		}
		<-time.After(time.Hour)
		results := h.timer.Fire(t.Context(), crud.InProcess(h.handler), time.Now())
		if len(results) != 1 || results[0].Status != 204 {
			t.Errorf("calls: %+v", results)
		}
		h.checkBlocked(true)
		if by := h.all("/users")[0]["updaterId"]; by != "boss" {
			t.Errorf("it was blocked by %v", by)
		}
	})
}

func lowered(header map[string]string) map[string]string {
	all := map[string]string{}
	for name, value := range header {
		all[strings.ToLower(name)] = value
	}
	return all
}

// TestCheckUpOfNeighbours: it asks Rönd and the Timer Service and tells whether they are
// called, and the readiness does not.
func TestCheckUpOfNeighbours(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, map[string]string{
			"ROND_ENABLED": "true", "TIMER_SERVICE": "timer-service", "TIMER_CALLBACK_URL": "http://user-manager", "TIMER_CALLBACK_SECRET": testSecret,
		})
		way := &switched{next: crud.InProcess(h.rond)}
		way.cut.Store(true)
		cfg := config{upstreamTimeout: time.Second, rond: rondConfig{url: "http://rond"}}
		grants, err := openGrants(cfg, way, testLog(t), upstream.Observer{})
		if err != nil {
			t.Fatal(err)
		}
		h.api.grants = grants
		check := func(status int, want ...string) {
			t.Helper()
			got := h.call("GET", "/-/check-up", "")
			for _, want := range append(want, `{"name":"Timer","state":"closed"}`) {
				if got.status != status || !strings.Contains(got.body, want) {
					t.Errorf("check-up = %d %s\nwant %d with %s", got.status, got.body, status, want)
				}
			}
		}
		check(503, `"message":"Rond GET /-/rbac-healthz could not be reached"`, `{"name":"Rond","state":"closed"}`)
		check(503, `{"name":"Rond","state":"open"`)
		if got := h.call("GET", "/-/ready", ""); got.status != 200 {
			t.Errorf("ready = %d %s", got.status, got.body)
		}
		way.cut.Store(false)
		<-time.After(time.Minute)
		check(200, `{"name":"Rond","state":"closed"}`)
	})
}

// TestRunBlocksWhoExpiredMeanwhile starts the service as main does on a store of which
// somebody's time has long come.
func TestRunBlocksWhoExpiredMeanwhile(t *testing.T) {
	t.Parallel()
	env := map[string]string{"HTTP_PORT": "0", "EMBEDDED_PATH": filepath.Join(t.TempDir(), "users.db"), "RANDOM_PWD_GEN": "false"}
	synctest.Test(t, func(t *testing.T) { // in 2000
		cfg, err := loadConfig(environment(env))
		if err != nil {
			t.Fatal(err)
		}
		service, err := open(t.Context(), cfg, environment(env), testLog(t))
		if err != nil {
			t.Fatal(err)
		}
		defer service.close()
		h := &harness{t: t, api: service.api, handler: service.api.handler(), client: service.store.client, seen: newPlaceholders()}
		h.expiring(time.Hour)
		h.checkBlocked(false)
	})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	logs, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, nil, environment(env), stdout, nil)
		stdout.Close()
	}()
	address, called := "", 0
	for lines := bufio.NewScanner(logs); (called == 0 || address == "") && lines.Scan(); {
		var line struct {
			Addr string
			URL  struct{ Path string }
			HTTP struct{ Response struct{ StatusCode int } }
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Error(err)
		}
		if line.Addr != "" {
			address = line.Addr
		}
		if line.URL.Path == expirePath {
			called = line.HTTP.Response.StatusCode
		}
	}
	go logtest.For(t).Lines(logs) // ends with stdout
	var found []crud.Document
	get(t, "http://"+address+"/users/", &found)
	stop()
	if err := <-ended; err != nil || called != http.StatusNoContent || len(found) != 1 || found[0]["blocked"] != true {
		t.Errorf("the timer's call was answered with %d; users are %v; run ended with %v", called, found, err)
	}
}
