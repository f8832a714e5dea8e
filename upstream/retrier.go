package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

const (
	mostTries  = 3
	firstPause = 200 * time.Millisecond // at most, doubled each time
	longestAsk = 5 * time.Second        // of a Retry-After that is waited for
	drainable  = 64 << 10               // bytes read of an answer to use its connection again
)

type repeatableKey struct{}

// Repeatable marks the requests of a context as safe to repeat: to do one twice is to do it
// once. Their bodies must have a GetBody.
func Repeatable(ctx context.Context) context.Context {
	return context.WithValue(ctx, repeatableKey{}, true)
}

// Once keeps net/http from making a request with header h again by itself when its
// connection breaks, which nobody would learn of: it takes a key that a caller has sent,
// and that is passed on, for a promise of the upstream. The key goes along in small
// letters, which it does not know.
func Once(h http.Header) {
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values := h[name]; len(values) > 0 {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
}

// retrier tries a request again, a few times with growing pauses or such as the upstream
// asks for, while there is time.
type retrier struct {
	next            http.RoundTripper
	within          time.Duration
	leaveThrottling bool
}

func (r retrier) RoundTrip(req *http.Request) (*http.Response, error) {
	by := time.Now().Add(r.within)
	if deadline, ok := req.Context().Deadline(); ok && deadline.Before(by) {
		by = deadline
	}
	unclear := false // whether an earlier try may have been carried out, or be yet
	for try := 1; ; try++ {
		res, err := r.next.RoundTrip(req)
		pause, again := r.pauseAfter(req, res, err, try)
		if !again || !time.Now().Add(pause).Before(by) {
			return outcome(req, res, err, unclear)
		}
		if !didNothing(res, err) {
			unclear = true
			if !isRead(req) && req.Method != http.MethodDelete { // what is deleted stays so
				RaiseDoubt(req.Context())
			}
		}
		discard(res) // before the pause: its connection is of use to others
		if err := Wait(req.Context(), pause); err != nil {
			if unclear {
				return nil, err
			}
			return nil, notSent{err}
		}
		if req, err = repeated(req); err != nil {
			return nil, err
		}
	}
}

// pauseAfter tells whether to try again after an outcome, and how long to wait before.
func (r retrier) pauseAfter(req *http.Request, res *http.Response, err error, try int) (pause time.Duration, again bool) {
	if try == mostTries || req.Context().Err() != nil || hasBody(req) && req.GetBody == nil || !worthAnother(req, res, err) {
		return 0, false
	}
	if r.leaveThrottling && res != nil && res.StatusCode == http.StatusTooManyRequests {
		return 0, false
	}
	pause = rand.N(firstPause << (try - 1))
	if res != nil {
		asked := ParseRetryAfter(res.Header.Get("Retry-After"), time.Now())
		if asked > longestAsk {
			return 0, false
		}
		pause = max(pause, asked)
	}
	return pause, true
}

// worthAnother reports whether another try may end better and does no harm. A gateway's
// 504 leaves the work under way: what is written then could be written again later, over
// what has come between.
func worthAnother(req *http.Request, res *http.Response, err error) bool {
	if _, open := errors.AsType[*OpenError](err); open {
		return false
	}
	if didNothing(res, err) {
		return true
	}
	if err != nil {
		return isRead(req) || isMarked(req)
	}
	switch res.StatusCode {
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusServiceUnavailable:
		return isRead(req) || isMarked(req)
	case http.StatusGatewayTimeout:
		return isRead(req)
	}
	return false
}

// didNothing reports whether an outcome says that the upstream surely did nothing, and
// may do it another time.
func didNothing(res *http.Response, err error) bool {
	if err != nil {
		return errors.Is(err, ErrNotSent)
	}
	return res.StatusCode == http.StatusTooManyRequests
}

func isRead(req *http.Request) bool {
	return req.Method == http.MethodGet || req.Method == http.MethodHead
}

func isMarked(req *http.Request) bool { return req.Context().Value(repeatableKey{}) != nil }

// outcome returns the last try's outcome as that of all: a last try that did nothing
// does not say that an earlier one did nothing either.
func outcome(req *http.Request, res *http.Response, err error, unclear bool) (*http.Response, error) {
	if !unclear || isRead(req) || !didNothing(res, err) {
		return res, err
	}
	if err == nil {
		err = fmt.Errorf("answered with status %d", res.StatusCode)
		discard(res)
	}
	return nil, fmt.Errorf("%v; an earlier try may have been carried out", err) // not ErrNotSent
}

func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }

// repeated returns req with its body from the start.
func repeated(req *http.Request) (*http.Request, error) {
	if !hasBody(req) {
		return req, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, fmt.Errorf("send the body again: %w", err)
	}
	again := *req
	again.Body = body
	return &again, nil
}

// discard frees the connection of an answer that is of no use.
func discard(res *http.Response) {
	if res != nil {
		_, _ = io.CopyN(io.Discard, res.Body, drainable) // without its end the connection is closed
		res.Body.Close()
	}
}
