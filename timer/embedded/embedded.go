// Package embedded is a Timer Service in this process: an [http.Handler] with the contract
// of the Timer Service, for when there is none to talk to. It keeps its timers in a
// collection of a CRUD Service, so they outlast a restart.
//
// # The collection
//
// A document is a timer. Its definition needs these fields, none of them required; those of
// the first group are the Timer Service's own:
//
//	payload               RawObject  the body of the call
//	startDate             Date
//	expirationIntervalMs  number
//	applicantService      string
//	outputMode            RawObject  what is called
//	expirationDate        Date       startDate and the interval
//	failureCount          number     of calls that failed
//	expirationStatus      RawObject  id 0 "pending", 1 "expired", 2 "aborted", 3 "error" (never here)
//
//	dueAt                 number     when the timer is to be looked at next, in milliseconds
//	                                 since 1970; only while it is pending
//	leaseOwner            string     who is about to make the call; only then
//	removeAt              number     from when on the timer may be removed; only when it is over
//
// and should have an index on dueAt, one on leaseOwner and one on removeAt.
//
// # Who makes a call
//
// Any number of processes may share the collection. One takes a batch of due timers by a
// conditional update, which puts their dueAt a minute ahead and writes a fresh word into
// leaseOwner; what it then finds under that word is its own. The times are those of the
// leases of package jobs: when the process dies, its timers are due again for everybody 60
// seconds after it took them. Its calls are over after 45, for clocks may differ. What
// comes of a call is written only while the word is still there, so that a timer that was
// aborted meanwhile, or taken by another, stays as that has left it.
//
// A call may be made more than once: when the process dies after it, or the store loses
// what came of it. And one that has begun comes also after an abort.
//
// Start at [New], [Service.ServeHTTP] and [Service.Run].
package embedded

import (
	"log/slog"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"user-manager/crud"
)

// Config says where a service keeps its timers.
type Config struct {
	Timers      crud.Collection
	StoreIsOurs bool             // no other process works on the store: the leases of earlier ones are dead
	Log         *slog.Logger     // nil: slog.Default
	Now         func() time.Time // nil: time.Now
}

// A Service is a Timer Service. It is safe for use by several goroutines.
type Service struct {
	timers crud.Collection
	ours   bool
	log    *slog.Logger
	clock  func() time.Time
	routes http.Handler

	wake    chan struct{} // a timer is due before awakeAt
	awakeAt atomic.Int64  // when Run looks at the timers next; whenever: while it does
}

// whenever is later than any time in milliseconds.
const whenever = math.MaxInt64

// New returns a service that takes timers, and makes no call before [Service.Run].
func New(cfg Config) *Service {
	s := &Service{timers: cfg.Timers, ours: cfg.StoreIsOurs, log: cfg.Log, clock: cfg.Now, wake: make(chan struct{}, 1)}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	s.awakeAt.Store(whenever)
	mux := http.NewServeMux()
	mux.Handle("POST /schedule", s.answer(s.schedule))
	mux.Handle("POST /abort", s.answer(s.abort))
	mux.Handle("GET /-/healthz", s.answer(alive))
	mux.Handle("GET /-/ready", s.answer(s.ready))
	mux.Handle("/", s.answer(noRoute))
	s.routes = mux
	return s
}

// ServeHTTP answers POST /schedule and POST /abort, GET /-/healthz, and GET /-/ready, which
// looks at the store. Errors have the bodies of the platform; those of the store have its
// status and message.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.routes.ServeHTTP(w, r) }

// now is the time in milliseconds.
func (s *Service) now() int64 { return s.clock().UnixMilli() }

// wakeBefore has Run look at the timers no later than at a time.
func (s *Service) wakeBefore(at int64) {
	if at >= s.awakeAt.Load() {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default: // it is woken already
	}
}

// where selects timers in whatever state of the store.
func where(filter crud.Document) crud.Query {
	return crud.Query{Filter: filter, States: crud.AllStates}
}
