package faults_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/upstream/faults"
)

// worker is a transport that keeps the bodies it was sent.
type worker struct{ done []string }

func (w *worker) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil || req.Context().Err() != nil {
		return nil, errors.Join(err, req.Context().Err())
	}
	w.done = append(w.done, string(body))
	return &http.Response{StatusCode: http.StatusCreated, Body: http.NoBody}, nil
}

func TestTransport(t *testing.T) {
	for name, test := range map[string]struct {
		fault  faults.Fault
		status int // 0: no answer
		cause  error
		done   bool // at once
		late   bool // when the plan delivers
		takes  time.Duration
	}{
		"none":           {faults.None, 201, nil, true, false, 0},
		"status 500":     {faults.Refuse500, 500, nil, false, false, 0},
		"status 503":     {faults.Refuse503, 503, nil, false, false, 0},
		"status 429":     {faults.Refuse429, 429, nil, false, false, 0},
		"unreachable":    {faults.Unreachable, 0, faults.ErrUnreachable, false, false, 0},
		"timeout":        {faults.Timeout, 0, context.DeadlineExceeded, false, false, time.Second},
		"answer dropped": {faults.DropAnswer, 0, faults.ErrDropped, true, false, 0},
		"work done late": {faults.Late, 0, faults.ErrLate, false, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plan, to, start := faults.NewPlan(), &worker{}, time.Now()
				plan.Arm(1, test.fault)
				transport := &faults.Transport{Next: to, Plan: plan, Name: func(req *http.Request) string { return "call " + req.URL.Path }}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://x/y", strings.NewReader("work"))
				if err != nil {
					t.Fatal(err)
				}
				res, err := transport.RoundTrip(req)
				status := 0
				if err == nil {
					status = res.StatusCode
					res.Body.Close()
				}
				if status != test.status || !errors.Is(err, test.cause) {
					t.Errorf("status %d, error %v; want %d, %v", status, err, test.status, test.cause)
				}
				if took := time.Since(start); took != test.takes {
					t.Errorf("took %v, want %v", took, test.takes)
				}
				if done := len(to.done) == 1; done != test.done {
					t.Errorf("done: %v, want %v", done, test.done)
				}
				cancel()
				plan.Deliver()
				if done := len(to.done) == 1; done != (test.done || test.late) {
					t.Errorf("done in the end: %v, want %v", done, test.done || test.late)
				}
				if diff := cmp.Diff([]string{"call /y"}, plan.Calls()); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}
