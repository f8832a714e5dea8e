// Package timertest stands in for a remote Timer Service, for tests. It has no clock and
// starts nothing: timers fire when the test says so, with [Service.Fire].
package timertest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"user-manager/timer"
	"user-manager/upstream/faults"
)

// Config says what a stand-in does where Timer Services may differ.
type Config struct {
	// Repeat is how many calls more than one a due timer makes, as several replicas do.
	Repeat int
	// UnknownAborted: the abort of a timer that there is not is answered with 204; else 404.
	UnknownAborted bool
}

// The statuses of a timer.
const (
	Pending = 0
	Expired = 1
	Aborted = 2
	Failed  = 3 // its outputMode is not rest
)

// A Timer is one that was scheduled.
type Timer struct {
	ID             string
	ExpirationDate time.Time
	Status         int
	Failures       int // calls that were answered with other than 2xx, or not at all

	// What was asked for.
	Payload          json.RawMessage
	ApplicantService string
	Output           Output
}

// An Output is an outputMode of type rest.
type Output struct {
	Type, Method, Protocol, Hostname, Path string
	Port                                   int // 0: none
	Headers                                map[string]string
}

// A Service is the stand-in, an [http.Handler]. It is safe for use by several goroutines.
type Service struct {
	cfg Config
	mux *http.ServeMux

	mu     sync.Mutex
	timers []*Timer // in the order of their scheduling; guarded by mu, what is in them too
}

// New returns a stand-in without timers.
func New(cfg Config) *Service {
	s := &Service{cfg: cfg, mux: http.NewServeMux()}
	s.mux.HandleFunc("POST /schedule", s.schedule)
	s.mux.HandleFunc("POST /abort", s.abort)
	for _, route := range []string{"healthz", "ready", "check-up"} {
		s.mux.HandleFunc("GET /-/"+route, alive)
	}
	s.mux.HandleFunc("/", noRoute)
	return s
}

// ServeHTTP implements [http.Handler].
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// NewFaulty returns a transport of a client of a Timer Service that hands requests to next,
// except for what the plan says. In [faults.Plan.Calls] a call reads "Timer POST /schedule".
func NewFaulty(next http.RoundTripper, plan *faults.Plan) *faults.Transport {
	name := func(req *http.Request) string { return timer.Service + " " + req.Method + " " + req.URL.Path }
	return &faults.Transport{Next: next, Plan: plan, Name: name}
}

// Timers returns all timers, in the order of their scheduling.
func (s *Service) Timers() []Timer {
	return s.where(func(*Timer) bool { return true })
}

// Pending returns the timers that are neither over nor aborted, in the order of their
// scheduling.
func (s *Service) Pending() []Timer {
	return s.where(func(t *Timer) bool { return t.Status == Pending })
}

// Due returns the pending timers whose time has come at now, the longest due first.
func (s *Service) Due(now time.Time) []Timer {
	due := s.where(func(t *Timer) bool { return t.Status == Pending && !t.ExpirationDate.After(now) })
	slices.SortStableFunc(due, func(a, b Timer) int { return a.ExpirationDate.Compare(b.ExpirationDate) })
	return due
}

func (s *Service) where(holds func(*Timer) bool) []Timer {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Timer
	for _, t := range s.timers {
		if holds(t) {
			found = append(found, *t)
		}
	}
	return found
}

// add keeps a timer and returns its id, which looks like that of a document.
func (s *Service) add(t Timer) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	const digits = 24
	t.ID = strconv.FormatInt(int64(len(s.timers)+1), 16)
	for len(t.ID) < digits {
		t.ID = "0" + t.ID
	}
	s.timers = append(s.timers, &t)
	return t.ID
}

// change calls f with the timer that has the given id, and reports whether there is one.
func (s *Service) change(id string, f func(*Timer)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.timers, func(t *Timer) bool { return t.ID == id })
	if i < 0 {
		return false
	}
	f(s.timers[i])
	return true
}

// URL returns what the timer calls.
func (t Timer) URL() string {
	port := ""
	if t.Output.Port != 0 {
		port = ":" + strconv.Itoa(t.Output.Port)
	}
	return cmp.Or(t.Output.Protocol, "http") + "://" + t.Output.Hostname + port + t.Output.Path
}
