package auth0

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"

	"user-manager/providers"
	"user-manager/upstream"
)

// connections bounds the calls that are under way at once.
const connections = 64

// maxAnswer bounds what is read of an answer. A page of users, or the errors of an import
// job, are far below it.
const maxAnswer = 16 << 20

// A request is a call of the tenant.
type request struct {
	method      string
	path        string // below the base, escaped
	route       string // its pattern, "GET /api/v2/users/:id"
	query       url.Values
	header      http.Header
	contentType string
	body        []byte
	repeatable  bool // to do it twice is to do it once
	kind        kind
	lane        lane
	owner       string             // whose limit it may meet beside the tenant's: a mail's address
	authorize   func() string      // the Authorization header, when it is sent; or nil
	excused     func(*answer) bool // whether a 429 is no limit to wait for; or nil
}

// An answer is what the tenant said.
type answer struct {
	status int
	header http.Header
	body   []byte
	sent   time.Time
	got    time.Time
}

// A transport makes calls: it waits for the tenant's limits, sends, reads the whole answer,
// and sends again what was refused for a limit while the caller's context lives.
type transport struct {
	base    *url.URL
	next    http.RoundTripper
	timeout time.Duration // from sending to the end of the answer
	limiter *limiter
}

// do makes the call. An answer of whatever status is no error; an error is an
// [*upstream.Error].
func (t *transport) do(ctx context.Context, r *request) (*answer, error) {
	if ctx.Err() != nil {
		return nil, &upstream.Error{Service: providers.Service, Route: r.route, NotDone: true, Err: gone(ctx)}
	}
	order := t.limiter.order()
	for try := 1; ; try++ {
		permits, err := t.limiter.admit(ctx, r, order)
		if err != nil {
			return nil, t.limited(ctx, r, t.limiter.estimate(r))
		}
		if permits[0].look || permits[1].look {
			t.look(ctx, permits)
			try--
			continue
		}
		var a *answer
		err = upstream.Protect(func() (err error) { // the permits come back, whatever happens
			a, err = t.send(ctx, r)
			return err
		})
		pause, again := t.limiter.leave(permits, r, a, err, try)
		switch {
		case err != nil:
			return nil, upstream.Unanswered(providers.Service, r.route, err)
		case !again, r.lane == urgent && pause > mostPatience:
			return a, nil
		}
		if upstream.Wait(ctx, min(pause, longestWindow)) != nil {
			return nil, t.limited(ctx, r, pause)
		}
	}
}

// limited returns the error of a call that was over before there was room for it. Nothing
// was done. One whose time ran out may be tried again, after about as long as given.
func (t *transport) limited(ctx context.Context, r *request, after time.Duration) error {
	e := &upstream.Error{Service: providers.Service, Route: r.route, NotDone: true, Err: gone(ctx)}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.Status, e.Message = http.StatusTooManyRequests, "The limits of the tenant left no room in time."
		e.RetryAfter = max(after.Round(time.Second), time.Second)
	}
	return e
}

// gone returns why ctx is done: its cause, and what kind of end that was.
func gone(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, ctx.Err()) {
		return cause
	}
	return fmt.Errorf("%w: %w", ctx.Err(), cause)
}

// send makes one try, with the repetitions that are the network's affair.
func (t *transport) send(ctx context.Context, r *request) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	if r.repeatable {
		ctx = upstream.Repeatable(ctx)
	}
	req, err := t.request(ctx, r)
	if err != nil {
		return nil, err
	}
	a := &answer{sent: time.Now()}
	res, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	a.status, a.header = res.StatusCode, res.Header
	if a.body, err = upstream.ReadAnswer(ctx, res.Body, maxAnswer); err != nil {
		return nil, err
	}
	a.got = time.Now()
	return a, nil
}

func (t *transport) request(ctx context.Context, r *request) (*http.Request, error) {
	target := *t.base
	target.Path, target.RawPath = "", ""
	address := target.String() + t.base.EscapedPath() + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return nil, fmt.Errorf("%w: the request cannot be made: %w", upstream.ErrNotSent, err)
	}
	maps.Copy(req.Header, r.header)
	if r.body != nil {
		req.Header.Set("Content-Type", r.contentType)
	}
	if r.authorize != nil {
		req.Header.Set("Authorization", r.authorize())
	}
	return req, nil
}
