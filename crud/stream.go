package crud

import (
	"context"
	"io"
	"net/http"
	"time"
)

// streaming is a transport for answers that are handed on as they come: its timeout
// is for the answer to begin, and for each of its pieces, not for all of it. How long a
// slow reader takes does not count.
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
	res.Body = &streamedBody{body: res.Body, late: late, timeout: s.timeout, end: func() { cancel(nil) }}
	return res, nil
}

// streamedBody ends its request when it is closed, or when the store stands still.
type streamedBody struct {
	body    io.ReadCloser
	late    *time.Timer // ends the request
	timeout time.Duration
	end     func()
}

// Read implements [io.Reader].
func (b *streamedBody) Read(p []byte) (int, error) {
	b.late.Reset(b.timeout)
	defer b.late.Stop()
	return b.body.Read(p)
}

// Close implements [io.Closer].
func (b *streamedBody) Close() error {
	b.late.Stop()
	defer b.end()
	return b.body.Close()
}
