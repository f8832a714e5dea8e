package auth0test_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"user-manager/providers/auth0/auth0test"
)

// refills are the times that one more call takes in the recorded tenant, by the start of
// the path: from the limits in the recordings and the seconds until they were full again.
var refills = []struct {
	path  string
	limit int
	every time.Duration
}{
	{"/api/v2/", 50, time.Second},
	{"/userinfo", 10, 12 * time.Second},
	{"/userinfo", 1000, time.Second}, // nobody knows whose token it is
	{"/dbconnections/change_password", 10, time.Minute},
	{"/dbconnections/signup", 50, 1200 * time.Millisecond},
	{"/oauth/token", 100, 864 * time.Second},
}

// limits compares what an answer says of the limits. Where the recorder has dropped the
// headers nothing is known of them; where it kept those of other answers there were none.
func (m *matcher) limits(st step, got http.Header) {
	want := st.Response.Headers["x-ratelimit-limit"]
	if want == "" {
		if m.r.keepsLimits && got.Get("X-Ratelimit-Limit") != "" {
			m.differ("x-ratelimit-limit: want none, got %q", got.Get("X-Ratelimit-Limit"))
		}
		return
	}
	if got.Get("X-Ratelimit-Limit") != want {
		m.differ("x-ratelimit-limit: want %s, got %q", want, got.Get("X-Ratelimit-Limit"))
		return
	}
	for _, b := range refills {
		if strings.HasPrefix(st.Request.Path, b.path) && want == strconv.Itoa(b.limit) {
			m.remaining(b.limit, b.every, got)
			return
		}
	}
	m.differ("x-ratelimit-limit: no such limit is known")
}

// remaining looks at what is left in a bucket, and whether it is full again in time.
func (m *matcher) remaining(limit int, every time.Duration, got http.Header) {
	left, err := strconv.Atoi(got.Get("X-Ratelimit-Remaining"))
	if err != nil || left < 0 || left >= limit {
		m.differ("x-ratelimit-remaining: want 0 to %d, got %q", limit-1, got.Get("X-Ratelimit-Remaining"))
		return
	}
	reset, err := strconv.ParseInt(got.Get("X-Ratelimit-Reset"), 10, 64)
	in := time.Until(time.Unix(reset, 0))
	if full := time.Duration(limit-left) * every; err != nil || in < 0 || in > full+2*time.Second {
		m.differ("x-ratelimit-reset: want to be full again in %v, got %q, in %v", full, got.Get("X-Ratelimit-Reset"), in)
	}
}

// The bucket of logins is full again when every failed one has come back. The recorded
// tenant said so in the course of several recordings.
func TestLoginsUntilTheBucketIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplayer(t, recording{})
		for failed := 1; failed <= 3; failed++ {
			got := r.do(nobodysLogin()).header
			reset, err := strconv.ParseInt(got.Get("X-Ratelimit-Reset"), 10, 64)
			if in := time.Until(time.Unix(reset, 0)); err != nil || got.Get("X-Ratelimit-Remaining") != strconv.Itoa(100-failed) || in != time.Duration(failed)*864*time.Second {
				t.Errorf("after %d: %s left, full again in %v, %v", failed, got.Get("X-Ratelimit-Remaining"), in, err)
			}
		}
	})
}

// What an answer says of limits is about one tenant and one call.
func TestLimitsOfOneTenantAreNotAnothers(t *testing.T) {
	limited, free := newReplayer(t, recording{}), &replayer{t: t, tenant: auth0test.New(auth0test.Config{})}
	var g errgroup.Group
	for range 4 {
		g.Go(func() error { limited.do(nobodysLogin()); return nil })
		g.Go(func() error {
			if limit := free.do(nobodysLogin()).header.Get("X-Ratelimit-Limit"); limit != "" {
				t.Errorf("a tenant without limits says %s", limit)
			}
			return nil
		})
	}
	g.Wait() // always nil
}

// nobodysLogin is a login that fails.
func nobodysLogin() *http.Request {
	req := httptest.NewRequest("POST", "https://"+domain+"/oauth/token", strings.NewReader(url.Values{
		"grant_type": {"password"}, "client_id": {auth0test.PublicClientID}, "username": {"nobody@example.com"}, "password": {password},
	}.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}
