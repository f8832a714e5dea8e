package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

// A Transport hands requests to the next one, except for what a plan says. A refusal is an
// answer with an error body; a call without an answer is the
// transport's error; [Timeout] waits for the context of the request.
type Transport struct {
	Next http.RoundTripper
	Plan *Plan
	Name func(*http.Request) string // of a call, in [Plan.Calls]
	// Body returns the body of a refusal; nil: that of a service of the platform.
	Body func(status int) any
}

// Unwrap returns the transport behind t.
func (t *Transport) Unwrap() http.RoundTripper { return t.Next }

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	injection := t.Plan.Next(t.Name(req))
	if status := injection.Fault.Status(); status != 0 {
		closeBody(req)
		return t.Refusal(req, status), nil
	}
	if injection.Fault == Late {
		t.DeliverLate(req)
	}
	if err := injection.Before(req.Context()); err != nil {
		closeBody(req)
		return nil, err
	}
	res, err := t.Next.RoundTrip(req)
	if lost := injection.After(req.Context()); lost != nil {
		drain(res)
		return nil, lost
	}
	return res, err
}

// DeliverLate has the request made when the plan delivers.
func (t *Transport) DeliverLate(req *http.Request) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body) // of a client in this process
	}
	later := req.Clone(context.WithoutCancel(req.Context()))
	later.Body = io.NopCloser(bytes.NewReader(body))
	t.Plan.Defer(func() {
		if res, err := t.Next.RoundTrip(later); err == nil {
			drain(res)
		}
	})
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

func platformBody(status int) any {
	return map[string]any{"statusCode": status, "error": http.StatusText(status), "message": "planned fault"}
}

// Refusal is the answer to a request that is refused with a status.
func (t *Transport) Refusal(req *http.Request, status int) *http.Response {
	content := platformBody
	if t.Body != nil {
		content = t.Body
	}
	body, err := json.Marshal(content(status))
	if err != nil {
		panic(err) // a test's own mistake
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
		Body:          io.NopCloser(bytes.NewReader(body)),
		Request:       req,
	}
}
