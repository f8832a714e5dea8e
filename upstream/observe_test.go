package upstream_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/internal/logtest"
	"user-manager/upstream"
)

// told is what an observer is told.
type told struct {
	mu    sync.Mutex // guards what follows
	calls []int
	waits []string
}

func (o *told) observer() upstream.Observer {
	return upstream.Observer{
		Call: func(_ string, status int, _ time.Duration) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.calls = append(o.calls, status)
		},
		Wait: func(limiter string, _ time.Duration) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.waits = append(o.waits, limiter)
		},
	}
}

// TestObserver: every try is told of, with its answer or without one; and not what is not
// tried, since the upstream is left alone.
func TestObserver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen told
		s := &scripted{script: []try{ok200, reset, ok200, reset, reset, reset, reset, reset, reset, reset, reset}}
		n := upstream.NewNetwork(upstream.NetworkConfig{Service: "CRUD", Timeout: within, Log: logtest.Logger(t), Base: s, Observer: seen.observer()})
		for range 20 {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://crud/", nil)
			if res, err := n.RoundTrip(req); err == nil {
				res.Body.Close()
			}
		}
		if diff := cmp.Diff([]int{200, 0, 200, 0, 0, 0, 0, 0}, seen.calls); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	})
}

// TestObserverOfConnections: a call that waits for a connection is told of, one that has its
// own is not.
func TestObserverOfConnections(t *testing.T) {
	t.Parallel()
	var seen told
	arrived, answer, asked := make(chan struct{}), make(chan struct{}), make(chan struct{}, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-answer
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	n := upstream.NewNetwork(upstream.NetworkConfig{Service: "CRUD", MaxConnections: 1, Timeout: time.Minute, Log: logtest.Logger(t), Observer: seen.observer()})
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() {
			trace := &httptrace.ClientTrace{GetConn: func(string) { asked <- struct{}{} }}
			req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, server.URL, nil)
			if err != nil {
				t.Error(err)
				return
			}
			res, err := n.RoundTrip(req)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		})
	}
	<-arrived
	<-asked
	<-asked
	<-time.After(2 * time.Millisecond) // what is shorter is no wait
	answer <- struct{}{}
	<-arrived
	answer <- struct{}{}
	calls.Wait()
	if diff := cmp.Diff([]string{"CRUD connections"}, seen.waits); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
}
