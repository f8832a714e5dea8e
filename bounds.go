package main

import (
	"context"
	"io"
	"mime"
	"net/http"
	"sync/atomic"
	"time"

	"user-manager/metrics"
)

// bounds is what all requests share: places to be worked on, and room for bodies. It is
// safe for use by several goroutines.
type bounds struct {
	metrics  *metrics.Metrics
	requests places
	imports  places
	streams  places
	room     *room
}

func newBounds(cfg config, m *metrics.Metrics) *bounds {
	return &bounds{
		metrics:  m,
		requests: places{make(chan struct{}, cfg.http.maxRequests), "too many requests are under way; try again", "1"},
		imports:  places{make(chan struct{}, cfg.imports.atOnce), "too many imports are under way; try again later", "30"},
		streams:  places{make(chan struct{}, cfg.http.maxStreams), "too many streams of events are open", "30"},
		room:     newRoom(cfg.http.maxBodies),
	}
}

// places are those of requests that are worked on at once.
type places struct {
	taken chan struct{}
	full  string // what is answered when all are taken
	again string // and when to try again, in seconds
}

func (p places) take() bool {
	select {
	case p.taken <- struct{}{}:
		return true
	default:
		return false
	}
}

func (p places) leave() { <-p.taken }

// within is next for requests that there is a place for; the others are refused at once.
func (b *bounds) within(p places, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.take() {
			b.refuse(w, r, p)
			return
		}
		defer p.leave()
		next.ServeHTTP(w, r)
	})
}

// refuse answers that there is no place, without a look at the request. A body is not waited
// for.
func (b *bounds) refuse(w http.ResponseWriter, r *http.Request, p places) {
	b.metrics.Refused(metrics.Overloaded)
	leaveBody(w, r)
	w.Header().Set("Retry-After", p.again)
	turnAway(w, http.StatusServiceUnavailable, p.full)
}

// bounded is [bounds.within] for requests whose bodies are read to their end before anything
// is done. A request has no place while its body arrives, so that those who send slowly take
// none from the others; and a body of more than [smallBody] bytes, or than what has no known
// size may have by limit, needs room until the request is answered.
func (b *bounds) bounded(limit int64, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !b.requests.take() {
			b.refuse(w, r, b.requests)
			return
		}
		if r.Body == nil || r.Body == http.NoBody {
			defer b.requests.leave()
			next.ServeHTTP(w, r)
			return
		}
		body := &arrival{ReadCloser: r.Body, bounds: b, ctx: r.Context(), w: w, size: b.room.size(r, limit), placed: true}
		defer body.end()
		r.Body = body
		next.ServeHTTP(w, r)
	})
}

// storeBody is the most that the embedded store reads of a body before it does anything.
const storeBody = 16 << 20

// store is the embedded store for requests that there is a place for. It knows its own
// limits; a file is an import.
func (b *bounds) store(next http.Handler) http.Handler {
	imports, others := b.within(b.imports, next), b.bounded(storeBody, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media == "multipart/form-data" {
			imports.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// An arrival is the body of a request that takes a place when it is there. It is for one
// goroutine, save for what the room has of it.
type arrival struct {
	io.ReadCloser
	bounds *bounds
	ctx    context.Context // of the request, which it belongs to
	w      http.ResponseWriter

	size         int64
	placed, held bool // has a place, has room
	failure      error

	came        atomic.Int64 // bytes
	interrupted atomic.Bool  // in favour of others
}

// Read implements [io.Reader].
func (a *arrival) Read(p []byte) (int, error) {
	if a.failure != nil {
		return 0, a.failure
	}
	if a.placed {
		a.bounds.requests.leave()
		a.placed = false
		connectionFrom(a.ctx).awaitBody()
	}
	n, err := a.ReadCloser.Read(p)
	roomless := a.came.Add(int64(n)) > smallBody && !a.held && !a.takeRoom()
	if err != nil && a.held {
		a.bounds.room.whole(a)
	}
	switch {
	case roomless, a.interrupted.Load():
		a.w.Header().Set("Connection", "close") // what is left is not waited for
		err = a.refused()
	case err == io.EOF && !a.place():
		err = a.refused()
	}
	a.failure = err
	return n, err
}

func (a *arrival) takeRoom() bool {
	a.held = a.bounds.room.take(a)
	return a.held
}

// place waits a moment for a place, and reports whether there is one.
func (a *arrival) place() bool {
	connectionFrom(a.ctx).gotBody()
	if a.placed = a.bounds.requests.take(); a.placed {
		return true
	}
	moment := time.NewTimer(roomTime)
	defer moment.Stop()
	select {
	case a.bounds.requests.taken <- struct{}{}:
		a.placed = true
	case <-moment.C:
	case <-a.ctx.Done():
	}
	return a.placed
}

func (a *arrival) refused() error {
	a.bounds.metrics.Refused(metrics.Overloaded)
	a.w.Header().Set("Retry-After", a.bounds.requests.again)
	return &requestError{http.StatusServiceUnavailable, a.bounds.requests.full}
}

// end gives back what the request has.
func (a *arrival) end() {
	if a.placed {
		a.bounds.requests.leave()
	}
	if a.held {
		a.bounds.room.giveBack(a)
	}
}
