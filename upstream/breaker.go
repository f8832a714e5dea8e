package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

const (
	failuresToOpen = 5           // in a row
	firstBreak     = time.Second // doubled after each probe that fails, up to
	longestBreak   = 30 * time.Second
)

// A State is what the status routes say of an upstream over the network.
type State struct {
	Name    string     `json:"name"`
	State   string     `json:"state"`             // "closed": it is called; "open": it is not, for now
	Since   *time.Time `json:"since,omitempty"`   // it is open
	NextTry *time.Time `json:"nextTry,omitempty"` // of an open one, at the earliest
}

// An OpenError is a call that was not made, since the upstream has failed to answer
// several in a row. It is [ErrNotSent].
type OpenError struct {
	Service  string
	Failures int       // calls in a row without a proper answer
	Since    time.Time // the upstream is not called
	NextTry  time.Time // one call is let through then; zero: it is under way
}

// Error says why the call was not made.
func (e *OpenError) Error() string {
	next := "is under way"
	if !e.NextTry.IsZero() {
		next = "is at " + e.NextTry.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s is not called for now: since %s, when %d calls in a row had failed; the next try %s",
		e.Service, e.Since.UTC().Format(time.RFC3339), e.Failures, next)
}

// Is makes it [ErrNotSent].
func (e *OpenError) Is(target error) bool { return target == ErrNotSent }

// breaker keeps calls from an upstream that does not answer. After failuresToOpen
// failures in a row it is open: calls fail at once, but for one after each break, the
// probe. When that is answered the breaker is closed again.
type breaker struct {
	service string
	next    http.RoundTripper
	log     *slog.Logger
	excuse  func(*http.Request, error) bool

	mu       sync.Mutex // guards what follows
	failures int        // in a row, probes included
	turn     int        // counts openings and closings: an outcome counts in the turn of its call
	since    time.Time  // it is open; zero: it is closed
	nextTry  time.Time  // of a probe, while open
	length   time.Duration
	probing  bool // a probe is under way
}

// RoundTrip implements [http.RoundTripper].
func (b *breaker) RoundTrip(req *http.Request) (*http.Response, error) {
	turn, err := b.enter()
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	v := nothing // should next panic
	defer func() { b.leave(req.Context(), turn, v, err) }()
	res, err := b.next.RoundTrip(req)
	v = b.judge(req, res, err)
	return res, err
}

// A verdict is what a call says of the upstream.
type verdict int

const (
	nothing verdict = iota
	healthy
	failing
	excused // it failed, maybe for what it asked: that does not open the breaker
)

func (b *breaker) judge(req *http.Request, res *http.Response, err error) verdict {
	switch {
	case err != nil && (isGone(req.Context()) || errors.Is(err, errWaited)):
		return nothing
	case err != nil && req.Context().Err() == nil && b.excuse != nil && b.excuse(req, err):
		return excused
	case err != nil:
		return failing
	}
	switch res.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return failing
	}
	return healthy
}

// enter lets a call through, or returns an [*OpenError].
func (b *breaker) enter() (turn int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	switch {
	case b.since.IsZero():
		return b.turn, nil
	case b.probing:
		return 0, &OpenError{Service: b.service, Failures: b.failures, Since: b.since}
	case now.Before(b.nextTry):
		return 0, &OpenError{Service: b.service, Failures: b.failures, Since: b.since, NextTry: b.nextTry}
	}
	b.probing = true
	return b.turn, nil
}

// leave counts what a call says. One from before the last opening or closing says
// nothing any more.
func (b *breaker) leave(ctx context.Context, turn int, v verdict, err error) {
	b.mu.Lock()
	was := b.since
	if turn == b.turn {
		b.count(v)
	}
	is, failures := b.since, b.failures
	b.mu.Unlock()
	switch {
	case was.IsZero() && !is.IsZero():
		b.log.WarnContext(ctx, "upstream not called for now", "service", b.service, "failures", failures, "err", err)
	case !was.IsZero() && is.IsZero():
		b.log.InfoContext(ctx, "upstream called again", "service", b.service, "took", time.Since(was))
	}
}

// count takes a verdict of this turn; mu is held.
func (b *breaker) count(v verdict) {
	b.probing = false
	switch v {
	case healthy:
		if !b.since.IsZero() {
			b.turn++
		}
		b.failures, b.since, b.length = 0, time.Time{}, 0
	case failing:
		b.failures++
		if b.failures >= failuresToOpen {
			b.open(time.Now())
		}
	case excused:
		if !b.since.IsZero() { // but it was no answer to a probe
			b.open(time.Now())
		}
	}
}

// open begins a break, or the next one; mu is held.
func (b *breaker) open(now time.Time) {
	b.length = min(max(2*b.length, firstBreak), longestBreak)
	b.nextTry = now.Add(b.length - rand.N(b.length/5))
	if b.since.IsZero() {
		b.turn++
		b.since = now
	}
}

// state tells whether calls are let through.
func (b *breaker) state() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := State{Name: b.service, State: "closed"}
	if !b.since.IsZero() {
		since, next := b.since.UTC(), b.nextTry.UTC()
		s.State, s.Since, s.NextTry = "open", &since, &next
	}
	return s
}
