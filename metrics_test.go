package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/upstream/faults"
)

// TestMetrics: what the service did is counted, by routes and not by paths.
func TestMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, map[string]string{"SERVICE_PREFIX": "/ums"})
		h.must("POST", "/ums/users/?sendResetPwdEmail=false", `{`+annFields+`}`)
		h.must("GET", "/ums/users/<id1>", "")
		h.must("GET", "/ums/users/<id1>/", "")
		h.call("GET", "/ums/nothing/<id1>", "")
		h.call("BREW", "/ums/users/", "")
		h.call("POST", "/ums/oauth/token", `{"username":"nobody@example.com","password":"no-such-password"}`)
		file := multipartBody(t, []string{"file"}, []byte("userGroup,email,name\ncustomers,x@example.com,X\nnobody,y@example.com,X\n"))
		h.must("PATCH", "/ums/users/import", file, multipartType)
		h.must("POST", "/ums/jobs/change-password/bulk", `{"authUsersIds":["fake|nobody"]}`)
		h.pass(time.Minute)
		text := h.must("GET", "/-/metrics", "").body
		for _, line := range []string{
			`http_request_duration_seconds_count{method="GET",route="/ums/users/{id}",status_code="200"} 2`,
			`http_request_duration_seconds_count{method="GET",route="unknown",status_code="404"} 1`,
			`http_request_duration_seconds_count{method="other",route="unknown",status_code="405"} 1`,
			`http_request_duration_seconds_count{method="POST",route="/ums/oauth/token",status_code="401"} 1`,
			`http_requests_in_flight 1`,
			`user_manager_upstream_request_duration_seconds_count{status="401",upstream="Auth"} 1`,
			`user_manager_import_rows_total{outcome="inserted"} 1`,
			`user_manager_import_rows_total{outcome="invalid"} 1`,
			`user_manager_jobs_finished_total{kind="change-password",status="completed"} 1`,
			`user_manager_job_users_total{kind="change-password",outcome="failed"} 1`,
			`user_manager_jobs_queued 0`,
			`user_manager_jobs_running 0`,
			`user_manager_operations_unsettled 0`,
			`user_manager_operations_left 0`,
		} {
			if !strings.Contains(text, line+"\n") {
				t.Errorf("there is no line %s", line)
			}
		}
		for _, part := range []string{`upstream="CRUD"`, `user_manager_store_size_bytes{part="database"}`, `user_manager_timers_due 0`} {
			if *network && !strings.HasPrefix(part, "upstream") {
				continue // of the embedded ones alone
			}
			if !strings.Contains(text, part) {
				t.Errorf("there is no %s", part)
			}
		}
		if t.Failed() {
			t.Log(text)
		}
	})
}

// TestMetricsAreBounded: clients do not make series by what they come up with.
func TestMetricsAreBounded(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	series := func() int {
		return strings.Count(h.must("GET", "/-/metrics", "").body, "\nhttp_request_duration_seconds_count{")
	}
	ask := func(i int) {
		h.call(fmt.Sprintf("X%d", i), "/users/", "")
		h.call("GET", fmt.Sprintf("/nothing/%d", i), "")
		h.call("GET", fmt.Sprintf("/users/%024x", i), "")
		h.call("GET", fmt.Sprintf("//users/%d", i), "")
	}
	ask(0)
	series() // is counted itself
	before := series()
	for i := range 100 {
		ask(i)
	}
	if after := series(); after != before {
		t.Errorf("%d series, and %d before", after, before)
	}
}

// TestMetricsOff: there is no such route then, below any prefix.
func TestMetricsOff(t *testing.T) {
	t.Parallel()
	for expose, want := range map[string]int{"true": 200, "false": 404} {
		cfg, err := loadConfig(environment(map[string]string{"EXPOSE_METRICS": expose, "EMBEDDED_PATH": ":memory:", "SERVICE_PREFIX": "/ums"}))
		if err != nil {
			t.Fatal(err)
		}
		h := newHarness(t, nil)
		n := h.api.neighbours
		n.metrics = newMetrics(cfg)
		h.api, h.handler = nil, newAPI(cfg, n, testLog(t)).handler()
		if got := h.call("GET", "/-/metrics", ""); got.status != want {
			t.Errorf("with EXPOSE_METRICS=%s: %d", expose, got.status)
		}
		if got := h.call("GET", "/ums/-/metrics", ""); got.status != 404 {
			t.Errorf("below the prefix: %d", got.status)
		}
	}
}

// TestOperationsLeft: what is under way is told apart from what is left, so that nobody is
// called for a service that is only busy.
func TestOperationsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		h.must("POST", "/users/?sendEmail=false", annOfBoth)
		counts := func() string {
			return fmt.Sprintf("%d unsettled, %d left", h.api.users.Unsettled(), h.api.users.Left())
		}
		h.plan.Reset()
		h.plan.ArmDelay(4, time.Second)
		ended := make(chan reply)
		go func() { ended <- h.call("PATCH", "/users/<id1>", `{"$set":{"blocked":true}}`) }()
		synctest.Wait()
		if got := counts(); got != "1 unsettled, 0 left" {
			t.Errorf("in the middle of a change: %s", got)
		}
		<-ended
		h.plan.Reset()
		h.plan.ArmFrom(4, faults.Unreachable)
		h.call("PATCH", "/users/<id1>", `{"$set":{"blocked":false}}`)
		if got := counts(); got != "1 unsettled, 1 left" {
			t.Errorf("after a change that failed: %s", got)
		}
		h.plan.Reset()
		h.settle()
		if got := counts(); got != "0 unsettled, 0 left" {
			t.Errorf("in the end: %s", got)
		}
	})
}

// TestClientsThatLeave: a request whose client does not wait is no failure of ours.
func TestClientsThatLeave(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	gone, leave := context.WithCancel(t.Context())
	leave()
	r := httptest.NewRequestWithContext(gone, "GET", "/users/", nil)
	h.api.handler().ServeHTTP(httptest.NewRecorder(), r)
	const want = `http_request_duration_seconds_count{method="GET",route="/users",status_code="499"} 1`
	if text := h.must("GET", "/-/metrics", "").body; !strings.Contains(text, want) {
		t.Errorf("there is no line %s in\n%s", want, text)
	}
}
