package auth0

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/upstream"
)

// TestAbsurdHeaders: whatever a 429 says of limits, all calls get through when there is room
// again, and those after them are not held up for long.
func TestAbsurdHeaders(t *testing.T) {
	headers := map[string]http.Header{
		"nothing":              {},
		"reset long ago":       {"X-Ratelimit-Limit": {"300"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"12"}},
		"reset in 100 years":   {"X-Ratelimit-Limit": {"300"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"4102444800"}},
		"reset beyond time":    {"X-Ratelimit-Limit": {"300"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"9223372036854775807"}},
		"reset below time":     {"X-Ratelimit-Limit": {"300"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"-9223372036854775808"}},
		"of one, in 100 years": {"X-Ratelimit-Limit": {"10"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"4102444800"}},
		"limit 0":              {"X-Ratelimit-Limit": {"0"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"946684900"}},
		"less than none left":  {"X-Ratelimit-Limit": {"300"}, "X-Ratelimit-Remaining": {"-1"}, "X-Ratelimit-Reset": {"946684900"}},
		"more left than fit":   {"X-Ratelimit-Limit": {"300"}, "X-Ratelimit-Remaining": {"400"}, "X-Ratelimit-Reset": {"946684900"}},
		"wait for ever":        {"Retry-After": {"99999999999999999999"}},
	}
	for name, h := range headers {
		for k, kindName := range map[kind]string{manages: "management", authenticates: "authentication", mails: "mails"} {
			t.Run(name+"/"+kindName, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tr, began := limited(t, nil), time.Now()
					tr.next = roundTrip(func(req *http.Request) (*http.Response, error) {
						if time.Since(began) > 20*time.Second {
							return says(200, "", "")(req)
						}
						res, err := says(429, "", "")(req)
						res.Header = h.Clone()
						return res, err
					})
					if took := callAll(t, tr, k, background, 100, 20); took > 11*time.Minute {
						t.Errorf("100 calls took %v", took)
					}
					if took := callAll(t, tr, k, ordinary, 10, 5); took > time.Second {
						t.Errorf("ten calls after them took %v", took)
					}
					tr.limiter.wantIdle(t)
				})
			})
		}
	}
}

// TestLookFails: a job's calls do not wait for a look that cannot be had, nor go by one that
// tells of something else.
func TestLookFails(t *testing.T) {
	tests := map[string]roundTrip{
		"not sent":         func(*http.Request) (*http.Response, error) { return nil, upstream.ErrNotSent },
		"no answer":        func(*http.Request) (*http.Response, error) { return nil, upstream.ErrAnswer },
		"it panics":        func(*http.Request) (*http.Response, error) { panic("a look") },
		"refused":          says(429, "", ""),
		"tells nothing":    says(401, "", ""),
		"tells of another": tells(401, 1000, 999, time.Second),
		"tells of a user":  tells(401, 10, 9, time.Second),
	}
	for name, look := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &plan{limit: 300, window: time.Minute}
				tr := limited(t, nil)
				tr.next = roundTrip(func(req *http.Request) (*http.Response, error) {
					if strings.HasSuffix(req.URL.Path, "/userinfo") {
						return look(req)
					}
					res, err := p.RoundTrip(req)
					if res.StatusCode == http.StatusOK { // as of a limit of its own
						res.Header.Set("X-Ratelimit-Limit", "10")
					}
					return res, err
				})
				if took := callAll(t, tr, mails, background, 1000, 20); took > 5*time.Minute || p.refused > 50 {
					t.Errorf("1000 mails took %v, with %d refusals", took, p.refused)
				}
				tr.limiter.wantIdle(t)
			})
		})
	}
}

// tells returns an answer that tells of a limit.
func tells(status, limit, left int, resetIn time.Duration) roundTrip {
	return func(req *http.Request) (*http.Response, error) {
		res, err := says(status, "", "")(req)
		res.Header = http.Header{
			"X-Ratelimit-Limit": {strconv.Itoa(limit)}, "X-Ratelimit-Remaining": {strconv.Itoa(left)},
			"X-Ratelimit-Reset": {fmt.Sprint(time.Now().Add(resetIn).Unix())},
		}
		return res, err
	}
}
