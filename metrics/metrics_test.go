package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// everything returns counts in which there is one of each.
func everything() *Metrics {
	m := New("1.2.3")
	m.Began()
	m.Began()
	m.Request("GET", "/users/{id}", 200, 3*time.Millisecond)
	m.Refused(Overloaded)
	m.UpstreamCall("CRUD", 0, time.Second)
	m.Waited("CRUD connections", time.Second)
	m.JobEnded("bulk-activation", "completed")
	m.JobUsers("bulk-activation", "inserted", 7)
	m.Rows("invalid", 2)
	m.Watch(Sources{
		Upstreams:   func() map[string]bool { return map[string]bool{"CRUD": true, "Auth": false} },
		JobsRunning: func() int { return 1 },
		JobsQueued:  func(context.Context) (int, error) { return 2, nil },
		Unsettled:   func() int { return 3 },
		Left:        func() int { return 2 },
		TimersDue:   func(context.Context) (int, error) { return 4, nil },
		StoreSize:   func(context.Context) (map[string]int64, error) { return map[string]int64{"database": 4096}, nil },
	})
	return m
}

// families are the names of those that are the service's own, sorted.
func families(t *testing.T, m *Metrics) []string {
	t.Helper()
	gathered, err := m.gatherer(t.Context()).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, family := range gathered {
		if name := family.GetName(); !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			names = append(names, name)
		}
	}
	return names
}

// TestLint: the names and helps are as Prometheus has them.
func TestLint(t *testing.T) {
	t.Parallel()
	problems, err := testutil.GatherAndLint(everything().gatherer(t.Context()))
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, problems %v", err, problems)
	}
}

// TestExpose: a scrape has every count, in the text format.
func TestExpose(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	if err := everything().Expose(w, httptest.NewRequestWithContext(t.Context(), "GET", "/-/metrics", nil)); err != nil {
		t.Fatal(err)
	}
	if kind := w.Header().Get("Content-Type"); !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
		t.Errorf("Content-Type %q", kind)
	}
	for _, line := range []string{
		`http_request_duration_seconds_count{method="GET",route="/users/{id}",status_code="200"} 1`,
		`http_requests_in_flight 1`,
		`http_requests_refused_total{reason="overloaded"} 1`,
		`user_manager_upstream_request_duration_seconds_count{status="none",upstream="CRUD"} 1`,
		`user_manager_limiter_wait_seconds_sum{limiter="CRUD connections"} 1`,
		`user_manager_jobs_finished_total{kind="bulk-activation",status="completed"} 1`,
		`user_manager_job_users_total{kind="bulk-activation",outcome="inserted"} 7`,
		`user_manager_import_rows_total{outcome="invalid"} 2`,
		`user_manager_upstream_open{upstream="Auth"} 0`,
		`user_manager_upstream_open{upstream="CRUD"} 1`,
		`user_manager_jobs_running 1`,
		`user_manager_jobs_queued 2`,
		`user_manager_operations_unsettled 3`,
		`user_manager_operations_left 2`,
		`user_manager_timers_due 4`,
		`user_manager_store_size_bytes{part="database"} 4096`,
		`version="1.2.3"} 1`,
	} {
		if !strings.Contains(w.Body.String(), line+"\n") {
			t.Errorf("there is no line %s in\n%s", line, w.Body)
		}
	}
}

// TestScrapeOfAStoreThatIsGone: what cannot be told is left out, and a store that hangs is
// not waited for.
func TestScrapeOfAStoreThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, start := New("1"), time.Now()
		m.Watch(Sources{
			JobsQueued: func(context.Context) (int, error) { return 0, errors.New("gone") },
			TimersDue:  func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() },
			Unsettled:  func() int { return 3 },
		})
		want := []string{"http_requests_in_flight", "http_requests_refused_total", "user_manager_build_info", "user_manager_import_rows_total", "user_manager_operations_unsettled"}
		if diff := cmp.Diff(want, families(t, m)); diff != "" {
			t.Errorf("counts (-want +got):\n%s", diff)
		}
		if took := time.Since(start); took != scrapeTime {
			t.Errorf("it took %v", took)
		}
	})
}

// TestManyScrapes: those beyond as many as there may be are refused, so that nobody has the
// store asked without end.
func TestManyScrapes(t *testing.T) {
	t.Parallel()
	m, blocked, asked := New("1"), make(chan struct{}), make(chan struct{})
	m.Watch(Sources{Unsettled: func() int { asked <- struct{}{}; <-blocked; return 0 }})
	ended := make(chan error)
	scrape := func() error {
		return m.Expose(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/-/metrics", nil))
	}
	for range maxScrapes {
		go func() { ended <- scrape() }()
		<-asked
	}
	if err := scrape(); !errors.Is(err, ErrBusy) {
		t.Errorf("one more scrape: %v", err)
	}
	close(blocked)
	for range maxScrapes {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestLabelsAreFew: whatever clients and upstreams come up with, there is no more than so
// many series.
func TestLabelsAreFew(t *testing.T) {
	t.Parallel()
	m := New("1")
	for i := range 2000 {
		m.Request(fmt.Sprintf("X%d", i), "", i, time.Millisecond)
		m.UpstreamCall("CRUD", i, time.Millisecond)
	}
	if n := testutil.CollectAndCount(m.requests); n > 502 {
		t.Errorf("%d series of requests", n)
	}
	if n := testutil.CollectAndCount(m.upstream); n > 502 {
		t.Errorf("%d series of calls", n)
	}
	if text := statusText(http.StatusTeapot) + statusText(0) + statusText(99) + statusText(600); text != "418noneotherother" {
		t.Errorf("statuses are %s", text)
	}
}

// TestNothingCounted: without counts nothing happens.
func TestNothingCounted(t *testing.T) {
	t.Parallel()
	var m *Metrics
	m.Began()
	m.Request("GET", "/", 200, 0)
	m.Refused(NoKey)
	m.UpstreamCall("CRUD", 200, 0)
	m.Waited("CRUD connections", 0)
	m.JobEnded("a", "b")
	m.JobUsers("a", "b", 1)
	m.Rows("a", 1)
	m.JobKind("a", "b")
	m.Watch(Sources{})
}
