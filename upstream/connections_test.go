package upstream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"user-manager/internal/logtest"
	"user-manager/upstream"
)

func overSockets(t *testing.T, connections int) *upstream.Network {
	return upstream.NewNetwork(upstream.NetworkConfig{Service: "CRUD", MaxConnections: connections, Timeout: within, Log: logtest.Logger(t)})
}

func post(ctx context.Context, n *upstream.Network, url string) error {
	req, err := http.NewRequestWithContext(ctx, "POST", url, nil)
	if err != nil {
		return err
	}
	res, err := n.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// TestNoConnectionIsNothingSent: whatever the request.
func TestNoConnectionIsNothingSent(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Close()
	if err := post(t.Context(), overSockets(t, 1), server.URL); !errors.Is(err, upstream.ErrNotSent) {
		t.Errorf("error %v, want one that says that nothing was sent", err)
	}
}

// TestLostAnswerMayBeDone: a server that closes the connection has read the request.
func TestLostAnswerMayBeDone(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		calls.Add(1)
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	if err := post(t.Context(), overSockets(t, 1), server.URL); err == nil || errors.Is(err, upstream.ErrNotSent) || calls.Load() != 1 {
		t.Errorf("error %v after %d calls, want one that leaves it open after 1", err, calls.Load())
	}
}

// TestConnectionsAreLimited: calls beyond wait, within their time, and have not been sent
// when that is over.
func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	var made atomic.Int64
	entered, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("Accept-Encoding: %s, want none", r.Header.Get("Accept-Encoding"))
		}
		entered <- struct{}{}
		<-release
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			made.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	n := overSockets(t, 3)
	var calls sync.WaitGroup
	for range 6 {
		calls.Go(func() {
			if err := post(t.Context(), n, server.URL); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		<-entered
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := post(ctx, n, server.URL); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, upstream.ErrNotSent) {
		t.Errorf("a call without a connection: %v", err)
	}
	for range 3 {
		release <- struct{}{}
		<-entered
	}
	close(release)
	calls.Wait()
	for range 3 { // calls at once again, on connections that were kept
		calls.Go(func() {
			if err := post(t.Context(), n, server.URL); err != nil {
				t.Error(err)
			}
		})
		<-entered
	}
	calls.Wait()
	if made.Load() != 3 {
		t.Errorf("%d connections, want 3, used again", made.Load())
	}
}
