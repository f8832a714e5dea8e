package auth0client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"user-manager/providers"
	"user-manager/providers/auth0/management"
	"user-manager/upstream"
)

// maxAnswer bounds what is read of one answer. A page of users is far below it.
const maxAnswer = 16 << 20

// A call is one request.
type call struct {
	method string
	route  string // its pattern, for error messages
	path   string // below the base, escaped; "": the route
	query  url.Values
	// header wins over what is forwarded; an empty list keeps a header from being forwarded.
	header      http.Header
	contentType string
	body        []byte
	repeatable  bool // to do it twice is to do it once
	// personal: it is about the caller's own session, so what the caller shows goes along.
	personal bool
	// patient: in the background, a limit of the tenant is waited for.
	patient bool
	// cause tells who is to blame for a refusal of what was sent; nil: whoever is in a
	// tenant's directory.
	cause func(refused *upstream.Error, sent http.Header) error
	// values are of a user, and kept out of words that are for the log.
	values []string
}

// An answer is one with a 2xx status.
type answer struct {
	header http.Header
	body   []byte
}

// do makes the call. Every failure is an [*upstream.Error].
func (p *Provider) do(ctx context.Context, c call) (answer, error) {
	for {
		a, err := p.once(ctx, c)
		if !c.patient || upstream.Status(err) != http.StatusTooManyRequests || !upstream.IsBackground(ctx) {
			return a, err
		}
		if !waitFor(ctx, max(upstream.RetryAfter(err), time.Second)) {
			return a, err
		}
	}
}

// refuse returns the refusal of a call that nobody makes, since its end is known.
func refuse(ctx context.Context, method, route string, reason error, words string) error {
	if err := stopped(ctx, method+" "+route); err != nil {
		return err
	}
	return providers.Refuse(method+" "+route, reason, words)
}

// stopped returns the error of a call that is not made since ctx is done, else nil.
func stopped(ctx context.Context, route string) error {
	if ctx.Err() == nil {
		return nil
	}
	return &upstream.Error{Service: providers.Service, Route: route, Err: context.Cause(ctx), NotDone: true}
}

// waitFor waits for d, and reports whether there is time for another call then.
func waitFor(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	return upstream.Wait(ctx, d) == nil
}

// once makes the call, with such tries as the transport makes.
func (p *Provider) once(ctx context.Context, c call) (answer, error) {
	route := c.method + " " + c.route
	if err := stopped(ctx, route); err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := p.request(ctx, c)
	if err != nil {
		return answer{}, &upstream.Error{Service: providers.Service, Route: route, Err: err, NotDone: true}
	}
	res, err := p.transport.RoundTrip(req)
	if err != nil {
		return answer{}, upstream.Unanswered(providers.Service, route, err)
	}
	defer res.Body.Close()
	body, err := upstream.ReadAnswer(ctx, res.Body, maxAnswer)
	switch {
	case err != nil:
		return answer{}, upstream.Unanswered(providers.Service, route, err)
	case res.StatusCode < 200 || res.StatusCode > 299:
		return answer{}, refused(c, req, res, body)
	}
	return answer{res.Header, body}, nil
}

// refused returns the error of an answer that is not 2xx.
func refused(c call, req *http.Request, res *http.Response, body []byte) error {
	err := management.Refusal(c.method+" "+c.route, res.StatusCode, body)
	failed, ok := errors.AsType[*upstream.Error](err)
	if !ok {
		return err
	}
	failed.RetryAfter = upstream.ParseRetryAfter(res.Header.Get("Retry-After"), time.Now())
	if c.cause != nil {
		failed.Err = c.cause(failed, req.Header)
	}
	if errors.Is(failed, providers.ErrMisconfigured) {
		failed.Message = management.Mask(failed.Message, c.values...)
	}
	return failed
}

func (p *Provider) request(ctx context.Context, c call) (*http.Request, error) {
	target := p.base.String() + c.route
	if c.path != "" {
		target = p.base.String() + c.path
	}
	if len(c.query) > 0 {
		target += "?" + c.query.Encode()
	}
	if c.repeatable {
		ctx = upstream.Repeatable(ctx)
	}
	var body io.Reader
	if c.body != nil {
		body = bytes.NewReader(c.body)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, target, body)
	if err != nil {
		return nil, err
	}
	forward(req.Header, upstream.CallerFrom(ctx), c)
	if c.contentType != "" {
		req.Header.Set("Content-Type", c.contentType)
	}
	upstream.Once(req.Header)
	return req, nil
}

// decode reads the JSON of an answer, in which numbers stay as they are written.
func decode(body []byte, to any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(to); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the value")
	}
	return nil
}

// unusable returns the error of a call whose answer is a success, and cannot be used.
func unusable(method, route string, err error) error {
	return upstream.Unanswered(providers.Service, method+" "+route, err)
}
