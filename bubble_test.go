package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"
)

// A bubbled service runs in a testing/synctest bubble and is called from outside: its clock
// goes on only while it is at work on a call, or when it is told to let time pass.
type bubbled struct {
	tasks chan func(*harness) // done one after the other in the bubble; closed when there is no more
	over  chan struct{}       // closed when no task is done any more
}

func newBubbled() *bubbled {
	return &bubbled{make(chan func(*harness)), make(chan struct{})}
}

// run has the service that env describes do the tasks until there is no more.
func (b *bubbled) run(t *testing.T, env map[string]string) {
	defer close(b.over)
	synctest.Test(t, func(t *testing.T) {
		h := newHarnessWith(t, env, asItIs)
		ctx, stop := context.WithCancel(t.Context())
		var work errgroup.Group
		work.Go(func() error { return h.api.users.Run(ctx) })
		work.Go(func() error { return h.api.jobs.Run(ctx) })
		work.Go(func() error { return h.api.timers.run(ctx, h.handler) })
		for task := range b.tasks {
			task(h)
		}
		stop()
		if err := work.Wait(); err != nil {
			t.Error(err)
		}
		h.resigned()
	})
}

var errOver = errors.New("the service is not there")

// do has a task done in the bubble.
func (b *bubbled) do(task func(h *harness)) error {
	done := make(chan struct{})
	select {
	case b.tasks <- func(h *harness) { defer close(done); task(h) }:
	case <-b.over:
		return errOver
	}
	select {
	case <-done:
		return nil
	case <-b.over:
		return errOver
	}
}

// now is the time in the bubble.
func (b *bubbled) now() (now time.Time, err error) {
	err = b.do(func(*harness) { now = time.Now() })
	return now, err
}

// pass lets time pass in the bubble.
func (b *bubbled) pass(d time.Duration) error {
	return b.do(func(*harness) { <-time.After(d) })
}

// ServeHTTP answers with the service's answer, when that is whole.
func (b *bubbled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	answer := httptest.NewRecorder()
	err = b.do(func(h *harness) {
		in := httptest.NewRequestWithContext(h.t.Context(), r.Method, r.URL.RequestURI(), bytes.NewReader(body))
		in.Host, in.Header = r.Host, r.Header
		h.handler.ServeHTTP(answer, in)
	})
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // a client that is gone says so itself
}
