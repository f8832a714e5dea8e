package crud

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// pieces is the body of an answer that comes in pieces, each after a while, and knows when
// its request has ended.
type pieces struct {
	ctx    context.Context
	pauses []time.Duration
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.pauses) == 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(p.pauses[0]):
		p.pauses = p.pauses[1:]
		return copy(b, "{}\n"), nil
	case <-p.ctx.Done():
		return 0, context.Cause(p.ctx)
	}
}

func (p *pieces) Close() error { return nil }

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestStreamedAnswer: each piece of an answer has the time of a call, all together may
// take longer, and so may who reads them.
func TestStreamedAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		pauses  []time.Duration
		reading time.Duration // between two pieces
		want    error
		takes   time.Duration
	}{
		"in time, together long":   {[]time.Duration{8 * time.Second, 8 * time.Second, 8 * time.Second}, 0, nil, 24 * time.Second},
		"a slow reader":            {[]time.Duration{time.Second, time.Second}, time.Minute, nil, 2*time.Second + 2*time.Minute},
		"the store stands still":   {[]time.Duration{time.Second, time.Hour}, 0, context.DeadlineExceeded, 11 * time.Second},
		"it does so for slow ones": {[]time.Duration{time.Second, time.Hour}, time.Minute, context.DeadlineExceeded, 71 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := transportFunc(func(r *http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: http.StatusOK, Body: &pieces{r.Context(), test.pauses}}, nil
				})
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://crud-service/users/", nil)
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				res, err := streaming{store, 10 * time.Second}.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				for err == nil {
					if _, err = res.Body.Read(make([]byte, 16)); err == nil {
						<-time.After(test.reading)
					}
				}
				if errors.Is(err, io.EOF) {
					err = nil
				}
				if !errors.Is(err, test.want) || time.Since(start) != test.takes {
					t.Errorf("ended with %v after %v, want %v after %v", err, time.Since(start), test.want, test.takes)
				}
			})
		})
	}
}
