package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// loginsAt is a provider whose logins are answered by the test.
type loginsAt struct {
	providers.Provider
	asked  atomic.Int64
	answer func(username string) error
}

func (p *loginsAt) Login(ctx context.Context, username string, _ secret.Text) (providers.Session, error) {
	p.asked.Add(1)
	if err := upstream.Wait(ctx, time.Second); err != nil {
		return providers.Session{}, err
	}
	return providers.Session{AccessToken: secret.New("a"), RefreshToken: secret.New("r"), ExpireAt: time.Now()}, p.answer(username)
}

// newLogins is a service whose logins are answered by answer after a second.
func newLogins(t *testing.T, env map[string]string, answer func(username string) error) (*harness, *loginsAt) {
	t.Helper()
	at := &loginsAt{answer: answer}
	h := newHarnessWith(t, env, func(p providers.Provider, _ *faults.Plan) providers.Provider {
		at.Provider = p
		return at
	})
	return h, at
}

var errNoSuchLogin = providers.Refuse("POST /oauth/token", providers.ErrUnauthorized, "Wrong email or password.")

// loginFrom logs in from an address; forwarded is for whom that one calls, or "".
func (h *harness) loginFrom(username, peer, forwarded string) reply {
	r := httptest.NewRequestWithContext(h.t.Context(), "POST", "/oauth/token", strings.NewReader(fmt.Sprintf(`{"username":%q,"password":"x"}`, username)))
	r.RemoteAddr = peer + ":1234"
	r.Header.Set("Content-Type", "application/json")
	if forwarded != "" {
		r.Header.Set("X-Forwarded-For", forwarded)
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return reply{w.Code, w.Header(), w.Body.String()}
}

// TestLoginLimit: who has failed too often is refused without the provider, with the words that
// everybody is refused with, until the time that the answer names.
func TestLoginLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, at := newLogins(t, map[string]string{"LOGIN_RATE_LIMIT": "3/1m"}, func(username string) error {
			if username == "ann" {
				return nil
			}
			return errNoSuchLogin
		})
		for _, username := range []string{"joe", " JOE ", "Joe"} {
			if got := h.loginFrom(username, "192.0.2.1", ""); got.status != 401 {
				t.Errorf("login = %d %s", got.status, got.body)
			}
		}
		got := h.loginFrom("joe", "192.0.2.2", "")
		if want := `{"statusCode":429,"error":"Too Many Requests","message":"too many logins have failed; try again later"}`; got.status != 429 || got.body != want || at.asked.Load() != 3 {
			t.Errorf("the fourth login = %d %s, the provider was asked %d times; want %s and 3", got.status, got.body, at.asked.Load(), want)
		}
		if got := h.loginFrom("ann", "192.0.2.1", ""); got.status != 200 {
			t.Errorf("another account = %d %s", got.status, got.body)
		}
		wait, err := strconv.Atoi(got.header.Get("Retry-After"))
		if err != nil || wait < 1 || wait > 20 {
			t.Errorf("Retry-After: %q", got.header.Get("Retry-After"))
		}
		time.Sleep(time.Duration(wait)*time.Second - time.Second) // the login of ann took one
		if got := h.loginFrom("joe", "192.0.2.1", ""); got.status != 401 {
			t.Errorf("after %d seconds login = %d %s", wait, got.status, got.body)
		}
		scraped := h.call("GET", "/-/metrics", "").body
		if !strings.Contains(scraped, `{reason="account_limited"} 1`) {
			t.Errorf("the counts are %s", scraped)
		}
	})
}

// TestLoginLimitOfAddresses: what an untrusted peer says of others makes no difference.
func TestLoginLimitOfAddresses(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		proxies, peer string
		forwarded     func(n int) string
		limited       bool
	}{
		"a peer":                         {"", "203.0.113.9", func(int) string { return "" }, true},
		"a peer that makes up others":    {"", "203.0.113.9", func(n int) string { return fmt.Sprintf("198.51.100.%d", n) }, true},
		"a peer with nonsense":           {"", "203.0.113.9", func(n int) string { return strings.Repeat(",", n) + "%" }, true},
		"one behind loopback":            {"", "127.0.0.1", func(n int) string { return fmt.Sprintf("198.51.100.%d, 203.0.113.9", n) }, true},
		"several behind loopback":        {"", "127.0.0.1", func(n int) string { return fmt.Sprintf("203.0.113.9, 198.51.100.%d", n) }, false},
		"one of an IPv6 network":         {"", "127.0.0.1", func(n int) string { return fmt.Sprintf("2001:db8::%x", n+1) }, true},
		"several IPv6 networks":          {"", "127.0.0.1", func(n int) string { return fmt.Sprintf("2001:db8:0:%x::1", n+1) }, false},
		"an application that says none":  {"", "127.0.0.1", func(int) string { return "" }, false},
		"one behind a trusted proxy":     {"10.0.0.0/8", "10.1.2.3", func(n int) string { return fmt.Sprintf("1.1.1.%d, 203.0.113.9, 10.9.9.9", n) }, true},
		"several behind a trusted proxy": {"10.0.0.0/8", "10.1.2.3", func(n int) string { return fmt.Sprintf("198.51.100.%d", n) }, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, _ := newLogins(t, map[string]string{"LOGIN_RATE_LIMIT": "1/1h", "TRUSTED_PROXIES": test.proxies}, func(string) error { return errNoSuchLogin })
				for n := range 10 {
					if got := h.loginFrom(fmt.Sprint("user", n), test.peer, test.forwarded(n)); got.status != 401 {
						t.Fatalf("login %d = %d %s", n+1, got.status, got.body)
					}
				}
				if got := h.loginFrom("another", test.peer, test.forwarded(10)); (got.status == 429) != test.limited {
					t.Errorf("the eleventh login = %d %s", got.status, got.body)
				}
			})
		})
	}
}

// TestLoginsThatTakeNothing: a provider that does not answer, or has too much to do, and a
// burst of good logins of one account.
func TestLoginsThatTakeNothing(t *testing.T) {
	t.Parallel()
	for what, err := range map[string]error{
		"good":             nil,
		"not reached":      upstream.Unanswered(providers.Service, "POST /oauth/token", upstream.ErrNotSent),
		"too many of them": &upstream.Error{Service: providers.Service, Route: "POST /oauth/token", Status: 429},
		"our own mistake":  providers.Refuse("POST /oauth/token", providers.ErrMisconfigured, "no"),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, at := newLogins(t, map[string]string{"LOGIN_RATE_LIMIT": "5/1h"}, func(string) error { return err })
				var people sync.WaitGroup
				for range 40 {
					people.Go(func() {
						if got := h.loginFrom("ann", "192.0.2.1", ""); got.header.Get("Retry-After") != "" || (got.status == 200) != (err == nil) {
							t.Errorf("login = %d %s", got.status, got.body)
						}
					})
				}
				people.Wait()
				if n := at.asked.Load(); n != 40 {
					t.Errorf("the provider was asked %d times, want 40", n)
				}
			})
		})
	}
}

// TestLoginThatIsGuessedAtOnce: many guesses at once get no further than one after the other.
func TestLoginThatIsGuessedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, at := newLogins(t, map[string]string{"HTTP_MAX_REQUESTS": "400"}, func(string) error { return errNoSuchLogin })
		var statuses [600]atomic.Int64
		var guesses sync.WaitGroup
		for range 200 {
			guesses.Go(func() { statuses[h.loginFrom("ann", "192.0.2.1", "").status].Add(1) })
		}
		guesses.Wait()
		if got := [...]int64{statuses[401].Load(), statuses[429].Load(), at.asked.Load()}; got != [...]int64{10, 190, 10} {
			t.Errorf("401s, 429s and calls of the provider: %v, want 10, 190 and 10", got)
		}
	})
}

// TestLoginThatPanics takes nothing either, and its room is given back.
func TestLoginThatPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _ := newLogins(t, map[string]string{"LOGIN_RATE_LIMIT": "1/1h"}, func(username string) error {
			if username == "joe" {
				panic("the provider's")
			}
			return nil
		})
		for range 2 {
			if got := h.loginFrom("joe", "192.0.2.1", ""); got.status != 500 {
				t.Errorf("login = %d %s", got.status, got.body)
			}
		}
		if limits := h.api.access.logins; len(limits.accounts.byKey)+len(limits.addresses.byKey) != 0 {
			t.Error("a login is under way yet")
		}
	})
}

// TestLoginThatWaitsTooLong: where those under way leave no room in the time of a call, it is
// told to come again.
func TestLoginThatWaitsTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, at := newLogins(t, map[string]string{"LOGIN_RATE_LIMIT": "1/1h", "UPSTREAM_TIMEOUT": "5s"}, func(string) error { return nil })
		underWay, err := h.api.access.logins.begin(t.Context(), "ann", netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		got := h.loginFrom("ann", "192.0.2.1", "")
		if want := `{"statusCode":503,"error":"Service Unavailable","message":"too many logins are under way; try again later"}`; got.status != 503 || got.body != want || got.header.Get("Retry-After") != "1" || time.Since(began) != 5*time.Second {
			t.Errorf("after %v login = %d %s, want %s", time.Since(began), got.status, got.body, want)
		}
		underWay.end(false)
		if got := h.loginFrom("ann", "192.0.2.1", ""); got.status != 200 || at.asked.Load() != 1 {
			t.Errorf("later login = %d %s, and the provider was asked %d times", got.status, got.body, at.asked.Load())
		}
	})
}

// TestLoginsThatWaitLeaveRoom: whoever makes logins wait takes half of the places for requests at
// the most, and what is refused for that counts as refused.
func TestLoginsThatWaitLeaveRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, at := newLogins(t, map[string]string{"LOGIN_RATE_LIMIT": "1/1h", "HTTP_MAX_REQUESTS": "8"}, func(string) error { return nil })
		var statuses [600]atomic.Int64
		var people sync.WaitGroup
		for range 2 {
			for range 8 {
				people.Go(func() { statuses[h.loginFrom("ann", "192.0.2.1", "").status].Add(1) })
			}
			synctest.Wait()
			if got := h.call("GET", "/users/count", ""); got.status != 200 {
				t.Errorf("meanwhile another request = %d %s", got.status, got.body)
			}
			people.Wait()
		}
		if got := [...]int64{statuses[200].Load(), statuses[503].Load(), at.asked.Load()}; got != [...]int64{10, 6, 10} {
			t.Errorf("200s, 503s and calls of the provider: %v, want 10, 6 and 10", got)
		}
		if scraped := h.call("GET", "/-/metrics", "").body; !strings.Contains(scraped, `{reason="overloaded"} 6`) {
			t.Errorf("the counts are %s", scraped)
		}
	})
}
