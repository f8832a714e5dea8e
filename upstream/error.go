// Package upstream holds what the clients of all neighbouring services share: the
// error that says which call failed and how, the headers that follow a request to the
// services it causes calls to, and the transport that bears with a network.
package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// An Error is a failed call of an upstream. Its text names the route, never an id
// or another value of a user.
type Error struct {
	Service string // "CRUD", "Auth"
	Route   string // "PATCH /users/:id"
	Status  int    // the answer's status; 0 when no answer came
	Message string // the upstream's own words for its refusal, if any
	Err     error  // what kind of refusal it is, or why no answer came; may be nil
	// RetryAfter is how long the upstream asks to wait before it is called again; 0:
	// it did not say.
	RetryAfter time.Duration
	// NotDone says that the upstream surely did nothing although it did not answer with a
	// refusal: the request was never sent, or the answer's words leave no doubt.
	NotDone bool
	// Partial says that the call took several requests, and some before the one that failed
	// were carried out.
	Partial bool
}

// ErrAnswer is the cause of an [Error] whose call got an answer that cannot be used.
var ErrAnswer = errors.New("the answer cannot be used")

// Unanswered returns the error of a call for which a transport returned err.
func Unanswered(service, route string, err error) *Error {
	e := &Error{Service: service, Route: route, Err: err, NotDone: errors.Is(err, ErrNotSent)}
	if open, ok := errors.AsType[*OpenError](err); ok {
		e.RetryAfter = max(time.Until(open.NextTry), 0)
	}
	return e
}

// Error says which call failed and how.
func (e *Error) Error() string {
	if open, ok := errors.AsType[*OpenError](e.Err); ok {
		return fmt.Sprintf("%s %s could not be reached: %v", e.Service, e.Route, open)
	}
	switch {
	case e.Status == 0 && errors.Is(e.Err, ErrAnswer):
		return fmt.Sprintf("%s %s gave an answer that cannot be used", e.Service, e.Route)
	case e.Status == 0:
		return fmt.Sprintf("%s %s could not be reached", e.Service, e.Route)
	}
	return fmt.Sprintf("%s %s responded with a %d status code", e.Service, e.Route, e.Status)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Refused reports whether the upstream surely did nothing: it answered with a 4xx
// other than 408, or [Error.NotDone] says so. Any other failure may have come after the
// work was done, or before it will be. A call that did nothing may still be worth
// another try, see [Unreached].
func (e *Error) Refused() bool {
	if e.Partial {
		return false
	}
	return e.NotDone || e.Status >= 400 && e.Status < 500 && e.Status != http.StatusRequestTimeout
}

// Refused reports whether err is an upstream's refusal, after which nothing was
// changed there. Without an [*Error] in its chain it reports false.
func Refused(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Refused()
}

// Unreached reports whether the call in err's chain surely did nothing since it never
// came to its upstream: it is refused, but another time it may be carried out.
func Unreached(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.NotDone && e.Status == 0
}

// RefusedForGood reports whether err is a refusal that is the same another time: the call
// came to its upstream, which surely did nothing, and not only because it has too much to do.
func RefusedForGood(err error) bool {
	return Refused(err) && !Unreached(err) && Status(err) != http.StatusTooManyRequests
}

// Status returns the status that the upstream in err's chain answered with, or 0.
func Status(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return 0
}

// RetryAfter returns how long the upstream in err's chain asks to wait before it is
// called again, or 0 when it did not say.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// Partly returns err as that of a call before which others of the same work were carried
// out: not a refusal any more, whatever it was.
func Partly(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	part := *e
	part.Partial, part.NotDone = true, false
	return &part
}
