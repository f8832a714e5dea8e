package timertest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Fire makes the calls of all timers that are due at now, as the real one does when it
// wakes, the longest due first, and returns how they were answered. A timer whose call
// fails stays pending: the next Fire makes it again.
func (s *Service) Fire(ctx context.Context, transport http.RoundTripper, now time.Time) []Result {
	var results []Result
	for _, t := range s.Due(now) {
		if t.Output.Type != "rest" {
			s.change(t.ID, func(t *Timer) { t.Status = Failed })
			continue
		}
		for range 1 + s.cfg.Repeat {
			results = append(results, s.call(ctx, transport, t))
		}
	}
	return results
}

// A Result is what came of a timer's call.
type Result struct {
	ID     string
	Status int   // of the answer; 0: there was none
	Err    error // why there was none
}

// Call makes the call of the timer with the given id, whatever has become of it: so the
// real one does that has looked at the timer before it was aborted. An id that there is not
// is a mistake in the test and panics.
func (s *Service) Call(ctx context.Context, transport http.RoundTripper, id string) Result {
	found := s.where(func(t *Timer) bool { return t.ID == id })
	if len(found) == 0 {
		panic("timertest: there is no timer " + id)
	}
	return s.call(ctx, transport, found[0])
}

// call makes a call and notes what came of it, unless the timer was aborted meanwhile.
func (s *Service) call(ctx context.Context, transport http.RoundTripper, t Timer) Result {
	r := Result{ID: t.ID}
	r.Status, r.Err = send(ctx, transport, t)
	s.change(t.ID, func(t *Timer) {
		switch {
		case r.Status < 200 || r.Status > 299:
			t.Failures++
		case t.Status == Pending:
			t.Status = Expired
		}
	})
	return r
}

// send makes the call of a timer and returns the status of its answer.
func send(ctx context.Context, transport http.RoundTripper, t Timer) (int, error) {
	var body io.Reader
	if t.Output.Method != "get" {
		body = bytes.NewReader(t.Payload)
	}
	req, err := http.NewRequestWithContext(ctx, strings.ToUpper(t.Output.Method), t.URL(), body)
	if err != nil {
		return 0, fmt.Errorf("make the call of timer %s: %w", t.ID, err)
	}
	req.Header.Set("Content-Type", "application/json;charset=utf-8")
	for name, value := range t.Output.Headers {
		req.Header.Set(name, value)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, err
	}
	return res.StatusCode, nil
}
