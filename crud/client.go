// Package crud is a client of the CRUD Service's HTTP contract. It has two things
// to talk to, and one way of talking: a CRUD Service over the network, or the
// embedded one (package embedded) through [InProcess].
package crud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
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
	body                any // sent as JSON; nil: no body
}

// do makes the call and returns the body of a 2xx answer. Every failure is an
// [*upstream.Error].
func (c *Client) do(ctx context.Context, call call) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	failed := func(status int, message string, err error) *upstream.Error {
		return &upstream.Error{Service: Service, Route: call.method + " " + call.route, Status: status, Message: message, Err: err}
	}
	req, err := c.request(ctx, call)
	if err != nil {
		return nil, failed(http.StatusBadRequest, "the request cannot be encoded", err)
	}
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, failed(0, "", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, failed(0, "", fmt.Errorf("read answer: %w", err))
	case len(body) > maxAnswer:
		return nil, failed(0, "", fmt.Errorf("answer is larger than %d bytes", maxAnswer))
	case res.StatusCode < 200 || res.StatusCode > 299:
		message := errorMessage(body)
		refused := failed(res.StatusCode, message, refusal(res.StatusCode, message))
		refused.RetryAfter = upstream.ParseRetryAfter(res.Header.Get("Retry-After"), time.Now())
		return nil, refused
	}
	return body, nil
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
	return req, nil
}

// errorMessage returns the message of an error body, or "" when it has none.
func errorMessage(body []byte) string {
	var answer struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	if answer.Message == "" {
		return answer.Error
	}
	return answer.Message
}

// refusal tells the kind of a failed call. A 404 means that there is no such document
// only in the service's own words: a gateway's, or that of a collection which is not
// there, must not be taken for it. The service answers a duplicate with 409 on insert,
// and with the database's own error on a patch.
func refusal(status int, message string) error {
	switch {
	case status == http.StatusNotFound && strings.EqualFold(message, "not found"):
		return ErrNotFound
	case status == http.StatusConflict, strings.HasPrefix(message, "E11000"):
		return ErrDuplicate
	}
	return nil
}
