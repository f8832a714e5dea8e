package crud

import (
	"context"
	"io"
	"net/http"
	"time"
)

// streaming is a transport for answers that are handed on as they come: its timeout
// is for the answer to begin, not for its end.
type streaming struct {
	next    http.RoundTripper
	timeout time.Duration
}

// RoundTrip implements [http.RoundTripper].
func (s streaming) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	late := time.AfterFunc(s.timeout, func() { cancel(context.DeadlineExceeded) })
	res, err := s.next.RoundTrip(req.WithContext(ctx))
	late.Stop()
	if err != nil {
		cancel(nil)
		return nil, err
	}
	res.Body = &streamedBody{res.Body, func() { cancel(nil) }}
	return res, nil
}

// streamedBody ends its request when it is closed.
type streamedBody struct {
	io.ReadCloser
	end func()
}

// Close implements [io.Closer].
func (b *streamedBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
