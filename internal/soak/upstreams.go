package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// An upstream is a stand-in on a port of the loopback interface.
type upstream struct {
	*faulty
	url    string
	server *http.Server
	served chan struct{} // closed when nobody is let in any more
}

// listen serves a stand-in behind its faults.
func listen(f *faulty) (*upstream, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &upstream{faulty: f, url: "http://" + ln.Addr().String(), served: make(chan struct{})}
	u.server = &http.Server{Handler: http.HandlerFunc(u.whole), ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 10 * time.Second}
	go func() { // close waits for it
		defer close(u.served)
		_ = u.server.Serve(ln) // until close
	}()
	return u, nil
}

// whole reads a request to its end, and has what it asks for done to its end, as services do
// whose client is gone.
func (u *upstream) whole(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		hangUp()
	}
	r = r.WithContext(context.WithoutCancel(r.Context()))
	r.Body = io.NopCloser(bytes.NewReader(body))
	u.faulty.ServeHTTP(w, r)
}

func (u *upstream) close() error {
	err := u.server.Close()
	<-u.served
	return err
}

// webhooks receives the calls that say that a job is over. It is safe for use by several
// goroutines.
type webhooks struct {
	mu       sync.Mutex
	received map[string]int // by job; guarded by mu
}

// ServeHTTP implements [http.Handler].
func (h *webhooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct{ Type string }
	err := json.NewDecoder(r.Body).Decode(&body)
	id := r.Header.Get("webhook-id")
	if err == nil && (id == "" || body.Type == "" || r.Header.Get("webhook-signature") == "") {
		err = errors.New("not a webhook")
	}
	if err != nil {
		refuse(w, http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.received[id]++
	w.WriteHeader(http.StatusNoContent)
}

// count returns how many jobs have been told of, and in how many calls.
func (h *webhooks) count() (jobs, calls int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.received {
		calls += n
	}
	return len(h.received), calls
}
