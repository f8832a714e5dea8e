package timer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"user-manager/upstream"
)

// maxAnswer bounds what is read of one answer.
const maxAnswer = 1 << 20

// do makes a call and returns the body of a 2xx answer. Every failure is an
// [*upstream.Error].
func (c *Client) do(ctx context.Context, method, path string, body any) ([]byte, error) {
	route := method + " " + path
	if ctx.Err() != nil {
		return nil, &upstream.Error{Service: Service, Route: route, Err: context.Cause(ctx), NotDone: true}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return nil, &upstream.Error{Service: Service, Route: route, Status: http.StatusBadRequest, Message: "the request cannot be encoded", Err: err}
	}
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, upstream.Unanswered(Service, route, err)
	}
	defer res.Body.Close()
	answer, err := read(ctx, res.Body)
	switch {
	case err != nil:
		return nil, upstream.Unanswered(Service, route, err)
	case res.StatusCode < 200 || res.StatusCode > 299:
		return nil, refused(route, res, answer)
	}
	return answer, nil
}

func read(ctx context.Context, from io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, maxAnswer+1))
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("read answer: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%w: it breaks off: %w", upstream.ErrAnswer, err)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("%w: it is larger than %d bytes", upstream.ErrAnswer, maxAnswer)
	}
	return body, nil
}

func (c *Client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base.String()+path, content)
	if err != nil {
		return nil, err
	}
	for name, values := range upstream.CallerFrom(ctx).Header {
		req.Header[name] = values
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	upstream.Once(req.Header)
	return req, nil
}

// refused returns the error of an answer that is not 2xx, with the service's own words if
// it has any.
func refused(route string, res *http.Response, body []byte) *upstream.Error {
	var said struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	_ = json.Unmarshal(body, &said) // one that is not the service's says nothing
	return &upstream.Error{
		Service:    Service,
		Route:      route,
		Status:     res.StatusCode,
		Message:    cmp.Or(said.Message, said.Error),
		RetryAfter: upstream.ParseRetryAfter(res.Header.Get("Retry-After"), time.Now()),
	}
}
