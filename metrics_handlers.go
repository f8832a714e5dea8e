package main

import (
	"errors"
	"net/http"

	"user-manager/metrics"
	"user-manager/upstream"
	"user-manager/users"
)

// newMetrics returns the counts that are exposed, or nil.
func newMetrics(cfg config) *metrics.Metrics {
	if !cfg.exposeMetrics {
		return nil
	}
	return metrics.New(cfg.version)
}

// observerOf counts calls of upstreams, and waits for limits, in m.
func observerOf(m *metrics.Metrics) upstream.Observer {
	if m == nil {
		return upstream.Observer{}
	}
	return upstream.Observer{Call: m.UpstreamCall, Wait: m.Waited}
}

// showMetrics handles GET /-/metrics.
func (a *api) showMetrics(w http.ResponseWriter, r *http.Request) error {
	if err := a.metrics.Expose(w, r); err != nil {
		return &requestError{http.StatusServiceUnavailable, err.Error()}
	}
	return nil
}

// sources are what a scrape asks.
func (a *api) sources() metrics.Sources {
	s := metrics.Sources{
		Upstreams:   a.leftAlone,
		JobsRunning: a.jobs.Running,
		JobsQueued:  a.jobs.Waiting,
		Unsettled:   a.users.Unsettled,
		Left:        a.users.Left,
	}
	if a.store.embedded != nil {
		s.StoreSize = a.store.embedded.Size
	}
	if a.timers != nil && a.timers.embedded != nil {
		s.TimersDue = a.timers.embedded.Due
	}
	return s
}

// leftAlone tells of each upstream over the network whether it is not called for now.
func (a *api) leftAlone() map[string]bool {
	open := map[string]bool{}
	for _, state := range a.upstreams() {
		open[state.Name] = state.State != "closed"
	}
	return open
}

// countRows counts what became of the rows of an import, also of one that broke off.
func (a *api) countRows(report users.ImportReport, err error, dryRun bool) {
	if dryRun {
		return
	}
	if broken, ok := errors.AsType[*users.ImportError](err); ok {
		report = broken.Report
	}
	a.metrics.Rows("updated", len(report.Updated))
	a.metrics.Rows("inserted", len(report.Inserted))
	a.metrics.Rows("invalid", len(report.Invalid))
}
