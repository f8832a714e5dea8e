package upstream_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/upstream"
)

func TestWait(t *testing.T) {
	stopped := errors.New("the service stops")
	for name, test := range map[string]struct {
		d      time.Duration
		doneIn time.Duration // when the context is done; 0: never
		cause  error
		want   error
		took   time.Duration
	}{
		"to the end":                       {d: time.Minute, took: time.Minute},
		"for no time":                      {},
		"for less than no time":            {d: -time.Hour},
		"until the context is done":        {d: time.Minute, doneIn: time.Second, want: context.Canceled, took: time.Second},
		"until it is done for a reason":    {d: time.Minute, doneIn: time.Second, cause: stopped, want: stopped, took: time.Second},
		"with one that is done":            {d: time.Minute, doneIn: -1, cause: stopped, want: stopped},
		"for no time with one that is":     {doneIn: -1, cause: stopped, want: stopped},
		"while it is done at a later time": {d: time.Second, doneIn: time.Minute, took: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancelCause(t.Context())
				defer stop(nil)
				switch {
				case test.doneIn < 0:
					stop(test.cause)
				case test.doneIn > 0:
					time.AfterFunc(test.doneIn, func() { stop(test.cause) })
				}
				began := time.Now()
				err := upstream.Wait(ctx, test.d)
				if took := time.Since(began); !errors.Is(err, test.want) || took != test.took {
					t.Errorf("%v after %v, want %v after %v", err, took, test.want, test.took)
				}
			})
		})
	}
}
