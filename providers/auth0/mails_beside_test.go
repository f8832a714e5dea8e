package auth0

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/secret"
	"user-manager/upstream"
)

// A far tenant is some way off, and its clock is not ours.
type far struct {
	tenant  http.RoundTripper
	latency time.Duration // there and back
	ahead   time.Duration
}

// RoundTrip implements [http.RoundTripper].
func (f far) RoundTrip(req *http.Request) (*http.Response, error) {
	if f.latency > 0 {
		time.Sleep(f.latency / 2)
	}
	res, err := f.tenant.RoundTrip(req)
	if f.latency > 0 {
		time.Sleep(f.latency / 2)
	}
	if err != nil {
		return nil, err
	}
	res.Header.Set("Date", time.Now().Add(f.ahead).UTC().Format(http.TimeFormat))
	if reset, err := strconv.ParseInt(res.Header.Get("X-Ratelimit-Reset"), 10, 64); err == nil {
		res.Header.Set("X-Ratelimit-Reset", strconv.FormatInt(reset+int64(f.ahead/time.Second), 10))
	}
	return res, nil
}

// TestMailsBesideLogins: whatever a tenant does with its limits, and however many use it,
// people log in at once beside jobs that send mails as fast as they may.
func TestMailsBesideLogins(t *testing.T) {
	tenancies := map[string]struct {
		copies  int // of the service, each with a job
		others  int // calls in a minute by somebody else
		rates   []int
		latency time.Duration
		ahead   time.Duration
		most    time.Duration // for 400 mails in all
	}{
		"near":                 {copies: 1, rates: []int{3, 10, 1000}, most: 100 * time.Second},
		"far":                  {copies: 1, rates: []int{1000}, latency: 300 * time.Millisecond, most: 100 * time.Second},
		"a clock ahead":        {copies: 1, rates: []int{10}, latency: 40 * time.Millisecond, ahead: 17 * time.Minute, most: 100 * time.Second},
		"a clock behind":       {copies: 1, rates: []int{1000}, latency: 40 * time.Millisecond, ahead: -9 * time.Second, most: 100 * time.Second},
		"another service":      {copies: 1, others: 60, rates: []int{5}, latency: 40 * time.Millisecond, most: 150 * time.Second},
		"two copies":           {copies: 2, rates: []int{10}, latency: 40 * time.Millisecond, most: 100 * time.Second},
		"two, another service": {copies: 2, others: 60, rates: []int{1000}, latency: 40 * time.Millisecond, most: 150 * time.Second},
	}
	fillings := map[string]func(*auth0test.Limits){
		"windows from the first call":          func(*auth0test.Limits) {},
		"windows of the clock":                 func(l *auth0test.Limits) { l.ByTheClock = true },
		"one by one":                           func(l *auth0test.Limits) { l.Continuous = true },
		"one by one, reset when there is more": func(l *auth0test.Limits) { l.Continuous, l.ResetsWhenMore = true, true },
	}
	for fillingName, fill := range fillings {
		limits := auth0test.Free()
		fill(&limits)
		for tenancyName, test := range tenancies {
			if testing.Short() && tenancyName != "far" && tenancyName != "two, another service" {
				continue // the race detector sees the same in all
			}
			for _, rate := range test.rates {
				t.Run(fmt.Sprintf("%s/%s/%d a second", fillingName, tenancyName, rate), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						tenant := auth0test.New(auth0test.Config{Limits: limits})
						base := far{tenant: crud.InProcess(tenant), latency: test.latency, ahead: test.ahead}
						b := besides{copies: test.copies, others: test.others, rate: rate, mails: 400 / test.copies}
						took, slowest := b.run(t, base)
						mails := tenant.Mails()
						slices.Sort(mails)
						if n := len(mails); n != 400 || len(slices.Compact(mails)) != n {
							t.Errorf("%d mails, want one each to 400", n)
						}
						if slowest > 3*time.Second {
							t.Errorf("a login waited for %v", slowest)
						}
						if most := max(test.most, time.Duration(b.mails/rate)*time.Second*11/10); took > most {
							t.Errorf("it took %v, want %v at most", took, most)
						}
					})
				})
			}
		}
	}
}

// besides are copies of the service that send mails while people log in at each.
type besides struct {
	copies, others, rate, mails int
}

// run returns how long all mails took, and the slowest login.
func (b besides) run(t *testing.T, base http.RoundTripper) (took, slowest time.Duration) {
	t.Helper()
	var copies []*Provider
	for range b.copies {
		copies = append(copies, open(t, base, nil))
	}
	ids := people(t, copies[0], b.mails*b.copies)
	for i := range 5 {
		who := providers.NewAccount{Key: strings.Repeat(strconv.Itoa(i), 24) + "a", Email: fmt.Sprintf("ada%d@example.com", i), Password: secret.New(password)}
		if _, err := copies[0].Create(t.Context(), who); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(3 * time.Second) // the import's looks are over
	done, stop := context.WithCancel(t.Context())
	var beside sync.WaitGroup
	if b.others > 0 {
		beside.Go(func() { callNow(t, done, base, time.Minute/time.Duration(b.others)) })
	}
	slow := make([]time.Duration, b.copies)
	for i, p := range copies {
		beside.Go(func() { slow[i] = logInNow(t, done, p, time.Duration(2*b.copies)*time.Second) })
	}
	began := time.Now()
	var jobs sync.WaitGroup
	for i, p := range copies {
		jobs.Go(func() { mailNow(t, p, ids[i*b.mails:(i+1)*b.mails], b.rate) })
	}
	jobs.Wait()
	took = time.Since(began)
	stop()
	beside.Wait()
	return took, slices.Max(slow)
}

// callNow is somebody else who uses the tenant.
func callNow(t *testing.T, ctx context.Context, tenant http.RoundTripper, every time.Duration) {
	for upstream.Wait(ctx, every) == nil {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://tenant.test/userinfo", nil)
		if err != nil {
			t.Error(err)
			return
		}
		res, err := tenant.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return
		}
		res.Body.Close()
	}
}

// logInNow has people log in until ctx is done, and returns how long the slowest waited.
func logInNow(t *testing.T, ctx context.Context, p *Provider, every time.Duration) (slowest time.Duration) {
	for i := 0; upstream.Wait(ctx, every) == nil; i++ {
		began := time.Now()
		patient, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if _, err := p.Login(patient, fmt.Sprintf("ada%d@example.com", i%5), secret.New(password)); err != nil {
			t.Errorf("Login: %v", err)
		}
		cancel()
		slowest = max(slowest, time.Since(began))
	}
	return slowest
}

// mailNow sends a mail to each, at the rate.
func mailNow(t *testing.T, p *Provider, ids []string, rate int) {
	ctx := upstream.InBackground(t.Context())
	var group sync.WaitGroup
	work := make(chan string)
	for range 20 {
		group.Go(func() {
			for id := range work {
				if err := p.ChangePassword(ctx, id); err != nil {
					t.Errorf("ChangePassword: %v", err)
				}
			}
		})
	}
	for _, id := range ids {
		work <- id
		time.Sleep(time.Second / time.Duration(rate))
	}
	close(work)
	group.Wait()
}
