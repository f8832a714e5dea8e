package crudtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/crud/crudtest"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// timeout is what the clients of these tests give a call.
const timeout = 10 * time.Second

// counter is a store that knows one answer, and counts how often it did its work.
type counter struct{ worked atomic.Int32 }

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	c.worked.Add(1)
	io.WriteString(w, `{"_id":"66e19957f72ba7349eb7b7b2"}`)
}

func TestFaulty(t *testing.T) {
	tests := map[string]struct {
		arm    func(*faults.Plan)
		status int   // of the error
		cause  error // of the error; nil: none is looked for
		works  bool  // the store does its work
		takes  time.Duration
	}{
		"status 500":     {func(p *faults.Plan) { p.Arm(1, faults.Refuse500) }, 500, nil, false, 0},
		"status 503":     {func(p *faults.Plan) { p.Arm(1, faults.Refuse503) }, 503, nil, false, 0},
		"status 429":     {func(p *faults.Plan) { p.Arm(1, faults.Refuse429) }, 429, nil, false, 0},
		"unreachable":    {func(p *faults.Plan) { p.Arm(1, faults.Unreachable) }, 0, faults.ErrUnreachable, false, 0},
		"timeout":        {func(p *faults.Plan) { p.Arm(1, faults.Timeout) }, 0, context.DeadlineExceeded, false, timeout},
		"answer dropped": {func(p *faults.Plan) { p.Arm(1, faults.DropAnswer) }, 0, faults.ErrDropped, true, 0},
		"answer too late": {func(p *faults.Plan) { p.ArmDelay(1, time.Hour) }, 0, context.DeadlineExceeded, true,
			timeout},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, plan := &counter{}, faults.NewPlan()
				users := client(t, store, plan).Collection("/users")
				test.arm(plan)

				start := time.Now()
				_, err := users.Insert(t.Context(), crud.Document{"userGroup": "x"})

				failure, ok := errors.AsType[*upstream.Error](err)
				if !ok || failure.Status != test.status || !errors.Is(err, test.cause) && test.cause != nil {
					t.Errorf("Insert: %v (caused by %v), want status %d and %v", err, errors.Unwrap(err), test.status, test.cause)
				}
				if worked := store.worked.Load() == 1; worked != test.works {
					t.Errorf("the work was done: %v, want %v", worked, test.works)
				}
				if took := time.Since(start); took != test.takes {
					t.Errorf("took %v, want %v", took, test.takes)
				}
				if _, err := users.Insert(t.Context(), crud.Document{}); err != nil {
					t.Errorf("the next call: %v, want no error", err)
				}
			})
		})
	}
}

func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := faults.NewPlan()
		plan.ArmDelay(1, time.Second)
		start := time.Now()
		_, err := client(t, &counter{}, plan).Collection("/users").Insert(t.Context(), crud.Document{})
		if took := time.Since(start); err != nil || took != time.Second {
			t.Errorf("Insert: %v after %v, want no error after 1s", err, took)
		}
	})
}

func TestFaultyNamesCalls(t *testing.T) {
	plan := faults.NewPlan()
	c := client(t, &counter{}, plan)
	users := c.Collection("/users")
	c.Ping(t.Context())
	users.Insert(t.Context(), crud.Document{})
	users.Patch(t.Context(), "66e19957f72ba7349eb7b7b2", crud.Document{}, nil)
	users.SetState(t.Context(), "66e19957f72ba7349eb7b7b2", crud.Trash, crud.Document{"__STATE__": crud.Public})
	users.List(t.Context(), crud.Query{Limit: 1})
	want := []string{"CRUD GET /-/ready", "CRUD POST /users/", "CRUD PATCH /users/:id", "CRUD POST /users/:id/state", "CRUD GET /users/"}
	if diff := cmp.Diff(want, plan.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func client(t *testing.T, store http.Handler, plan *faults.Plan) *crud.Client {
	t.Helper()
	c, err := crud.New("http://embedded", crudtest.NewFaulty(crud.InProcess(store), plan), timeout)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
