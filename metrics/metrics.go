// Package metrics counts what the service does, and gives the counts in the text format of
// Prometheus.
package metrics

import (
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A Metrics holds the counts of one process. The methods of a nil one do nothing, and those
// that count take no lock that a scrape holds. It is safe for use by several goroutines.
type Metrics struct {
	registry *prometheus.Registry
	sources  Sources
	scraping chan struct{} // holds a value for every scrape

	requests *prometheus.HistogramVec // by method, route, status_code
	inFlight prometheus.Gauge
	refused  *prometheus.CounterVec // by reason

	upstream *prometheus.HistogramVec // by upstream, status
	waits    *prometheus.HistogramVec // by limiter

	jobs *prometheus.CounterVec // by kind, status
	ids  *prometheus.CounterVec // by kind, outcome
	rows *prometheus.CounterVec // by outcome
}

// Bounds of the buckets, in seconds: an answer out of the embedded store takes less than a
// millisecond, and a call may last until UPSTREAM_TIMEOUT. Waits for a limiter may be long.
var (
	durations = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	waiting   = []float64{.001, .01, .1, .5, 1, 5, 10, 30, 60, 300}
)

// New returns counts that are all zero, of the given version of the service.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		scraping: make(chan struct{}, maxScrapes),
		requests: histogram("http_request_duration_seconds", "Requests that were answered, by method, route and status; the route is unknown where none matched, the status none where the answer was broken off, 499 where the client had gone.", durations, "method", "route", "status_code"),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "http_requests_in_flight", Help: "Requests that are worked on."}),
		refused:  counter("http_requests_refused_total", "Requests that were refused before they were looked at, by reason.", "reason"),
		upstream: histogram("user_manager_upstream_request_duration_seconds", "Tries of calls of upstreams, the embedded store among them, by upstream and the answer's status; none where there was no answer.", durations, "upstream", "status"),
		waits:    histogram("user_manager_limiter_wait_seconds", "How long calls waited that had to, by what limits them.", waiting, "limiter"),
		jobs:     counter("user_manager_jobs_finished_total", "Jobs that ended here, by kind and status.", "kind", "status"),
		ids:      counter("user_manager_job_users_total", "Users that jobs are done with here, by kind of job and outcome.", "kind", "outcome"),
		rows:     counter("user_manager_import_rows_total", "Rows of imports, by outcome.", "outcome"),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "user_manager_build_info", Help: "1, with the version of the service and of Go as labels.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.begin()
	m.registry.MustRegister(m.requests, m.inFlight, m.refused, m.upstream, m.waits, m.jobs, m.ids, m.rows, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// begin has what is known beforehand at zero: of a series that begins with its first event
// nobody sees an increase.
func (m *Metrics) begin() {
	for _, reason := range []string{Overloaded, NoKey, ForeignPage, AccountLimited, AddressLimited, TooManyClients} {
		m.refused.WithLabelValues(reason)
	}
	for _, outcome := range []string{"updated", "inserted", "invalid"} {
		m.rows.WithLabelValues(outcome)
	}
}

// JobKind has the counts of jobs of a kind begin at zero, for each status that they end with.
func (m *Metrics) JobKind(kind string, statuses ...string) {
	if m == nil {
		return
	}
	for _, status := range statuses {
		m.jobs.WithLabelValues(kind, status)
	}
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

// maxScrapes are under way at once.
const maxScrapes = 4

// ErrBusy is a scrape while as many are under way as there may be.
var ErrBusy = errors.New("too many scrapes at once")

// Expose answers with all counts. It waits a second at most for what [Metrics.Watch] was
// given. Its error is [ErrBusy], and then nothing was written.
func (m *Metrics) Expose(w http.ResponseWriter, r *http.Request) error {
	select {
	case m.scraping <- struct{}{}:
	default:
		return ErrBusy
	}
	defer func() { <-m.scraping }()
	options := promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}
	promhttp.HandlerFor(m.gatherer(r.Context()), options).ServeHTTP(w, r)
	return nil
}

// Began counts a request that has come; [Metrics.Request] has to follow.
func (m *Metrics) Began() {
	if m != nil {
		m.inFlight.Inc()
	}
}

// Request counts an answered request: its method, the route that it matched ("" for none),
// the answer's status (0: it was broken off, 499: the client had gone), and how long it took.
func (m *Metrics) Request(method, route string, status int, took time.Duration) {
	if m == nil {
		return
	}
	if route == "" {
		route = "unknown"
	}
	m.inFlight.Dec()
	m.requests.WithLabelValues(knownMethod(method), route, statusText(status)).Observe(took.Seconds())
}

// UpstreamCall counts one try of a call of an upstream such as "CRUD"; status 0 is one
// without an answer.
func (m *Metrics) UpstreamCall(service string, status int, took time.Duration) {
	if m != nil {
		m.upstream.WithLabelValues(service, statusText(status)).Observe(took.Seconds())
	}
}

// Waited counts a call that had to wait for a limiter.
func (m *Metrics) Waited(limiter string, took time.Duration) {
	if m != nil {
		m.waits.WithLabelValues(limiter).Observe(took.Seconds())
	}
}

// Reasons of [Metrics.Refused].
const (
	Overloaded     = "overloaded"      // too many requests at once
	NoKey          = "key"             // no API key, or a wrong one
	ForeignPage    = "foreign_page"    // made by a browser for a page of others
	AccountLimited = "account_limited" // too many failed logins of an account
	AddressLimited = "address_limited" // too many failed logins of an address
	TooManyClients = "connections"     // a connection that was closed to make room for another
)

// Refused counts a request that was refused before it was looked at.
func (m *Metrics) Refused(reason string) {
	if m != nil {
		m.refused.WithLabelValues(reason).Inc()
	}
}

// JobEnded counts a job of a kind that ended with a status.
func (m *Metrics) JobEnded(kind, status string) {
	if m != nil {
		m.jobs.WithLabelValues(kind, status).Inc()
	}
}

// JobUsers counts users that a job of a kind is done with.
func (m *Metrics) JobUsers(kind, outcome string, n int) {
	if m != nil {
		m.ids.WithLabelValues(kind, outcome).Add(float64(n))
	}
}

// Rows counts rows of an import by what became of them: "updated", "inserted" or "invalid".
func (m *Metrics) Rows(outcome string, n int) {
	if m != nil && n > 0 {
		m.rows.WithLabelValues(outcome).Add(float64(n))
	}
}

// knownMethod keeps clients from making as many series as they can think of methods.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// statusTexts are those of the statuses that HTTP has.
var statusTexts = func() (texts [500]string) {
	for i := range texts {
		texts[i] = strconv.Itoa(i + 100)
	}
	return texts
}()

// statusText is a status as a label, which costs nothing to make.
func statusText(status int) string {
	switch {
	case status == 0:
		return "none"
	case status < 100 || status > 599:
		return "other"
	}
	return statusTexts[status-100]
}
