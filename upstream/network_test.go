package upstream_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/internal/logtest"
	"user-manager/upstream"
)

// A try is what a scripted upstream makes of one request.
type try struct {
	status     int // 0: err
	err        error
	retryAfter string
	takes      time.Duration // unless the context is done before
}

var (
	errReset  = errors.New("connection reset")
	errDial   = dialError{}
	ok200     = try{status: 200}
	reset     = try{err: errReset}
	unsent    = try{err: errDial}
	lateReset = try{err: errReset, takes: 20 * time.Second}
)

// dialError is that of a connection that could not be made.
type dialError struct{}

func (dialError) Error() string        { return "connection refused" }
func (dialError) Is(target error) bool { return target == upstream.ErrNotSent }

func answered(status int) try { return try{status: status} }

// scripted is an upstream that follows a script, whose last try is repeated.
type scripted struct {
	mu     sync.Mutex // guards all
	script []try
	bodies []string
	open   int // bodies of answers that are not closed
}

func (s *scripted) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := ""
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.Body.Close()
		sent = string(body)
	}
	s.mu.Lock()
	next := s.script[min(len(s.bodies), len(s.script)-1)]
	s.bodies = append(s.bodies, sent)
	s.mu.Unlock()
	if next.takes > 0 {
		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-time.After(next.takes):
		}
	}
	if next.err != nil {
		return nil, next.err
	}
	s.opened(1)
	res := &http.Response{StatusCode: next.status, Header: http.Header{}, Request: req, Body: &scriptedBody{strings.NewReader("{}"), s}}
	if next.retryAfter != "" {
		res.Header.Set("Retry-After", next.retryAfter)
	}
	return res, nil
}

func (s *scripted) opened(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += n
}

func (s *scripted) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bodies)
}

type scriptedBody struct {
	io.Reader
	of *scripted
}

func (b *scriptedBody) Close() error {
	b.of.opened(-1)
	return nil
}

const within = 10 * time.Second

func network(t *testing.T, base http.RoundTripper) *upstream.Network {
	return upstream.NewNetwork(upstream.NetworkConfig{Service: "CRUD", Timeout: within, Log: logtest.Logger(t), Base: base})
}

// request returns one that is marked if its method is followed by a star.
func request(ctx context.Context, t *testing.T, method string) *http.Request {
	t.Helper()
	method, marked := strings.CutSuffix(method, "*")
	var body io.Reader
	if method != "GET" && method != "HEAD" {
		body = strings.NewReader(`{"a":1}`)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://crud/users/", body)
	if err != nil {
		t.Fatal(err)
	}
	if marked {
		req = req.WithContext(upstream.Repeatable(req.Context()))
	}
	return req
}

// TestThrottlingIsLeft: a caller that knows its upstream's limits gets the 429 at once.
func TestThrottlingIsLeft(t *testing.T) {
	t.Parallel()
	s := &scripted{script: []try{answered(429), ok200}}
	n := upstream.NewNetwork(upstream.NetworkConfig{Service: "CRUD", Timeout: within, Log: logtest.Logger(t), LeaveThrottling: true, Base: s})
	res, err := n.RoundTrip(request(t.Context(), t, "GET"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusTooManyRequests || s.calls() != 1 {
		t.Errorf("status %d after %d tries, want 429 after 1", res.StatusCode, s.calls())
	}
}

func TestWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		method string
		script []try
		tries  int
		status int   // of the outcome; 0: an error
		err    error // in its chain; nil: any
		unsent bool  // and nothing was surely done
	}{
		"an answer":                               {"GET", []try{ok200}, 1, 200, nil, false},
		"a read that was reset":                   {"GET", []try{reset, ok200}, 2, 200, nil, false},
		"a head that was reset":                   {"HEAD", []try{reset, ok200}, 2, 200, nil, false},
		"a read that is reset each time":          {"GET", []try{reset}, 3, 0, errReset, false},
		"a read answered 408":                     {"GET", []try{answered(408), ok200}, 2, 200, nil, false},
		"a read answered 502":                     {"GET", []try{answered(502), ok200}, 2, 200, nil, false},
		"a read answered 503":                     {"GET", []try{answered(503), ok200}, 2, 200, nil, false},
		"a read answered 504":                     {"GET", []try{answered(504), ok200}, 2, 200, nil, false},
		"a read answered 503 each time":           {"GET", []try{answered(503)}, 3, 503, nil, false},
		"a read answered 500":                     {"GET", []try{answered(500), ok200}, 1, 500, nil, false},
		"a read answered 400":                     {"GET", []try{answered(400), ok200}, 1, 400, nil, false},
		"a read answered 507":                     {"GET", []try{answered(507), ok200}, 1, 507, nil, false},
		"a write that was reset":                  {"POST", []try{reset, ok200}, 1, 0, errReset, false},
		"a write answered 408":                    {"POST", []try{answered(408), ok200}, 1, 408, nil, false},
		"a write answered 502":                    {"PATCH", []try{answered(502), ok200}, 1, 502, nil, false},
		"a write answered 503":                    {"DELETE", []try{answered(503), ok200}, 1, 503, nil, false},
		"a write answered 504":                    {"POST", []try{answered(504), ok200}, 1, 504, nil, false},
		"a write that was not sent":               {"POST", []try{unsent, ok200}, 2, 200, nil, false},
		"a write that is not sent each time":      {"POST", []try{unsent}, 3, 0, errDial, true},
		"a write answered 429":                    {"POST", []try{answered(429), ok200}, 2, 200, nil, false},
		"a write answered 429 each time":          {"POST", []try{answered(429)}, 3, 429, nil, false},
		"a write that was not sent, then reset":   {"POST", []try{unsent, reset, ok200}, 2, 0, errReset, false},
		"a marked write that was reset":           {"PATCH*", []try{reset, ok200}, 2, 200, nil, false},
		"a marked write answered 408":             {"PATCH*", []try{answered(408), ok200}, 2, 200, nil, false},
		"a marked write answered 502":             {"DELETE*", []try{answered(502), ok200}, 2, 200, nil, false},
		"a marked write answered 503":             {"PATCH*", []try{answered(503), answered(503), ok200}, 3, 200, nil, false},
		"a marked write that may be under way":    {"PATCH*", []try{answered(504), ok200}, 1, 504, nil, false},
		"a marked write answered 500":             {"PATCH*", []try{answered(500), ok200}, 1, 500, nil, false},
		"a marked write not sent after a reset":   {"PATCH*", []try{reset, unsent}, 3, 0, nil, false},
		"a marked write answered 429 after a 503": {"PATCH*", []try{answered(503), answered(429)}, 3, 0, nil, false},
		"a marked write that was never sent":      {"PATCH*", []try{unsent}, 3, 0, errDial, true},
		"a read not sent after a reset":           {"GET", []try{reset, unsent}, 3, 0, errDial, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{script: test.script}
				start := time.Now()
				res, err := network(t, s).RoundTrip(request(t.Context(), t, test.method))
				status := 0
				if err == nil {
					status = res.StatusCode
					res.Body.Close()
				}
				if status != test.status || test.err != nil && !errors.Is(err, test.err) || errors.Is(err, upstream.ErrNotSent) != test.unsent {
					t.Errorf("outcome: status %d, error %v; want %d, %v, not sent %v", status, err, test.status, test.err, test.unsent)
				}
				if len(s.bodies) != test.tries {
					t.Errorf("%d tries, want %d", len(s.bodies), test.tries)
				}
				for i, body := range s.bodies {
					if body != s.bodies[0] {
						t.Errorf("try %d sent %q, the first %q", i+1, body, s.bodies[0])
					}
				}
				if s.open != 0 {
					t.Errorf("%d answers are not closed", s.open)
				}
				if took := time.Since(start); took > 600*time.Millisecond {
					t.Errorf("it took %v, want pauses of at most 200 and 400 ms", took)
				}
			})
		})
	}
}

func TestPauseThatTheUpstreamAsksFor(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		ask      string
		deadline time.Duration // of the context; 0: none
		tries    int
		least    time.Duration
		most     time.Duration
	}{
		"none":                         {"0", 0, 3, 0, 600 * time.Millisecond},
		"two seconds":                  {"2", 0, 3, 4 * time.Second, 4 * time.Second},
		"more than is waited for":      {"6", 0, 1, 0, 0},
		"more than there is time":      {"3", 2 * time.Second, 1, 0, 0},
		"more than time for the third": {"3", 5 * time.Second, 2, 3 * time.Second, 3 * time.Second},
		"the longest, twice":           {"5", 0, 2, 5 * time.Second, 5 * time.Second}, // 10 seconds are all there are
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if test.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.deadline)
					defer cancel()
				}
				s := &scripted{script: []try{{status: 429, retryAfter: test.ask}}}
				start := time.Now()
				res, err := network(t, s).RoundTrip(request(ctx, t, "POST"))
				if err != nil || res.StatusCode != 429 || res.Header.Get("Retry-After") != test.ask {
					t.Errorf("outcome: %v, %v; want the last answer", res, err)
				}
				if took := time.Since(start); len(s.bodies) != test.tries || took < test.least || took > test.most {
					t.Errorf("%d tries in %v, want %d in %v to %v", len(s.bodies), took, test.tries, test.least, test.most)
				}
			})
		})
	}
}

// TestCallerThatGoesAwayWhileWaiting: its call is not tried again.
func TestCallerThatGoesAwayWhileWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		s := &scripted{script: []try{{status: 503, retryAfter: "3"}}}
		_, err := network(t, s).RoundTrip(request(ctx, t, "GET"))
		if !errors.Is(err, context.Canceled) || s.calls() != 1 || s.open != 0 {
			t.Errorf("error %v after %d tries, %d answers not closed; want %v after 1", err, s.calls(), s.open, context.Canceled)
		}
	})
}

// TestBodyThatCannotBeSentAgain: there is one try.
func TestBodyThatCannotBeSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{script: []try{unsent, ok200}}
		req := request(t.Context(), t, "POST")
		req.GetBody = nil
		if _, err := network(t, s).RoundTrip(req); !errors.Is(err, errDial) || s.calls() != 1 {
			t.Errorf("error %v after %d tries, want %v after 1", err, s.calls(), errDial)
		}
	})
}
