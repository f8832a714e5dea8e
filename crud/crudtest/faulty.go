// Package crudtest lets the store fail on purpose, for tests.
package crudtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"user-manager/crud"
	"user-manager/upstream/faults"
)

// Faulty is a transport of a [crud.Client] on which calls fail by plan:
//
//	plan := faults.NewPlan()
//	client, err := crud.New("http://embedded", crudtest.NewFaulty(crud.InProcess(store), plan), timeout)
//
// A refusal is an answer with the body of a CRUD Service's error; a call without an
// answer is the transport's error; [faults.Timeout] waits for the context that the
// client gives the call. In [faults.Plan.Calls] a call reads "CRUD PATCH /users/:id":
// ids are not told apart, and the query is left out.
//
// A provider that keeps its accounts in the same store should be given another
// client, or its calls count twice.
type Faulty struct {
	next http.RoundTripper
	plan *faults.Plan
}

// NewFaulty returns a transport that hands requests to next, except for what the
// plan says.
func NewFaulty(next http.RoundTripper, plan *faults.Plan) *Faulty {
	return &Faulty{next: next, plan: plan}
}

// Unwrap returns the transport behind f.
func (f *Faulty) Unwrap() http.RoundTripper { return f.next }

// RoundTrip implements [http.RoundTripper].
func (f *Faulty) RoundTrip(req *http.Request) (*http.Response, error) {
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
func (f *Faulty) deliverLate(req *http.Request) {
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

// id is how a document's id looks in a path.
var id = regexp.MustCompile(`/[0-9a-fA-F]{24}(/|$)`)

func callName(req *http.Request) string {
	return crud.Service + " " + req.Method + " " + id.ReplaceAllString(req.URL.Path, "/:id$1")
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
		io.Copy(io.Discard, res.Body) // an answer that breaks off is lost all the same
		res.Body.Close()
	}
}

func refusal(req *http.Request, status int) *http.Response {
	body, err := json.Marshal(map[string]any{
		"statusCode": status, "error": http.StatusText(status), "message": "planned fault",
	})
	if err != nil {
		panic(err) // a map of texts and a number can be encoded
	}
	header := http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Content-Length": {strconv.Itoa(len(body))}}
	if status == http.StatusTooManyRequests {
		header.Set("Retry-After", "0")
	}
	return &http.Response{
		Status:     strconv.Itoa(status) + " " + http.StatusText(status),
		StatusCode: status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        header,
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(strings.NewReader(string(body))),
		Request:       req,
	}
}
