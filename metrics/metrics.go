// Package metrics counts what the service does, and gives the counts in the text format of
// Prometheus.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A Metrics holds the counts of one process. The methods of a nil one do nothing. It is
// safe for use by several goroutines.
type Metrics struct {
	registry *prometheus.Registry
	refused  *prometheus.CounterVec
}

// New returns counts that are all zero.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_refused_total",
			Help: "Requests that were refused before they were looked at, by reason.",
		}, []string{"reason"}),
	}
	m.registry.MustRegister(m.refused)
	return m
}

// Handler answers with all counts.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Request counts an answered request: its method, the route that it matched ("" for none),
// the answer's status, and how long it took.
func (m *Metrics) Request(method, route string, status int, took time.Duration) {}

// UpstreamCall counts one try of a call of an upstream such as "CRUD"; status 0 is one
// without an answer.
func (m *Metrics) UpstreamCall(service string, status int, took time.Duration) {}

// Reasons of [Metrics.Refused].
const (
	Overloaded     = "overloaded"      // too many requests at once
	NoKey          = "key"             // no API key, or a wrong one
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
