package rond

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"user-manager/upstream"
)

const (
	maxAnswer = 1 << 20 // bytes read of one answer; Rönd's have less than 200
	mostWords = 1 << 10 // bytes kept of its words
)

// notFound is what Rönd says when it could not look for the bindings that a revoke is about.
// It looks before it changes anything.
const notFound = "failed crud request for finding bindings"

// A call is one request: path is below the base, escaped; route is its pattern for error
// messages.
type call struct {
	method, path, route string
	body                any // sent as JSON; nil: no body
}

func (c call) name() string { return c.method + " " + c.route }

// impossible is the error of a call that nobody makes: a mistake of the caller's.
func (c call) impossible(reason error) error {
	return &upstream.Error{Service: Service, Route: c.name(), Status: http.StatusBadRequest, Message: reason.Error(), Err: reason, NotDone: true}
}

// unusable is the error of a success that does not say what it has to.
func (c call) unusable(reason error) error {
	return upstream.Unanswered(Service, c.name(), fmt.Errorf("%w: %w", upstream.ErrAnswer, reason))
}

// do makes the call and returns the body of a 2xx answer. Every failure is an
// [*upstream.Error].
func (c *Client) do(ctx context.Context, at call) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := c.request(ctx, at)
	if err != nil {
		return nil, at.impossible(fmt.Errorf("the request cannot be made: %w", err))
	}
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, upstream.Unanswered(Service, at.name(), err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, upstream.Unanswered(Service, at.name(), fmt.Errorf("read answer: %w", err))
	case err != nil:
		return nil, at.unusable(fmt.Errorf("it breaks off: %w", err))
	case len(body) > maxAnswer:
		return nil, at.unusable(fmt.Errorf("it is larger than %d bytes", maxAnswer))
	case res.StatusCode < 200 || res.StatusCode > 299:
		return nil, refused(at, res, body)
	}
	return body, nil
}

func (c *Client) request(ctx context.Context, at call) (*http.Request, error) {
	var body io.Reader
	if at.body != nil {
		encoded, err := json.Marshal(at.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, at.method, c.base+at.path, body)
	if err != nil {
		return nil, err
	}
	for name, values := range upstream.CallerFrom(ctx).Header {
		req.Header[name] = values
	}
	req.Header.Del("Accept-Encoding") // answers are read as they are
	if at.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	upstream.Once(req.Header)
	return req, nil
}

// refused returns the error of an answer that is not 2xx. Of a 500 it cannot be known how far
// Rönd came, unless that was not even to the bindings.
func refused(at call, res *http.Response, body []byte) *upstream.Error {
	said := reasonOf(body)
	err := &upstream.Error{
		Service:    Service,
		Route:      at.name(),
		Status:     res.StatusCode,
		Message:    said,
		RetryAfter: upstream.ParseRetryAfter(res.Header.Get("Retry-After"), time.Now()),
		NotDone:    res.StatusCode == http.StatusInternalServerError && said == notFound,
	}
	if said != "" {
		err.Err = errors.New(said)
	}
	return err
}

// reasonOf returns why Rönd refuses, "" for a body that is not its own. The reason is in
// `error`; `message` says the same of every refusal.
func reasonOf(body []byte) string {
	var answer struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	if len(answer.Error) > mostWords {
		answer.Error = strings.ToValidUTF8(answer.Error[:mostWords], "")
	}
	return answer.Error
}
