package upstream

import (
	"net/http"
	"net/http/httptrace"
	"time"
)

// An Observer is told what is called. Its functions may be nil, and are called by several
// goroutines.
type Observer struct {
	// Call is told of every try of a call: the service, the status of the answer, 0 for
	// none, and how long it took until the answer began.
	Call func(service string, status int, took time.Duration)
	// Wait is told of every wait for a limit, by its name. Who need not wait is not told.
	Wait func(limiter string, took time.Duration)
}

// Called tells of a try that began at a time.
func (o Observer) Called(service string, status int, since time.Time) {
	if o.Call != nil {
		o.Call(service, status, time.Since(since))
	}
}

// Waited tells of a wait that began at a time.
func (o Observer) Waited(limiter string, since time.Time) {
	if o.Wait != nil {
		o.Wait(limiter, time.Since(since))
	}
}

// Observe returns next, which makes the calls of a service, with its calls told to o.
func (o Observer) Observe(service string, next http.RoundTripper) http.RoundTripper {
	if o.Call == nil {
		return next
	}
	return observed{o, service, next}
}

type observed struct {
	observer Observer
	service  string
	next     http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (o observed) RoundTrip(req *http.Request) (*http.Response, error) {
	start := time.Now()
	res, err := o.next.RoundTrip(req)
	status := 0
	if err == nil {
		status = res.StatusCode
	}
	o.observer.Called(o.service, status, start)
	return res, err
}

// shortWait is for a connection that there was, rather than a wait for one.
const shortWait = time.Millisecond

// waiting has trace tell how long a call waits for one of our own connections, where
// none is made for it.
func (o Observer) waiting(service string, trace *httptrace.ClientTrace) {
	if o.Wait == nil {
		return
	}
	limiter, start := service+" connections", time.Now()
	gotConn := trace.GotConn
	trace.GotConn = func(info httptrace.GotConnInfo) {
		gotConn(info)
		if info.Reused && time.Since(start) >= shortWait {
			o.Waited(limiter, start)
		}
	}
}
