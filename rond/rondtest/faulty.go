package rondtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"user-manager/rond"
	"user-manager/upstream/faults"
)

// NewFaulty returns a transport of a [rond.Client] that hands requests to next, except for
// what the plan says:
//
//	plan := faults.NewPlan()
//	transport := rondtest.NewFaulty(crud.InProcess(rondtest.New(rondtest.Config{})), plan)
//
// A refusal is an answer with the body of a Rönd's error; a call without an answer is the
// transport's error; [faults.Timeout] waits for the context that the client gives the call.
// In [faults.Plan.Calls] a call reads "Rond POST /grant/bindings", or, with a resource type,
// "Rond POST /grant/bindings/resource/:resourceType".
func NewFaulty(next http.RoundTripper, plan *faults.Plan) http.RoundTripper {
	return faulty{next, plan}
}

type faulty struct {
	next http.RoundTripper
	plan *faults.Plan
}

// RoundTrip implements [http.RoundTripper].
func (f faulty) RoundTrip(req *http.Request) (*http.Response, error) {
	injection := f.plan.Next(callName(req))
	if status := injection.Fault.Status(); status != 0 {
		closeBody(req)
		return refusal(req, status), nil
	}
	if injection.Fault == faults.Late {
		f.deliverLate(req)
	}
	if err := injection.Before(req.Context()); err != nil {
		closeBody(req)
		return nil, err
	}
	res, err := f.next.RoundTrip(req)
	if lost := injection.After(req.Context()); lost != nil {
		drain(res)
		return nil, lost
	}
	return res, err
}

// deliverLate has the request made when the plan delivers.
func (f faulty) deliverLate(req *http.Request) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body) // of a client in this process
	}
	later := req.Clone(context.WithoutCancel(req.Context()))
	later.Body = io.NopCloser(bytes.NewReader(body))
	f.plan.Defer(func() {
		if res, err := f.next.RoundTrip(later); err == nil {
			drain(res)
		}
	})
}

func callName(req *http.Request) string {
	path := req.URL.Path
	if route, _, typed := strings.Cut(path, "/resource/"); typed {
		path = route + "/resource/:resourceType"
	}
	return rond.Service + " " + req.Method + " " + path
}

// closeBody does what a transport owes a request that it does not send.
func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// drain reads an answer to its end, so that the work behind it is done.
func drain(res *http.Response) {
	if res != nil {
		_, _ = io.Copy(io.Discard, res.Body) // an answer that breaks off is lost all the same
		res.Body.Close()
	}
}

func refusal(req *http.Request, status int) *http.Response {
	body, err := json.Marshal(refusalBody(status, "planned fault"))
	if err != nil {
		panic(err) // a map of texts and a number can be encoded
	}
	header := http.Header{"Content-Type": {"application/json"}, "Content-Length": {strconv.Itoa(len(body))}}
	if status == http.StatusTooManyRequests {
		header.Set("Retry-After", "0")
	}
	return &http.Response{
		Status:     strconv.Itoa(status) + " " + http.StatusText(status),
		StatusCode: status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        header,
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
		Request:       req,
	}
}
