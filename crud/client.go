// Package crud is a client of the CRUD Service's HTTP contract. It has two things
// to talk to, and one way of talking: a CRUD Service over the network, or the
// embedded one (package embedded) through [InProcess].
package crud

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"user-manager/upstream"
)

// Service is how the store is called in error messages.
const Service = "CRUD"

// Kinds of refusal, found with errors.Is in an [*upstream.Error].
var (
	ErrNotFound  = errors.New("no such document")
	ErrDuplicate = errors.New("value of a unique field is taken")
)

// maxAnswer bounds what is read of one answer that is decoded. A page of documents
// is far below it.
const maxAnswer = 64 << 20

// A Document is a stored document as JSON has it.
type Document = map[string]any

// A Client calls one CRUD Service. It is safe for use by several goroutines.
type Client struct {
	base      *url.URL
	transport http.RoundTripper
	timeout   time.Duration

	mostPerPage atomic.Int64 // documents of a list, as the service has said; 0: it has not
}

// New returns a client of the service at base, such as "http://crud-service". Each
// call ends after timeout; the answer to a forwarded one has to begin by then.
func New(base string, transport http.RoundTripper, timeout time.Duration) (*Client, error) {
	u, err := url.Parse(strings.TrimSuffix(base, "/"))
	if err != nil {
		return nil, fmt.Errorf("parse address of the CRUD Service: %w", err)
	}
	if u.Scheme == "" || u.Host == "" {
		return nil, fmt.Errorf("address of the CRUD Service: %q is not a URL with a host", base)
	}
	return &Client{base: u, transport: transport, timeout: timeout}, nil
}

// Ping asks the service whether it is ready.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/-/ready", route: "/-/ready"})
	return err
}

// streaming returns the transport of calls whose answers are handed on as they come.
func (c *Client) streaming() http.RoundTripper { return streaming{c.transport, c.timeout} }

// Collection returns the collection at path, such as "/users".
func (c *Client) Collection(path string) Collection {
	return Collection{client: c, path: "/" + strings.Trim(path, "/")}
}

// call is one request: path is below the base, escaped; route is its pattern for
// error messages.
type call struct {
	method, path, route string
	query               url.Values
	header              http.Header
	body                any  // sent as JSON; nil: no body
	single              bool // it is about one document
	twice               bool // it may be made again when its outcome is not known
}

// do makes the call and returns the body of a 2xx answer. Every failure is an
// [*upstream.Error].
func (c *Client) do(ctx context.Context, call call) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	route := call.method + " " + call.route
	req, err := c.request(ctx, call)
	if err != nil {
		return nil, &upstream.Error{Service: Service, Route: route, Status: http.StatusBadRequest, Message: "the request cannot be encoded", Err: err}
	}
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, upstream.Unanswered(Service, route, err)
	}
	defer res.Body.Close()
	body, err := upstream.ReadAnswer(ctx, res.Body, maxAnswer)
	switch {
	case err != nil:
		return nil, upstream.Unanswered(Service, route, err)
	case res.StatusCode < 200 || res.StatusCode > 299:
		return nil, refused(call, res, body)
	}
	return body, nil
}

// refused returns the error of an answer that is not 2xx. A duplicate that was to be made
// in one document was not made.
func refused(call call, res *http.Response, body []byte) *upstream.Error {
	said := errorOf(body)
	kind := said.kind(res.StatusCode)
	return &upstream.Error{
		Service:    Service,
		Route:      call.method + " " + call.route,
		Status:     res.StatusCode,
		Message:    said.message,
		Err:        kind,
		RetryAfter: upstream.ParseRetryAfter(res.Header.Get("Retry-After"), time.Now()),
		NotDone:    call.single && kind == ErrDuplicate,
	}
}

func (c *Client) request(ctx context.Context, call call) (*http.Request, error) {
	target := c.base.String() + call.path
	if len(call.query) > 0 {
		target += "?" + call.query.Encode()
	}
	var body io.Reader
	if call.body != nil {
		encoded, err := json.Marshal(call.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	if call.twice {
		ctx = upstream.Repeatable(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, call.method, target, body)
	if err != nil {
		return nil, err
	}
	for name, values := range upstream.CallerFrom(ctx).Header {
		req.Header[name] = values
	}
	for name, values := range call.header {
		req.Header[name] = values
	}
	if call.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	upstream.Once(req.Header)
	return req, nil
}

// A refusal is what an error body says.
type refusal struct{ message, code string }

// errorOf reads an error body. One that is not the service's says nothing.
func errorOf(body []byte) refusal {
	var answer struct {
		Message string `json:"message"`
		Error   string `json:"error"`
		Code    any    `json:"code"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return refusal{}
	}
	r := refusal{message: cmp.Or(answer.Message, answer.Error)}
	switch code := answer.Code.(type) {
	case string:
		r.code = code
	case float64:
		r.code = strconv.FormatFloat(code, 'f', -1, 64)
	}
	return r
}

// duplicateCode is the database's number of a duplicate, and duplicateWords are in its
// message, alone or behind what it was doing.
const (
	duplicateCode  = "11000"
	duplicateWords = "E11000 duplicate key error"
)

// kind tells the kind of a refusal. A 404 means that there is no such document only in the
// service's own words: a gateway's, or that of a collection which is not there, must not
// be taken for it. The service answers a duplicate with 409 on insert, and with the
// database's own error, a 500, on a patch.
func (r refusal) kind(status int) error {
	switch {
	case status == http.StatusNotFound && strings.EqualFold(r.message, "not found"):
		return ErrNotFound
	case status == http.StatusConflict, strings.HasPrefix(r.message, "E11000"):
		return ErrDuplicate
	case status == http.StatusInternalServerError && (r.code == duplicateCode || strings.Contains(r.message, duplicateWords)):
		return ErrDuplicate
	}
	return nil
}
