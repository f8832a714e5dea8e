package auth0

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A filling is how a bucket of a tenant fills.
type filling int

const (
	fromFirst  filling = iota // in whole windows, each from the first call on
	byTheClock                // in whole windows of the clock
	oneByOne
)

// plan is the limit of a tenant that does nothing else. It answers all calls alike.
type plan struct {
	limit   int
	window  time.Duration
	filling filling
	silent  bool          // no headers, not even of a 429
	latency time.Duration // there and back, more or less
	skew    time.Duration // its clock is ahead of ours

	mu      sync.Mutex
	left    float64
	since   time.Time // of the window, or of left
	passed  []string  // paths of the calls that were let through, in order
	refused int
	flying  int
	most    int // calls under way at once
}

// RoundTrip implements [http.RoundTripper].
func (p *plan) RoundTrip(req *http.Request) (*http.Response, error) {
	p.count(1)
	defer p.count(-1)
	p.travel()
	res := p.answer(req)
	p.travel()
	return res, req.Context().Err()
}

func (p *plan) count(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flying += n
	p.most = max(p.most, p.flying)
}

func (p *plan) travel() {
	if p.latency > 0 {
		time.Sleep(p.latency*9/20 + rand.N(p.latency/10))
	}
}

func (p *plan) answer(req *http.Request) *http.Response {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now().Add(p.skew)
	p.fill(now)
	status := http.StatusOK
	if p.left < 1 {
		status = http.StatusTooManyRequests
		p.refused++
	} else {
		p.left--
		p.passed = append(p.passed, req.URL.Path)
	}
	h := http.Header{"Date": {now.UTC().Format(http.TimeFormat)}}
	if !p.silent {
		h.Set("X-Ratelimit-Limit", strconv.Itoa(p.limit))
		h.Set("X-Ratelimit-Remaining", strconv.Itoa(int(p.left)))
		h.Set("X-Ratelimit-Reset", strconv.FormatInt(p.full().Add(time.Second-1).Unix(), 10))
	}
	body := `{"access_token":"token","expires_in":86400}`
	if status != http.StatusOK {
		body = `{"error":"too_many_requests"}`
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: req}
}

func (p *plan) fill(now time.Time) {
	switch {
	case p.since.IsZero():
		p.since, p.left = now, float64(p.limit)
		if p.filling == byTheClock {
			p.since = now.Truncate(p.window)
		}
	case p.filling == oneByOne:
		p.left = min(float64(p.limit), p.left+now.Sub(p.since).Seconds()*float64(p.limit)/p.window.Seconds())
		p.since = now
	case now.Before(p.since.Add(p.window)):
	case p.filling == byTheClock:
		p.since, p.left = now.Truncate(p.window), float64(p.limit)
	default:
		p.since, p.left = now, float64(p.limit)
	}
}

// full returns when the bucket is full again.
func (p *plan) full() time.Time {
	if p.filling == oneByOne {
		return p.since.Add(time.Duration((float64(p.limit) - p.left) / float64(p.limit) * float64(p.window)))
	}
	return p.since.Add(p.window)
}

// allowed returns how long a tenant with the plan takes for n calls at best.
func (p *plan) allowed(n int) time.Duration {
	if p.filling == oneByOne {
		return time.Duration(max(n-p.limit, 0)) * p.window / time.Duration(p.limit)
	}
	return time.Duration((n-1)/p.limit) * p.window
}

// limited returns a transport with its own limiter in front of p.
func limited(t *testing.T, p *plan) *transport {
	t.Helper()
	base, err := parseBase("tenant.test")
	if err != nil {
		t.Fatal(err)
	}
	return &transport{base: base, next: p, timeout: 10 * time.Second, limiter: newLimiter()}
}

// aCall returns the nth call of a lane.
func aCall(k kind, l lane, n int) *request {
	return &request{method: http.MethodGet, path: fmt.Sprintf("/%d/%d", l, n), route: "GET /:n", kind: k, lane: l}
}
