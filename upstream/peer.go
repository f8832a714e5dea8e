package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxAnswer bounds what a [Peer] reads of one answer.
const maxAnswer = 1 << 20

// A Peer is an upstream that takes small pieces of JSON and gives them back. It is safe for
// use by several goroutines.
type Peer struct {
	Service   string // its name in errors
	Base      string // its address, without a slash at the end
	Transport http.RoundTripper
	Timeout   time.Duration // of one call
	// Reason returns why a call was refused, in the words of the answer's body; "": it has
	// none.
	Reason func(body []byte) string
}

// A Request is one call of a [Peer].
type Request struct {
	Method string
	Path   string // below the base, escaped
	Route  string // the pattern of the path, for error messages; "": the path
	Body   any    // sent as JSON; nil: there is none
}

// Name is how the call is named in errors: "POST /schedule".
func (r Request) Name() string {
	if r.Route == "" {
		return r.Method + " " + r.Path
	}
	return r.Method + " " + r.Route
}

// Do makes a call, with the headers of the caller in ctx, and returns the body of a 2xx
// answer, whatever its type. Every failure is an [*Error].
func (p *Peer) Do(ctx context.Context, r Request) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, &Error{Service: p.Service, Route: r.Name(), Err: context.Cause(ctx), NotDone: true}
	}
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	req, err := p.request(ctx, r)
	if err != nil {
		return nil, p.Impossible(r, fmt.Errorf("the request cannot be made: %w", err))
	}
	res, err := p.Transport.RoundTrip(req)
	if err != nil {
		return nil, Unanswered(p.Service, r.Name(), err)
	}
	defer res.Body.Close()
	body, err := ReadAnswer(ctx, res.Body, maxAnswer)
	switch {
	case err != nil:
		return nil, Unanswered(p.Service, r.Name(), err)
	case res.StatusCode < 200 || res.StatusCode > 299:
		return nil, p.refused(r, res, body)
	}
	return body, nil
}

// Impossible is the error of a call that is not made, for what is wrong with it: the peer
// would refuse it for good.
func (p *Peer) Impossible(r Request, reason error) error {
	return &Error{Service: p.Service, Route: r.Name(), Status: http.StatusBadRequest, Message: reason.Error(), Err: reason, NotDone: true}
}

// Unusable is the error of a success that does not say what it has to.
func (p *Peer) Unusable(r Request, reason error) error {
	return Unanswered(p.Service, r.Name(), fmt.Errorf("%w: %w", ErrAnswer, reason))
}

func (p *Peer) request(ctx context.Context, r Request) (*http.Request, error) {
	var body io.Reader
	if r.Body != nil {
		encoded, err := json.Marshal(r.Body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, p.Base+r.Path, body)
	if err != nil {
		return nil, err
	}
	for name, values := range CallerFrom(ctx).Header {
		req.Header[name] = values
	}
	req.Header.Del("Accept-Encoding") // answers are read as they are
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	Once(req.Header)
	return req, nil
}

func (p *Peer) refused(r Request, res *http.Response, body []byte) *Error {
	err := &Error{
		Service:    p.Service,
		Route:      r.Name(),
		Status:     res.StatusCode,
		Message:    p.Reason(body),
		RetryAfter: ParseRetryAfter(res.Header.Get("Retry-After"), time.Now()),
	}
	if err.Message != "" {
		err.Err = errors.New(err.Message)
	}
	return err
}

// ReadAnswer reads the whole body of an answer to a call with the given context, at most so
// many bytes. One that breaks off or is larger is an [ErrAnswer], unless ctx is done.
func ReadAnswer(ctx context.Context, from io.Reader, most int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, most+1))
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("read answer: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%w: it breaks off: %w", ErrAnswer, err)
	case int64(len(body)) > most:
		return nil, fmt.Errorf("%w: it is larger than %d bytes", ErrAnswer, most)
	}
	return body, nil
}
