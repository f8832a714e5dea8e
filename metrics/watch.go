package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapeTime bounds what a scrape waits for. Counts that are not there by then are left out.
const scrapeTime = time.Second

// Sources are asked at each scrape. Those that are nil are left out, and so is a count whose
// function returns an error. They are called by several goroutines.
type Sources struct {
	// Upstreams returns whether each of those over the network is left alone for now.
	Upstreams func() map[string]bool
	// JobsRunning returns how many jobs run in this process, JobsQueued how many wait, in
	// the store.
	JobsRunning func() int
	JobsQueued  func(context.Context) (int, error)
	// Unsettled returns how many operations are under way or left to be settled, Left only
	// the latter.
	Unsettled, Left func() int
	// TimersDue returns how many timers are due and not made yet, in the store.
	TimersDue func(context.Context) (int, error)
	// StoreSize returns the bytes of each part of the embedded store.
	StoreSize func(context.Context) (map[string]int64, error)
}

// Watch has s asked at each scrape. It is to be called before the first.
func (m *Metrics) Watch(s Sources) {
	if m != nil {
		m.sources = s
	}
}

var (
	openDesc      = prometheus.NewDesc("user_manager_upstream_open", "1 for an upstream that is not called for now, since it does not answer.", []string{"upstream"}, nil)
	runningDesc   = prometheus.NewDesc("user_manager_jobs_running", "Jobs that run in this process.", nil, nil)
	queuedDesc    = prometheus.NewDesc("user_manager_jobs_queued", "Jobs that wait, for all copies of the service that share them.", nil, nil)
	unsettledDesc = prometheus.NewDesc("user_manager_operations_unsettled", "Operations under way here, or left to be finished or undone.", nil, nil)
	leftDesc      = prometheus.NewDesc("user_manager_operations_left", "Operations that are not under way any more, and neither finished nor undone.", nil, nil)
	timersDesc    = prometheus.NewDesc("user_manager_timers_due", "Timers of the embedded Timer Service whose time has come, and whose call is not made.", nil, nil)
	sizeDesc      = prometheus.NewDesc("user_manager_store_size_bytes", "Size of the embedded store, by part.", []string{"part"}, nil)
)

// gatherer has all counts, those of the sources as asked for a scrape with the given context.
func (m *Metrics) gatherer(ctx context.Context) prometheus.Gatherer {
	now := prometheus.NewRegistry()
	now.MustRegister(asked(func(to chan<- prometheus.Metric) {
		ctx, cancel := context.WithTimeout(ctx, scrapeTime)
		defer cancel()
		m.sources.collect(ctx, to)
	}))
	return prometheus.Gatherers{m.registry, now}
}

// asked is a [prometheus.Collector] that does not say beforehand what it has: to find out,
// [prometheus.CollectorFunc] would ask everything twice.
type asked func(chan<- prometheus.Metric)

// Describe implements [prometheus.Collector].
func (asked) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (a asked) Collect(to chan<- prometheus.Metric) { a(to) }

func (s Sources) collect(ctx context.Context, to chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	count := func(desc *prometheus.Desc, of func() int) {
		if of != nil {
			gauge(desc, float64(of()))
		}
	}
	ask := func(desc *prometheus.Desc, of func(context.Context) (int, error)) {
		if of == nil {
			return
		}
		if n, err := of(ctx); err == nil {
			gauge(desc, float64(n))
		}
	}
	count(runningDesc, s.JobsRunning)
	count(unsettledDesc, s.Unsettled)
	count(leftDesc, s.Left)
	if s.Upstreams != nil {
		for name, open := range s.Upstreams() {
			gauge(openDesc, number(open), name)
		}
	}
	if s.StoreSize != nil {
		sizes, _ := s.StoreSize(ctx) // an error: none
		for part, size := range sizes {
			gauge(sizeDesc, float64(size), part)
		}
	}
	ask(queuedDesc, s.JobsQueued)
	ask(timersDesc, s.TimersDue)
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
